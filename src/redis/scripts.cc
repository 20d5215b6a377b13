#include "redis/scripts.h"

#include <fmt/format.h>

#include "redis/layout.h"

namespace push_cache::redis {
namespace {

// `topic`: the bytes that positions have of the store's. `stored`: the position that a key has, ""
// when it has none, and which kind of thing is there; kOther = a record of another topic or layout.
// GETRANGE is tried first, since most keys are strings; HGET goes wrong for what is neither.
// `outdated`: as store::is_outdated, and within a partition by the offset: Kafka may deliver a
// record again. `order_time`: as store::order_time. Numbers of 8 bytes are compared by halves,
// since Lua's have 53 bits.
constexpr const char* kCommon = R"lua(
local kNone, kRecord, kDeleted, kForeign, kOther = 0, 1, 2, 3, 4

local function is_position(text)
  return text and #text == 40 and string.sub(text, 37) == 'PC\0\1'
end

local function is_own(position)
  local name = string.sub(position, 29, 32)
  return name == topic or name == '\0\0\0\0'
end

local function stored(key)
  local tail, is_no_string = or_wrong_type('GETRANGE', key, -40, -1)
  if is_no_string then
    local position = or_wrong_type('HGET', key, 'position')
    if is_position(position) then return is_own(position) and position or '', kDeleted end
    return '', kForeign
  end
  if is_position(tail) and is_own(tail) then return tail, kRecord end
  if #tail == 40 and string.sub(tail, 37, 39) == 'PC\0' then return '', kOther end
  if tail == '' and redis.call('EXISTS', key) == 0 then return '', kNone end
  return '', kForeign
end

local function foreign()
  return redis.error_reply('FOREIGN not written by Push Cache')
end

local function order_time(high, low)
  if high < 0 or high > 955 or (high == 955 and low >= 751032320) then return -1, 0 end
  return high, low
end

local function outdated(came, kept)
  if #kept ~= 40 then return false end
  if string.sub(came, 29, 36) ~= string.sub(kept, 29, 36) then return false end
  local co, cl, ct, cu, _, _, cp = struct.unpack('>i4I4i4I4i4I4i4', came)
  local ko, kl, kt, ku, _, _, kp = struct.unpack('>i4I4i4I4i4I4i4', kept)
  if cp < 0 or kp < 0 then return false end
  if cp == kp then return co < ko or (co == ko and cl <= kl) end
  ct, cu = order_time(ct, cu)
  kt, ku = order_time(kt, ku)
  if ct ~= kt then return ct < kt end
  if cu ~= ku then return cu < ku end
  return cp < kp
end

local function has_partition(position)
  return #position == 40 and struct.unpack('>i4', string.sub(position, 25, 28)) >= 0
end

local function is_local(position)
  return string.sub(position, 17, 24) ~= '\0\0\0\0\0\0\0\0'
end

local function fence(key, position, ms)
  redis.call('DEL', key)
  redis.call('HSET', key, 'position', position)
  redis.call('PEXPIRE', key, ms)
end
)lua";

// Native commands over all keys at once: a script's single calls cost more than what they do. What
// MGET does not give may be a deleted key, which EXISTS tells for all of them.
constexpr const char* kPut = R"lua(
local sub, numbers = string.sub, struct.unpack
local olds = redis.call('MGET', unpack(KEYS))
local without = {}
for i = 1, #KEYS do
  if not olds[i] then without[#without + 1] = KEYS[i] end
end
local deleted = #without > 0 and redis.call('EXISTS', unpack(without)) > 0
local out, sets = {}, {}
for i = 1, #KEYS do
  local came, old = ARGV[i], olds[i]
  local outcome = old and '1' or '0'
  local same_partition = old and #old >= 40 and sub(old, -16) == sub(came, -16)
  if same_partition and string.byte(came, #came - 15) < 128 then
    local co, cl = numbers('>i4I4', came, #came - 39)
    local ko, kl = numbers('>i4I4', old, #old - 39)
    if co < ko or (co == ko and cl <= kl) then outcome = '2' end
  elseif (old or deleted) and outdated(sub(came, -40), (stored(KEYS[i]))) then
    outcome = '2'
  end
  if outcome ~= '2' then
    sets[#sets + 1] = KEYS[i]
    sets[#sets + 1] = came
  end
  out[i] = outcome
end
if #sets > 0 then redis.call('MSET', unpack(sets)) end
return table.concat(out)
)lua";

constexpr const char* kErase = R"lua(
local ms = ARGV[#ARGV]
local function erase(key, came)
  local kept, kind = stored(key)
  if kind == kOther then return '0' end
  if not has_partition(came) then
    came = kept
  elseif outdated(came, kept) then
    return '2'
  end
  if has_partition(came) then
    fence(key, came, ms)
  else
    redis.call('DEL', key)
  end
  return (kind == kRecord or kind == kForeign) and '1' or '0'
end
local out = {}
for i = 1, #KEYS do out[i] = erase(KEYS[i], ARGV[i]) end
return table.concat(out)
)lua";

constexpr const char* kInsert = R"lua(
local kept, kind = stored(KEYS[1])
if kind >= kForeign then return foreign() end
local own = ARGV[2]
if kind == kRecord then
  return is_local(own) and string.sub(kept, 17, 24) == string.sub(own, 17, 24) and 1 or 0
end
if has_partition(kept) then
  own = string.sub(kept, 1, 16) .. string.sub(own, 17, 24) .. string.sub(kept, 25, 40)
end
redis.call('SET', KEYS[1], ARGV[1] .. own)
return 1
)lua";

constexpr const char* kTake = R"lua(
local kept, kind = stored(KEYS[1])
if kind >= kForeign then return foreign() end
if kind ~= kRecord then return false end
if not is_record(kept, ARGV[3]) then return other_record() end
local value = redis.call('GET', KEYS[1])
if has_partition(kept) then
  fence(KEYS[1], kept, ARGV[1])
else
  redis.call('DEL', KEYS[1])
end
return value
)lua";

// Of whatever topic and layout: what a sweep takes out may be of a former configuration.
constexpr const char* kPositions = R"lua(
local function positions(key, deleted)
  local tail, is_no_string = or_wrong_type('GETRANGE', key, -40, -1)
  if not is_no_string then
    return #tail == 40 and string.sub(tail, 37, 39) == 'PC\0' and tail or ''
  end
  if not deleted then return '' end
  local all = or_wrong_type('HGET', key, 'position') or or_wrong_type('HGET', key, 'positions')
  return all and #all % 40 == 0 and all or ''
end
)lua";

constexpr const char* kEraseIf = R"lua(
local all = positions(KEYS[1], true)
for i = 1, #all, 40 do
  if string.sub(all, i, i + 39) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
end
return 0
)lua";

constexpr const char* kAllPositions = R"lua(
return positions(KEYS[1], ARGV[1] == '1')
)lua";

constexpr const char* kAdvance = R"lua(
local out = {}
for i = 1, #ARGV, 3 do
  local text = redis.call('HGET', KEYS[1], ARGV[i]) or ''
  local kept = #text <= 15 and string.find(text, '^%d+$') and tonumber(text) or -1
  local before, reached = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  if kept >= before and kept < reached then
    local done = redis.pcall('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
    if type(done) ~= 'table' then
      kept = reached
    elseif not string.find(done.err, 'OOM', 1, true) then
      return done
    end
  end
  out[#out + 1] = kept
end
return out
)lua";

// The texts of the scripts of a store that takes one topic.
ScriptTexts one_topic_scripts(std::uint32_t topic) {
  const std::string start =
      "local topic = " + lua_bytes(topic_bytes(topic)) + "\n" + std::string(kOrWrongType) + kCommon;
  return {start + kPut,
          start + kErase,
          start + kInsert,
          start + std::string(kIsRecord) + kTake,
          start + kPositions + kEraseIf,
          start + kPositions + kAllPositions};
}

}  // namespace

std::string lua_bytes(std::string_view bytes) {
  std::string out = "'";
  for (const char byte : bytes) out += fmt::format("\\{:03}", static_cast<unsigned char>(byte));
  return out + "'";
}

Scripts::Scripts(const std::vector<std::uint32_t>& topics)
    : Scripts(topics.size() == 1 ? one_topic_scripts(topics.front()) : topics_scripts(topics)) {}

Scripts::Scripts(const ScriptTexts& texts)
    : put(texts.put),
      erase(texts.erase),
      insert(texts.insert),
      take(texts.take),
      erase_if(texts.erase_if),
      positions(texts.positions),
      advance(kAdvance) {}

}  // namespace push_cache::redis
