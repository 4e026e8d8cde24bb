// Landed rows against the manifest, originals against their digests.
#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

#include <algorithm>
#include <set>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/ingest/files/manifest.h"
#include "icecore/ingest/sealer.h"
#include "icecore/lake/envelope.h"
#include "icecore/pipeline/delta_landing.h"
#include "icecore/pipeline/push_landing.h"
#include "icecore/pipeline/step_audit_internal.h"

namespace icecore::pipeline {
namespace {

using base::ErrorCode;
using lake::Finding;

constexpr int64_t kReadBytes = int64_t{1} << 20;
constexpr char kFromCopy[] = "bring the file back from a copy of the lake";

bool IsOfTheStore(const arrow::Status& status) {
  const ErrorCode code = base::CodeOf(status);
  return code == ErrorCode::kUnavailable || code == ErrorCode::kDenied;
}

class LandingAuditor {
 public:
  LandingAuditor(const Workspace& workspace, const lake::Snapshot& snapshot, bool deep,
                 std::vector<Finding>* findings)
      : workspace_(workspace), snapshot_(snapshot), deep_(deep), findings_(findings) {}

  arrow::Result<int64_t> Run() {
    const auto domain = snapshot_.Domain(lake::kPositionDomain);
    if (!domain) {
      if (snapshot_.last_seq() > 0) {
        Add("manifest", "", "no position (icecore.position)", "the manifest of what landed",
            kFromCopy);
      }
      return 0;
    }
    if (const bool pushed = IsPushPosition(*domain); pushed || IsDeltaPosition(*domain)) {
      AuditUnlisted(pushed);
      return 0;
    }
    const auto ref = ingest::ManifestRef::Parse(*domain);
    if (!ref.ok()) {
      Add("manifest", "", ref.status().message(), "a position that can be read", kFromCopy);
      return 0;
    }
    const auto manifest = ingest::ReadManifest(*workspace_.store, snapshot_.table_path, *ref);
    if (!manifest.ok()) {
      if (IsOfTheStore(manifest.status())) {
        return manifest.status();
      }
      Add("manifest", snapshot_.table_path + "/" + ref->path, manifest.status().message(),
          "the object that icecore.position names, with its digest", kFromCopy);
      return 0;
    }
    AuditRows(*manifest, snapshot_.table_path + "/" + ref->path);
    return AuditOriginals(*manifest);
  }

 private:
  void Add(const char* code, std::string file, std::string found, std::string expected,
           std::string advice, bool is_note = false) {
    findings_->push_back({.is_note = is_note,
                          .code = code,
                          .table = snapshot_.table_path,
                          .file = std::move(file),
                          .found = std::move(found),
                          .expected = std::move(expected),
                          .advice = std::move(advice)});
  }

  // What came from a Delta table or by pushes has no manifest: its rows are numbered without a gap,
  // and as many as the position says, where that counts them.
  void AuditUnlisted(bool pushed) {
    const auto stored = snapshot_.row_count();
    if (stored && *stored != snapshot_.last_seq()) {
      Add("landed_rows", "", std::to_string(*stored) + " rows in the table",
          std::to_string(snapshot_.last_seq()) + " (icecore.seq)", kFromCopy);
    }
    if (!pushed) {
      return;
    }
    const auto landed = LandedPushes(snapshot_);
    if (!landed.ok()) {
      Add("manifest", "", landed.status().message(), "a position that can be read", kFromCopy);
    } else if (landed->rows != snapshot_.last_seq()) {
      Add("position_gap", "", "pushes end at row " + std::to_string(landed->rows),
          "at " + std::to_string(snapshot_.last_seq()) + " (icecore.seq)", kFromCopy);
    }
  }

  // Law 1: the files' rows are the table's rows, one after the other without a gap.
  void AuditRows(const ingest::Manifest& manifest, const std::string& file) {
    int64_t rows = 0;
    int64_t next = 1;
    for (const ingest::KnownFile& known : manifest.files()) {
      rows += known.rows;
      if (known.rows > 0 && known.first_seq != next) {
        Add("position_gap", file, known.path + " begins at _seq " + std::to_string(known.first_seq),
            "at " + std::to_string(next) + ", behind the file before", kFromCopy);
      }
      next = known.rows > 0 ? known.first_seq + known.rows : next;
    }
    if (next - 1 != snapshot_.last_seq()) {
      Add("position_gap", file, "files end at _seq " + std::to_string(next - 1),
          "at " + std::to_string(snapshot_.last_seq()) + " (icecore.seq)", kFromCopy);
    }
    const auto stored = snapshot_.row_count();
    if (stored && *stored != rows) {
      Add("landed_rows", file, std::to_string(*stored) + " rows in the table",
          std::to_string(rows) + " rows of the manifest's files", kFromCopy);
    }
  }

  arrow::Result<int64_t> AuditOriginals(const ingest::Manifest& manifest) {
    std::set<std::string> seen;
    for (const ingest::KnownFile& known : manifest.files()) {
      if (!seen.insert(known.digest).second) {
        continue;
      }
      const std::string path = snapshot_.table_path + "/_files/" + known.digest;
      const auto info = workspace_.store->Stat(path);
      if (!info.ok()) {
        if (base::CodeOf(info.status()) != ErrorCode::kNotFound) {
          return info.status();
        }
        Add("missing_original", path, "missing", "the bytes of " + known.path, kFromCopy);
        continue;
      }
      const arrow::Status same = deep_ ? Compare(path, known) : arrow::Status::OK();
      if (!same.ok() && IsOfTheStore(same)) {
        return same;
      }
      if (!same.ok()) {
        Add("corrupt_original", path, same.message(), "the bytes of " + known.path, kFromCopy);
      }
    }
    return static_cast<int64_t>(seen.size());
  }

  // OK where the object's bytes have the digest that names it.
  arrow::Status Compare(const std::string& path, const ingest::KnownFile& known) const {
    ARROW_ASSIGN_OR_RAISE(auto sealed, workspace_.store->OpenInput(path));
    ARROW_ASSIGN_OR_RAISE(const auto bytes, ingest::IdentitySealer().Unseal(std::move(sealed)));
    base::Sha256 digest;
    int64_t size = 0;
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto part, bytes->Read(kReadBytes));
      if (part->size() == 0) {
        break;
      }
      size += part->size();
      digest.Update(std::string_view(*part));
    }
    const std::string hex = digest.FinishHex();
    if (hex != known.digest) {
      return base::MakeError(ErrorCode::kCorrupt,
                             std::to_string(size) + " bytes with digest " + hex);
    }
    return arrow::Status::OK();
  }

  const Workspace& workspace_;
  const lake::Snapshot& snapshot_;
  const bool deep_;
  std::vector<Finding>* const findings_;
};

}  // namespace

arrow::Result<int64_t> AuditLanding(const Workspace& workspace, const std::string& /*table*/,
                                    const lake::Snapshot& snapshot, bool deep,
                                    std::vector<Finding>* findings) {
  return LandingAuditor(workspace, snapshot, deep, findings).Run();
}

}  // namespace icecore::pipeline
