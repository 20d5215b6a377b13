#include "base/epoch.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace push_cache::epoch {

namespace internal {
constinit std::atomic<std::uint64_t> current = 1;
constinit thread_local Reader* reader = nullptr;
}  // namespace internal

namespace {

using internal::Reader;

constinit std::atomic<Reader*> readers = nullptr;
constinit std::atomic<bool> fences_forced = false;

long membarrier(int command) { return ::syscall(SYS_membarrier, command, 0, 0); }

bool has_membarrier() {
#if defined(__SANITIZE_THREAD__)
  return false;  // ThreadSanitizer cannot see it
#else
  static const bool registered = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
  return registered;
#endif
}

// Gives the thread's place back when it ends.
struct Leave {
  Reader* reader = nullptr;
  ~Leave() {
    if (reader == nullptr) return;
    internal::reader = nullptr;
    reader->taken.store(false, std::memory_order_release);
  }
};
thread_local Leave leave;

Reader* free_reader(bool fenced) {
  for (Reader* one = readers.load(std::memory_order_acquire); one != nullptr; one = one->next) {
    bool taken = false;
    if (one->fenced == fenced && one->taken.compare_exchange_strong(taken, true)) return one;
  }
  auto* made = new Reader;  // never freed: an `advance` of another thread may look at it
  made->fenced = fenced;
  made->next = readers.load(std::memory_order_relaxed);
  while (!readers.compare_exchange_weak(made->next, made, std::memory_order_acq_rel)) {
  }
  return made;
}

}  // namespace

Reader* internal::enlist() {
  reader = free_reader(!has_membarrier() || fences_forced.load());
  leave.reader = reader;
  return reader;
}

Advance advance() {
  // What the caller has unlinked is visible to whoever reads the new number.
  const std::uint64_t next = internal::current.fetch_add(1, std::memory_order_seq_cst) + 1;
  // After this each reader either shows its pin below, or will find what is linked by now.
  if (has_membarrier()) {
    membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  }
#if !defined(__SANITIZE_THREAD__)
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
  std::uint64_t safe = next;
  for (Reader* one = readers.load(std::memory_order_acquire); one != nullptr; one = one->next) {
    const std::uint64_t pinned = one->pinned.load(std::memory_order_seq_cst);
    if (pinned != 0) safe = std::min(safe, pinned);
  }
  return {next, safe};
}

void force_fences() { fences_forced = true; }

}  // namespace push_cache::epoch
