#include "store/unread_keys.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"

namespace push_cache::store {
namespace {

bool takes(const std::vector<bool>& topics, std::uint32_t topic) {
  return topics.empty() || topics[topic];
}

bool contains(const std::vector<std::uint32_t>& stores, std::uint32_t store) {
  return std::find(stores.begin(), stores.end(), store) != stores.end();
}

// Whether `one` would be shown rather than `other`, of which both are records of a key.
bool goes_before(const UnreadKeys::Record& one, const UnreadKeys::Record& other) {
  const RecordView first = one.view({});
  const RecordView second = other.view({});
  return one.topic == other.topic ? !is_outdated(first, second) : is_shown_over(first, second);
}

}  // namespace

UnreadKeys::Found UnreadKeys::find(std::string_view key, std::uint32_t store,
                                   const std::vector<bool>& topics) const {
  Found found;
  {
    const Shard& shard = shard_of(key);
    const std::lock_guard lock(shard.mutex);
    if (const auto place = shard.keys.find(key); place != shard.keys.end()) {
      for (const Record& one : place->second) {
        if (!takes(topics, one.topic)) continue;
        if (one.kind == Kind::kBad) {
          found.bad = found.bad || (!contains(one.forgotten, store) &&
                                    (one.stores.empty() || contains(one.stores, store)));
        } else if (!found.set_aside || goes_before(one, *found.set_aside)) {
          found.set_aside = one;
        }
      }
    }
  }
  const std::lock_guard lock(any_key_mutex_);
  found.any_key = std::any_of(any_key_.begin(), any_key_.end(),
                              [&topics](const auto& one) { return takes(topics, one.first); });
  return found;
}

bool UnreadKeys::add(std::string_view key, Record record, bool sole, std::vector<Place>* gone) {
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  remove_if(shard, key, [&](const Record& one) {
    if (one.topic != record.topic || one.kind != record.kind) return false;
    const bool same = record.kind == Kind::kBad
                          ? record.stores.empty() || one.stores == record.stores
                          : one.schema == record.schema;
    const bool replaced = (sole || same) && !is_outdated(record.view(key), one.view(key));
    if (replaced && gone != nullptr) gone->push_back({one.topic, one.partition, one.offset});
    return replaced;
  });
  if (record.kind == Kind::kBad) {
    if (bad_ >= limits::kBadKeysMax || bad_bytes_ + key.size() > limits::kBadKeysBytesMax) {
      ++bad_dropped_;
      return false;
    }
    ++bad_;
    bad_bytes_ += key.size();
  }
  shard.keys[std::string(key)].push_back(std::move(record));
  ++records_;
  return true;
}

void UnreadKeys::count_any_key(std::uint32_t topic, int delta) {
  const std::lock_guard lock(any_key_mutex_);
  std::size_t& count = any_key_[topic];
  count += static_cast<std::size_t>(delta);
  records_ += static_cast<std::size_t>(delta);
  if (count == 0) any_key_.erase(topic);
}

void UnreadKeys::replace(const RecordView& came, bool tombstone, bool sole,
                         std::vector<Place>& gone) {
  Shard& shard = shard_of(came.key);
  const std::lock_guard lock(shard.mutex);
  remove_if(shard, came.key, [&](const Record& one) {
    if (one.topic != came.topic || is_outdated(came, one.view(came.key))) return false;
    const bool goes = tombstone || sole || one.schema == came.schema ||
                      (one.kind == Kind::kBad && one.stores.empty());
    if (goes && one.kind != Kind::kMayBeOfKey) {
      gone.push_back({one.topic, one.partition, one.offset});
    }
    return goes;
  });
}

void UnreadKeys::remove(std::string_view key, const Record& record) {
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  remove_if(shard, key, [&](const Record& one) {
    return one.kind == record.kind && one.schema == record.schema && one.topic == record.topic &&
           one.partition == record.partition && one.offset == record.offset;
  });
}

bool UnreadKeys::is_bad(std::string_view key, const Place& place) const {
  const Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.keys.find(key);
  return found != shard.keys.end() &&
         std::any_of(found->second.begin(), found->second.end(), [&place](const Record& one) {
           return one.kind == Kind::kBad && one.topic == place.topic &&
                  one.partition == place.partition && one.offset == place.offset;
         });
}

void UnreadKeys::forget_bad(std::string_view key, std::uint32_t store, std::uint32_t topic) {
  if (!any()) return;
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  const auto place = shard.keys.find(key);
  if (place == shard.keys.end()) return;
  for (Record& one : place->second) {
    const bool concerns = one.kind == Kind::kBad && one.topic == topic;
    if (concerns && !contains(one.forgotten, store)) one.forgotten.push_back(store);
  }
}

void UnreadKeys::erase(std::uint32_t topic, Partition partition, Offset below) {
  if (!any()) return;
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (auto one = shard.keys.begin(); one != shard.keys.end();) {
      const std::size_t left = remove_some(one->first, one->second, [&](const Record& record) {
        return record.topic == topic && record.partition == partition && record.offset < below;
      });
      one = left == 0 ? shard.keys.erase(one) : std::next(one);
    }
  }
}

template <typename Goes>
void UnreadKeys::remove_if(Shard& shard, std::string_view key, const Goes& goes) {
  const auto place = shard.keys.find(key);
  if (place == shard.keys.end()) return;
  if (remove_some(key, place->second, goes) == 0) shard.keys.erase(place);
}

template <typename Goes>
std::size_t UnreadKeys::remove_some(std::string_view key, std::vector<Record>& records,
                                    const Goes& goes) {
  std::erase_if(records, [&](const Record& one) {
    if (!goes(one)) return false;
    --records_;
    if (one.kind == Kind::kBad) {
      --bad_;
      bad_bytes_ -= key.size();
    }
    return true;
  });
  return records.size();
}

UnreadKeys::Counts UnreadKeys::counts() const {
  return {.bad = bad_,
          .bad_dropped = bad_dropped_,
          .full = bad_ >= limits::kBadKeysMax ||
                  bad_bytes_ + limits::kKeyBytesMax > limits::kBadKeysBytesMax};
}

void UnreadKeys::for_each_bad(
    const std::function<void(std::string_view, const Record&)>& take) const {
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const auto& [key, records] : shard.keys) {
      for (const Record& one : records) {
        if (one.kind == Kind::kBad) take(key, one);
      }
    }
  }
}

}  // namespace push_cache::store
