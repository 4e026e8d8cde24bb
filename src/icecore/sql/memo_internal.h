#pragma once
// What was found out about texts before, in this process.

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace icecore::sql {

// Answers by everything they depend on. When it is full it forgets all. Thread-safe.
template <typename Answer>
class Memo {
 public:
  // Null where nothing is known.
  std::shared_ptr<const Answer> Find(const std::string& question) const {
    const std::lock_guard lock(mutex_);
    const auto found = answers_.find(question);
    return found == answers_.end() ? nullptr : found->second;
  }

  void Keep(std::string question, Answer answer) {
    auto kept = std::make_shared<const Answer>(std::move(answer));
    const std::lock_guard lock(mutex_);
    if (answers_.size() >= kMost) answers_.clear();
    answers_.insert_or_assign(std::move(question), std::move(kept));
  }

 private:
  static constexpr size_t kMost = 1000;  // some KB each

  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<const Answer>> answers_;  // guarded by mutex_
};

}  // namespace icecore::sql
