#include "icecore/engine/verify_freshness.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <unordered_map>

#include "icecore/engine/verify.h"
#include "icecore/feature/key_column.h"
#include "icecore/lake/scan.h"

namespace icecore::engine {
namespace {

// The view's keys of the vectors, by number, and the vectors of each.
struct AskedKeys {
  std::unique_ptr<feature::KeyDictionary> dictionary;
  std::unordered_map<int64_t, std::vector<size_t>> vectors;
};

arrow::Result<AskedKeys> KeysOf(const feature::ViewUse& use, const online::ServedVectors& vectors) {
  AskedKeys asked;
  ARROW_ASSIGN_OR_RAISE(asked.dictionary, feature::KeyDictionary::Make(use.view->key_types()));
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (size_t i = 0; i < use.key_columns.size(); ++i) {
    const auto& names = vectors.service->key_names;
    const auto at = std::find(names.begin(), names.end(), use.key_columns[i]);
    ARROW_ASSIGN_OR_RAISE(auto column,
                          feature::CastKey(vectors.keys[static_cast<size_t>(at - names.begin())],
                                           use.view->key_types()[i]));
    columns.push_back(std::move(column));
  }
  ARROW_ASSIGN_OR_RAISE(const auto numbers, asked.dictionary->AddAll(columns));
  for (size_t row = 0; row < numbers.size(); ++row) {
    if (numbers[row] >= 0) {
      asked.vectors[numbers[row]].push_back(row);
    }
  }
  return asked;
}

}  // namespace

arrow::Status FreshnessCounter::AddUse(const pipeline::Workspace& workspace,
                                       const feature::ViewUse& use,
                                       const online::ServedVectors& vectors,
                                       const online::ViewPosition& position,
                                       const pipeline::LogPin& pin) {
  ARROW_ASSIGN_OR_RAISE(const AskedKeys asked, KeysOf(use, vectors));
  lake::ScanOptions options;
  options.columns = use.view->columns();
  const int64_t latest = *std::max_element(vectors.times.begin(), vectors.times.end());
  if (latest <= position.applied_until) {
    options.seq = lake::SeqRange{position.seq, INT64_MAX};  // none below it waits
  }
  ARROW_ASSIGN_OR_RAISE(const auto reader,
                        lake::Scan(*workspace.store, *pin.snapshot, options, workspace.access));
  Behind& behind = views_[use.view->name()];
  std::set<size_t> lacking;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
    if (batch == nullptr) {
      break;
    }
    ARROW_ASSIGN_OR_RAISE(const auto inspected, use.view->Inspect(*batch));
    const state::PreparedRows& rows = inspected.rows;
    ARROW_ASSIGN_OR_RAISE(const auto keys, asked.dictionary->FindAll(rows.keys));
    for (int64_t row = 0; row < rows.num_rows; ++row) {
      const auto of_key = asked.vectors.find(keys[static_cast<size_t>(row)]);
      if (of_key == asked.vectors.end() || rows.event_time->IsNull(row) ||
          rows.known_at->IsNull(row) ||
          (!use.view->engine()->layout().versioned &&
           !inspected.passes[static_cast<size_t>(row)])) {
        continue;
      }
      const int64_t seq = rows.seq->Value(row);
      const int64_t known_at = std::max(rows.known_at->Value(row), rows.event_time->Value(row));
      const int64_t activation =
          use.view->engine()->ActivationOf(rows.event_time->Value(row), known_at);
      if (seq <= position.seq && activation <= position.applied_until) {
        continue;
      }
      for (const size_t vector : of_key->second) {
        if (activation <= vectors.times[vector]) {
          behind.rows.insert(seq);
          lacking.insert(vector);
          if (!use.view->engine()->layout().always) {  // facts have no age
            behind.greatest_age_us =
                std::max(behind.greatest_age_us, vectors.times[vector] - known_at);
          }
        }
      }
    }
  }
  behind.vectors += static_cast<int64_t>(lacking.size());
  return arrow::Status::OK();
}

arrow::Status FreshnessCounter::Add(const pipeline::Workspace& workspace,
                                    const feature::BoundService& service,
                                    const online::ServedVectors& vectors,
                                    const std::map<std::string, pipeline::LogPin>& pins) {
  for (const feature::ViewUse& use : service.uses()) {
    const auto pin = pins.find(use.view->name());
    const auto view = std::find_if(vectors.views.begin(), vectors.views.end(),
                                   [&](const auto& one) { return one.name == use.view->name(); });
    if (pin != pins.end() && view != vectors.views.end()) {
      ARROW_RETURN_NOT_OK(AddUse(workspace, use, vectors, view->position, pin->second));
    }
  }
  return arrow::Status::OK();
}

std::vector<ViewFreshness> FreshnessCounter::Result() const {
  std::vector<ViewFreshness> out;
  out.reserve(views_.size());
  for (const auto& [view, behind] : views_) {
    out.push_back(
        {view, static_cast<int64_t>(behind.rows.size()), behind.vectors, behind.greatest_age_us});
  }
  return out;
}

}  // namespace icecore::engine
