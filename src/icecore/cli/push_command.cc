#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/json_text.h"
#include "icecore/cli/context.h"
#include "icecore/cli/text_table.h"
#include "icecore/engine/row_files.h"
#include "icecore/lake/envelope.h"

namespace icecore::cli {
namespace {

constexpr size_t kPushBytes = size_t{8} << 20;  // of rows that are made durable together

struct PushArguments {
  std::string source;
  std::string file;
  std::string key;
};

// Sends rows in pieces; the key of each is the user's with the piece's number behind.
class Pusher {
 public:
  Pusher(engine::PushDoor* door, const PushArguments& arguments)
      : door_(door), arguments_(arguments) {}

  arrow::Status Add(std::string_view line) {
    piece_.append(line);
    piece_.push_back('\n');
    ++lines_;
    return piece_.size() < kPushBytes ? arrow::Status::OK() : Send();
  }

  arrow::Status Send() {
    if (piece_.find_first_not_of(" \t\r\n") == std::string::npos) {
      piece_.clear();
      return arrow::Status::OK();
    }
    const std::string key =
        arguments_.key.empty() ? "" : arguments_.key + "/" + std::to_string(pieces_);
    ++pieces_;
    auto receipt = Push(std::exchange(piece_, {}), key);
    if (!receipt.ok()) {
      const int64_t before = sent_lines_;
      return base::WithContext(receipt.status(), before == 0 ? arguments_.file
                                                             : arguments_.file + ", behind line " +
                                                                   std::to_string(before) +
                                                                   " (those were taken)");
    }
    sent_lines_ = lines_;
    (receipt->duplicate ? duplicates_ : rows_) += receipt->row_count;
    return arrow::Status::OK();
  }

  int64_t rows() const { return rows_; }
  int64_t duplicates() const { return duplicates_; }
  int64_t pieces() const { return pieces_; }

 private:
  arrow::Result<ingest::PushReceipt> Push(const std::string& lines, const std::string& key) {
    auto rows = ingest::CheckedRows::Of(lines);
    if (rows.ok()) return door_->Push({arguments_.source, *std::move(rows), key});
    // A source that is none is told before what is wrong with its rows.
    const arrow::Status nothing = door_->Push({arguments_.source, {}, key}).status();
    return base::CodeOf(nothing) == base::ErrorCode::kNotFound ? nothing : rows.status();
  }

  engine::PushDoor* const door_;
  const PushArguments& arguments_;
  std::string piece_;
  int64_t lines_ = 0;
  int64_t sent_lines_ = 0;
  int64_t pieces_ = 0;
  int64_t rows_ = 0;
  int64_t duplicates_ = 0;
};

arrow::Status PushLines(std::istream& input, Pusher* pusher) {
  std::string line;
  while (std::getline(input, line)) {
    ARROW_RETURN_NOT_OK(pusher->Add(line));
  }
  return pusher->Send();
}

arrow::Status PushTable(const arrow::Table& table, Pusher* pusher) {
  arrow::TableBatchReader reader(table);
  const std::vector<std::string> names = table.ColumnNames();
  std::string line;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, reader.Next());
    if (batch == nullptr) {
      return pusher->Send();
    }
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      line = "{";
      for (int column = 0; column < batch->num_columns(); ++column) {
        if (lake::IsEnvelope(names[static_cast<size_t>(column)])) {
          continue;
        }
        if (line.size() > 1) {
          line += ",";
        }
        base::AppendJsonString(names[static_cast<size_t>(column)], &line);
        line += ":";
        ARROW_RETURN_NOT_OK(base::AppendJsonValue(*batch->column(column), row, &line));
      }
      line += "}";
      ARROW_RETURN_NOT_OK(pusher->Add(line));
    }
  }
}

bool IsColumnar(const std::string& path) {
  return path.ends_with(".parquet") || path.ends_with(".arrow") || path.ends_with(".csv");
}

arrow::Status Push(Context* context, const PushArguments& arguments) {
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  ARROW_ASSIGN_OR_RAISE(const auto door, engine->OpenPushDoor());
  Pusher pusher(door.get(), arguments);
  if (arguments.file == "-") {
    ARROW_RETURN_NOT_OK(PushLines(std::cin, &pusher));
  } else if (IsColumnar(arguments.file)) {
    ARROW_ASSIGN_OR_RAISE(const auto table, engine::ReadRows(arguments.file));
    ARROW_RETURN_NOT_OK(PushTable(*table, &pusher));
  } else {
    std::ifstream input(arguments.file, std::ios::binary);
    if (!input) {
      return base::MakeError(base::ErrorCode::kNotFound, "cannot read " + arguments.file);
    }
    ARROW_RETURN_NOT_OK(PushLines(input, &pusher));
  }
  if (context->json) {
    const nlohmann::json report = {{"source", arguments.source},
                                   {"rows", pusher.rows()},
                                   {"duplicates", pusher.duplicates()},
                                   {"pushes", pusher.pieces()}};
    std::printf("%s\n", report.dump(1).c_str());
    return arrow::Status::OK();
  }
  std::printf("%s rows taken", Grouped(pusher.rows()).c_str());
  if (pusher.duplicates() > 0) {
    std::printf(", %s known by their key", Grouped(pusher.duplicates()).c_str());
  }
  std::puts("; they land with the next `icecore run`, or at once where `icecore serve` runs");
  return arrow::Status::OK();
}

}  // namespace

void AddPushCommand(CLI::App* app, Context* context) {
  auto* push = app->add_subcommand("push", "Send rows to a source of pushes");
  push->footer(
      "The rows are durable when the command ends. With --key the same command may be repeated:\n"
      "what was taken under the key within a day is not taken again.\n"
      "  icecore push clicks --file clicks.ndjson --key upload-17\n"
      "  tail -n 100 clicks.ndjson | icecore push clicks --file -");
  auto arguments = std::make_shared<PushArguments>();
  push->add_option("SOURCE", arguments->source, "A source `from: {push: {}}`")->required();
  push->add_option("--file", arguments->file,
                   "JSON objects, one a line (- reads standard input); or .parquet .csv .arrow")
      ->required();
  push->add_option("--key", arguments->key, "Idempotency key");
  push->callback([=] {
    if (const arrow::Status status = Push(context, *arguments); !status.ok()) {
      context->Fail(status);
    }
  });
}

}  // namespace icecore::cli
