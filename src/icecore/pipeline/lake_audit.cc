#include "icecore/pipeline/lake_audit.h"

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/lake/table_audit.h"
#include "icecore/pipeline/step_audit_internal.h"
#include "icecore/pipeline/view_log_audit.h"

namespace icecore::pipeline {
namespace {

using lake::Finding;

constexpr int kLooks = 4;

bool IsRaw(const std::string& table) {
  return table.rfind("landing.", 0) == 0 && table.ends_with("_raw");
}

bool HasErrors(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return !finding.is_note; });
}

// The laws of one table; what runs change meanwhile is looked at again.
arrow::Status AuditLaws(const Workspace& workspace, const std::string& name,
                        const LakeAuditOptions& options, lake::TableAudit audit, LakeAudit* out) {
  for (int look = 1;; ++look) {
    std::vector<Finding> found;
    AuditCommits(name, audit, &found);
    if (audit.snapshot != nullptr && IsRaw(name)) {
      ARROW_ASSIGN_OR_RAISE(const int64_t originals,
                            AuditLanding(workspace, name, *audit.snapshot, options.deep, &found));
      out->originals += look == 1 ? originals : 0;
    }
    if (audit.snapshot != nullptr) {
      ARROW_RETURN_NOT_OK(AuditStep(workspace, name, audit, &found));
      ARROW_RETURN_NOT_OK(AuditCatalog(workspace, name, audit, &found));
    }
    ARROW_ASSIGN_OR_RAISE(auto table, OpenTable(workspace, name));
    const auto newest = table->Load();
    const bool changed = HasErrors(found) && audit.snapshot != nullptr && newest.ok() &&
                         (*newest)->version != audit.snapshot->version;
    if (!changed || look == kLooks) {
      for (Finding& finding : found) {
        if (changed) {
          finding.is_note = true;
          finding.advice = "it kept changing while it was looked at: check again";
        }
        out->findings.push_back(std::move(finding));
      }
      return arrow::Status::OK();
    }
    lake::AuditOptions light;
    light.machine_now_us = options.machine_now_us;
    light.orphan_grace_us = options.orphan_grace_us;
    ARROW_ASSIGN_OR_RAISE(audit, lake::AuditTable(*table, light));
  }
}

}  // namespace

bool LakeAudit::sound() const { return !HasErrors(findings); }

arrow::Result<LakeAudit> AuditLake(const Workspace& shared, const std::vector<std::string>& tables,
                                   const LakeAuditOptions& options) {
  // What is there counts, not what this process read of it before.
  Workspace workspace = shared;
  workspace.tables = nullptr;
  LakeAudit out;
  lake::AuditOptions table_options;
  table_options.deep = options.deep;
  table_options.machine_now_us = options.machine_now_us;
  table_options.orphan_grace_us = options.orphan_grace_us;
  for (const std::string& name : tables) {
    ARROW_ASSIGN_OR_RAISE(auto table, OpenTable(workspace, name));
    auto audit = lake::AuditTable(*table, table_options);
    if (!audit.ok()) {
      return base::WithContext(audit.status(), name);
    }
    AuditedTable summary{.name = name};
    summary.version = audit->snapshot == nullptr ? -1 : audit->snapshot->version;
    summary.files = audit->files;
    summary.bytes = audit->bytes;
    summary.rows = audit->rows;
    out.tables.push_back(std::move(summary));
    for (Finding& finding : audit->findings) {
      out.findings.push_back(std::move(finding));
    }
    audit->findings.clear();
    const arrow::Status laws = AuditLaws(workspace, name, options, *std::move(audit), &out);
    if (!laws.ok()) {
      return base::WithContext(laws, name);
    }
    workspace.Tell({Event::Kind::kProgress, name, "check", "", out.tables.back().rows,
                    out.tables.back().bytes, 0});
  }
  ARROW_RETURN_NOT_OK(AuditViewLogs(workspace, tables, options, &out.findings));
  return out;
}

}  // namespace icecore::pipeline
