// When memory that readers without a lock may still look at can be reused: epoch-based reclamation
// (Fraser, "Practical lock-freedom", 2004), with the readers' side made of plain stores: the
// writer pays for the barrier of all threads with membarrier(2). Where the kernel has no
// membarrier, readers use a fence of their own.
//
// A writer unlinks something so that no new reader can find it, later calls `advance`, and may
// reuse what it had unlinked before that call once an `advance` gives a `safe` that is at least the
// `epoch` of that call.
#pragma once

#include <atomic>
#include <cstdint>

namespace push_cache::epoch {

namespace internal {
// One a thread that has ever read; a list of them only grows, and a thread that ends leaves its own
// to the next.
struct alignas(64) Reader {
  std::atomic<std::uint64_t> pinned = 0;  // 0 = reads nothing
  std::uint32_t depth = 0;                // the thread's own
  bool fenced = false;                    // no membarrier: the reader pays
  std::atomic<bool> taken = true;
  Reader* next = nullptr;
};
extern std::atomic<std::uint64_t> current;
extern constinit thread_local Reader* reader;
Reader* enlist();
}  // namespace internal

// While one lives, nothing that its thread finds is reused. Cheap (two plain stores), may be
// nested, and belongs to the thread that made it. Keep it short: reuse waits for it.
class Pin {
 public:
  Pin() : reader_(internal::reader != nullptr ? internal::reader : internal::enlist()) {
    if (reader_->depth++ != 0) return;
    const std::uint64_t epoch = internal::current.load(std::memory_order_acquire);
    if (reader_->fenced) {
      reader_->pinned.exchange(epoch, std::memory_order_seq_cst);
#if !defined(__SANITIZE_THREAD__)
      std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
    } else {
      reader_->pinned.store(epoch, std::memory_order_relaxed);
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
  }
  ~Pin() {
    if (--reader_->depth == 0) reader_->pinned.store(0, std::memory_order_release);
  }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;

 private:
  internal::Reader* reader_;
};

struct Advance {
  std::uint64_t epoch;  // what was unlinked before this call is free once `safe` reaches this
  std::uint64_t safe;
};
// Costs some microseconds: call it once for many unlinked things. Safe from any thread.
Advance advance();

// Tests only: readers that enlist from now on pay for the barrier themselves, as where the kernel
// has no membarrier.
void force_fences();

}  // namespace push_cache::epoch
