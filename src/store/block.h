// How a record lies in memory: one block, never changed once it is published.
//
//   16 bytes   sizes, the number of its origin, the low halves of offset and timestamp
//   20 bytes   its origin, only when it has no number
//   the key, then the datum
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "base/limits.h"
#include "store/digest.h"
#include "store/store.h"

namespace push_cache::store {

// What many records have in common, so that each need only carry a number for it.
struct Origin {
  std::int32_t schema = 0;
  std::int32_t partition = 0;
  std::uint32_t topic = 0;
  std::uint32_t offset_high = 0;
  std::uint32_t timestamp_high = 0;
  friend bool operator==(const Origin&, const Origin&) = default;
};

// An origin that has a number, with what its records add to.
struct NumberedOrigin {
  Origin origin;
  PartitionDigest* digest = nullptr;  // null: of HTTP
};

// Numbers for origins. They are never given back, and their number is capped: a producer that
// writes random timestamps must not fill the memory.
class Origins {
 public:
  static constexpr std::uint32_t kMax = 64 * 1024;

  // `digests` must outlive it.
  explicit Origins(Digests& digests) : digests_(digests) {}

  // 0 when there are too many. Safe from any thread.
  std::uint32_t number(const Origin& origin);
  // Lock-free. `number` is one that `number` gave.
  const NumberedOrigin& at(std::uint32_t number) const {
    return chunks_[number / kChunk].load(std::memory_order_acquire)[number % kChunk];
  }

 private:
  static constexpr std::uint32_t kChunk = 1024;
  struct Hash {
    std::size_t operator()(const Origin& origin) const;
  };

  Digests& digests_;
  std::mutex mutex_;
  std::unordered_map<Origin, std::uint32_t, Hash> numbers_;
  std::array<std::unique_ptr<NumberedOrigin[]>, kMax / kChunk> owned_;
  std::array<std::atomic<NumberedOrigin*>, kMax / kChunk> chunks_ = {};
};

class Block {
 public:
  static Origin origin_of(const RecordView& record) {
    return {record.schema.value, record.partition.value, record.topic,
            static_cast<std::uint32_t>(static_cast<std::uint64_t>(record.offset.value) >> 32),
            static_cast<std::uint32_t>(static_cast<std::uint64_t>(record.timestamp_ms) >> 32)};
  }
  // The size of the block that `write` fills.
  static std::size_t bytes_for(const RecordView& record, std::uint32_t origin_number) {
    return sizeof(Block) + (origin_number == 0 ? sizeof(Origin) : 0) + record.key.size() +
           record.datum.size();
  }
  // `place` is aligned to 4. The record's sizes are within limits.h.
  static Block* write(void* place, const RecordView& record, std::uint32_t origin_number) {
    auto* block = static_cast<Block*>(place);
    block->key_bytes_ = static_cast<std::uint32_t>(record.key.size());
    block->origin_low_ = origin_number & kOriginLowMask;
    block->datum_bytes_ = static_cast<std::uint32_t>(record.datum.size());
    block->origin_high_ = origin_number >> kOriginLowBits;
    block->offset_low_ = static_cast<std::uint32_t>(record.offset.value);
    block->timestamp_low_ = static_cast<std::uint32_t>(record.timestamp_ms);
    char* at = reinterpret_cast<char*>(block + 1);
    if (origin_number == 0) {
      const Origin origin = origin_of(record);
      std::memcpy(at, &origin, sizeof origin);
      at += sizeof origin;
    }
    if (!record.key.empty()) std::memcpy(at, record.key.data(), record.key.size());
    if (!record.datum.empty()) {
      std::memcpy(at + record.key.size(), record.datum.data(), record.datum.size());
    }
    return block;
  }

  std::string_view key() const { return {text(), key_bytes_}; }
  std::size_t payload_bytes() const { return std::size_t{key_bytes_} + datum_bytes_; }
  std::size_t bytes() const { return head_bytes() + payload_bytes(); }
  Origin origin(const Origins& origins) const {
    const std::uint32_t number = origin_number();
    if (number != 0) return origins.at(number).origin;
    Origin origin;
    std::memcpy(&origin, reinterpret_cast<const char*>(this + 1), sizeof origin);
    return origin;
  }
  // 0: it has none.
  std::uint32_t origin_number() const { return origin_high_ << kOriginLowBits | origin_low_; }
  // `origin`: its own.
  Offset offset(const Origin& origin) const {
    return Offset(whole(origin.offset_high, offset_low_));
  }
  // Its views live as long as the block.
  RecordView view(const Origins& origins) const {
    const Origin from = origin(origins);
    const char* at = text();
    return {.key = {at, key_bytes_},
            .datum = {reinterpret_cast<const std::uint8_t*>(at) + key_bytes_, datum_bytes_},
            .schema = SchemaId(from.schema),
            .partition = Partition(from.partition),
            .offset = offset(from),
            .timestamp_ms = whole(from.timestamp_high, timestamp_low_),
            .topic = from.topic};
  }

 private:
  static constexpr std::uint32_t kOriginLowBits = 15;
  static constexpr std::uint32_t kOriginLowMask = (1U << kOriginLowBits) - 1;
  static_assert(limits::kKeyBytesMax < 1U << 17 && limits::kValueBytesMax < 1U << 27);
  static_assert(Origins::kMax <= 1U << 20);

  static std::int64_t whole(std::uint32_t high, std::uint32_t low) {
    return static_cast<std::int64_t>(std::uint64_t{high} << 32 | low);
  }
  std::size_t head_bytes() const {
    return sizeof(Block) + (origin_number() == 0 ? sizeof(Origin) : 0);
  }
  const char* text() const { return reinterpret_cast<const char*>(this) + head_bytes(); }

  std::uint32_t key_bytes_ : 17;
  std::uint32_t origin_low_ : 15;
  std::uint32_t datum_bytes_ : 27;
  std::uint32_t origin_high_ : 5;
  std::uint32_t offset_low_;
  std::uint32_t timestamp_low_;
};
static_assert(sizeof(Block) == 16 && alignof(Block) == 4 && sizeof(Origin) == 20);

}  // namespace push_cache::store
