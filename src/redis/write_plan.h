// Which writes of a batch go to Redis together. Only for redis_store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "store/store.h"

namespace push_cache::redis {

// Of several writes of one key and partition only the last is done. Those of one key and several
// partitions are in different parts, since within one each key comes once.
class WritePlan {
 public:
  struct Part {
    bool tombstones = false;
    std::vector<std::uint32_t> writes;  // numbers, at least one
  };

  // `most`: in a part. Beside it each part has some 64 KiB, or one write.
  void make(std::span<const store::Write> writes, std::size_t most);
  std::span<const Part> parts() const { return {parts_.data(), used_}; }
  // Those that are not done.
  std::span<const std::uint32_t> passed() const { return passed_; }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  static constexpr std::size_t kBytesMax = 64 * 1024;

  void find_doubles(std::span<const store::Write> writes);
  Part& open(bool tombstones);

  std::vector<std::uint32_t> table_;  // by the key's hash
  std::vector<bool> alone_;           // another partition's write of the key went before
  std::vector<bool> is_passed_;
  std::vector<std::uint32_t> passed_;
  std::vector<Part> parts_;  // the first `used_`; the rest keep their memory
  std::size_t used_ = 0;
};

}  // namespace push_cache::redis
