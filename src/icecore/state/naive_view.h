#pragma once
// For tests: what docs/time.md says, computed the slow way, row by row for each question. Values
// are small enough that plain double arithmetic is exact.

#include <arrow/array/array_binary.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/type.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "icecore/base/time.h"
#include "icecore/state/ordered_bytes.h"
#include "icecore/state/quantile_buckets.h"
#include "icecore/state/view_state.h"

namespace icecore::state::naive {

// Value columns: 0 float64, 1 int64, 2 string. Masks: 0, 1.
struct Row {
  std::optional<int64_t> e;
  std::optional<int64_t> a;
  int64_t s = 0;
  std::optional<double> number;
  std::optional<int64_t> integer;
  std::optional<std::string> text;
  std::optional<bool> masks[2];
  int64_t key = 0;  // -1: null
  // Of a table with versions.
  int64_t table_key = 0;
  std::optional<int64_t> order;  // null: below all
  bool deleted = false;
  std::optional<bool> where = true;  // of the view
};

// One element as text that differs where the bits differ.
inline std::string Show(const arrow::Array& array, int64_t i) {
  if (array.IsNull(i)) return "null";
  switch (array.type_id()) {
    case arrow::Type::DOUBLE: {
      const double value = static_cast<const arrow::DoubleArray&>(array).Value(i);
      return std::to_string(std::bit_cast<uint64_t>(value)) + "/" + std::to_string(value);
    }
    case arrow::Type::INT64:
      return std::to_string(static_cast<const arrow::Int64Array&>(array).Value(i));
    case arrow::Type::STRING:
      return static_cast<const arrow::StringArray&>(array).GetString(i);
    case arrow::Type::LIST: {
      const auto part = static_cast<const arrow::ListArray&>(array).value_slice(i);
      std::string text = "[";
      for (int64_t k = 0; k < part->length(); ++k) text += Show(*part, k) + ",";
      return text + "]";
    }
    default:
      return "?";
  }
}

inline std::string Show(double value) {
  return std::to_string(std::bit_cast<uint64_t>(value)) + "/" + std::to_string(value);
}
inline std::string Show(int64_t value) { return std::to_string(value); }
inline std::string Show(const std::string& value) { return value; }

// Known by `known_at_most`, visible at t.
inline bool Visible(const Row& row, const ViewLayout& layout, int64_t t, int64_t known_at_most) {
  if (!row.e || !row.a) return false;
  if (layout.always) return true;
  return (layout.exclude_at ? *row.e < t : *row.e <= t) &&
         std::max(*row.a, *row.e) <= known_at_most;
}

inline bool Passes(const Row& row, int mask) { return mask < 0 || row.masks[mask].value_or(false); }

inline auto OrderOf(const Row& row, const ViewLayout& layout) {
  if (layout.always) return std::tuple(int64_t{0}, int64_t{0}, row.s);
  return std::tuple(*row.e, std::max(*row.a, *row.e), row.s);
}

inline bool Less(double a, double b) {
  return a < b || (a == b && std::signbit(a) && !std::signbit(b));
}
inline bool Less(int64_t a, int64_t b) { return a < b; }
inline bool Less(const std::string& a, const std::string& b) { return a < b; }

// Rows in the window, by order; the values not null and not NaN.
template <typename T>
std::string Aggregate(const AggregateSpec& spec, const std::vector<T>& values) {
  const auto n = static_cast<int64_t>(values.size());
  if (spec.kind == AggregateKind::kCount) return Show(n);
  if (spec.kind == AggregateKind::kCountDistinct) {
    std::set<T> distinct;
    for (T value : values) distinct.insert(value == T{} ? T{} : value);
    return Show(static_cast<int64_t>(distinct.size()));
  }
  if (n == 0) return "null";
  auto less = [](const T& a, const T& b) { return Less(a, b); };
  switch (spec.kind) {
    case AggregateKind::kMin:
      return Show(*std::min_element(values.begin(), values.end(), less));
    case AggregateKind::kMax:
      return Show(*std::max_element(values.begin(), values.end(), less));
    case AggregateKind::kFirst:
      return Show(values.front());
    case AggregateKind::kLast:
      return Show(values.back());
    case AggregateKind::kLastN: {
      std::string text = "[";
      for (int64_t i = std::max<int64_t>(0, n - spec.n); i < n; ++i) {
        text += Show(values[static_cast<size_t>(i)]) + ",";
      }
      return text + "]";
    }
    case AggregateKind::kTopN: {
      std::vector<T> sorted = values;
      std::sort(sorted.begin(), sorted.end(), less);
      std::string text = "[";
      for (int64_t i = n - 1; i >= std::max<int64_t>(0, n - spec.n); --i) {
        text += Show(sorted[static_cast<size_t>(i)]) + ",";
      }
      return text + "]";
    }
    default:
      break;
  }
  if constexpr (!std::is_same_v<T, std::string>) {
    T sum{};
    T squares{};
    for (T value : values) {
      sum += value;
      squares += value * value;
    }
    const auto count = static_cast<double>(n);
    if (spec.kind == AggregateKind::kSum) return Show(sum + T{});
    if (spec.kind == AggregateKind::kMean) return Show(static_cast<double>(sum) / count + 0.0);
    if (spec.kind == AggregateKind::kQuantile) {
      std::vector<T> sorted = values;
      std::sort(sorted.begin(), sorted.end());
      const auto rank = std::max<int64_t>(
          1, static_cast<int64_t>(std::ceil(spec.q * static_cast<double>(n) - 1e-9)));
      const auto value = static_cast<double>(sorted[static_cast<size_t>(rank - 1)]);
      return Show(QuantileBuckets::MiddleOf(QuantileBuckets::BucketOf(value)));
    }
    if (n < 2) return "null";
    const double spread =
        count * static_cast<double>(squares) - static_cast<double>(sum) * static_cast<double>(sum);
    const double variance = spread / (count * (count - 1)) + 0.0;
    return Show(spec.kind == AggregateKind::kStddev ? std::sqrt(variance) : variance);
  }
  return "?";
}

inline std::string Window(const FeatureLayout& feature, const std::vector<Row>& rows) {
  if (feature.value < 0) return Show(static_cast<int64_t>(rows.size()));
  std::vector<double> numbers;
  std::vector<int64_t> integers;
  std::vector<std::string> texts;
  for (const Row& row : rows) {
    if (feature.value == 0 && row.number && !std::isnan(*row.number))
      numbers.push_back(*row.number);
    if (feature.value == 1 && row.integer) integers.push_back(*row.integer);
    if (feature.value == 2 && row.text) texts.push_back(*row.text);
  }
  if (feature.value == 0) return Aggregate(feature.aggregate, numbers);
  if (feature.value == 1) return Aggregate(feature.aggregate, integers);
  return Aggregate(feature.aggregate, texts);
}

inline std::string ValueOf(const Row& row, int value) {
  if (value == 0) return row.number ? Show(*row.number) : "null";
  if (value == 1) return row.integer ? Show(*row.integer) : "null";
  return row.text ? *row.text : "null";
}

// Of each table key the greatest version visible, where it is no delete and the view's where holds.
inline std::vector<Row> ChosenVersions(const ViewLayout& layout, const std::vector<Row>& rows,
                                       int64_t t, int64_t known_at_most) {
  std::map<int64_t, Row> greatest;
  auto place = [](const Row& row) { return std::pair(row.order, row.s); };
  for (const Row& row : rows) {
    if (!Visible(row, layout, t, known_at_most)) continue;
    const auto [known, added] = greatest.try_emplace(row.table_key, row);
    if (!added && place(known->second) < place(row)) known->second = row;
  }
  std::vector<Row> chosen;
  for (const auto& [key, row] : greatest) {
    if (!row.deleted && row.where.value_or(false) && row.key >= 0) chosen.push_back(row);
  }
  return chosen;
}

// The answer for one feature of one key at t, as Show and status.
inline std::pair<std::string, ValueStatus> Answer(const ViewLayout& layout,
                                                  const FeatureLayout& feature,
                                                  const std::vector<Row>& rows, int64_t key,
                                                  int64_t t, int64_t known_at_most) {
  std::vector<Row> seen;
  for (const Row& row : layout.versioned ? ChosenVersions(layout, rows, t, known_at_most) : rows) {
    if (row.key != key || !Visible(row, layout, t, known_at_most)) continue;
    if (!Passes(row, feature.mask)) continue;
    if (feature.kind == FeatureLayout::Kind::kWindow) {
      const bool within = feature.hop_us == 0
                              ? *row.e > t - feature.length_us
                              : *row.e >= base::FloorTo(t - feature.length_us, feature.hop_us);
      if (!within) continue;
    }
    seen.push_back(row);
  }
  std::sort(seen.begin(), seen.end(),
            [&](const Row& a, const Row& b) { return OrderOf(a, layout) < OrderOf(b, layout); });
  if (feature.kind == FeatureLayout::Kind::kWindow) {
    const std::string text = Window(feature, seen);
    return {text, text == "null" ? ValueStatus::kNull : ValueStatus::kPresent};
  }
  if (seen.empty()) return {"null", ValueStatus::kNotFound};
  if (layout.ttl_us && t - *seen.back().e > *layout.ttl_us) return {"null", ValueStatus::kExpired};
  const std::string text = ValueOf(seen.back(), feature.value);
  return {text, text == "null" ? ValueStatus::kNull : ValueStatus::kPresent};
}

// A random view over the three columns: as-of and window features of every kind.
inline ViewLayout RandomLayout(std::mt19937_64& random) {
  ViewLayout layout;
  layout.value_types = {arrow::float64(), arrow::int64(), arrow::utf8()};
  layout.mask_count = 2;
  layout.always = random() % 12 == 0;
  layout.exclude_at = random() % 4 == 0;
  if (!layout.always && random() % 2 == 0) layout.ttl_us = static_cast<int64_t>(random() % 120);
  const int64_t hops[] = {0, 1, 10, 25};
  const size_t count = random() % 8 + 1;
  for (size_t i = 0; i < count; ++i) {
    FeatureLayout feature;
    feature.mask = static_cast<int>(random() % 4) - 1;
    if (feature.mask > 1) feature.mask = -1;
    feature.value = static_cast<int>(random() % 3);
    if (!layout.always && random() % 4 != 0) {
      feature.kind = FeatureLayout::Kind::kWindow;
      feature.aggregate.kind = static_cast<AggregateKind>(random() % 13);
      feature.aggregate.n = static_cast<int64_t>(random() % 4) + 1;
      const double qs[] = {0, 0.25, 0.5, 0.9, 1};
      feature.aggregate.q = qs[random() % 5];
      feature.length_us = static_cast<int64_t>(random() % 150) + 1;
      feature.hop_us = hops[random() % 4];
      if (feature.aggregate.kind == AggregateKind::kCount && random() % 2 == 0) feature.value = -1;
      const bool any = feature.aggregate.kind == AggregateKind::kCount ||
                       feature.aggregate.kind == AggregateKind::kCountDistinct ||
                       feature.aggregate.kind == AggregateKind::kMin ||
                       feature.aggregate.kind == AggregateKind::kMax ||
                       feature.aggregate.kind == AggregateKind::kFirst ||
                       feature.aggregate.kind == AggregateKind::kLast ||
                       feature.aggregate.kind == AggregateKind::kLastN ||
                       feature.aggregate.kind == AggregateKind::kTopN;
      if (feature.value == 2 && !any) feature.value = static_cast<int>(random() % 2);
    }
    layout.features.push_back(feature);
  }
  return layout;
}

inline std::vector<Row> RandomRows(std::mt19937_64& random, int64_t keys) {
  std::vector<Row> rows(random() % 50);
  for (size_t i = 0; i < rows.size(); ++i) {
    Row& row = rows[i];
    row.s = static_cast<int64_t>(i);
    row.key = static_cast<int64_t>(random() % static_cast<uint64_t>(keys));
    row.e = static_cast<int64_t>(random() % 300) - 150;
    row.a = *row.e;
    if (random() % 3 == 0) row.a = *row.e + static_cast<int64_t>(random() % 150) - 20;
    if (i > 0 && random() % 5 == 0) row.e = rows[i - 1].e;  // a correction, or equal times
    if (random() % 25 == 0) row.e.reset();
    if (random() % 25 == 0) row.a.reset();
    if (random() % 6 != 0) row.number = (static_cast<double>(random() % 400) - 200) / 8;
    if (random() % 12 == 0) row.number = -0.0;
    if (random() % 12 == 0) row.number = std::nan("");
    if (random() % 6 != 0) row.integer = static_cast<int64_t>(random() % 20) - 10;
    if (random() % 6 != 0) {
      const char letter = static_cast<char>('a' + random() % 3);
      row.text = std::string(random() % 3, letter);
    }
    for (auto& mask : row.masks) {
      if (random() % 8 != 0) mask = random() % 2 == 0;
    }
  }
  return rows;
}

// Few table keys with several versions each: corrections, deletes, moves to other keys, equal and
// null orders, older versions that come late, all in the order of `s`.
inline std::vector<Row> RandomVersions(std::mt19937_64& random, int64_t keys,
                                       const ViewLayout& layout) {
  std::vector<Row> rows = RandomRows(random, keys);
  const uint64_t table_keys = random() % 12 + 1;
  const bool ordered = random() % 3 != 0;
  std::map<int64_t, Row> last;
  for (Row& row : rows) {
    row.table_key = static_cast<int64_t>(random() % table_keys);
    if (ordered && random() % 8 != 0) row.order = static_cast<int64_t>(random() % 5);
    row.deleted = random() % 6 == 0;
    if (random() % 8 == 0) row.where = random() % 2 == 0 ? std::nullopt : std::optional(false);
    if (random() % 15 == 0) row.key = -1;
    if (const auto before = last.find(row.table_key); before != last.end()) {
      if (random() % 3 != 0) row.e = before->second.e;
      if (random() % 2 != 0) row.key = before->second.key;
      if (row.deleted) row.e = before->second.e;
    }
    last[row.table_key] = row;
  }
  // Several rows of one driver's row; their order stays total.
  for (size_t i = 1; i < rows.size() && !layout.always; ++i) {
    const Row& before = rows[i - 1];
    if (random() % 8 == 0 && rows[i].table_key != before.table_key && rows[i].e != before.e) {
      rows[i++].s = before.s;  // two of one, not three
    }
  }
  return rows;
}

inline PreparedRows Prepare(const std::vector<Row>& rows) {
  arrow::Int64Builder key;
  arrow::Int64Builder e;
  arrow::Int64Builder a;
  arrow::Int64Builder s;
  arrow::DoubleBuilder number;
  arrow::Int64Builder integer;
  arrow::StringBuilder text;
  arrow::BooleanBuilder masks[2];
  auto append = [](auto* builder, const auto& value) {
    if (value) {
      (void)builder->Append(*value);
    } else {
      (void)builder->AppendNull();
    }
  };
  for (const Row& row : rows) {
    (void)key.Append(row.key);
    append(&e, row.e);
    append(&a, row.a && row.e ? std::optional(std::max(*row.a, *row.e)) : row.a);
    (void)s.Append(row.s);
    append(&number, row.number);
    append(&integer, row.integer);
    append(&text, row.text);
    append(&masks[0], row.masks[0]);
    append(&masks[1], row.masks[1]);
  }
  PreparedRows out;
  out.num_rows = static_cast<int64_t>(rows.size());
  out.keys = {*key.Finish()};
  out.event_time = std::static_pointer_cast<arrow::Int64Array>(*e.Finish());
  out.known_at = std::static_pointer_cast<arrow::Int64Array>(*a.Finish());
  out.seq = std::static_pointer_cast<arrow::Int64Array>(*s.Finish());
  out.values = {*number.Finish(), *integer.Finish(), *text.Finish()};
  for (auto& mask : masks) {
    out.masks.push_back(std::static_pointer_cast<arrow::BooleanArray>(*mask.Finish()));
  }
  return out;
}

// As BoundView::Prepare gives the rows of a table with versions.
inline PreparedRows PrepareVersions(const std::vector<Row>& rows) {
  PreparedRows out = Prepare(rows);
  arrow::Int64Builder key;
  arrow::Int64Builder table_key;
  arrow::Int64Builder order;
  arrow::BooleanBuilder live;
  for (const Row& row : rows) {
    (void)(row.key < 0 ? key.AppendNull() : key.Append(row.key));
    (void)table_key.Append(row.table_key);
    (void)(row.order ? order.Append(*row.order) : order.AppendNull());
    (void)live.Append(!row.deleted && row.where.value_or(false) && row.key >= 0);
  }
  out.keys = {*key.Finish()};
  out.table_key = *OrderedBytes({*table_key.Finish()}, out.num_rows);
  out.version_order = *OrderedBytes({*order.Finish()}, out.num_rows);
  out.live = std::static_pointer_cast<arrow::BooleanArray>(*live.Finish());
  return out;
}

}  // namespace icecore::state::naive
