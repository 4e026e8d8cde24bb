#include "icecore/lake/deletion_vector.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <set>

#include "icecore/lake/lake_fixture.h"

namespace icecore::lake {
namespace {

using base::ErrorCode;

void AppendLittle(std::string* out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    *out += static_cast<char>((value >> (8 * i)) & 0xFF);
  }
}

std::string BigEndian(uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) {
    out += static_cast<char>((value >> shift) & 0xFF);
  }
  return out;
}

// The values as a Roaring bitmap by the letter of the format; containers with runs where asked.
std::string Bucket(const std::set<uint32_t>& values, bool with_runs) {
  std::vector<std::pair<uint16_t, std::vector<uint16_t>>> containers;
  for (const uint32_t value : values) {
    const auto key = static_cast<uint16_t>(value >> 16);
    if (containers.empty() || containers.back().first != key) {
      containers.emplace_back(key, std::vector<uint16_t>());
    }
    containers.back().second.push_back(static_cast<uint16_t>(value & 0xFFFF));
  }
  const size_t count = containers.size();
  std::string out;
  if (with_runs) {
    AppendLittle(&out, 12347 | ((count - 1) << 16), 4);
    out += std::string((count + 7) / 8, '\xff');
  } else {
    AppendLittle(&out, 12346, 4);
    AppendLittle(&out, count, 4);
  }
  for (const auto& [key, low] : containers) {
    AppendLittle(&out, key, 2);
    AppendLittle(&out, low.size() - 1, 2);
  }
  if (!with_runs || count >= 4) {
    out += std::string(count * 4, '\0');
  }
  for (const auto& [key, low] : containers) {
    if (with_runs) {
      std::vector<std::pair<uint16_t, uint16_t>> runs;
      for (const uint16_t value : low) {
        if (!runs.empty() && runs.back().first + runs.back().second + 1 == value) {
          ++runs.back().second;
        } else {
          runs.emplace_back(value, 0);
        }
      }
      AppendLittle(&out, runs.size(), 2);
      for (const auto& [start, length] : runs) {
        AppendLittle(&out, start, 2);
        AppendLittle(&out, length, 2);
      }
    } else if (low.size() <= 4096) {
      for (const uint16_t value : low) {
        AppendLittle(&out, value, 2);
      }
    } else {
      std::string bits(8192, '\0');
      for (const uint16_t value : low) {
        bits[value / 8] = static_cast<char>(bits[value / 8] | (1 << (value % 8)));
      }
      out += bits;
    }
  }
  return out;
}

std::string Bitmap(const std::set<uint64_t>& rows, bool with_runs) {
  std::map<uint32_t, std::set<uint32_t>> buckets;
  for (const uint64_t row : rows) {
    buckets[static_cast<uint32_t>(row >> 32)].insert(static_cast<uint32_t>(row));
  }
  std::string out;
  AppendLittle(&out, 1681511377, 4);
  AppendLittle(&out, buckets.size(), 8);
  for (const auto& [key, values] : buckets) {
    AppendLittle(&out, key, 4);
    out += Bucket(values, with_runs);
  }
  return out;
}

RowRanges RangesOf(const std::set<uint64_t>& rows) {
  RowRanges ranges;
  for (const uint64_t row : rows) {
    ranges.Append(static_cast<int64_t>(row), static_cast<int64_t>(row) + 1);
  }
  return ranges;
}

// CRC-32 bit by bit, by its definition.
uint32_t Crc32(const std::string& bytes) {
  uint32_t rest = UINT32_MAX;
  for (const char c : bytes) {
    rest ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) {
      rest = (rest >> 1) ^ ((rest & 1) != 0 ? 0xEDB88320 : 0);
    }
  }
  return ~rest;
}

std::string Framed(const std::string& bitmap) {
  return BigEndian(static_cast<uint32_t>(bitmap.size())) + bitmap + BigEndian(Crc32(bitmap));
}

class DeletionVectorTest : public LakeFixture {};

