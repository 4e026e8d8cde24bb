#pragma once
// How far direct loads (direct_load.h) have brought views, for the lake's steps of the same
// process: who of both loads the same rows twice takes the processors from the other.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace icecore::pipeline {

// Thread safe.
class DirectReach {
 public:
  struct Source {
    std::map<std::string, int64_t> views;  // greatest `_seq` that each holds
    bool all = false;                      // these are all the online views behind the source
  };

  // What direct loads of the source bring forward as long as nothing else is told.
  void Tell(const std::string& source, Source reached);
  // They bring none at all until the next Tell.
  void TellNone();
  // Until direct loads have brought the view up to `seq`, or do not bring it, or the time is over.
  // Whether they brought it when this was called.
  bool Await(const std::string& view, int64_t seq, std::chrono::milliseconds at_most);
  // Whether no online view behind these sources waits for the lake.
  bool BringsAll(const std::vector<std::string>& sources);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Source> sources_;  // guarded by mutex_
};

}  // namespace icecore::pipeline
