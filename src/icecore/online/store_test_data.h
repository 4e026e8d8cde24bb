#pragma once
// Views, rows and answers for tests of online stores.

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "icecore/base/time.h"
#include "icecore/online/store.h"
#include "icecore/state/ordered_bytes.h"
#include "icecore/state/parted_engine.h"

namespace icecore::online::testing {

inline constexpr int64_t kHour = base::kMicrosPerHour;
inline constexpr int64_t kDay = base::kMicrosPerDay;
inline constexpr int64_t kStart = 20 * kDay;  // some midnight

struct TestRow {
  std::optional<std::string> key;
  int64_t event_time = 0;
  int64_t known_at = 0;
  int64_t seq = 0;
  std::optional<int64_t> value;
};

inline std::shared_ptr<arrow::Array> Strings(const std::vector<std::optional<std::string>>& texts) {
  arrow::StringBuilder builder;
  for (const auto& text : texts) {
    EXPECT_TRUE((text.has_value() ? builder.Append(*text) : builder.AppendNull()).ok());
  }
  return builder.Finish().ValueOrDie();
}

inline std::shared_ptr<arrow::Int64Array> Ints(const std::vector<std::optional<int64_t>>& numbers) {
  arrow::Int64Builder builder;
  for (const auto& number : numbers) {
    EXPECT_TRUE((number.has_value() ? builder.Append(*number) : builder.AppendNull()).ok());
  }
  return std::static_pointer_cast<arrow::Int64Array>(builder.Finish().ValueOrDie());
}

inline state::PreparedRows Rows(const std::vector<TestRow>& rows) {
  std::vector<std::optional<std::string>> keys;
  std::vector<std::optional<int64_t>> events, knowns, seqs, values;
  for (const TestRow& row : rows) {
    keys.push_back(row.key);
    events.push_back(row.event_time);
    knowns.push_back(row.known_at);
    seqs.push_back(row.seq);
    values.push_back(row.value);
  }
  state::PreparedRows prepared;
  prepared.keys = {Strings(keys)};
  prepared.event_time = Ints(events);
  prepared.known_at = Ints(knowns);
  prepared.seq = Ints(seqs);
  prepared.values = {Ints(values)};
  prepared.num_rows = static_cast<int64_t>(rows.size());
  return prepared;
}

// value (as-of, ttl 6h), count over 1h by 5m, sum over 1d by 1h.
inline StoredView MakeView(const std::string& name, const std::string& fingerprint = "f1",
                           const std::string& entity = "thing", const std::string& cells = "") {
  state::ViewLayout layout;
  layout.value_types = {arrow::int64()};
  layout.ttl_us = 6 * kHour;
  state::FeatureLayout as_of;
  as_of.value = 0;
  state::FeatureLayout count;
  count.kind = state::FeatureLayout::Kind::kWindow;
  count.aggregate.kind = state::AggregateKind::kCount;
  count.length_us = kHour;
  count.hop_us = 5 * base::kMicrosPerMinute;
  state::FeatureLayout sum = count;
  sum.value = 0;
  sum.aggregate.kind = state::AggregateKind::kSum;
  sum.aggregate.input = arrow::int64();
  sum.length_us = kDay;
  sum.hop_us = kHour;
  layout.features = {as_of, count, sum};
  StoredView view;
  view.name = name;
  view.entity = entity;
  view.fingerprint = fingerprint;
  view.cells = cells;
  view.engine = state::ViewEngine::Make(std::move(layout)).ValueOrDie();
  view.key_types = {arrow::utf8()};
  return view;
}

// Of the cells of MakeView: the sum over 12h by 1h alone.
inline StoredView MakeEditedView(const std::string& name, const std::string& fingerprint,
                                 const std::string& cells) {
  StoredView view = MakeView(name, fingerprint, "thing", cells);
  state::ViewLayout layout = view.engine->layout();
  layout.kept = static_cast<int>(layout.features.size());
  layout.features.push_back(layout.features.back());
  layout.features.back().length_us = kDay / 2;
  view.own_cells = false;
  view.engine = state::ViewEngine::Make(std::move(layout)).ValueOrDie();
  return view;
}

inline const std::string kPart = std::string(1, state::kPartMark) + "12345678";

// max over 1d by 1h, of a part; answered or only kept.
inline std::shared_ptr<const state::ViewEngine> MakePart(bool answered) {
  state::ViewLayout layout = MakeView("v").engine->layout();
  layout.features = {layout.features.back()};
  layout.features[0].aggregate.kind = state::AggregateKind::kMax;
  layout.kept = 1;
  if (answered) layout.features.push_back(layout.features[0]);
  return state::ViewEngine::Make(std::move(layout)).ValueOrDie();
}

// The load that adds the part to the cells of MakeView.
inline StoredView MakeAddition(const std::string& fingerprint, const std::string& held,
                               const std::string& cells) {
  StoredView view = MakeView("v", fingerprint, "thing", cells);
  view.extends = held;
  view.own_cells = false;
  view.engine = state::JoinParts(view.engine->layout(), {{kPart, MakePart(false), {}}});
  return view;
}

// The sum of MakeEditedView, then the max of the part.
inline StoredView MakePartedView(const std::string& fingerprint, const std::string& cells) {
  StoredView view = MakeEditedView("v", fingerprint, cells);
  view.engine = state::JoinParts(MakeView("v").engine->layout(),
                                 {{"", view.engine, {0}}, {kPart, MakePart(true), {1}}});
  return view;
}

inline ViewPosition At(int64_t seq, int64_t applied_at, int64_t applied_until,
                       const std::string& fingerprint = "f1", const std::string& cells = "") {
  ViewPosition position;
  position.fingerprint = fingerprint;
  position.cells = cells;
  position.seq = seq;
  position.applied_at = applied_at;
  position.applied_until = applied_until;
  position.table_generation = "t1";
  return position;
}

inline arrow::Status Load(Store* store, const StoredView& view, const std::vector<TestRow>& rows,
                          const ViewPosition& position, bool fresh = false) {
  ARROW_ASSIGN_OR_RAISE(auto load, store->BeginLoad(view, fresh));
  ARROW_RETURN_NOT_OK(load->Add(Rows(rows)));
  return load->Commit(position);
}

// One key's answer of a view of MakeView.
struct Answer {
  std::optional<int64_t> value;
  state::ValueStatus status = state::ValueStatus::kNotFound;
  std::optional<int64_t> event_time;
  int64_t count = 0;
  std::optional<int64_t> sum;
  bool operator==(const Answer&) const = default;
};

inline std::optional<int64_t> IntAt(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) {
    return std::nullopt;
  }
  return static_cast<const arrow::Int64Array&>(array).Value(row);
}

