#pragma once
// What was found out about texts before.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "icecore/sql/analysis.h"

namespace icecore::sql {

// Answers by everything they depend on. When it is full it forgets all. Thread-safe.
template <typename Answer>
class Memo {
 public:
  using Answers = std::vector<std::pair<std::string, std::shared_ptr<const Answer>>>;

  // Null where nothing is known.
  std::shared_ptr<const Answer> Find(const std::string& question) {
    const std::lock_guard lock(mutex_);
    const auto found = answers_.find(question);
    if (found == answers_.end()) return nullptr;
    found->second.used = ++uses_;
    return found->second.answer;
  }

  void Keep(std::string question, Answer answer) {
    auto kept = std::make_shared<const Answer>(std::move(answer));
    const std::lock_guard lock(mutex_);
    if (answers_.size() >= kMost) answers_.clear();
    answers_.insert_or_assign(std::move(question), Known{std::move(kept), ++uses_});
  }

  void Forget() {
    const std::lock_guard lock(mutex_);
    answers_.clear();
  }

  // How often anything was found or kept.
  uint64_t uses() const {
    const std::lock_guard lock(mutex_);
    return uses_;
  }

  // What was found or kept after uses() was `mark`.
  Answers UsedAfter(uint64_t mark) const {
    Answers used;
    const std::lock_guard lock(mutex_);
    for (const auto& [question, known] : answers_) {
      if (known.used > mark) used.emplace_back(question, known.answer);
    }
    return used;
  }

 private:
  struct Known {
    std::shared_ptr<const Answer> answer;
    uint64_t used = 0;
  };
  static constexpr size_t kMost = 1000;  // some KB each

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Known> answers_;  // guarded by mutex_
  uint64_t uses_ = 0;                               // guarded by mutex_
};

// Of this process. Questions are SHA-256 digests in hex.
Memo<Analysis>& KnownAnalyses();
Memo<std::vector<std::string>>& KnownMentions();  // of tables, by texts

}  // namespace icecore::sql
