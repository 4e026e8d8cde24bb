#include "icecore/pipeline/version_rows.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/text.h"
#include "icecore/lake/envelope.h"
#include "icecore/pipeline/key_index.h"
#include "icecore/pipeline/row_batches.h"

namespace icecore::pipeline {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

constexpr size_t kNamedKeys = 3;  // in an error

arrow::Result<BatchPtr> WithColumn(const BatchPtr& rows, std::string_view name,
                                   const std::shared_ptr<arrow::Array>& values) {
  const int index = rows->schema()->GetFieldIndex(std::string(name));
  if (index < 0) {
    return base::MakeError(base::ErrorCode::kInternal, "rows without " + std::string(name));
  }
  return rows->SetColumn(index, rows->schema()->field(index), values);
}

// The log's rows: `_op` as given, and `_known_at`: by the table's rule, of a delete its arrival.
arrow::Result<BatchPtr> LogRows(const VersionContext& context, const BatchPtr& rows,
                                const std::shared_ptr<arrow::StringArray>& ops) {
  ARROW_ASSIGN_OR_RAISE(auto log, WithColumn(rows, lake::kOp, ops));
  ARROW_ASSIGN_OR_RAISE(auto known, KnownTimes(context.known_at, context.event_time, *rows));
  ARROW_ASSIGN_OR_RAISE(auto arrived, KnownTimes(std::nullopt, std::nullopt, *rows));
  const auto& by_rule = static_cast<const arrow::TimestampArray&>(*known);
  const auto& by_arrival = static_cast<const arrow::TimestampArray&>(*arrived);
  arrow::TimestampBuilder times(known->type(), arrow::default_memory_pool());
  for (int64_t i = 0; i < rows->num_rows(); ++i) {
    const auto& source = ops->GetView(i) == kDeleteOp ? by_arrival : by_rule;
    ARROW_RETURN_NOT_OK(source.IsNull(i) ? times.AppendNull() : times.Append(source.Value(i)));
  }
  ARROW_ASSIGN_OR_RAISE(known, times.Finish());
  return log->AddColumn(log->num_columns(), std::string(lake::kKnownAt), known);
}

// The rows at `places` of the log, as the present has them.
arrow::Result<BatchPtr> PresentRows(const BatchPtr& log, const std::vector<int64_t>& places) {
  ARROW_ASSIGN_OR_RAISE(auto rows, TakeRows(log, places));
  return rows->RemoveColumn(rows->schema()->GetFieldIndex(std::string(lake::kKnownAt)));
}

std::string KeyText(const arrow::RecordBatch& rows, const std::vector<std::string>& key,
                    int64_t row) {
  std::string text;
  for (const std::string& column : key) {
    const auto value = rows.GetColumnByName(column)->GetScalar(row);
    text += (text.empty() ? "" : ", ") + (value.ok() ? (*value)->ToString() : std::string("?"));
  }
  return "(" + text + ")";
}

// Compares the rows of a table computed whole with the present, batch by batch.
class Comparison {
 public:
  Comparison(const VersionContext& context, const BatchPtr& rows, KeyIndex index, KeyIndex spared)
      : context_(context),
        rows_(rows),
        index_(std::move(index)),
        spared_(std::move(spared)),
        fate_(static_cast<size_t>(rows->num_rows()), Fate::kNew) {}

  arrow::Status CheckUnique() const {
    if (index_.num_groups() == rows_->num_rows()) {
      return arrow::Status::OK();
    }
    std::vector<std::string> twice;
    std::vector<bool> named(static_cast<size_t>(index_.num_groups()), false);
    for (int64_t row = 0; row < rows_->num_rows() && twice.size() < kNamedKeys; ++row) {
      const int64_t group = index_.GroupOf(row);
      if (index_.FirstRow(group) != row && !named[static_cast<size_t>(group)]) {
        named[static_cast<size_t>(group)] = true;
        twice.push_back(KeyText(*rows_, context_.table.key, row));
      }
    }
    std::sort(twice.begin(), twice.end());
    return base::MakeError(base::ErrorCode::kContractViolation,
                           context_.table.present + ": key (" +
                               base::CommaList(context_.table.key) +
                               ") is not unique: " + base::CommaList(twice) +
                               " occur more than once among " + std::to_string(rows_->num_rows()) +
                               " rows of " + std::to_string(index_.num_groups()) + " keys");
  }

