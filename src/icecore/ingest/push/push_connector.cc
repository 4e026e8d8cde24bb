#include "icecore/ingest/push/push_connector.h"

#include <arrow/array/builder_binary.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/ingest/files/file_rows.h"
#include "icecore/ingest/files/member_rows.h"

namespace icecore::ingest {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr char kPartition[] = "journal";
// In column _file: where the rows came from is no file.
constexpr char kOrigin[] = "push";

std::string CheckOf(const std::string& numbers) { return base::Hash64Hex(numbers).substr(0, 8); }

// `rows` with the line that each row came from in _raw.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> WithLines(
    const std::shared_ptr<arrow::RecordBatch>& rows, std::string_view lines) {
  arrow::BinaryBuilder raw;
  ARROW_RETURN_NOT_OK(raw.Reserve(rows->num_rows()));
  ARROW_RETURN_NOT_OK(raw.ReserveData(static_cast<int64_t>(lines.size())));
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    ARROW_RETURN_NOT_OK(raw.Append(lines.substr(0, end)));
    lines.remove_prefix(std::min(lines.size(), end + 1));
  }
  ARROW_ASSIGN_OR_RAISE(const auto column, raw.Finish());
  const int at = rows->schema()->GetFieldIndex(std::string(kRawColumn));
  return rows->SetColumn(at, rows->schema()->field(at), column);
}

class JournalReader : public Reader {
 public:
  // `closed`: behind the position, oldest first.
  JournalReader(PushJournal* journal, int64_t batch_bytes, PushPosition position,
                std::vector<ClosedBatch> closed, std::stop_token stop)
      : journal_(journal),
        batch_bytes_(batch_bytes),
        position_(position),
        closed_(std::move(closed)),
        stop_(std::move(stop)) {}

  arrow::Result<std::optional<Batch>> Next() override {
    if (stop_.stop_requested()) return MakeError(ErrorCode::kUnavailable, "stopped");
    if (next_closed_ == closed_.size()) return std::optional<Batch>();
    if (next_entry_ == entries_.size()) {
      ARROW_ASSIGN_OR_RAISE(entries_, journal_->ReadAfter(position_.number, batch_bytes_));
      next_entry_ = 0;
    }
    const ClosedBatch closed = closed_[next_closed_];
    const PushPosition before = position_;
    std::string text;
    for (; next_entry_ < entries_.size() && entries_[next_entry_].number <= closed.number;
         ++next_entry_) {
      JournalEntry& entry = entries_[next_entry_];
      if (entry.first_row != position_.rows) {
        return MakeError(ErrorCode::kCorrupt,
                         "entry " + std::to_string(entry.number) + " of the journal has " +
                             std::to_string(entry.first_row) + " rows before it, " +
                             std::to_string(position_.rows) + " were taken");
      }
      text += entry.rows;
      position_ = {entry.number, position_.rows + entry.row_count};
    }
    if (position_.number == before.number) {
      return MakeError(
          ErrorCode::kCorrupt,
          "the journal ends before entry " + std::to_string(closed.number) + ", which was closed");
    }
    if (position_.number == closed.number) ++next_closed_;
    Batch batch;
    ARROW_ASSIGN_OR_RAISE(batch.rows, RowsOf(std::move(text), before.rows));
    const int64_t rows = position_.rows - before.rows;
    if (batch.rows->num_rows() != rows) {
      return MakeError(ErrorCode::kInternal, "entries up to " + std::to_string(position_.number) +
                                                 " say " + std::to_string(rows) +
                                                 " rows and hold " +
                                                 std::to_string(batch.rows->num_rows()));
    }
    batch.position_after = position_.Serialize();
    batch.transaction_end = true;
    batch.arrived_us = closed.arrived_us;
    batch.schema_changed = schema_ != nullptr && !schema_->Equals(*batch.rows->schema());
    schema_ = batch.rows->schema();
    return std::optional<Batch>(std::move(batch));
  }

