// What is done in Redis in one step: each script has one key and works on a position as
// redis/layout.h has it. A write that must not take the place of what is there does nothing, so
// each of them may be done again.
#pragma once

#include "redis/client.h"

namespace push_cache::redis {

// Their answers are numbers but for `take`.
struct Scripts {
  // ARGV: the value. 0 = inserted, 1 = replaced, 2 = outdated.
  Script put;
  // ARGV: a tombstone's position, ms that it is kept. 0 = there was no record, 1 = it has gone,
  // 2 = outdated.
  Script erase;
  // ARGV: the wire payload, the position of a record of HTTP. 1 = inserted (or it was so before,
  // by the same number), 0 = there is a record. Of a deleted key the position is kept beside it.
  Script insert;
  // ARGV: ms that the deletion is kept. The value, removed, or nil.
  Script take;
  // ARGV: partition_part, 8 bytes of an offset. Removes what came from there before that offset,
  // deleted keys too, but no record of HTTP. 1 = it was a record.
  Script erase_from;

  Scripts();
};

}  // namespace push_cache::redis
