#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/ingest/files/container.h"
#include "icecore/ingest/files/csv_parser.h"
#include "icecore/ingest/files/encoding.h"
#include "icecore/ingest/files/file_error.h"
#include "icecore/ingest/files/file_rows.h"
#include "icecore/ingest/files/member_rows.h"
#include "icecore/ingest/files/record_buffer.h"
#include "icecore/ingest/files/row_builder.h"

namespace icecore::ingest {
namespace {

CsvDialect DialectOf(const spec::FilesConnector& files) {
  return {.delimiter = files.delimiter, .quote = files.quote, .escape = files.escape};
}

class CsvRows : public MemberRows {
 public:
  CsvRows(TextInput input, const spec::FilesConnector& files)
      : input_(std::move(input)), files_(files), parser_(DialectOf(files)) {}

  arrow::Status Init(const std::vector<std::string>& column_names) {
    ARROW_ASSIGN_OR_RAISE(encoding_, ParseEncoding(files_.encoding));
    ARROW_RETURN_NOT_OK(OpenAt(0));
    ARROW_RETURN_NOT_OK(SkipMark());
    for (int64_t i = 0; i < files_.skip_rows; ++i) {
      ARROW_RETURN_NOT_OK(SkipLine());
    }
    ARROW_ASSIGN_OR_RAISE(std::vector<std::string> names, ColumnNames(column_names));
    if (const std::string wrong = CheckColumnNames(names); !wrong.empty()) {
      return BadInput(input_.name, header_line_, wrong);
    }
    builder_.emplace(names, input_.name, input_.from_row);
    if (input_.from_byte > 0) {
      ARROW_RETURN_NOT_OK(OpenAt(input_.from_byte));
      line_ = input_.from_line + 1;
      // A line end right here ends the last line of the known part.
      if (!buffer_->view().empty() && input_.from_line_open) {
        ARROW_RETURN_NOT_OK(SkipLine());
      }
    }
    return arrow::Status::OK();
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return builder_->schema(); }
  int64_t rows() const override { return builder_->rows(); }
  int64_t problem_rows() const override { return builder_->problem_rows(); }

  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    while (!builder_->full()) {
      ARROW_ASSIGN_OR_RAISE(const bool found, ReadRecord());
      if (!found) {
        break;
      }
      ARROW_RETURN_NOT_OK(AddRecord());
    }
    return builder_->Flush();
  }

 private:
  arrow::Status OpenAt(int64_t offset) {
    ARROW_ASSIGN_OR_RAISE(auto stream, input_.open(offset));
    buffer_.emplace(std::move(stream), input_.name, input_.stop);
    return buffer_->Fill(line_);
  }

  // The byte order mark of UTF-8 goes; those of UTF-16 are refused.
  arrow::Status SkipMark() {
    const std::string_view view = buffer_->view();
    if (view.starts_with("\xEF\xBB\xBF")) {
      buffer_->Consume(3);
    } else if (view.starts_with("\xFF\xFE") || view.starts_with("\xFE\xFF")) {
      return BadInput(input_.name, 0, "UTF-16 text; write it as utf-8");
    } else if (PackingOfBytes(view.substr(0, 4)) != Packing::kPlain) {
      return BadInput(
          input_.name, 0,
          "packed bytes under a name that does not say so; the name must end in .gz, .zst "
          "or .zip");
    }
    return arrow::Status::OK();
  }

  // Drops a line as it stands, whatever quotes are in it.
  arrow::Status SkipLine() {
    size_t searched = 0;
    for (;;) {
      const std::string_view view = buffer_->view();
      const size_t end = view.find_first_of("\r\n", searched);
      const bool whole = end != std::string_view::npos &&
                         (view[end] == '\n' || end + 1 < view.size() || buffer_->at_end());
      if (whole) {
        const bool two = view[end] == '\r' && end + 1 < view.size() && view[end + 1] == '\n';
        buffer_->Consume(end + (two ? 2 : 1));
        ++line_;
        return arrow::Status::OK();
      }
      if (buffer_->at_end()) {
        buffer_->Consume(view.size());
        return arrow::Status::OK();
      }
      searched = end == std::string_view::npos ? view.size() : end;
      ARROW_RETURN_NOT_OK(buffer_->Fill(line_));
    }
  }

  // Parses the next record that is not an empty line into record_; false at the end.
  arrow::Result<bool> ReadRecord() {
    for (;;) {
      ARROW_ASSIGN_OR_RAISE(const bool found, PeekRecord());
      if (!found) {
        return false;
      }
      buffer_->Consume(record_.consumed);
      record_line_ = line_;
      line_ += record_.lines;
      // In text of one column an empty line is a row with an empty value.
      if (!record_.raw.empty() || (builder_ && builder_->columns() == 1)) {
        return true;
      }
    }
  }

