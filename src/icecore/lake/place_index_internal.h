#pragma once
// Where in a list the element of a name is.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace icecore::lake {

// Names are not kept: `name_at(place)` tells the one at a place, and must go on telling it until
// the place is erased. An open hash table of 16 bytes a slot: logs name hundreds of thousands of
// files, and a node of its own for each would cost more than reading them. Not thread safe.
class PlaceIndex {
 public:
  static constexpr size_t kNone = SIZE_MAX;

  void Reserve(size_t names) {
    if (2 * names > slots_.size()) {
      Grow(2 * names);
    }
  }

  template <typename NameAt>
  size_t Find(std::string_view name, const NameAt& name_at) const {
    const size_t slot = SlotOf(name, HashOf(name), name_at);
    return slot == kNone ? kNone : slots_[slot].place;
  }

  // The name must not be there.
  void Insert(std::string_view name, size_t place) {
    if (2 * (used_ + 1) > slots_.size()) {
      Grow(4 * (names_ + 1));
    }
    Put({HashOf(name), place});
    ++names_;
  }

  // Nothing where the name is not there.
  template <typename NameAt>
  void Erase(std::string_view name, const NameAt& name_at) {
    const size_t slot = SlotOf(name, HashOf(name), name_at);
    if (slot != kNone) {
      slots_[slot].place = kErased;
      --names_;
    }
  }

 private:
  static constexpr size_t kErased = SIZE_MAX - 1;

  struct Slot {
    uint64_t hash = 0;
    size_t place = kNone;
  };

  static uint64_t HashOf(std::string_view name) { return std::hash<std::string_view>()(name); }

  template <typename NameAt>
  size_t SlotOf(std::string_view name, uint64_t hash, const NameAt& name_at) const {
    if (slots_.empty()) {
      return kNone;
    }
    const size_t mask = slots_.size() - 1;
    for (size_t i = hash & mask; slots_[i].place != kNone; i = (i + 1) & mask) {
      if (slots_[i].hash == hash && slots_[i].place != kErased &&
          name_at(slots_[i].place) == name) {
        return i;
      }
    }
    return kNone;
  }

  void Put(const Slot& slot) {
    const size_t mask = slots_.size() - 1;
    size_t i = slot.hash & mask;
    while (slots_[i].place != kNone) {
      i = (i + 1) & mask;
    }
    slots_[i] = slot;
    ++used_;
  }

  void Grow(size_t least) {
    size_t size = 16;
    while (size < least) {
      size *= 2;
    }
    std::vector<Slot> old(size);
    old.swap(slots_);
    used_ = 0;
    for (const Slot& slot : old) {
      if (slot.place < kErased) {
        Put(slot);
      }
    }
  }

  std::vector<Slot> slots_;  // a power of two of them, at most half of them used
  size_t used_ = 0;          // with the erased ones
  size_t names_ = 0;
};

}  // namespace icecore::lake
