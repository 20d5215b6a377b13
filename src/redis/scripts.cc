#include "redis/scripts.h"

namespace push_cache::redis {
namespace {

// `stored`: the position that a key has, "" when it has none; whether there is a record.
// `outdated`: as store::is_outdated, and within a partition by the offset: Kafka may deliver a
// record again. Numbers of 8 bytes are compared by halves, since Lua's have 53 bits.
constexpr const char* kCommon = R"lua(
local function stored(key)
  local tail = redis.pcall('GETRANGE', key, -40, -1)
  if type(tail) == 'table' then
    return redis.call('HGET', key, 'position') or '', false
  end
  local is_record = tail ~= ''
  if #tail ~= 40 or string.sub(tail, 37) ~= 'PC\0\1' then tail = '' end
  return tail, is_record
end

local function outdated(came, kept)
  if #kept ~= 40 then return false end
  if string.sub(came, 29, 36) ~= string.sub(kept, 29, 36) then return false end
  local co, cl, ct, cu, _, _, cp = struct.unpack('>i4I4i4I4i4I4i4', came)
  local ko, kl, kt, ku, _, _, kp = struct.unpack('>i4I4i4I4i4I4i4', kept)
  if cp < 0 or kp < 0 then return false end
  if cp == kp then return co < ko or (co == ko and cl <= kl) end
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

constexpr const char* kPut = R"lua(
local kept, is_record = stored(KEYS[1])
if outdated(string.sub(ARGV[1], -40), kept) then return 2 end
redis.call('SET', KEYS[1], ARGV[1])
return is_record and 1 or 0
)lua";

constexpr const char* kErase = R"lua(
local kept, is_record = stored(KEYS[1])
local came = ARGV[1]
if not has_partition(came) then
  came = kept
elseif outdated(came, kept) then
  return 2
end
if has_partition(came) then
  fence(KEYS[1], came, ARGV[2])
else
  redis.call('DEL', KEYS[1])
end
return is_record and 1 or 0
)lua";

constexpr const char* kInsert = R"lua(
local kept, is_record = stored(KEYS[1])
local own = ARGV[2]
if is_record then
  return is_local(own) and string.sub(kept, 17, 24) == string.sub(own, 17, 24) and 1 or 0
end
if has_partition(kept) then
  own = string.sub(kept, 1, 16) .. string.sub(own, 17, 24) .. string.sub(kept, 25, 40)
end
redis.call('SET', KEYS[1], ARGV[1] .. own)
return 1
)lua";

constexpr const char* kTake = R"lua(
local kept, is_record = stored(KEYS[1])
if not is_record then return false end
local value = redis.call('GET', KEYS[1])
if has_partition(kept) then
  fence(KEYS[1], kept, ARGV[1])
else
  redis.call('DEL', KEYS[1])
end
return value
)lua";

constexpr const char* kEraseFrom = R"lua(
local kept, is_record = stored(KEYS[1])
if #kept ~= 40 or string.sub(kept, 25, 32) ~= ARGV[1] then return 0 end
if is_record and is_local(kept) then return 0 end
local ko, kl = struct.unpack('>i4I4', kept)
local bo, bl = struct.unpack('>i4I4', ARGV[2])
if ko > bo or (ko == bo and kl >= bl) then return 0 end
redis.call('DEL', KEYS[1])
return is_record and 1 or 0
)lua";

Script with_common(const char* body) { return Script(std::string(kCommon) + body); }

}  // namespace

Scripts::Scripts()
    : put(with_common(kPut)),
      erase(with_common(kErase)),
      insert(with_common(kInsert)),
      take(with_common(kTake)),
      erase_from(with_common(kEraseFrom)) {}

}  // namespace push_cache::redis