inline Answer AnswerAt(const std::vector<state::VectorSink::Column>& features, int64_t row) {
  const size_t i = static_cast<size_t>(row);
  Answer answer;
  answer.value = IntAt(*features[0].values, row);
  answer.status = features[0].statuses[i];
  answer.event_time = features[0].event_times[i];
  answer.count = IntAt(*features[1].values, row).value_or(-1);
  answer.sum = IntAt(*features[2].values, row);
  return answer;
}

inline Answer AnswerAt(const state::AnswerBlock& features, int64_t row) {
  std::vector<state::VectorSink::Column> columns;
  for (size_t i = 0; i < features.num_features(); ++i) {
    columns.push_back(features.feature(i).ToColumn());
  }
  return AnswerAt(columns, row);
}

inline arrow::Result<std::vector<Answer>> ReadKeys(
    Store* store, const StoredView& view, const std::vector<std::optional<std::string>>& keys,
    int64_t t) {
  ARROW_ASSIGN_OR_RAISE(auto answers, store->Read({ViewRead{&view, {Strings(keys)}}}, t));
  std::vector<Answer> result;
  for (size_t i = 0; i < keys.size(); ++i) {
    result.push_back(AnswerAt(answers[0].features, static_cast<int64_t>(i)));
  }
  return result;
}

