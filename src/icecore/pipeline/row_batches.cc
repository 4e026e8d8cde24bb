#include "icecore/pipeline/row_batches.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>

#include <algorithm>
#include <numeric>
#include <string_view>
#include <unordered_map>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/lake/envelope.h"
#include "icecore/state/value_codec.h"

namespace icecore::pipeline {

arrow::Result<std::shared_ptr<arrow::RecordBatch>> TakeRows(
    const std::shared_ptr<arrow::RecordBatch>& rows, const std::vector<int64_t>& indices) {
  if (static_cast<int64_t>(indices.size()) == rows->num_rows()) {
    bool identity = true;
    for (size_t i = 0; i < indices.size() && identity; ++i) {
      identity = indices[i] == static_cast<int64_t>(i);
    }
    if (identity) {
      return rows;
    }
  }
  arrow::Int64Builder builder;
  ARROW_RETURN_NOT_OK(builder.AppendValues(indices));
  ARROW_ASSIGN_OR_RAISE(auto index_array, builder.Finish());
  ARROW_ASSIGN_OR_RAISE(auto taken, arrow::compute::Take(rows, index_array));
  return taken.record_batch();
}

arrow::Result<std::vector<int64_t>> Int64Column(const arrow::RecordBatch& rows,
                                                const std::string& name) {
  const auto column = rows.GetColumnByName(name);
  if (!column || column->type_id() != arrow::Type::INT64 || column->null_count() > 0) {
    return base::MakeError(base::ErrorCode::kInternal, "rows without a full column " + name);
  }
  const auto& values = static_cast<const arrow::Int64Array&>(*column);
  return std::vector<int64_t>(values.raw_values(), values.raw_values() + values.length());
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> SortedBySeq(
    const std::shared_ptr<arrow::Table>& table) {
  ARROW_ASSIGN_OR_RAISE(auto rows, table->CombineChunksToBatch());
  ARROW_ASSIGN_OR_RAISE(auto seqs, Int64Column(*rows, std::string(lake::kSeq)));
  if (std::is_sorted(seqs.begin(), seqs.end())) {
    return rows;
  }
  std::vector<int64_t> order(seqs.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return seqs[static_cast<size_t>(a)] < seqs[static_cast<size_t>(b)];
  });
  return TakeRows(rows, order);
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> Conform(
    const arrow::RecordBatch& rows, const std::shared_ptr<arrow::Schema>& schema) {
  arrow::ArrayVector columns;
  for (const auto& field : schema->fields()) {
    auto column = rows.GetColumnByName(field->name());
    if (!column) {
      ARROW_ASSIGN_OR_RAISE(column, arrow::MakeArrayOfNull(field->type(), rows.num_rows()));
    } else if (!column->type()->Equals(field->type())) {
      auto cast = arrow::compute::Cast(*column, field->type(), arrow::compute::CastOptions::Safe());
      if (!cast.ok()) {
        return base::WithContext(cast.status(), "column '" + field->name() + "'");
      }
      column = *cast;
    }
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(schema, rows.num_rows(), std::move(columns));
}

arrow::Result<std::shared_ptr<arrow::Array>> ReadColumn(const Workspace& workspace,
                                                        const lake::Snapshot& snapshot,
                                                        const std::string& column) {
  const auto field = snapshot.schema ? snapshot.schema->GetFieldByName(column) : nullptr;
  if (!field) {
    return base::MakeError(
        base::ErrorCode::kInvalidDefinition,
        snapshot.table_path + " has no column '" + column + "'" +
            base::DidYouMean(column, snapshot.schema ? snapshot.schema->field_names()
                                                     : std::vector<std::string>{}));
  }
  lake::ScanOptions options;
  options.columns = {column};
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        lake::Scan(*workspace.store, snapshot, options, workspace.access));
  arrow::ArrayVector chunks;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
    if (!batch) {
      break;
    }
    chunks.push_back(batch->column(0));
  }
  if (chunks.empty()) {
    return arrow::MakeArrayOfNull(field->type(), 0);
  }
  return arrow::Concatenate(chunks);
}

arrow::Result<std::vector<std::string>> KeySet::Encode(const arrow::RecordBatch& rows) const {
  std::vector<std::string> encoded(static_cast<size_t>(rows.num_rows()));
  std::vector<std::shared_ptr<arrow::Array>> columns;
  std::vector<std::unique_ptr<state::ValueCodec>> codecs;
  for (const std::string& name : columns_) {
    const auto column = rows.GetColumnByName(name);
    if (!column) {
      return base::MakeError(base::ErrorCode::kInvalidDefinition, "no key column '" + name + "'");
    }
    ARROW_ASSIGN_OR_RAISE(auto codec, state::ValueCodec::Make(column->type()));
    columns.push_back(column);
    codecs.push_back(std::move(codec));
  }
  for (int64_t row = 0; row < rows.num_rows(); ++row) {
    std::string& key = encoded[static_cast<size_t>(row)];
    for (size_t i = 0; i < columns.size(); ++i) {
      if (columns[i]->IsNull(row)) {
        key.clear();
        break;
      }
      ARROW_RETURN_NOT_OK(codecs[i]->Encode(*columns[i], row, &key));
    }
  }
  return encoded;
}

arrow::Status KeySet::AddAll(const Workspace& workspace, const lake::Snapshot& snapshot) {
  if (!snapshot.exists()) {
    return arrow::Status::OK();
  }
  lake::ScanOptions options;
  options.columns = columns_;
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        lake::Scan(*workspace.store, snapshot, options, workspace.access));
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
    if (!batch) {
      return arrow::Status::OK();
    }
    ARROW_RETURN_NOT_OK(AddRows(*batch).status());
  }
}

arrow::Result<std::vector<bool>> KeySet::AddRows(const arrow::RecordBatch& rows) {
  ARROW_ASSIGN_OR_RAISE(auto encoded, Encode(rows));
  std::vector<bool> there(encoded.size());
  for (size_t i = 0; i < encoded.size(); ++i) {
    there[i] = !encoded[i].empty() && !keys_.insert(std::move(encoded[i])).second;
  }
  return there;
}

arrow::Result<std::vector<bool>> KeySet::Exists(const arrow::RecordBatch& keys) {
  ARROW_ASSIGN_OR_RAISE(auto encoded, Encode(keys));
  std::vector<bool> there(encoded.size());
  for (size_t i = 0; i < encoded.size(); ++i) {
    there[i] = keys_.count(encoded[i]) > 0;
  }
  return there;
}

arrow::Result<std::vector<int64_t>> KeySet::NextOfKey(const arrow::RecordBatch& rows) const {
  ARROW_ASSIGN_OR_RAISE(const auto encoded, Encode(rows));
  std::vector<int64_t> next(encoded.size(), -1);
  std::unordered_map<std::string_view, size_t> last;
  last.reserve(encoded.size());
  for (size_t i = 0; i < encoded.size(); ++i) {
    if (encoded[i].empty()) {
      continue;
    }
    const auto [known, is_new] = last.try_emplace(encoded[i], i);
    if (!is_new) {
      next[known->second] = static_cast<int64_t>(i);
      known->second = i;
    }
  }
  return next;
}

}  // namespace icecore::pipeline
