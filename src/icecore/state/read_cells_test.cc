// Answers read from the cells of a key, beside those of a key that was loaded from them.

#include <arrow/array/array_base.h>
#include <arrow/array/array_primitive.h>
#include <arrow/json/from_string.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <random>

#include "icecore/state/cell_bytes.h"
#include "icecore/state/naive_view.h"
#include "icecore/state/stored_cells_testing.h"
#include "icecore/state/view_state.h"

namespace icecore::state {
namespace {

using testing::StoredCells;
using testing::TakeInto;

std::vector<CellView> ViewsOf(const StoredCells& stored) {
  std::vector<CellView> views;
  for (const auto& [suffix, bytes] : stored) views.push_back({suffix, bytes});
  return views;
}

// The answers of both ways, one after the other.
std::vector<VectorSink::Column> BothAnswers(const ViewEngine& engine, const StoredCells& stored,
                                            int64_t t) {
  const auto sink = VectorSink::Make(engine.output_types(), 2).ValueOrDie();
  std::vector<Cell> cells;
  for (const auto& [suffix, bytes] : stored) cells.push_back({suffix, bytes});
  EXPECT_TRUE(engine.LoadKey(cells).ValueOrDie()->Read(t, sink.get()).ok());
  EXPECT_TRUE(engine.ReadCells(ViewsOf(stored), t, sink.get()).ok());
  return sink->Finish().ValueOrDie();
}

void CompareWays(uint64_t seed) {
  std::mt19937_64 random(seed);
  ViewLayout layout = naive::RandomLayout(random);
  if (seed % 2 == 0) {
    std::erase_if(layout.features, [](const FeatureLayout& feature) {
      return feature.kind == FeatureLayout::Kind::kWindow;
    });
  }
  if (seed % 4 == 0) {  // words alone
    for (FeatureLayout& feature : layout.features) feature.value %= 2;
  }
  const auto engine = ViewEngine::Make(layout).ValueOrDie();
  const auto rows = naive::RandomRows(random, 1);
  const PreparedRows prepared = naive::Prepare(rows);
  const auto key = engine->NewKey();
  StoredCells stored;
  int64_t row = 0;
  for (int64_t t = -200; t < 300; t += 1 + static_cast<int64_t>(random() % 100)) {
    ASSERT_TRUE(key->AdvanceTo(t).ok());
    for (; row < prepared.num_rows && random() % 8 != 0; ++row) {
      ASSERT_TRUE(key->Add(prepared, row).ok());
    }
    TakeInto(key.get(), &stored);
    const int64_t asked = t + static_cast<int64_t>(random() % 60);
    const auto columns = BothAnswers(*engine, stored, asked);
    for (size_t f = 0; f < columns.size(); ++f) {
      ASSERT_EQ(naive::Show(*columns[f].values, 0), naive::Show(*columns[f].values, 1))
          << "seed " << seed << ", feature " << f << ", t " << asked;
      ASSERT_EQ(columns[f].statuses[0], columns[f].statuses[1]) << "seed " << seed;
      ASSERT_EQ(columns[f].event_times[0], columns[f].event_times[1]) << "seed " << seed;
    }
  }
}

TEST(ReadCells, AnswersLikeALoadedKey) {
  constexpr uint64_t kFirstSeed = 7000;
  std::cout << "seeds from " << kFirstSeed << "\n";
  for (uint64_t seed = kFirstSeed; seed < kFirstSeed + 1000; ++seed) {
    CompareWays(seed);
    if (HasFatalFailure()) return;
  }
}

// A view of the latest row of each of these columns; their arrays have two rows.
std::unique_ptr<ViewEngine> LatestOf(const std::vector<std::shared_ptr<arrow::Array>>& columns) {
  ViewLayout layout;
  for (size_t i = 0; i < columns.size(); ++i) {
    layout.value_types.push_back(columns[i]->type());
    FeatureLayout feature;
    feature.value = static_cast<int>(i);
    layout.features.push_back(feature);
  }
  return ViewEngine::Make(layout).ValueOrDie();
}

std::shared_ptr<arrow::Array> Two(const std::shared_ptr<arrow::DataType>& type,
                                  const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

StoredCells CellsOfRow(const ViewEngine& engine,
                       const std::vector<std::shared_ptr<arrow::Array>>& columns, int64_t row) {
  const auto times = std::static_pointer_cast<arrow::Int64Array>(Two(arrow::int64(), "[10, 10]"));
  PreparedRows rows;
  rows.event_time = rows.known_at = rows.seq = times;
  rows.values = columns;
  rows.num_rows = 2;
  const auto key = engine.NewKey();
  EXPECT_TRUE(key->AdvanceTo(100).ok());
  EXPECT_TRUE(key->Add(rows, row).ok());
  StoredCells stored;
  TakeInto(key.get(), &stored);
  return stored;
}

// The answers to both rows, and to a key that is not there.
void CompareValues(const std::vector<std::shared_ptr<arrow::Array>>& columns) {
  const auto engine = LatestOf(columns);
  const auto sink = VectorSink::Make(engine->output_types()).ValueOrDie();
  for (int64_t row = 0; row < 2; ++row) {
    const StoredCells stored = CellsOfRow(*engine, columns, row);
    ASSERT_TRUE(engine->ReadCells(ViewsOf(stored), 100, sink.get()).ok());
  }
  ASSERT_TRUE(engine->ReadEmpty(sink.get()).ok());
  const auto answers = sink->Finish().ValueOrDie();
  for (size_t i = 0; i < columns.size(); ++i) {
    ASSERT_TRUE(answers[i].values->ValidateFull().ok()) << columns[i]->type()->ToString();
    EXPECT_TRUE(answers[i].values->Slice(0, 2)->Equals(columns[i]))
        << answers[i].values->ToString();
    EXPECT_TRUE(answers[i].values->IsNull(2));
    EXPECT_EQ(answers[i].statuses[0], ValueStatus::kPresent);
    EXPECT_EQ(answers[i].statuses[1],
              columns[i]->IsNull(1) ? ValueStatus::kNull : ValueStatus::kPresent);
    EXPECT_EQ(answers[i].statuses[2], ValueStatus::kNotFound);
    EXPECT_EQ(answers[i].event_times[1], 10);
    EXPECT_EQ(answers[i].event_times[2], std::nullopt);
  }
  // The sink is empty again.
  EXPECT_EQ(sink->Finish().ValueOrDie()[0].values->length(), 0);
}

TEST(ReadCells, ValuesOfEveryTypeComeBack) {
  std::vector<std::shared_ptr<arrow::Array>> columns = {
      Two(arrow::int64(), "[-9223372036854775808, null]"),
      Two(arrow::uint64(), "[18446744073709551615, 0]"),
      Two(arrow::float64(), "[-0.0, null]"),
      Two(arrow::int32(), "[-5, 2147483647]"),
      Two(arrow::uint32(), "[4294967295, null]"),
      Two(arrow::float32(), "[-1.5, null]"),
      Two(arrow::date32(), "[-1, null]"),
      Two(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "[-1, null]"),
      Two(arrow::int8(), "[-1, null]"),
      Two(arrow::boolean(), "[true, null]"),
      Two(arrow::utf8(), "[\"a\", null]"),
      Two(arrow::list(arrow::float32()), "[[1, 2], null]"),
  };
  CompareValues(columns);
  columns.resize(6);  // words alone
  CompareValues(columns);
}

void RefusesDamage(const std::vector<std::shared_ptr<arrow::Array>>& columns) {
  const auto engine = LatestOf(columns);
  StoredCells stored = CellsOfRow(*engine, columns, 0);
  const auto sink = VectorSink::Make(engine->output_types()).ValueOrDie();
  EXPECT_TRUE(engine->ReadCells(ViewsOf(stored), 100, sink.get()).ok());
  EXPECT_FALSE(engine->ReadCells(ViewsOf(stored), 99, sink.get()).ok());
  EXPECT_FALSE(engine->ReadCells({}, 100, sink.get()).ok());
  const std::string whole = stored[""];
  for (size_t i = 0; i < whole.size(); ++i) {
    stored[""] = whole;
    stored[""][i] = static_cast<char>(whole[i] ^ 0x20);
    EXPECT_FALSE(engine->ReadCells(ViewsOf(stored), 100, sink.get()).ok()) << "byte " << i;
    stored[""] = whole.substr(0, i);
    EXPECT_FALSE(engine->ReadCells(ViewsOf(stored), 100, sink.get()).ok()) << i << " bytes";
  }
}

TEST(ReadCells, DamagedCellsAreRefused) {
  RefusesDamage({Two(arrow::int32(), "[1, 2]"), Two(arrow::utf8(), "[\"a\", \"b\"]")});
  RefusesDamage({Two(arrow::int32(), "[1, 2]"), Two(arrow::float64(), "[0.5, null]")});
}

// Bytes that nobody wrote, with a checksum that is right.
TEST(ReadCells, WrongWordsAreRefused) {
  const std::vector<std::shared_ptr<arrow::Array>> columns = {Two(arrow::int32(), "[1, 2]"),
                                                              Two(arrow::float64(), "[0.5, 1]")};
  const auto engine = LatestOf(columns);
  StoredCells stored = CellsOfRow(*engine, columns, 0);
  const auto sink = VectorSink::Make(engine->output_types()).ValueOrDie();
  std::string content = stored[""].substr(0, stored[""].size() - 8);
  const auto read = [&](std::string changed) {
    SealCell(&changed);
    stored[""] = changed;
    return engine->ReadCells(ViewsOf(stored), 100, sink.get());
  };
  EXPECT_TRUE(read(content).ok());
  EXPECT_FALSE(read(content + '\0').ok());
  for (size_t cut = content.size() - 1; cut > 5; --cut) {
    EXPECT_FALSE(read(content.substr(0, cut)).ok()) << cut << " bytes";
  }
  // Magic, version, three numbers and a count are before the row, a byte and its order before its
  // values: a byte that says that the first is there, and the number.
  constexpr size_t kRow = 4 + 1 + 3 * 8 + 1;
  constexpr size_t kValues = kRow + 1 + 3 * 8;
  for (const size_t place : {kRow, kValues, kValues + 9}) {
    std::string changed = content;
    ASSERT_EQ(changed[place], 1);
    changed[place] = 2;
    EXPECT_FALSE(read(changed).ok()) << place;
  }
  std::string beyond = content;
  beyond[kValues + 5] = 1;  // no int32
  EXPECT_FALSE(read(beyond).ok());
}

}  // namespace
}  // namespace icecore::state
