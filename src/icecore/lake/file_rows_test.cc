// Files as other writers leave them: types, names, order and encodings that differ from the
// table's.
#include <arrow/compute/cast.h>
#include <arrow/io/file.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/writer.h>

#include "icecore/lake/lake_fixture.h"
#include "icecore/lake/row_ranges.h"

namespace icecore::lake {
namespace {

using arrow::field;
using arrow::TimeUnit;
using base::ErrorCode;
using TypePtr = std::shared_ptr<arrow::DataType>;

TypePtr Micros(const std::string& zone) { return arrow::timestamp(TimeUnit::MICRO, zone); }

class FileRowsTest : public LakeFixture {
 protected:
  // A table of one file, which holds these columns.
  Snapshot TableOf(const std::shared_ptr<arrow::Schema>& declared,
                   const std::shared_ptr<arrow::RecordBatch>& stored,
                   const parquet::WriterProperties::Builder& properties = {},
                   const std::shared_ptr<parquet::ArrowWriterProperties>& arrow_properties =
                       parquet::default_arrow_writer_properties()) {
    std::filesystem::create_directories(root_ + "/t");
    const std::string name = "part-" + std::to_string(++files_) + ".parquet";
    const auto sink = Must(arrow::io::FileOutputStream::Open(root_ + "/t/" + name));
    auto builder = properties;
    EXPECT_TRUE(parquet::arrow::WriteTable(*Must(arrow::Table::FromRecordBatches({stored})),
                                           arrow::default_memory_pool(), sink, 4, builder.build(),
                                           arrow_properties)
                    .ok());
    EXPECT_TRUE(sink->Close().ok());
    Snapshot snapshot;
    snapshot.table_path = "t";
    snapshot.version = 0;
    snapshot.schema = declared;
    DataFile file;
    file.path = name;
    file.num_records = stored->num_rows();
    snapshot.files = {file};
    return snapshot;
  }

  static std::shared_ptr<arrow::RecordBatch> Batch(const arrow::FieldVector& fields,
                                                   const std::vector<std::string>& columns) {
    arrow::ArrayVector arrays;
    for (size_t i = 0; i < fields.size(); ++i) {
      arrays.push_back(Must(arrow::json::ArrayFromJSONString(fields[i]->type(), columns[i])));
    }
    return arrow::RecordBatch::Make(arrow::schema(fields), arrays[0]->length(), arrays);
  }

  arrow::Result<std::shared_ptr<arrow::Table>> Read(const Snapshot& snapshot) {
    ARROW_ASSIGN_OR_RAISE(auto table, ReadAll(*store_, snapshot, ScanOptions()));
    ARROW_RETURN_NOT_OK(table->ValidateFull());
    return table->CombineChunks();
  }

  // One column, stored and read as these types; "" where it must be refused.
  void Expect(const TypePtr& stored, const std::string& values, const TypePtr& declared,
              const std::string& wanted) {
    SCOPED_TRACE(stored->ToString() + " as " + declared->ToString());
    const auto snapshot =
        TableOf(arrow::schema({field("c", declared)}), Batch({field("c", stored)}, {values}));
    const auto read = Read(snapshot);
    if (wanted.empty()) {
      ASSERT_EQ(CodeOfFailed(read), ErrorCode::kCorrupt) << read.status().ToString();
      EXPECT_NE(read.status().message().find("t/part-"), std::string::npos);
      EXPECT_NE(read.status().message().find("column 'c'"), std::string::npos);
      return;
    }
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    const auto want = Must(arrow::json::ArrayFromJSONString(declared, wanted));
    EXPECT_TRUE((*read)->column(0)->Equals(arrow::ChunkedArray(want)))
        << (*read)->column(0)->ToString();
  }