 private:
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> RowsOf(std::string text,
                                                            int64_t rows_before) const {
    const auto bytes = arrow::Buffer::FromString(std::move(text));
    TextInput input;
    input.name = kOrigin;
    input.from_row = rows_before;
    input.stop = stop_;
    input.open = [bytes](int64_t offset) -> arrow::Result<std::shared_ptr<arrow::io::InputStream>> {
      return std::make_shared<arrow::io::BufferReader>(arrow::SliceBuffer(bytes, offset));
    };
    ARROW_ASSIGN_OR_RAISE(const auto rows, OpenJsonLines(std::move(input)));
    std::vector<std::shared_ptr<arrow::RecordBatch>> parts;
    while (true) {
      ARROW_ASSIGN_OR_RAISE(auto part, rows->Next());
      if (part == nullptr) break;
      parts.push_back(std::move(part));
    }
    ARROW_ASSIGN_OR_RAISE(const auto table, arrow::Table::FromRecordBatches(rows->schema(), parts));
    ARROW_ASSIGN_OR_RAISE(const auto batch, table->CombineChunksToBatch());
    return WithLines(batch, std::string_view(*bytes));
  }

  PushJournal* const journal_;
  const int64_t batch_bytes_;
  PushPosition position_;
  const std::vector<ClosedBatch> closed_;
  size_t next_closed_ = 0;
  std::vector<JournalEntry> entries_;  // as they were read
  size_t next_entry_ = 0;
  const std::stop_token stop_;
  std::shared_ptr<arrow::Schema> schema_;
};

}  // namespace

std::string PushPosition::Serialize() const {
  const std::string numbers = std::to_string(number) + ":" + std::to_string(rows);
  return numbers + ":" + CheckOf(numbers);
}

arrow::Result<PushPosition> PushPosition::Parse(const std::string& text) {
  PushPosition position;
  if (text.empty()) return position;
  const char* const end = text.data() + text.size();
  const auto number = std::from_chars(text.data(), end, position.number);
  const bool separated = number.ec == std::errc() && number.ptr != end && *number.ptr == ':';
  if (separated) {
    const auto rows = std::from_chars(number.ptr + 1, end, position.rows);
    if (rows.ec == std::errc() && position.Serialize() == text) return position;
  }
  return MakeError(ErrorCode::kCorrupt, "position '" + text + "' of a push journal");
}

Capabilities PushConnector::capabilities() const {
  Capabilities can;
  can.replayable = true;
  can.ordered = true;
  can.schema_changes = true;
  can.push = true;
  return can;
}

arrow::Result<std::vector<Partition>> PushConnector::Partitions() {
  return std::vector<Partition>{{kPartition, "rows pushed to this source"}};
}

arrow::Result<std::unique_ptr<Reader>> PushConnector::Read(const Partition& /*partition*/,
                                                           const std::string& position,
                                                           std::stop_token stop) {
  ARROW_ASSIGN_OR_RAISE(const PushPosition from, PushPosition::Parse(position));
  ARROW_ASSIGN_OR_RAISE(auto closed, journal_->Close(from.number, closed_at_us_));
  return std::unique_ptr<Reader>(std::make_unique<JournalReader>(
      journal_, batch_bytes_, from, std::move(closed), std::move(stop)));
}

arrow::Status PushConnector::Committed(const Partition& /*partition*/,
                                       const std::string& position) {
  ARROW_ASSIGN_OR_RAISE(const PushPosition taken, PushPosition::Parse(position));
  return journal_->Release(taken.number);
}

std::string PushConnector::PrintPosition(const std::string& position) const {
  const auto parsed = PushPosition::Parse(position);
  if (!parsed.ok()) return "not a position";
  if (parsed->number == 0) return "the beginning";
  return "push " + std::to_string(parsed->number) + ", row " + std::to_string(parsed->rows);
}

}  // namespace icecore::ingest
