#pragma once
// What may wait behind a stream of small commits: its small files are packed together, and the
// clustered logs of the views over its tables are brought up to them.

#include <memory>
#include <set>
#include <string>

#include "icecore/engine/engine.h"

namespace icecore::engine {

class Housekeeper {
 public:
  // A thread of its own at a lower priority, which opens the project for itself when there is
  // something to do. A table is seen to after every 64 writes: few files are not worth the commits.
  // What fails is logged, and tried again after as many writes more.
  static std::unique_ptr<Housekeeper> Start(const OpenOptions& options);
  // Waits for the table at hand to end or to stop.
  virtual ~Housekeeper() = default;

  // A commit was made to each of these tables, by full name. Any thread; never blocks for long.
  virtual void Wrote(const std::multiset<std::string>& tables) = 0;
};

}  // namespace icecore::engine
