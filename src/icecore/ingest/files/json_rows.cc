#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/text.h"
#include "icecore/ingest/files/container.h"
#include "icecore/ingest/files/encoding.h"
#include "icecore/ingest/files/file_error.h"
#include "icecore/ingest/files/file_rows.h"
#include "icecore/ingest/files/json_object.h"
#include "icecore/ingest/files/member_rows.h"
#include "icecore/ingest/files/record_buffer.h"
#include "icecore/ingest/files/row_builder.h"

namespace icecore::ingest {
namespace {

constexpr std::string_view kSpace = " \t\r";

// Lines that are not blank.
class Lines {
 public:
  explicit Lines(const TextInput& input) : input_(input) {}

  arrow::Status Open() {
    ARROW_ASSIGN_OR_RAISE(auto stream, input_.open(input_.from_byte));
    line_ = input_.from_line;
    buffer_.emplace(std::move(stream), input_.name, input_.stop);
    ARROW_RETURN_NOT_OK(buffer_->Fill(line_ + 1));
    const std::string_view view = buffer_->view();
    if (input_.from_byte > 0) {
      return arrow::Status::OK();
    }
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

  // false at the end. The line, without its end, is valid until the next call.
  arrow::Result<bool> Next(std::string_view* line) {
    for (;;) {
      ARROW_ASSIGN_OR_RAISE(const bool found, NextLine(line));
      if (!found) {
        return false;
      }
      if (line->find_first_not_of(kSpace) != std::string_view::npos) {
        if (line->back() == '\r') {
          line->remove_suffix(1);
        }
        return true;
      }
    }
  }

  int64_t number() const { return line_; }  // of the last line, from 1

 private:
  arrow::Result<bool> NextLine(std::string_view* line) {
    size_t searched = 0;
    for (;;) {
      const std::string_view view = buffer_->view();
      const size_t end = view.find('\n', searched);
      if (end != std::string_view::npos || (buffer_->at_end() && !view.empty())) {
        *line = view.substr(0, end);
        buffer_->Consume(end == std::string_view::npos ? view.size() : end + 1);
        ++line_;
        return true;
      }
      if (buffer_->at_end()) {
        return false;
      }
      searched = view.size();
      ARROW_RETURN_NOT_OK(buffer_->Fill(line_ + 1));
    }
  }

  const TextInput& input_;
  std::optional<RecordBuffer> buffer_;
  int64_t line_ = 0;
};

class JsonRows : public MemberRows {
 public:
  explicit JsonRows(TextInput input) : input_(std::move(input)), lines_(input_) {}

  arrow::Status Init() {
    ARROW_RETURN_NOT_OK(CollectKeys());
    builder_.emplace(names_, input_.name, input_.from_row);
    values_.resize(names_.size());
    return lines_.Open();
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return builder_->schema(); }
  int64_t rows() const override { return builder_->rows(); }
  int64_t problem_rows() const override { return builder_->problem_rows(); }

  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    std::string_view line;
    while (!builder_->full()) {
      ARROW_ASSIGN_OR_RAISE(const bool found, lines_.Next(&line));
      if (!found) {
        break;
      }
      ARROW_RETURN_NOT_OK(AddLine(line));
    }
    return builder_->Flush();
  }

 private:
  static std::string Split(std::string_view line, std::vector<JsonMember>* members) {
    if (!IsUtf8(line)) {
      return "not UTF-8";
    }
    const std::string problem = SplitJsonObject(line, members);
    return problem.empty() ? problem : "not a JSON object: " + problem;
  }

  // The column of a member's key; nullopt when the key is new.
  std::optional<size_t> ColumnOf(const JsonMember& member, size_t guess) {
    std::string_view key = member.key;
    if (member.key_escaped) {
      DecodeJsonString(member.key, &key_);
      key = key_;
    }
    if (guess < names_.size() && names_[guess] == key) {
      return guess;
    }
    const auto found = columns_.find(std::string(key));
    return found == columns_.end() ? std::nullopt : std::optional<size_t>(found->second);
  }