inline Answer ReadKey(Store* store, const StoredView& view, const std::optional<std::string>& key,
                      int64_t t) {
  auto answers = ReadKeys(store, view, {key}, t);
  EXPECT_TRUE(answers.ok()) << answers.status();
  return answers.ok() ? (*answers)[0] : Answer{};
}

// One key's answer of a view of MakeEditedView.
inline arrow::Result<std::optional<int64_t>> SumOfEdited(Store* store, const StoredView& view,
                                                         const std::string& key, int64_t t) {
  ARROW_ASSIGN_OR_RAISE(const auto answers, store->Read({ViewRead{&view, {Strings({key})}}}, t));
  EXPECT_EQ(answers[0].features.num_features(), 1u);
  return IntAt(*answers[0].features.feature(0).ToColumn().values, 0);
}

// One key's answer of a view of MakePartedView, as text: the sum and the max.
inline std::string SumAndMax(Store* store, const StoredView& view, const std::string& key,
                             int64_t t) {
  const auto answers = store->Read({ViewRead{&view, {Strings({key})}}}, t);
  if (!answers.ok()) return answers.status().message();
  std::string text;
  for (size_t i = 0; i < 2; ++i) {
    const auto value = IntAt(*(*answers)[0].features.feature(i).ToColumn().values, 0);
    text += (i == 0 ? "" : " ") + (value ? std::to_string(*value) : "null");
  }
  return text;
}

// What the rows of `key` give at t, computed in memory in one go.
inline Answer Expected(const StoredView& view, const std::vector<TestRow>& rows,
                       const std::string& key, int64_t t) {
  auto state = view.engine->NewKey();
  const state::PreparedRows prepared = Rows(rows);
  bool any = false;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].key == key) {
      EXPECT_TRUE(state->Add(prepared, static_cast<int64_t>(i)).ok());
      any = true;
    }
  }
  auto sink = state::VectorSink::Make(view.engine->output_types()).ValueOrDie();
  EXPECT_TRUE((any ? state->Read(t, sink.get()) : view.engine->ReadEmpty(sink.get())).ok());
  return AnswerAt(sink->Finish().ValueOrDie(), 0);
}

// A version of a table with versions.
struct TestVersion {
  std::string table_key;
  std::optional<std::string> key;
  int64_t event_time = 0;
  int64_t known_at = 0;
  int64_t seq = 0;
  std::optional<int64_t> order;
  std::optional<int64_t> value;
  bool live = true;
};

inline state::PreparedRows Versions(const std::vector<TestVersion>& versions) {
  std::vector<TestRow> rows;
  std::vector<std::optional<std::string>> table_keys;
  std::vector<std::optional<int64_t>> orders;
  arrow::BooleanBuilder live;
  for (const TestVersion& version : versions) {
    rows.push_back({version.key, version.event_time, version.known_at, version.seq, version.value});
    table_keys.push_back(version.table_key);
    orders.push_back(version.order);
    EXPECT_TRUE(live.Append(version.live).ok());
  }
  state::PreparedRows prepared = Rows(rows);
  prepared.table_key = state::OrderedBytes({Strings(table_keys)}, prepared.num_rows).ValueOrDie();
  prepared.version_order = state::OrderedBytes({Ints(orders)}, prepared.num_rows).ValueOrDie();
  prepared.live = std::static_pointer_cast<arrow::BooleanArray>(live.Finish().ValueOrDie());
  return prepared;
}

inline arrow::Status LoadVersions(Store* store, const StoredView& view,
                                  const std::vector<TestVersion>& versions,
                                  const ViewPosition& position, bool fresh = false) {
  ARROW_ASSIGN_OR_RAISE(auto load, store->BeginLoad(view, fresh));
  ARROW_RETURN_NOT_OK(load->Add(Versions(versions)));
  return load->Commit(position);
}

// As MakeView, over a table with versions.
inline StoredView MakeVersionedView(const std::string& name,
                                    const std::string& fingerprint = "f1") {
  StoredView view = MakeView(name, fingerprint);
  state::ViewLayout layout = view.engine->layout();
  layout.versioned = true;
  view.engine = state::ViewEngine::Make(std::move(layout)).ValueOrDie();
  return view;
}

}  // namespace icecore::online::testing
