#include "icecore/ingest/files/plan.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/ingest/files/container.h"
#include "icecore/ingest/files/file_error.h"
#include "icecore/ingest/files/file_list.h"

namespace icecore::ingest {
namespace {

using base::ErrorCode;
using base::MakeErrorAt;
using Format = spec::FilesConnector::Format;
using Load = spec::FilesConnector::Load;
using OnChange = spec::FilesConnector::OnChange;

// What the known part of a file that goes on looks like now.
struct Prefix {
  std::string digest;  // of the first `known size` bytes
  int64_t line_feeds = 0;
  char last = '\0';  // of the known part
  std::optional<char> first_after;
};

arrow::Result<Prefix> ReadPrefix(const ListedFile& file, int64_t known_size) {
  Prefix prefix;
  base::Sha256 digest;
  int64_t left = known_size;
  ARROW_RETURN_NOT_OK(ReadUnchanged(file.absolute_path, file.looks, [&](std::string_view bytes) {
    const auto take = static_cast<size_t>(std::min(left, static_cast<int64_t>(bytes.size())));
    if (take > 0) {
      digest.Update(bytes.substr(0, take));
      prefix.line_feeds +=
          std::count(bytes.begin(), bytes.begin() + static_cast<int64_t>(take), '\n');
      prefix.last = bytes[take - 1];
      left -= static_cast<int64_t>(take);
    }
    if (take < bytes.size() && !prefix.first_after) {
      prefix.first_after = bytes[take];
    }
    return arrow::Status::OK();
  }));
  prefix.digest = digest.FinishHex();
  return prefix;
}

bool IsLineEnd(char c) { return c == '\n' || c == '\r'; }

class Planner {
 public:
  Planner(const spec::Source& source, const Manifest& known, int64_t now_us)
      : source_(source), files_(source.files), now_us_(now_us) {
    plan_.manifest = known;
  }

  arrow::Status Add(const ListedFile& file) {
    if (files_.settle_us > 0 && now_us_ - file.looks.mtime_ns / 1000 < files_.settle_us) {
      const KnownFile* known = plan_.manifest.Find(file.path);
      if (known == nullptr || !SameLooks(*known, file.looks)) {
        plan_.waiting.push_back(file.path);
        return arrow::Status::OK();
      }
    }
    const KnownFile* known = plan_.manifest.Find(file.path);
    if (known == nullptr) {
      Take(file, PlannedFile::Reason::kNew);
      return arrow::Status::OK();
    }
    if (SameLooks(*known, file.looks)) {
      ++plan_.unchanged;
      return arrow::Status::OK();
    }
    arrow::Status status = AddTouched(file, *known);
    if (!status.ok() && base::CodeOf(status) == ErrorCode::kConflict) {
      plan_.waiting.push_back(file.path);
      return arrow::Status::OK();
    }
    return status;
  }

  arrow::Result<FilePlan> Finish() {
    if (changed_.empty()) {
      return std::move(plan_);
    }
    std::string names;
    constexpr size_t kShown = 5;
    for (size_t i = 0; i < std::min(changed_.size(), kShown); ++i) {
      names += (i == 0 ? "'" : "', '") + changed_[i];
    }
    names += "'";
    if (changed_.size() > kShown) {
      names += " and " + std::to_string(changed_.size() - kShown) + " more";
    }
    return Error(
        names +
        " has other bytes than when it was landed; to land a changed file again as a whole say "
        "`on_change: append`, to land what was written behind its old end say "
        "`on_change: continue`, else bring new data under a new name");
  }

 private:
  static bool SameLooks(const KnownFile& known, const FileLooks& looks) {
    return FileLooks{known.size, known.mtime_ns, known.inode} == looks;
  }

  arrow::Status Error(const std::string& message) const {
    return MakeErrorAt(ErrorCode::kBadInput, files_.location,
                       "source." + source_.name + ": " + message);
  }

  void Take(const ListedFile& file, PlannedFile::Reason reason) {
    PlannedFile& planned = plan_.files.emplace_back();
    planned.path = file.path;
    planned.absolute_path = file.absolute_path;
    planned.reason = reason;
    planned.looks = file.looks;
  }

  // A known path that looks otherwise: the same bytes, or new ones?
  arrow::Status AddTouched(const ListedFile& file, const KnownFile& known) {
    if (file.looks.size == known.size) {
      ARROW_ASSIGN_OR_RAISE(const std::string digest, DigestFile(file.absolute_path, file.looks));
      if (digest == known.digest) {
        plan_.manifest.Refresh(file.path, file.looks.mtime_ns, file.looks.inode);
        ++plan_.unchanged;
        return arrow::Status::OK();
      }
    }
    if (files_.load == Load::kSnapshot || files_.on_change == OnChange::kAppend) {
      Take(file, PlannedFile::Reason::kChanged);
      return arrow::Status::OK();
    }
    if (files_.on_change == OnChange::kContinue) {
      return AddContinued(file, known);
    }
    changed_.push_back(file.path);
    return arrow::Status::OK();
  }

  arrow::Status AddContinued(const ListedFile& file, const KnownFile& known) {
    const bool text = files_.format == Format::kCsv || files_.format == Format::kTsv ||
                      files_.format == Format::kJson;
    if (!text || PackingOf(file.path) != Packing::kPlain) {
      return Error(
          "'" + file.path +
          "' has other bytes than when it was landed, and `on_change: continue` needs plain "
          "text (csv, tsv, json); `on_change: append` lands the whole file again");
    }
    if (file.looks.size <= known.size) {
      return NotContinued(file, "it is not longer than it was");
    }
    ARROW_ASSIGN_OR_RAISE(const Prefix prefix, ReadPrefix(file, known.size));
    if (prefix.digest != known.digest) {
      return NotContinued(
          file, "its first " + std::to_string(known.size) + " bytes are not what was landed");
    }
    if (known.size > 0 && !IsLineEnd(prefix.last) &&
        !(prefix.first_after && IsLineEnd(*prefix.first_after))) {
      return NotContinued(file, "it goes on in the middle of a line that is landed already");
    }
    Take(file, PlannedFile::Reason::kContinued);
    plan_.files.back().from_byte = known.size;
    plan_.files.back().from_row = known.from_row + known.rows;
    plan_.files.back().from_line = prefix.line_feeds;
    plan_.files.back().from_line_open =
        prefix.first_after && IsLineEnd(*prefix.first_after) &&
        (!IsLineEnd(prefix.last) || (prefix.last == '\r' && *prefix.first_after == '\n'));
    return arrow::Status::OK();
  }

  arrow::Status NotContinued(const ListedFile& file, const std::string& why) const {
    return Error("'" + file.path + "' does not continue what was landed under its name: " + why +
                 "; `on_change: append` lands the whole file again");
  }

  const spec::Source& source_;
  const spec::FilesConnector& files_;
  const int64_t now_us_;
  FilePlan plan_;
  std::vector<std::string> changed_;
};

}  // namespace

arrow::Result<FilePlan> PlanFiles(const spec::Source& source, const std::string& root,
                                  const Manifest& known, const base::Clock& clock) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<ListedFile> listed, ListFiles(source.files.path, root));
  if (listed.empty() && (!IsGlob(source.files.path) || known.files().empty())) {
    return base::WithContext(NoFiles(source.files.path, root, source.files.location),
                             "source." + source.name);
  }
  Planner planner(source, known, clock.NowMicros());
  for (const ListedFile& file : listed) {
    ARROW_RETURN_NOT_OK(planner.Add(file));
  }
  return planner.Finish();
}

}  // namespace icecore::ingest