  // As above, but empty lines count and nothing is consumed.
  arrow::Result<bool> PeekRecord() {
    for (;;) {
      const std::string_view view = buffer_->view();
      if (view.empty() && buffer_->at_end()) {
        return false;
      }
      const CsvParser::Outcome outcome = view.empty()
                                             ? CsvParser::Outcome::kNeedMore
                                             : parser_.Next(view, buffer_->at_end(), &record_);
      if (outcome == CsvParser::Outcome::kRecord) {
        return true;
      }
      if (outcome == CsvParser::Outcome::kUnclosed) {
        return BadInput(input_.name, QuoteLine(), "the quote that opens here is never closed");
      }
      if (record_.open_quote && view.size() > static_cast<size_t>(kMaxFieldBytes) * 2) {
        return base::MakeError(base::ErrorCode::kLimit,
                               input_.name + ":" + std::to_string(QuoteLine()) +
                                   ": the quote that opens here is not closed within " +
                                   std::to_string(kMaxFieldBytes >> 20) + " MiB");
      }
      ARROW_RETURN_NOT_OK(buffer_->Fill(line_));
    }
  }

  int64_t QuoteLine() const {
    return line_ + CountLineEnds(buffer_->view().substr(0, record_.open_quote.value_or(0)));
  }

  arrow::Result<std::vector<std::string>> ColumnNames(const std::vector<std::string>& given) {
    std::vector<std::string> names;
    if (!files_.header) {
      if (!given.empty()) {
        return given;
      }
      ARROW_ASSIGN_OR_RAISE(const bool found, PeekRecord());
      for (size_t i = 0; found && i < record_.fields.size(); ++i) {
        names.push_back("column_" + std::to_string(i + 1));
      }
      return names;
    }
    ARROW_ASSIGN_OR_RAISE(const bool found, ReadRecord());
    header_line_ = found ? record_line_ : line_;
    if (!found) {
      return BadInput(input_.name, 0, "an empty file, where a header line was expected");
    }
    if (record_.broken_field) {
      return BadInput(input_.name, header_line_, "text follows a closing quote in the header line");
    }
    for (size_t i = 0; i < record_.fields.size(); ++i) {
      std::string& name = names.emplace_back();
      Transcode(record_.fields[i], encoding_, &name);
      if (!IsUtf8(name)) {
        return BadInput(
            input_.name, header_line_,
            "the name of column " + std::to_string(i + 1) + " is not UTF-8" + kEncodingHint);
      }
      if (name.empty()) {
        name = "column_" + std::to_string(i + 1);
      }
    }
    return names;
  }

  arrow::Status AddRecord() {
    const size_t columns = builder_->columns();
    if (record_.broken_field) {
      const std::string number = std::to_string(*record_.broken_field + 1);
      return builder_->Problem("field " + number + ": text follows its closing quote", record_.raw);
    }
    if (record_.fields.size() != columns) {
      return builder_->Problem(std::to_string(record_.fields.size()) + " fields, " +
                                   std::to_string(columns) + " expected",
                               record_.raw);
    }
    if (encoding_ == Encoding::kUtf8 && !IsUtf8(record_.raw)) {
      if (const std::string names = NotUtf8(); !names.empty()) {
        return builder_->Problem("not UTF-8: column " + names, record_.raw);
      }
    }
    for (size_t i = 0; i < columns; ++i) {
      std::string_view value = record_.fields[i];
      if (static_cast<int64_t>(value.size()) > kMaxFieldBytes) {
        return base::MakeError(base::ErrorCode::kLimit,
                               input_.name + ":" + std::to_string(record_line_) + ": column '" +
                                   builder_->schema()->field(static_cast<int>(i))->name() +
                                   "' has a value of more than " +
                                   std::to_string(kMaxFieldBytes >> 20) + " MiB");
      }
      if (encoding_ != Encoding::kUtf8) {
        Transcode(value, encoding_, &transcoded_);
        value = transcoded_;
      }
      ARROW_RETURN_NOT_OK(builder_->Value(i, value));
    }
    return builder_->EndRow();
  }

  // The columns whose values are not UTF-8. The record as a whole may fail for its delimiter alone.
  std::string NotUtf8() const {
    std::string names;
    for (size_t i = 0; i < record_.fields.size(); ++i) {
      if (!IsUtf8(record_.fields[i])) {
        names += (names.empty() ? "'" : ", '") +
                 builder_->schema()->field(static_cast<int>(i))->name() + "'";
      }
    }
    return names;
  }

  static constexpr const char* kEncodingHint = "; say `encoding: windows-1252` if it is that";

  const TextInput input_;
  const spec::FilesConnector files_;
  const CsvParser parser_;
  Encoding encoding_ = Encoding::kUtf8;
  std::optional<RecordBuffer> buffer_;
  std::optional<RowBuilder> builder_;
  CsvRecord record_;
  std::string transcoded_;
  int64_t line_ = 1;         // of the next record
  int64_t record_line_ = 1;  // of record_
  int64_t header_line_ = 0;
};

}  // namespace

arrow::Result<std::unique_ptr<MemberRows>> OpenCsv(TextInput input,
                                                   const spec::FilesConnector& files,
                                                   const std::vector<std::string>& column_names) {
  auto rows = std::make_unique<CsvRows>(std::move(input), files);
  ARROW_RETURN_NOT_OK(rows->Init(column_names));
  return std::unique_ptr<MemberRows>(std::move(rows));
}

}  // namespace icecore::ingest
