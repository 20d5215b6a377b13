// Schema ids to entries that readers find without a lock.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/types.h"

namespace push_cache::registry {

// `find` is safe from any thread at any time; one thread at a time may `publish` (the owner's lock
// sees to it). Entries live as long as the table, also those that another has taken the place of,
// so it is for what seldom changes. `Entry` has a member `id`.
template <typename Entry>
class IdTable {
 public:
  IdTable() { grow(16); }
  IdTable(const IdTable&) = delete;
  IdTable& operator=(const IdTable&) = delete;

  // The entry, or null when there is none. Takes no lock, some nanoseconds.
  const Entry* find(SchemaId id) const {
    const Table* table = current_.load(std::memory_order_acquire);
    for (std::size_t place = slot(id, table->shift);; place = (place + 1) & table->mask) {
      const Entry* entry = table->slots[place].load(std::memory_order_acquire);
      if (entry == nullptr || entry->id == id) return entry;
    }
  }

  // Puts it in the place of the one with the same id, if there is one.
  const Entry* publish(std::unique_ptr<const Entry> entry) {
    const Entry* added = entry.get();
    entries_.push_back(std::move(entry));
    if (find(added->id) == nullptr) {
      if ((size_ + 1) * 2 > tables_.back()->mask + 1) grow((tables_.back()->mask + 1) * 2);
      ++size_;
    }
    put(*tables_.back(), added);
    return added;
  }

  // How many ids. For the thread that may publish.
  std::size_t size() const { return size_; }

 private:
  struct Table {
    std::size_t mask;
    unsigned shift;
    std::unique_ptr<std::atomic<const Entry*>[]> slots;
  };

  static std::size_t slot(SchemaId id, unsigned shift) {
    // Fibonacci hashing: the upper bits of a product with 2^64 / golden ratio.
    return (static_cast<std::uint32_t>(id.value) * 0x9E3779B97F4A7C15u) >> shift;
  }

  static void put(const Table& table, const Entry* entry) {
    std::size_t place = slot(entry->id, table.shift);
    for (;; place = (place + 1) & table.mask) {
      const Entry* other = table.slots[place].load(std::memory_order_relaxed);
      if (other == nullptr || other->id == entry->id) break;
    }
    table.slots[place].store(entry, std::memory_order_release);
  }

  // `size` is a power of two.
  void grow(std::size_t size) {
    auto table = std::make_unique<Table>();
    table->mask = size - 1;
    table->shift = static_cast<unsigned>(64 - std::countr_zero(size));
    table->slots = std::make_unique<std::atomic<const Entry*>[]>(size);
    if (!tables_.empty()) {
      const Table& before = *tables_.back();
      for (std::size_t i = 0; i <= before.mask; ++i) {
        if (const Entry* entry = before.slots[i].load(std::memory_order_relaxed)) {
          put(*table, entry);
        }
      }
    }
    current_.store(table.get(), std::memory_order_release);
    tables_.push_back(std::move(table));
  }

  std::atomic<const Table*> current_ = nullptr;
  std::size_t size_ = 0;
  std::vector<std::unique_ptr<const Table>> tables_;  // old ones stay for their readers
  std::vector<std::unique_ptr<const Entry>> entries_;
};

}  // namespace push_cache::registry
