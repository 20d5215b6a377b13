// What is done in Redis in one step: each script works on a position as redis/layout.h has it. A
// write that must not take the place of what is there does nothing, so each of them may be done
// again. What others wrote, of whatever type, is no record and has no position; a record of a topic
// that is not the store's is none either, and nothing but a record of ours takes its place.
//
// A store that takes one topic has other scripts (scripts.cc) than one of several
// (topics_scripts.cc): the layouts differ.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "redis/client.h"

namespace push_cache::redis {

// The texts of those that the layouts differ in.
struct ScriptTexts {
  std::string put, erase, insert, take, erase_if, positions;
};

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
  // ARGV: ms that the deletion is kept; layout.h's topic_bytes, or "" for any topic;
  // part_of_this_record, or "" for any record. The value, removed, or nil. The errors kOtherRecord
  // and kOtherTopic when the record is another one; nothing is changed then.
  Script take;
  // ARGV: a position. Removes the record or tombstone of the key that has this one. 1 = removed.
  Script erase_if;
  // ARGV: "1" for tombstones, too. The positions of the key's records, one behind the other, of
  // whatever topic and layout; "" when nothing is ours.
  Script positions;
  // A key of layout.h's positions. ARGV: by three a field, the offset below which nothing is
  // written (-1 = none), and the offset to be kept (-1 = none, only asked). The kept offsets then,
  // -1 = none. For want of memory nothing is written.
  Script advance;

  // `topics`: the names of those that the store takes, as TopicMark has them, in their order.
  explicit Scripts(const std::vector<std::uint32_t>& topics);

 private:
  explicit Scripts(const ScriptTexts& texts);
};

inline constexpr std::string_view kOtherTopic = "OTHERTOPIC";
inline constexpr std::string_view kOtherRecord = "OTHERRECORD";

// Of several topics; for scripts.cc.
ScriptTexts topics_scripts(const std::vector<std::uint32_t>& topics);
// Lua: what a command answers, or false and that it was refused for the type of the key.
inline constexpr std::string_view kOrWrongType = R"lua(
local function or_wrong_type(...)
  local got = redis.pcall(...)
  if type(got) ~= 'table' then return got, false end
  if not string.find(got.err, 'WRONGTYPE', 1, true) then redis.call(...) end
  return false, true
end
)lua";
// Lua: whether a position is that of the record which part_of_this_record names.
inline constexpr std::string_view kIsRecord = R"lua(
local function is_record(position, part)
  if #part == 8 then return string.sub(position, 17, 24) == part end
  return part == '' or string.sub(position, 1, 36) == part
end
local function other_record()
  return redis.error_reply('OTHERRECORD the record of this key is another one by now')
end
)lua";
// A string of Lua with these bytes.
std::string lua_bytes(std::string_view bytes);

}  // namespace push_cache::redis
