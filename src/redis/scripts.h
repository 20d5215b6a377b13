// What is done in Redis in one step: each script works on a position as redis/layout.h has it. A
// write that must not take the place of what is there does nothing, so each of them may be done
// again. What others wrote, of whatever type, is no record and has no position.
#pragma once

#include "redis/client.h"

namespace push_cache::redis {

struct Scripts {
  // Many keys, each once. ARGV: their values. A character for each: 0 = inserted, 1 = replaced, 2 =
  // outdated.
  Script put;
  // Many keys, each once. ARGV: their tombstones' positions, then the ms that these are kept. A
  // character for each: 0 = there was no record, 1 = it has gone, 2 = outdated.
  Script erase;
  // ARGV: the wire payload, the position of a record of HTTP. 1 = inserted (or it was so before,
  // by the same number), 0 = there is a record. Of a deleted key the position is kept beside it.
  // The error key_error.h's kForeign, as with the next one, when there is what others wrote: Kafka
  // may have a record of this key, which alone takes its place.
  Script insert;
  // ARGV: ms that the deletion is kept. The value, removed, or nil.
  Script take;
  // ARGV: a position. Removes the key when it has this one. 1 = removed.
  Script erase_if;
  // The position of a record or of a deleted key, "" when it is none of ours.
  Script position;
  // A key of layout.h's positions. ARGV: by three a field, the offset below which nothing is
  // written (-1 = none), and the offset to be kept (-1 = none, only asked). The kept offsets then,
  // -1 = none. For want of memory nothing is written.
  Script advance;

  Scripts();
};

}  // namespace push_cache::redis
