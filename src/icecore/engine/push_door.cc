#include "icecore/engine/push_door.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/base/text.h"
#include "icecore/pipeline/push_landing.h"
#include "icecore/pipeline/runner.h"

namespace icecore::engine {
namespace {

using base::ErrorCode;
using base::MakeError;

class JournalsDoor final : public PushDoor {
 public:
  explicit JournalsDoor(const pipeline::Workspace& workspace) : workspace_(workspace) {}

  arrow::Status Init() {
    for (const spec::Source& source : workspace_.project->sources) {
      if (source.is_push) {
        ARROW_ASSIGN_OR_RAISE(journals_[source.name], pipeline::OpenJournal(workspace_, source));
        names_.push_back(source.name);
      }
    }
    return arrow::Status::OK();
  }

  arrow::Result<ingest::PushReceipt> Push(PushRequest request) override {
    const std::string name =
        request.source.starts_with("source.") ? request.source.substr(7) : request.source;
    const auto journal = journals_.find(name);
    if (journal == journals_.end()) {
      return MakeError(ErrorCode::kNotFound, "no source '" + name + "' that takes pushes" +
                                                 base::DidYouMean(name, names_));
    }
    if (request.rows.empty()) return ingest::CheckedRows::NoRows();
    const int64_t count = request.rows.count();
    return journal->second->Append(std::move(request.key), std::move(request.rows).TakeText(),
                                   count);
  }

  arrow::Result<bool> HasNew() override {
    bool has_new = false;
    for (const auto& [name, journal] : journals_) {
      ARROW_ASSIGN_OR_RAISE(const int64_t last, journal->LastNumber());
      // One asks the lake at a time: its open tables are of the run that reads them.
      const std::lock_guard<std::mutex> guard(mutex_);
      ingest::PushPosition& landed = landed_[name];
      if (last > landed.number) {
        const spec::Source& source = *workspace_.project->FindSource(name);
        ARROW_ASSIGN_OR_RAISE(const auto raw,
                              pipeline::LoadTable(workspace_, pipeline::RawTableName(source)));
        ARROW_ASSIGN_OR_RAISE(landed, pipeline::LandedPushes(*raw));
      }
      has_new = has_new || last > landed.number;
    }
    return has_new;
  }

  arrow::Result<std::map<std::string, int64_t>> RowsPushed() override {
    std::map<std::string, int64_t> rows;
    for (const auto& [name, journal] : journals_) {
      ARROW_ASSIGN_OR_RAISE(rows[name], journal->RowsTaken());
    }
    return rows;
  }

  std::map<std::string, int64_t> RowsLanded() override {
    std::map<std::string, int64_t> rows;
    const std::lock_guard<std::mutex> guard(mutex_);
    for (const auto& [name, position] : landed_) {
      rows[name] = position.rows;
    }
    return rows;
  }

  arrow::Result<std::string> SourceOfView(const std::string& view) override {
    const std::lock_guard<std::mutex> guard(mutex_);
    auto found = source_of_view_.find(view);
    if (found == source_of_view_.end()) {
      found = source_of_view_.emplace(view, FindSourceOf(view)).first;
    }
    return found->second;
  }

  const std::vector<std::string>& sources() const override { return names_; }

 private:
  arrow::Result<std::string> FindSourceOf(const std::string& view) const {
    const spec::Project& project = *workspace_.project;
    if (project.FindView(view) == nullptr) {
      std::vector<std::string> known;
      known.reserve(project.views.size());
      for (const spec::FeatureView& one : project.views) {
        known.push_back(one.name);
      }
      return MakeError(ErrorCode::kNotFound,
                       "no feature view '" + view + "'" + base::DidYouMean(view, known));
    }
    ARROW_ASSIGN_OR_RAISE(const std::set<std::string> upstream,
                          pipeline::SelectNames(project, {"+view." + view}));
    std::vector<std::string> feeding;
    for (const std::string& name : names_) {
      if (upstream.count("source." + name) > 0) {
        feeding.push_back(name);
      }
    }
    if (feeding.size() == 1) {
      return feeding.front();
    }
    return MakeError(ErrorCode::kUnsupported, "view '" + view + "' gets its rows from " +
                                                  (feeding.empty() ? "no source of pushes"
                                                                   : "several sources of pushes, " +
                                                                         base::CommaList(feeding) +
                                                                         "; push to one of them"));
  }

  const pipeline::Workspace workspace_;
  std::map<std::string, std::shared_ptr<ingest::PushJournal>> journals_;
  std::vector<std::string> names_;
  std::mutex mutex_;
  std::map<std::string, arrow::Result<std::string>> source_of_view_;  // guarded by mutex_
  std::map<std::string, ingest::PushPosition> landed_;  // guarded by mutex_; as far as known
};

}  // namespace

arrow::Result<std::unique_ptr<PushDoor>> MakePushDoor(const pipeline::Workspace& workspace) {
  auto door = std::make_unique<JournalsDoor>(workspace);
  ARROW_RETURN_NOT_OK(door->Init());
  return std::unique_ptr<PushDoor>(std::move(door));
}

}  // namespace icecore::engine
