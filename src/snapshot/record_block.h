// The records of one block: in columns, so that alike bytes are near each other and the keys can be
// checked in one go.
//
//   origins   their number, and for each schema, partition and topic
//   sizes     of the two columns that follow, in bytes
//   heads     for each record five varints (LEB128): its origin, the sizes of key and datum, and
//   how
//             far offset and timestamp are (zigzag) from those of the last record of its origin
//   keys      one behind the other
//   datums    one behind the other, to the end
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/buffer.h"
#include "base/error.h"
#include "base/types.h"
#include "store/store.h"

namespace push_cache::snapshot {

struct RecordOrigin {
  std::int32_t schema = 0;
  std::int32_t partition = 0;
  std::uint32_t topic = 0;
  friend bool operator==(const RecordOrigin&, const RecordOrigin&) = default;
};

// Gathers records for a block.
class BlockBuilder {
 public:
  void add(const store::RecordView& record);
  std::uint32_t records() const { return records_; }
  // About as many as `finish` gives.
  std::size_t bytes() const { return heads_.size() + keys_.size() + datums_.size(); }
  const std::vector<RecordOrigin>& origins() const { return origins_; }
  // Appends the block and is empty again.
  void finish(Buffer& out);

 private:
  struct Last {
    std::int64_t offset = 0;
    std::int64_t timestamp_ms = 0;
  };
  std::size_t origin_of(const store::RecordView& record);

  std::vector<RecordOrigin> origins_;
  std::vector<Last> last_;  // of each origin
  // Where an origin was found last, by its partition: there may be thousands in one block.
  std::array<std::uint32_t, 256> recent_ = {};
  Buffer heads_;
  Buffer keys_;
  Buffer datums_;
  std::uint32_t records_ = 0;
};

// Fills both vectors; the records' views go into `raw`. `records`: how many there must be,
// `topics`: how many topics there are. Checks everything a store relies on.
Status parse_block(Bytes raw, std::uint32_t records, std::size_t topics,
                   std::vector<RecordOrigin>& origins, std::vector<store::RecordView>& out);

}  // namespace push_cache::snapshot
