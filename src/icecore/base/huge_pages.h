#pragma once
// Memory for tables that are looked at everywhere: in small pages nearly every look would miss the
// TLB beside the cache, and each page costs a fault of its own when the table is made.

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <vector>

namespace icecore::base {

// Of an allocator: huge pages from a few megabytes on, where the system gives them.
template <typename T>
struct HugePages {
  using value_type = T;

  HugePages() = default;
  template <typename Other>
  explicit HugePages(const HugePages<Other>& /*other*/) {}

  T* allocate(size_t count) {
    if (!IsHuge(count)) return static_cast<T*>(::operator new(count * sizeof(T)));
    const size_t bytes = (count * sizeof(T) + kPageBytes - 1) / kPageBytes * kPageBytes;
    void* const memory = std::aligned_alloc(kPageBytes, bytes);
    if (memory == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    // Only advice: that it is not taken costs time, not answers.
    static_cast<void>(::madvise(memory, bytes, MADV_HUGEPAGE));
#endif
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t count) {
    if (IsHuge(count)) {
      std::free(memory);
    } else {
      ::operator delete(memory);
    }
  }
  bool operator==(const HugePages& /*other*/) const { return true; }

 private:
  static constexpr size_t kPageBytes = size_t{2} << 20;
  static bool IsHuge(size_t count) { return count >= 2 * kPageBytes / sizeof(T); }
};

template <typename T>
using HugeVector = std::vector<T, HugePages<T>>;

}  // namespace icecore::base
