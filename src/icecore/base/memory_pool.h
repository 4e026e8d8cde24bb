#pragma once
// Which allocator Arrow's buffers come from.

namespace icecore::base {

// Of the allocators that Arrow brings, the one that keeps freed pages for about a second; Arrow's
// default gives them back within milliseconds, and faulting them in again cost half the time of
// rewriting a file where a hypervisor backs them (docs/benchmarks.md). ARROW_DEFAULT_MEMORY_POOL
// overrides it. Only at the begin of a process, before threads and before Arrow allocates.
void ChooseMemoryPool();

}  // namespace icecore::base