TEST_F(DeletionVectorTest, Inline) {
  const DeletionVector vector{
      .storage_type = "i",
      .path_or_inline_dv = "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L",
      .offset = std::nullopt,
      .size_bytes = 44,
      .cardinality = 6};
  const auto rows = Must(ReadDeletionVector(*store_, "t", vector));
  EXPECT_EQ(rows, RangesOf({3, 4, 7, 11, 18, 29}));
  EXPECT_TRUE(rows.Contains(4));
  EXPECT_FALSE(rows.Contains(5));
  DeletionVector wrong = vector;
  wrong.cardinality = 5;
  EXPECT_EQ(CodeOfFailed(ReadDeletionVector(*store_, "t", wrong)), ErrorCode::kCorrupt);
  wrong.cardinality = 7;
  EXPECT_EQ(CodeOfFailed(ReadDeletionVector(*store_, "t", wrong)), ErrorCode::kCorrupt);
  wrong = vector;
  wrong.size_bytes = 36;
  EXPECT_EQ(CodeOfFailed(ReadDeletionVector(*store_, "t", wrong)), ErrorCode::kCorrupt);
}

TEST_F(DeletionVectorTest, TheProtocolsFileNames) {
  DeletionVector vector{.storage_type = "u",
                        .path_or_inline_dv = "ab^-aqEH.-t@S}K{vb[*k^",
                        .offset = 4,
                        .size_bytes = 40,
                        .cardinality = 6};
  EXPECT_EQ(Must(DeletionVectorPath(*store_, "t", vector)),
            "t/ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin");
  vector.path_or_inline_dv.erase(0, 2);
  EXPECT_EQ(Must(DeletionVectorPath(*store_, "t", vector)),
            "t/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin");
  vector.path_or_inline_dv = "../x" + vector.path_or_inline_dv;
  EXPECT_FALSE(DeletionVectorPath(*store_, "t", vector).ok());
  vector.storage_type = "p";
  vector.path_or_inline_dv = "file://" + root_ + "/t/a%20b.bin";
  EXPECT_EQ(Must(DeletionVectorPath(*store_, "t", vector)), "t/a b.bin");
  vector.path_or_inline_dv = root_ + "/t/../other/x.bin";
  EXPECT_EQ(CodeOfFailed(DeletionVectorPath(*store_, "t", vector)), ErrorCode::kUnsupported);
  vector.path_or_inline_dv = "s3://mytable/x.bin";
  EXPECT_EQ(CodeOfFailed(DeletionVectorPath(*store_, "t", vector)), ErrorCode::kUnsupported);
}