  arrow::Status AddPresent(const BatchPtr& present) {
    ARROW_ASSIGN_OR_RAISE(const auto keys, KeyBytes(*present, context_.table.key));
    std::vector<int64_t> theirs;
    std::vector<int64_t> ours;
    std::vector<int64_t> gone;
    for (int64_t i = 0; i < keys->length(); ++i) {
      const int64_t group = index_.Find(keys->GetView(i));
      if (group >= 0) {
        theirs.push_back(i);
        ours.push_back(index_.FirstRow(group));
      } else if (spared_.Find(keys->GetView(i)) < 0) {
        gone.push_back(i);
      }
    }
    ARROW_ASSIGN_OR_RAISE(auto conformed, Conform(*present, rows_->schema()));
    ARROW_ASSIGN_OR_RAISE(const auto before, TakeRows(conformed, theirs));
    ARROW_ASSIGN_OR_RAISE(const auto after, TakeRows(rows_, ours));
    for (const int64_t row : ours) {
      fate_[static_cast<size_t>(row)] = Fate::kSame;
    }
    for (int i = 0; i < rows_->num_columns(); ++i) {
      if (!lake::IsEnvelope(rows_->schema()->field(i)->name())) {
        MarkChanged(*before->column(i), *after->column(i), ours);
      }
    }
    if (!gone.empty()) {
      ARROW_ASSIGN_OR_RAISE(auto deleted, TakeRows(conformed, gone));
      deleted_.push_back(std::move(deleted));
    }
    return arrow::Status::OK();
  }

  // New, changed and vanished rows, sorted by key, which is in no two of them.
  arrow::Result<BatchPtr> Versions(std::shared_ptr<arrow::StringArray>* ops) {
    std::vector<int64_t> come;
    std::vector<std::string_view> op_of;
    for (size_t i = 0; i < fate_.size(); ++i) {
      if (fate_[i] != Fate::kSame) {
        come.push_back(static_cast<int64_t>(i));
        op_of.push_back(fate_[i] == Fate::kNew ? kInsertOp : kUpdateOp);
      }
    }
    ARROW_ASSIGN_OR_RAISE(auto first, TakeRows(rows_, come));
    arrow::RecordBatchVector parts = {first};
    for (const BatchPtr& part : deleted_) {
      parts.push_back(part);
      op_of.insert(op_of.end(), static_cast<size_t>(part->num_rows()), kDeleteOp);
    }
    ARROW_ASSIGN_OR_RAISE(auto table, arrow::Table::FromRecordBatches(rows_->schema(), parts));
    ARROW_ASSIGN_OR_RAISE(auto all, table->CombineChunksToBatch());
    ARROW_ASSIGN_OR_RAISE(const auto keys, KeyBytes(*all, context_.table.key));
    std::vector<int64_t> order(static_cast<size_t>(all->num_rows()));
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [&](int64_t a, int64_t b) { return keys->GetView(a) < keys->GetView(b); });
    arrow::StringBuilder builder;
    for (const int64_t row : order) {
      ARROW_RETURN_NOT_OK(builder.Append(op_of[static_cast<size_t>(row)]));
    }
    ARROW_ASSIGN_OR_RAISE(auto finished, builder.Finish());
    *ops = std::static_pointer_cast<arrow::StringArray>(std::move(finished));
    return TakeRows(all, order);
  }

 private:
  enum class Fate : uint8_t { kNew, kSame, kChanged };

  void MarkChanged(const arrow::Array& before, const arrow::Array& after,
                   const std::vector<int64_t>& rows) {
    const auto equal = arrow::EqualOptions::Defaults().nans_equal(true);
    if (before.Equals(after, equal)) {
      return;
    }
    for (int64_t i = 0; i < before.length(); ++i) {
      Fate& fate = fate_[static_cast<size_t>(rows[static_cast<size_t>(i)])];
      if (fate == Fate::kSame && !before.RangeEquals(i, i + 1, i, after, equal)) {
        fate = Fate::kChanged;
      }
    }
  }

  const VersionContext& context_;
  const BatchPtr rows_;
  const KeyIndex index_;
  const KeyIndex spared_;
  std::vector<Fate> fate_;
  arrow::RecordBatchVector deleted_;
};

// `_seq`, `_arrived_at` and `_run` of new versions.
arrow::Result<BatchPtr> Stamped(BatchPtr rows, const VersionStamp& stamp) {
  const int64_t n = rows->num_rows();
  arrow::Int64Builder seq;
  for (int64_t i = 1; i <= n; ++i) {
    ARROW_RETURN_NOT_OK(seq.Append(stamp.seq_after + i));
  }
  ARROW_ASSIGN_OR_RAISE(auto seqs, seq.Finish());
  const auto instant = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  ARROW_ASSIGN_OR_RAISE(auto arrived, arrow::MakeArrayFromScalar(
                                          arrow::TimestampScalar(stamp.arrived_us, instant), n));
  ARROW_ASSIGN_OR_RAISE(auto run, arrow::MakeArrayFromScalar(arrow::StringScalar(stamp.run_id), n));
  ARROW_ASSIGN_OR_RAISE(rows, WithColumn(rows, lake::kSeq, seqs));
  ARROW_ASSIGN_OR_RAISE(rows, WithColumn(rows, lake::kArrivedAt, arrived));
  return WithColumn(rows, lake::kRun, run);
}

}  // namespace