  arrow::Status CollectKeys() {
    Lines lines(input_);
    ARROW_RETURN_NOT_OK(lines.Open());
    std::string_view line;
    bool array_begins = false;  // the first line begins with '['
    bool array_ends = false;    // the last one ends with ']'
    for (int64_t count = 0;; ++count) {
      ARROW_ASSIGN_OR_RAISE(const bool found, lines.Next(&line));
      if (!found) {
        break;
      }
      array_begins = array_begins || (count == 0 && line[line.find_first_not_of(kSpace)] == '[');
      array_ends = line[line.find_last_not_of(kSpace)] == ']';
      if (!Split(line, &members_).empty()) {
        continue;
      }
      for (size_t i = 0; i < members_.size(); ++i) {
        if (!ColumnOf(members_[i], i)) {
          ARROW_RETURN_NOT_OK(AddKey(members_[i], lines.number()));
        }
      }
    }
    if (array_begins && array_ends) {
      return BadInput(input_.name, 1, "a JSON array, where one object per line was expected");
    }
    return arrow::Status::OK();
  }

  arrow::Status AddKey(const JsonMember& member, int64_t line) {
    std::string key;
    DecodeJsonString(member.key, &key);
    const auto [other, is_new] = by_lower_.emplace(base::LowerText(key), names_.size());
    if (key.empty() || !is_new) {
      return arrow::Status::OK();  // AddLine says that it is a problem
    }
    if (const std::string wrong = CheckColumnNames({key}); !wrong.empty()) {
      return BadInput(input_.name, line, wrong);
    }
    if (names_.size() == static_cast<size_t>(kMaxColumns)) {
      return base::MakeError(base::ErrorCode::kLimit, input_.name + ":" + std::to_string(line) +
                                                          ": more than " +
                                                          std::to_string(kMaxColumns) + " keys");
    }
    columns_.emplace(key, names_.size());
    names_.push_back(key);
    return arrow::Status::OK();
  }

  // Why a line with this key is no row: its name is empty, or that of a column in other letters.
  std::string UnknownKey(const JsonMember& member) {
    DecodeJsonString(member.key, &key_);
    const auto other = by_lower_.find(base::LowerText(key_));
    if (key_.empty() || other == by_lower_.end()) {
      return "a key without a name";
    }
    return "the key '" + key_ + "' differs from '" + names_[other->second] + "' only in case";
  }

  // Points values_ at the line's members; returns why that cannot be, or "".
  std::string Assign() {
    std::fill(values_.begin(), values_.end(), nullptr);
    for (size_t i = 0; i < members_.size(); ++i) {
      const std::optional<size_t> column = ColumnOf(members_[i], i);
      if (!column) {
        return UnknownKey(members_[i]);
      }
      if (values_[*column] != nullptr) {
        return "the key '" + names_[*column] + "' stands there twice";
      }
      values_[*column] = &members_[i];
    }
    return "";
  }

  arrow::Status AddLine(std::string_view line) {
    std::string problem = Split(line, &members_);
    if (problem.empty()) {
      problem = Assign();
    }
    if (!problem.empty()) {
      return builder_->Problem(problem, line);
    }
    for (size_t i = 0; i < values_.size(); ++i) {
      const JsonMember* member = values_[i];
      if (member == nullptr || member->kind == JsonMember::Kind::kNull) {
        ARROW_RETURN_NOT_OK(builder_->Null(i));
      } else if (member->escaped) {
        DecodeJsonString(member->text, &text_);
        ARROW_RETURN_NOT_OK(builder_->Value(i, text_));
      } else {
        ARROW_RETURN_NOT_OK(builder_->Value(i, member->text));
      }
    }
    return builder_->EndRow();
  }

  const TextInput input_;
  Lines lines_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, size_t> columns_;
  std::unordered_map<std::string, size_t> by_lower_;
  std::optional<RowBuilder> builder_;
  std::vector<JsonMember> members_;
  std::vector<const JsonMember*> values_;
  std::string key_;
  std::string text_;
};

}  // namespace

arrow::Result<std::unique_ptr<MemberRows>> OpenJsonLines(TextInput input) {
  auto rows = std::make_unique<JsonRows>(std::move(input));
  ARROW_RETURN_NOT_OK(rows->Init());
  return std::unique_ptr<MemberRows>(std::move(rows));
}

}  // namespace icecore::ingest