TEST_F(DeletionVectorTest, EveryContainer) {
  std::mt19937 random(7);
  std::set<uint64_t> rows = {0, 1, 2, 65535, 65536, 5'000'000'000, (uint64_t{7} << 32) + 9};
  for (uint64_t row = 0; row < 30'000; ++row) {
    rows.insert((uint64_t{3} << 16) + random() % 65536);  // a bitmap
    if (row < 700) {
      rows.insert((uint64_t{4} << 16) + random() % 65536);  // an array
    }
    rows.insert((uint64_t{5} << 16) + 20'000 + row);  // a run
  }
  for (uint64_t row = 0; row < 65536; ++row) {
    rows.insert((uint64_t{6} << 16) + row);  // full
  }
  const auto wanted = RangesOf(rows);
  for (const bool with_runs : {false, true}) {
    const std::string bytes = Bitmap(rows, with_runs);
    EXPECT_EQ(Must(ParseDeletionBitmap(bytes, INT64_MAX)), wanted) << with_runs;
    EXPECT_FALSE(ParseDeletionBitmap(bytes + "x", INT64_MAX).ok());
    EXPECT_FALSE(ParseDeletionBitmap(bytes, wanted.count() - 1).ok());
    for (size_t cut = 0; cut < bytes.size(); cut += 1 + cut / 8) {
      EXPECT_FALSE(ParseDeletionBitmap(std::string_view(bytes).substr(0, cut), INT64_MAX).ok());
    }
  }
  EXPECT_TRUE(Must(ParseDeletionBitmap(Bitmap({}, false), 0)).empty());
}

TEST_F(DeletionVectorTest, FilesOfManyVectors) {
  const std::set<uint64_t> first = {1, 2, 3};
  const std::set<uint64_t> second = {10, 70'000};
  const std::string frames[] = {Framed(Bitmap(first, true)), Framed(Bitmap(second, false))};
  const std::string path = "t/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin";
  const std::string bytes = "\x01" + frames[0] + frames[1];
  ASSERT_OK(store_->Put(path, bytes));
  DeletionVector vector{.storage_type = "u",
                        .path_or_inline_dv = "^-aqEH.-t@S}K{vb[*k^",
                        .offset = 1,
                        .size_bytes = static_cast<int32_t>(frames[0].size()) - 8,
                        .cardinality = 3};
  EXPECT_EQ(Must(ReadDeletionVector(*store_, "t", vector)), RangesOf(first));
  vector.offset = static_cast<int32_t>(1 + frames[0].size());
  vector.size_bytes = static_cast<int32_t>(frames[1].size()) - 8;
  vector.cardinality = 2;
  EXPECT_EQ(Must(ReadDeletionVector(*store_, "t", vector)), RangesOf(second));
  // Any bit of this vector's frame, and the file's version.
  for (size_t at = static_cast<size_t>(*vector.offset); at <= bytes.size(); ++at) {
    std::string broken = bytes;
    const size_t place = at == bytes.size() ? 0 : at;
    broken[place] = static_cast<char>(broken[place] ^ 0x10);
    ASSERT_OK(store_->Put(path, broken));
    const auto read = ReadDeletionVector(*store_, "t", vector);
    ASSERT_EQ(CodeOfFailed(read), ErrorCode::kCorrupt) << place;
    EXPECT_NE(read.status().message().find(path), std::string::npos);
  }
  ASSERT_OK(store_->Put(path, bytes.substr(0, bytes.size() - 1)));
  EXPECT_EQ(CodeOfFailed(ReadDeletionVector(*store_, "t", vector)), ErrorCode::kCorrupt);
  ASSERT_OK(store_->Delete(path));
  EXPECT_EQ(CodeOfFailed(ReadDeletionVector(*store_, "t", vector)), ErrorCode::kCorrupt);
}

TEST(Z85Test, RefusesWhatIsNone) {
  EXPECT_EQ(Must(DecodeZ85("HelloWorld")), "\x86\x4F\xD2\x6F\xB5\x59\xF7\x5B");
  EXPECT_EQ(Must(DecodeZ85("")), "");
  for (const char* text : {"Hell", "Hell\"", "#####", "Hell\xff"}) {
    EXPECT_EQ(CodeOfFailed(DecodeZ85(text)), ErrorCode::kCorrupt) << text;
  }
}

// Every file of the fuzz corpus: parsed or refused, never more.
TEST(DeletionVectorCorpusTest, Replay) {
  const std::string folder = ICECORE_SOURCE_DIR "/src/icecore/lake/fuzz_corpus/deletion_vector";
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const auto rows = ParseDeletionBitmap(bytes, 1 << 20);
    EXPECT_EQ(rows.ok(), entry.path().filename().string().starts_with("good_")) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 5);
}

TEST(RowRangesTest, SetsOfRows) {
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    std::set<uint64_t> a;
    std::set<uint64_t> b;
    for (int i = 0; i < 12; ++i) {
      a.insert(random() % 30);
      b.insert(random() % 30);
    }
    const RowRanges ranges = RangesOf(a);
    std::set<uint64_t> rest;
    std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::inserter(rest, rest.end()));
    EXPECT_EQ(ranges.Minus(RangesOf(b)), RangesOf(rest));
    EXPECT_EQ(ranges.count(), static_cast<int64_t>(a.size()));
    for (uint64_t row = 0; row < 32; ++row) {
      EXPECT_EQ(ranges.Contains(static_cast<int64_t>(row)), a.contains(row));
      EXPECT_EQ(ranges.CountIn(5, static_cast<int64_t>(row)),
                row <= 5 ? 0 : std::distance(a.lower_bound(5), a.lower_bound(row)));
    }
  }
}

}  // namespace
}  // namespace icecore::lake