arrow::Result<VersionRows> MergeVersions(const Workspace& workspace, const VersionContext& context,
                                         const BatchPtr& rows) {
  ARROW_ASSIGN_OR_RAISE(auto choice, VersionChoice::Make(context.table, *rows));
  const bool has_older = !context.anew && context.history->exists();
  if (has_older && rows->num_rows() > 0) {
    ARROW_RETURN_NOT_OK(AddOlderVersions(workspace, context.table, *context.present,
                                         *context.history, context.history->last_seq(), &choice));
  }
  ARROW_ASSIGN_OR_RAISE(const ChosenVersions chosen, choice.Choose());
  VersionRows out;
  ARROW_ASSIGN_OR_RAISE(out.history, LogRows(context, rows, chosen.ops));
  ARROW_ASSIGN_OR_RAISE(out.change.keys, TakeRows(out.history, chosen.winners));
  ARROW_ASSIGN_OR_RAISE(out.change.rows, PresentRows(out.history, chosen.rows));
  out.inserts = chosen.inserts;
  out.updates = chosen.updates;
  out.deletes = chosen.deletes;
  out.superseded = chosen.superseded();
  out.present_rows = chosen.row_change + (has_older ? context.present->row_count().value_or(0) : 0);
  return out;
}

arrow::Result<quality::RejectedRows> TakeKeylessRows(const std::vector<std::string>& key,
                                                     const std::string& definition,
                                                     BatchPtr* rows) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<bool> null, NullKeys(**rows, key));
  std::vector<int64_t> kept;
  std::vector<int64_t> keyless;
  for (size_t i = 0; i < null.size(); ++i) {
    (null[i] ? keyless : kept).push_back(static_cast<int64_t>(i));
  }
  quality::RejectedRows rejected;
  if (!keyless.empty()) {
    quality::Reason reason;
    reason.rule = "key is null";
    reason.version = definition;
    reason.expected = "a value in every column of the key";
    ARROW_ASSIGN_OR_RAISE(rejected.rows, TakeRows(*rows, keyless));
    rejected.reasons.assign(keyless.size(), {reason});
  }
  ARROW_ASSIGN_OR_RAISE(*rows, TakeRows(*rows, kept));
  return rejected;
}

arrow::Result<VersionRows> CompareVersions(const Workspace& workspace,
                                           const VersionContext& context, const BatchPtr& rows,
                                           const BatchPtr& spared, const VersionStamp& stamp) {
  ARROW_ASSIGN_OR_RAISE(auto keys, KeyBytes(*rows, context.table.key));
  ARROW_ASSIGN_OR_RAISE(auto spared_keys, KeyBytes(*spared, context.table.key));
  Comparison comparison(context, rows, KeyIndex(std::move(keys)), KeyIndex(std::move(spared_keys)));
  ARROW_RETURN_NOT_OK(comparison.CheckUnique());
  const bool has_older = !context.anew && context.history->exists();
  if (has_older) {
    ARROW_ASSIGN_OR_RAISE(auto reader, lake::Scan(*workspace.store, *context.present,
                                                  lake::ScanOptions{}, workspace.access));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
      if (!batch) {
        break;
      }
      ARROW_RETURN_NOT_OK(comparison.AddPresent(batch));
    }
  }
  std::shared_ptr<arrow::StringArray> ops;
  ARROW_ASSIGN_OR_RAISE(auto versions, comparison.Versions(&ops));
  ARROW_ASSIGN_OR_RAISE(versions, Stamped(std::move(versions), stamp));
  VersionRows out;
  ARROW_ASSIGN_OR_RAISE(out.history, LogRows(context, versions, ops));
  std::vector<int64_t> put;
  for (int64_t i = 0; i < ops->length(); ++i) {
    const auto op = ops->GetView(i);
    out.inserts += op == kInsertOp ? 1 : 0;
    out.updates += op == kUpdateOp ? 1 : 0;
    out.deletes += op == kDeleteOp ? 1 : 0;
    if (op != kDeleteOp) {
      put.push_back(i);
    }
  }
  out.change.keys = out.history;
  ARROW_ASSIGN_OR_RAISE(out.change.rows, PresentRows(out.history, put));
  out.present_rows =
      out.inserts - out.deletes + (has_older ? context.present->row_count().value_or(0) : 0);
  return out;
}

}  // namespace icecore::pipeline
