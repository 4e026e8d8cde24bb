#pragma once
// One table key's versions: which of them count when, and what the entity keys that own them have
// to be told when another comes. Of the versions active at t the greatest by (order, seq) counts;
// so a version counts from its own activation until the first activation of a greater one, and a
// store needs to remember little: the greatest active one, and those greater that lie ahead.
// Bytes: docs/formats/state.md.

#include <arrow/result.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace icecore::state {

// A row that nothing ends.
inline constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

struct Version {
  std::string order;  // PreparedRows::version_order
  int64_t seq = 0;
  int64_t activation = 0;
  std::string owner;  // the entity key whose row it is; empty: nobody's, it only hides others
};

// Not thread safe.
class VersionChain {
 public:
  // What an owner has to be told.
  struct Change {
    std::string owner;
    std::string order;
    int64_t seq = 0;
    int64_t until = kForever;
    int64_t row = -1;  // as given to Add: the owner has to take it; -1: the owner was told before
  };

  // kCorrupt when the bytes are not what Encode gave.
  static arrow::Result<VersionChain> Load(std::string_view bytes);

  // Takes a version in, in any order; one that is held already (by order and seq) is left as it is.
  // `row` (>= 0) comes back in Settle.
  void Add(Version version, int64_t row);

  // What the owners have to be told of the versions taken since the last call, for answers at `now`
  // and later; then forgets what can matter to no such answer, whatever comes. `now` must not
  // decrease.
  std::vector<Change> Settle(int64_t now);

  // Of what is left after Settle.
  std::string Encode() const;
  size_t size() const { return versions_.size(); }

 private:
  struct Entry {
    Version version;
    int64_t row = -1;          // >= 0: new
    int64_t until = kForever;  // as told; of new ones nothing yet
  };

  std::vector<Entry> versions_;  // ascending by (order, seq) after Settle
};

// For every version given, the first activation of a greater one of the same table key (kForever
// where there is none).
struct VersionMark {
  std::string_view table_key;
  std::string_view order;
  int64_t seq = 0;
  int64_t activation = 0;
  int64_t place = 0;  // the caller's
  int64_t until = kForever;
};
// Sorts the marks by (table key, order, seq) and fills `until`.
void FindEnds(std::vector<VersionMark>* marks);

}  // namespace icecore::state
