// The scripts of a store that takes several topics: what redis/layout.h calls the second layout.
#include <fmt/format.h>

#include <string>

#include "redis/layout.h"
#include "redis/scripts.h"

namespace push_cache::redis {
namespace {

// `topics`: by the bytes that positions have of them, their order. `read`: the entries under a key,
// and whether it is something else than this store writes.
//
// An entry is a record or a tombstone of one topic: p = its position, v = its payload (false of a
// tombstone), e = the ms since 1970 at which a tombstone is forgotten. `find`, `shown`: as
// store::Store has them; what is of no topic of the store's is no entry of any. `time_of`: as
// store::order_time, of a record of HTTP the moment in its number.
constexpr const char* kCommon = R"lua(
local sub, numbers, pack = string.sub, struct.unpack, struct.pack
local kDeleted = 2147483648

local function rank(p)
  return sub(p, 37) == 'PC\0\2' and topics[sub(p, 29, 32)] or nil
end

local function parse(value)
  local at = #value
  if at < 45 or sub(value, -4, -2) ~= 'PC\0' then return {} end
  if sub(value, -1) ~= '\2' then return {{p = sub(value, -40), v = sub(value, 1, -41)}} end
  local start = at - 44 - numbers('>I4', value, at - 43)
  if start < 5 then return {} end
  local out = {{p = sub(value, -40), v = sub(value, 1, start)}}
  at = at - 44
  while at > start do
    if at - start < 44 then return {} end
    local size = numbers('>I4', value, at - 43)
    local deleted = size >= kDeleted
    if deleted then size = size - kDeleted end
    local from = at - 43 - size
    if from <= start then return {} end
    local entry = {p = sub(value, at - 39, at), v = sub(value, from, at - 44)}
    if deleted then
      if size ~= 8 then return {} end
      local high, low = numbers('>I4I4', entry.v)
      if high >= 1048576 then return {} end
      entry.e, entry.v = high * 4294967296 + low, false
    end
    out[#out + 1] = entry
    at = from - 1
  end
  return out
end

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function read(key)
  local value, is_no_string = or_wrong_type('GET', key)
  if value then
    local out = parse(value)
    return out, not (out[1] and rank(out[1].p))
  end
  if not is_no_string then return {}, false end
  local all = or_wrong_type('HGET', key, 'positions')
  if not all or #all == 0 or #all % 40 ~= 0 then return {}, true end
  local out, ends = {}, now() + redis.call('PTTL', key)
  for i = 1, #all, 40 do out[#out + 1] = {p = sub(all, i, i + 39), v = false, e = ends} end
  return out, false
end

local function foreign()
  return redis.error_reply('FOREIGN not written by Push Cache')
end

local function time_of(p)
  local high, low = numbers('>I4I4', p, 17)
  if high ~= 0 or low ~= 0 then
    return math.floor(((high % 1048576) * 4294967296 + low) / 1000)
  end
  high, low = numbers('>i4I4', p, 9)
  local time = high * 4294967296 + low
  if high < 0 or time >= 4102444800000 then return -1 end
  return time
end

local function shown(entries)
  local best
  for _, one in ipairs(entries) do
    if one.v and rank(one.p) then
      local mine, other = time_of(one.p), best and time_of(best.p) or -2
      if mine > other or (mine == other and rank(one.p) > rank(best.p)) then best = one end
    end
  end
  return best
end

local function find(entries, p)
  for _, one in ipairs(entries) do
    if rank(one.p) and sub(one.p, 29, 32) == sub(p, 29, 32) then return one end
  end
end

local function has_partition(p) return numbers('>i4', p, 25) >= 0 end

local function outdated(came, kept)
  if sub(came, 33, 36) ~= sub(kept, 33, 36) then return false end
  local cp, kp = numbers('>i4', came, 25), numbers('>i4', kept, 25)
  if cp < 0 or kp < 0 then return false end
  if cp == kp then
    local co, cl = numbers('>i4I4', came)
    local ko, kl = numbers('>i4I4', kept)
    return co < ko or (co == ko and cl <= kl)
  end
  -- The time of the record of Kafka, also where one of HTTP has come after it.
  local plain = string.rep('\0', 8)
  local ct = time_of(sub(came, 1, 16) .. plain)
  local kt = time_of(sub(kept, 1, 16) .. plain)
  if ct ~= kt then return ct < kt end
  return cp < kp
end

local function joined(best, entries)
  local parts, bytes = {best.v}, 0
  for _, one in ipairs(entries) do
    if one ~= best then
      local body = one.v or pack('>I4I4', math.floor(one.e / 4294967296), one.e % 4294967296)
      parts[#parts + 1] = body .. pack('>I4', #body + (one.v and 0 or kDeleted)) .. one.p
      bytes = bytes + #body + 44
    end
  end
  parts[#parts + 1] = pack('>I4', bytes)
  parts[#parts + 1] = best.p
  return table.concat(parts)
end

local function write(key, entries)
  local kept, ends, time = {}, 0, nil
  for _, one in ipairs(entries) do
    if rank(one.p) then
      if not one.v then time = time or now() end
      if one.v or one.e > time then kept[#kept + 1] = one end
      if not one.v and one.e > ends then ends = one.e end
    end
  end
  local best = shown(kept)
  if best then
    redis.call('SET', key, joined(best, kept))
    return
  end
  redis.call('DEL', key)
  if #kept == 0 then return end
  local positions = {}
  for i, one in ipairs(kept) do positions[i] = one.p end
  redis.call('HSET', key, 'positions', table.concat(positions))
  redis.call('PEXPIRE', key, ends - time)
end

local function set(entries, entry)
  local old = find(entries, entry.p)
  if not old then
    entries[#entries + 1] = entry
  else
    old.p, old.v, old.e = entry.p, entry.v, entry.e
  end
end

-- The outcome, as Scripts has it. A tombstone leaves what another configuration wrote.
local function apply(key, entry)
  local entries = read(key)
  local old = find(entries, entry.p)
  if old and outdated(entry.p, old.p) then return '2' end
  if not entry.v and not old and entries[1] and not rank(entries[1].p) then return '0' end
  local outcome = old and old.v and '1' or '0'
  set(entries, entry)
  write(key, entries)
  return outcome
end
)lua";

constexpr const char* kPut = R"lua(
local out = {}
for i = 1, #KEYS do
  out[i] = apply(KEYS[i], {p = sub(ARGV[i], -40), v = sub(ARGV[i], 1, -41)})
end
return table.concat(out)
)lua";

constexpr const char* kErase = R"lua(
local out, ends = {}, now() + tonumber(ARGV[#ARGV])
for i = 1, #KEYS do out[i] = apply(KEYS[i], {p = ARGV[i], v = false, e = ends}) end
return table.concat(out)
)lua";

constexpr const char* kInsert = R"lua(
local entries, is_foreign = read(KEYS[1])
if is_foreign then return foreign() end
local own, best = ARGV[2], shown(entries)
if best then
  local number = sub(own, 17, 24)
  return number ~= string.rep('\0', 8) and sub(best.p, 17, 24) == number and 1 or 0
end
local old = find(entries, own)
if old and has_partition(old.p) then
  own = sub(old.p, 1, 16) .. sub(own, 17, 24) .. sub(old.p, 25)
end
set(entries, {p = own, v = ARGV[1]})
write(KEYS[1], entries)
return 1
)lua";

constexpr const char* kTake = R"lua(
local entries, is_foreign = read(KEYS[1])
if is_foreign then return foreign() end
local best = shown(entries)
if not best then return false end
if not is_record(best.p, ARGV[3]) then return other_record() end
if ARGV[2] ~= '' and sub(best.p, 29, 32) ~= ARGV[2] then
  return redis.error_reply('OTHERTOPIC the record that this key shows is of another topic')
end
local value = joined(best, {})
best.v, best.e = false, has_partition(best.p) and now() + tonumber(ARGV[1]) or 0
write(KEYS[1], entries)
return value
)lua";

constexpr const char* kEraseIf = R"lua(
local entries, kept = read(KEYS[1]), {}
for _, one in ipairs(entries) do
  if one.p ~= ARGV[1] then kept[#kept + 1] = one end
end
if #kept == #entries then return 0 end
write(KEYS[1], kept)
return 1
)lua";

constexpr const char* kPositions = R"lua(
local out = {}
for _, one in ipairs(read(KEYS[1])) do
  if one.v or ARGV[1] == '1' then out[#out + 1] = one.p end
end
return table.concat(out)
)lua";

// The ranks of the topics by the bytes that positions have of them.
std::string ranks(const std::vector<std::uint32_t>& topics) {
  std::string out = "local topics = {";
  for (std::size_t i = 0; i < topics.size(); ++i) {
    out += fmt::format("[{}] = {}, ", lua_bytes(topic_bytes(topics[i])), i + 1);
  }
  return out + "}\n";
}

}  // namespace

ScriptTexts topics_scripts(const std::vector<std::uint32_t>& topics) {
  const std::string start = ranks(topics) + std::string(kOrWrongType) + kCommon;
  return {start + kPut,     start + kErase,
          start + kInsert,  start + std::string(kIsRecord) + kTake,
          start + kEraseIf, start + kPositions};
}

}  // namespace push_cache::redis