  int files_ = 0;
};

TEST_F(FileRowsTest, NumbersThatFit) {
  const std::string small = "[1, null, -128, 127]";
  for (const auto& stored : {arrow::int8(), arrow::int16(), arrow::int32(), arrow::int64()}) {
    for (const auto& declared : {arrow::int8(), arrow::int16(), arrow::int32(), arrow::int64()}) {
      Expect(stored, small, declared, small);
    }
  }
  Expect(arrow::int32(), "[1, 40000]", arrow::int16(), "");
  Expect(arrow::uint32(), "[4294967295]", arrow::int64(), "[4294967295]");
  Expect(arrow::int32(), "[1, null]", arrow::float64(), "[1, null]");
  Expect(arrow::float32(), "[0.5, null]", arrow::float64(), "[0.5, null]");
  Expect(arrow::float64(), "[0.5]", arrow::float32(), "");
  Expect(arrow::int64(), "[1]", arrow::float64(), "");
  Expect(arrow::utf8(), "[\"1\"]", arrow::int64(), "");
  Expect(arrow::int64(), "[1]", arrow::boolean(), "");
}

TEST_F(FileRowsTest, Decimals) {
  const auto wide = arrow::decimal128(20, 4);
  Expect(arrow::decimal128(5, 2), "[\"123.45\", null]", wide, "[\"123.4500\", null]");
  Expect(arrow::int32(), "[-7, null]", arrow::decimal128(12, 2), "[\"-7.00\", null]");
  Expect(arrow::int64(), "[-7, null]", arrow::decimal128(22, 2), "[\"-7.00\", null]");
  Expect(arrow::decimal128(5, 2), "[\"123.45\"]", arrow::decimal128(5, 1), "");
  for (const int precision : {5, 15, 30}) {  // rest as int32, int64, fixed bytes
    const auto type = arrow::decimal128(precision, 2);
    parquet::WriterProperties::Builder as_integers;
    as_integers.enable_store_decimal_as_integer();
    const auto column = Batch({field("c", type)}, {"[\"-123.45\", null, \"0.01\"]"});
    for (const auto& properties : {as_integers, parquet::WriterProperties::Builder()}) {
      const auto read = Must(Read(TableOf(column->schema(), column, properties)));
      EXPECT_TRUE(read->column(0)->Equals(arrow::ChunkedArray(column->column(0))));
    }
  }
}

TEST_F(FileRowsTest, TimesOfEveryUnit) {
  const std::string micros = "[1577836800123456, null, -1]";
  for (const char* zone : {"", "UTC"}) {
    for (const char* stored_zone : {"", "UTC", "Europe/Berlin"}) {
      Expect(Micros(stored_zone), micros, Micros(zone), micros);
      Expect(arrow::timestamp(TimeUnit::MILLI, stored_zone), "[1577836800123, null, -1]",
             Micros(zone), "[1577836800123000, null, -1000]");
      // Nanoseconds belong to the microsecond in which they lie, before 1970 too.
      Expect(arrow::timestamp(TimeUnit::NANO, stored_zone),
             "[1577836800123456999, null, -1, -1000, -1001, 999]", Micros(zone),
             "[1577836800123456, null, -1, -1, -2, 0]");
    }
    Expect(arrow::date32(), "[0, null, -1, 18262]", Micros(zone),
           "[0, null, -86400000000, 1577836800000000]");
  }
  Expect(arrow::int64(), "[1]", Micros("UTC"), "");
  Expect(Micros(""), "[1]", arrow::date32(), "");
}

TEST_F(FileRowsTest, Int96BeyondNanoseconds) {
  parquet::ArrowWriterProperties::Builder int96;
  int96.enable_deprecated_int96_timestamps();
  // Years 0001, 1969 and 9999.
  const std::string times = "[-62135596800000000, -1, null, 253402300799999999]";
  const auto column = Batch({field("c", Micros(""))}, {times});
  for (const char* zone : {"", "UTC"}) {
    const auto snapshot =
        TableOf(arrow::schema({field("c", Micros(zone))}), column, {}, int96.build());
    const auto read = Must(Read(snapshot));
    EXPECT_TRUE(read->column(0)->Equals(
        arrow::ChunkedArray(Must(arrow::json::ArrayFromJSONString(Micros(zone), times)))))
        << read->column(0)->ToString();
  }
}

TEST_F(FileRowsTest, TextBytesAndDictionaries) {
  Expect(arrow::binary(), "[\"aé\", null]", arrow::utf8(), "[\"aé\", null]");
  Expect(arrow::large_utf8(), "[\"a\", null]", arrow::utf8(), "[\"a\", null]");
  Expect(arrow::utf8(), "[\"a\", null]", arrow::binary(), "[\"a\", null]");
  Expect(arrow::fixed_size_binary(2), "[\"ab\", null]", arrow::binary(), "[\"ab\", null]");
  Expect(arrow::dictionary(arrow::int32(), arrow::utf8()), "[\"a\", null, \"a\"]", arrow::utf8(),
         "[\"a\", null, \"a\"]");
  const auto bytes = arrow::RecordBatch::Make(
      arrow::schema({field("c", arrow::binary())}), 1,
      {Must(arrow::MakeArrayFromScalar(arrow::BinaryScalar("\xff\xfe"), 1))});
  EXPECT_EQ(CodeOfFailed(Read(TableOf(arrow::schema({field("c", arrow::utf8())}), bytes))),
            ErrorCode::kCorrupt);
}

TEST_F(FileRowsTest, NestedTypes) {
  const auto stored = arrow::struct_(
      {field("b", arrow::int16()), field("gone", arrow::utf8()), field("A", arrow::int32())});
  const auto declared = arrow::struct_(
      {field("a", arrow::int64()), field("new", arrow::utf8()), field("b", arrow::int32())});
  Expect(stored, R"([{"b": 1, "gone": "x", "A": 2}, null, {"b": null, "gone": null, "A": null}])",
         declared, R"([{"a": 2, "new": null, "b": 1}, null, {"a": null, "new": null, "b": null}])");
  Expect(arrow::list(stored), R"([[{"b": 1, "gone": "x", "A": 2}, null], null, []])",
         arrow::list(declared), R"([[{"a": 2, "new": null, "b": 1}, null], null, []])");
  Expect(arrow::large_list(arrow::int32()), "[[1, null], null]", arrow::list(arrow::int64()),
         "[[1, null], null]");
  Expect(arrow::fixed_size_list(arrow::int32(), 2), "[[1, null], [2, 3]]",
         arrow::list(arrow::int64()), "[[1, null], [2, 3]]");
  Expect(arrow::map(arrow::utf8(), stored), R"([[["k", {"b": 1, "gone": "x", "A": 2}]], null, []])",
         arrow::map(arrow::utf8(), declared),
         R"([[["k", {"a": 2, "new": null, "b": 1}]], null, []])");
  const auto pair = arrow::struct_({field("k", arrow::utf8(), false), field("v", arrow::int32())});
  Expect(arrow::list(pair), R"([[{"k": "x", "v": 1}], null, []])",
         arrow::map(arrow::utf8(), arrow::int64()), R"([[["x", 1]], null, []])");
  // All that was wanted of the struct is missing: its nulls are known all the same.
  Expect(arrow::struct_({field("x", arrow::int32())}), R"([{"x": 1}, null])",
         arrow::struct_({field("y", arrow::int32())}), R"([{"y": null}, null])");
  Expect(arrow::int32(), "[1]", declared, "");
  Expect(declared, "[null]", arrow::int32(), "");
  Expect(arrow::list(arrow::int32()), "[[1]]", declared, "");
  Expect(declared, "[null]", arrow::list(arrow::int32()), "");
}

TEST_F(FileRowsTest, ListsOfTwoLevels) {
  // Arrow writes the three levels alone; the reader's rules for two are Parquet's.
  parquet::ArrowWriterProperties::Builder other_names;
  other_names.disable_compliant_nested_types();
  const auto column =
      Batch({field("c", arrow::list(field("item", arrow::int32())))}, {"[[1], []]"});
  const auto snapshot = TableOf(arrow::schema({field("c", arrow::list(arrow::int64()))}), column,
                                {}, other_names.build());
  EXPECT_TRUE(Must(Read(snapshot))
                  ->column(0)
                  ->Equals(arrow::ChunkedArray(Must(arrow::json::ArrayFromJSONString(
                      arrow::list(arrow::int64()), "[[1], []]")))));
}

TEST_F(FileRowsTest, NamesOrderAndMissingColumns) {
  const auto stored =
      Batch({field("Extra", arrow::utf8()), field("B", arrow::int64()), field("a", arrow::utf8()),
             field("b2", arrow::int32()), field("_change_type", arrow::utf8())},
            {R"(["x"])", "[1]", R"(["t"])", "[2]", R"(["insert"])"});
  const auto read = Must(Read(
      TableOf(arrow::schema({field("a", arrow::utf8()), field("b", arrow::int64()),
                             field("c", arrow::list(arrow::int32())), field("b2", arrow::int32())}),
              stored)));
  EXPECT_EQ(read->column(0)->GetScalar(0).ValueOrDie()->ToString(), "t");
  EXPECT_EQ(read->column(1)->GetScalar(0).ValueOrDie()->ToString(), "1");
  EXPECT_EQ(read->column(2)->null_count(), 1);
  EXPECT_EQ(read->column(3)->GetScalar(0).ValueOrDie()->ToString(), "2");
}

std::shared_ptr<arrow::Field> Mapped(const std::string& name, const TypePtr& type, int id) {
  return field(name, type, true,
               arrow::key_value_metadata({std::string(kMappedId), std::string(kPhysicalName)},
                                         {std::to_string(id), "col-" + std::to_string(id)}));
}

std::shared_ptr<arrow::Field> WithId(const std::string& name, const TypePtr& type, int id) {
  return field(name, type, true,
               arrow::key_value_metadata({"PARQUET:field_id"}, {std::to_string(id)}));
}

TEST_F(FileRowsTest, MappedColumns) {
  const auto declared = arrow::schema(
      {Mapped("renamed", arrow::int64(), 1),
       Mapped("nested",
              arrow::struct_({Mapped("x y", arrow::utf8(), 3), Mapped("later", arrow::utf8(), 9)}),
              2),
       Mapped("list", arrow::list(arrow::struct_({Mapped("in", arrow::int32(), 5)})), 4),
       Mapped("part", arrow::int32(), 7), Mapped("missing", arrow::int64(), 8)});
  const auto wanted =
      Batch({field("renamed", arrow::int64()),
             field("nested",
                   arrow::struct_({field("x y", arrow::utf8()), field("later", arrow::utf8())})),
             field("list", arrow::list(arrow::struct_({field("in", arrow::int32())}))),
             field("part", arrow::int32()), field("missing", arrow::int64())},
            {"[1, 2]", R"([{"x y": "a", "later": null}, null])", R"([[{"in": 5}], null])",
             "[70, 70]", "[null, null]"});
  for (const auto mapping : {ColumnMapping::kName, ColumnMapping::kId}) {
    const bool by_id = mapping == ColumnMapping::kId;
    const auto name = [by_id](int id) { return (by_id ? "any" : "col-") + std::to_string(id); };
    const auto stored = Batch(
        {field("renamed", arrow::utf8()), WithId(name(1), arrow::int32(), 1),
         WithId(name(2),
                arrow::struct_({field("later", arrow::utf8()), WithId(name(3), arrow::utf8(), 3)}),
                2),
         WithId(name(4), arrow::list(arrow::struct_({WithId(name(5), arrow::int32(), 5)})), 4)},
        {R"(["wrong", "wrong"])", "[1, 2]",
         "[{\"later\": \"wrong\", \"" + name(3) + "\": \"a\"}, null]",
         "[[{\"" + name(5) + "\": 5}], null]"});
    Snapshot snapshot = TableOf(declared, stored);
    snapshot.column_mapping = mapping;
    snapshot.partition_columns = {"part"};
    snapshot.files[0].partition_values = {{"col-7", "70"}};
    const auto read = Must(Read(snapshot));
    for (int i = 0; i < wanted->num_columns(); ++i) {
      EXPECT_TRUE(read->column(i)->Equals(arrow::ChunkedArray(wanted->column(i))))
          << read->column(i)->ToString();
    }
  }
  Snapshot without_ids = TableOf(declared, Batch({field("col-1", arrow::int64())}, {"[1]"}));
  without_ids.column_mapping = ColumnMapping::kId;
  EXPECT_EQ(CodeOfFailed(Read(without_ids)), ErrorCode::kCorrupt);
}

TEST_F(FileRowsTest, PartitionColumnsInTheSchemasOrder) {
  const auto declared = arrow::schema(
      {field("p", arrow::utf8()), field("x", arrow::int32()), field("day", arrow::date32()),
       field("empty", arrow::int64()), field("null", arrow::utf8())});
  Snapshot snapshot = TableOf(declared, Batch({field("x", arrow::int32())}, {"[1, 2]"}));
  snapshot.partition_columns = {"null", "day", "p", "empty"};
  snapshot.files[0].partition_values = {
      {"p", "a/b c"}, {"day", "2024-02-29"}, {"empty", ""}, {"null", std::nullopt}};
  const auto wanted = Batch(declared->fields(), {R"(["a/b c", "a/b c"])", "[1, 2]",
                                                 "[19782, 19782]", "[null, null]", "[null, null]"});
  const auto read = Must(Read(snapshot));
  EXPECT_TRUE(read->Equals(*Must(arrow::Table::FromRecordBatches({wanted}))));
  ScanOptions only_partitions;
  only_partitions.columns = {"p"};
  EXPECT_EQ(Must(ReadAll(*store_, snapshot, only_partitions))->num_rows(), 2);
  snapshot.files[0].partition_values["day"] = "2024-02-30";
  EXPECT_FALSE(Read(snapshot).ok());
  EXPECT_FALSE(LocalFiles(*store_, snapshot).has_value());
}

// Rows are left out by their place in the file, whatever row groups and ranges are read.
TEST_F(FileRowsTest, DeletedRows) {
  std::string seqs = "[";
  for (int i = 1; i <= 30; ++i) {
    seqs += (i > 1 ? "," : "") + std::to_string(i);
  }
  const auto stored = Batch({field(std::string(kSeq), arrow::int64())}, {seqs + "]"});
  Snapshot snapshot = TableOf(stored->schema(), stored);  // row groups of four
  // Rows 3, 4, 7, 11, 18, 29.
  snapshot.files[0].deletion_vector =
      DeletionVector{.storage_type = "i",
                     .path_or_inline_dv = "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L",
                     .offset = std::nullopt,
                     .size_bytes = 44,
                     .cardinality = 6};
  const std::vector<int64_t> deleted = {4, 5, 8, 12, 19, 30};
  for (int64_t batch_rows : {1, 3, 7, 64}) {
    for (int64_t after : {0, 3, 4, 11, 17, 28, 30}) {
      for (int64_t up_to : {30, 29, 19, 5, 4}) {
        ScanOptions options;
        options.batch_rows = batch_rows;
        options.seq = SeqRange{.after = after, .up_to = up_to};
        std::vector<int64_t> wanted;
        for (int64_t seq = after + 1; seq <= up_to; ++seq) {
          if (std::find(deleted.begin(), deleted.end(), seq) == deleted.end()) {
            wanted.push_back(seq);
          }
        }
        std::vector<int64_t> seen;
        const auto read = Must(ReadAll(*store_, snapshot, options));
        for (const auto& chunk : read->column(0)->chunks()) {
          const auto& values = static_cast<const arrow::Int64Array&>(*chunk);
          for (int64_t i = 0; i < values.length(); ++i) {
            seen.push_back(values.Value(i));
          }
        }
        EXPECT_EQ(seen, wanted) << batch_rows << " " << after << " " << up_to;
      }
    }
  }
  EXPECT_EQ(snapshot.row_count(), 24);
  EXPECT_FALSE(LocalFiles(*store_, snapshot).has_value());
  snapshot.files[0].deletion_vector->cardinality = 7;
  EXPECT_EQ(CodeOfFailed(Read(snapshot)), ErrorCode::kCorrupt);
  Snapshot shorter = TableOf(stored->schema(), stored->Slice(0, 29));
  shorter.files[0].deletion_vector = snapshot.files[0].deletion_vector;
  shorter.files[0].deletion_vector->cardinality = 6;
  EXPECT_EQ(CodeOfFailed(Read(shorter)), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace icecore::lake
