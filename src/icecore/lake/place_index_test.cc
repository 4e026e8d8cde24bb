#include "icecore/lake/place_index_internal.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "icecore/base/id.h"

namespace icecore::lake {
namespace {

// Against a map: names come and go and come again.
TEST(PlaceIndex, AsAMap) {
  base::SeededRandom random(1);
  std::vector<std::string> names;
  std::map<std::string, size_t> want;
  PlaceIndex index;
  const auto name_at = [&](size_t place) -> const std::string& { return names[place]; };
  for (int step = 0; step < 50'000; ++step) {
    const std::string name = "part-" + std::to_string(random.Next() % 500);
    const auto known = want.find(name);
    ASSERT_EQ(index.Find(name, name_at), known == want.end() ? PlaceIndex::kNone : known->second);
    if (known == want.end()) {
      index.Insert(name, names.size());
      want[name] = names.size();
      names.push_back(name);
    } else {
      index.Erase(name, name_at);
      names[known->second].clear();
      want.erase(known);
    }
  }
  index.Reserve(10'000);
  for (const auto& [name, place] : want) {
    EXPECT_EQ(index.Find(name, name_at), place);
  }
}

}  // namespace
}  // namespace icecore::lake
