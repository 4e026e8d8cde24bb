#include "icecore/engine/housekeeper.h"

#include <arrow/memory_pool.h>
#include <sys/resource.h>
#include <unistd.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "icecore/base/log.h"

namespace icecore::engine {
namespace {

// Readers look at each file of a table.
constexpr int kWritesPerTurn = 64;
// Larger files are left to `icecore compact`.
constexpr int64_t kPackedBytes = int64_t{8} << 20;
// Below what answers, but not so far that locks are held for long where the processors are busy.
constexpr int kNice = 10;

class BackgroundHousekeeper final : public Housekeeper {
 public:
  explicit BackgroundHousekeeper(OpenOptions options)
      : options_(std::move(options)),
        thread_([this](const std::stop_token& stop) { Work(stop); }) {}

  void Wrote(const std::multiset<std::string>& tables) override {
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      for (const std::string& table : tables) {
        if (++writes_[table] < kWritesPerTurn) continue;
        writes_[table] = 0;
        due_.insert(table);
      }
      if (due_.empty()) return;
    }
    changed_.notify_one();
  }

 private:
  void Work(const std::stop_token& stop) {
    (void)setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
    while (true) {
      std::set<std::string> tables;
      {
        std::unique_lock<std::mutex> guard(mutex_);
        if (!changed_.wait(guard, stop, [this] { return !due_.empty(); })) return;
        tables = std::exchange(due_, {});
      }
      const arrow::Status status = SeeTo(tables, stop);
      if (!status.ok() && !stop.stop_requested()) {
        base::Log(base::LogLevel::kWarning,
                  "small files and feature logs stay as they are: " + status.message());
      }
      // Freed memory stays with the process otherwise: as much as the largest of these ever took.
      arrow::default_memory_pool()->ReleaseUnused();
      arrow::system_memory_pool()->ReleaseUnused();
    }
  }

  arrow::Status SeeTo(const std::set<std::string>& tables, const std::stop_token& stop) const {
    ARROW_ASSIGN_OR_RAISE(const auto engine, Engine::Open(options_));
    for (const std::string& table : tables) {
      pipeline::CompactRequest request;
      request.target_bytes = kPackedBytes;
      request.stop = stop;
      ARROW_RETURN_NOT_OK(engine->Compact({table}, request).status());
    }
    pipeline::RunRequest request;
    request.command = "materialize";
    request.land = false;
    request.compute = false;
    request.online = false;
    request.stop = stop;
    for (const spec::FeatureView& view : engine->project().views) {
      if (tables.count(view.from) > 0) request.names.push_back("view." + view.name);
    }
    if (request.names.empty()) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto outcome, engine->Run(std::move(request)));
    return outcome.FirstFailure();
  }

  const OpenOptions options_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, int> writes_;  // guarded by mutex_: since the table's turn
  std::set<std::string> due_;          // guarded by mutex_
  std::jthread thread_;                // last: it uses all the others
};

}  // namespace

std::unique_ptr<Housekeeper> Housekeeper::Start(const OpenOptions& options) {
  return std::make_unique<BackgroundHousekeeper>(options);
}

}  // namespace icecore::engine
