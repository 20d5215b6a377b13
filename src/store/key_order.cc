#include "store/key_order.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <mutex>
#include <new>

#include "base/epoch.h"

namespace push_cache::store {
namespace {

constexpr std::size_t kLeafMax = 128;
constexpr std::size_t kLeafStep = 16;  // leaves grow by so many entries: little is unused
constexpr std::size_t kLeavesMax = 256;
// A leaf with fewer keys is joined with a neighbour when both together have at most kJoinedMax.
constexpr std::size_t kSparse = 32;
constexpr std::size_t kJoinedMax = 96;
// Writers wait for a list for the time of so many keys.
constexpr std::size_t kKeysPerLock = 256;
constexpr std::size_t kKeysPerBatch = 16;

std::size_t common(std::string_view a, std::string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t n = 0;
  while (n < most && a[n] == b[n]) ++n;
  return n;
}

// The 4 bytes from `at`, zeros behind the end. Of two texts that are alike up to `at`, the lesser
// never has the greater slice.
std::uint32_t slice_of(std::string_view text, std::size_t at) {
  std::uint32_t slice = 0;
  if constexpr (std::endian::native == std::endian::little) {
    if (at + sizeof slice <= text.size()) {
      std::memcpy(&slice, text.data() + at, sizeof slice);
      return __builtin_bswap32(slice);
    }
  }
  for (std::size_t i = 0; i < 4; ++i) {
    slice = slice << 8 |
            (at + i < text.size() ? static_cast<std::uint8_t>(text[at + i]) : std::uint32_t{0});
  }
  return slice;
}

// The shortest text that is above `low` and not above `high`.
std::string separator(std::string_view low, std::string_view high) {
  return std::string(high.substr(0, common(low, high) + 1));
}

}  // namespace

// The hashes lie behind it, then the slices.
struct KeyOrder::Leaf {
  std::string prefix;
  std::uint32_t count = 0;
  std::uint32_t capacity = 0;

  std::uint64_t* hashes() { return reinterpret_cast<std::uint64_t*>(this + 1); }
  const std::uint64_t* hashes() const { return reinterpret_cast<const std::uint64_t*>(this + 1); }
  std::uint32_t* slices() { return reinterpret_cast<std::uint32_t*>(hashes() + capacity); }
  const std::uint32_t* slices() const {
    return reinterpret_cast<const std::uint32_t*>(hashes() + capacity);
  }
  static std::size_t bytes(std::size_t capacity) {
    return sizeof(Leaf) + capacity * (sizeof(std::uint64_t) + sizeof(std::uint32_t));
  }
  // Appends `n` entries of another leaf that has the same prefix.
  void append(const Leaf& from, std::size_t first, std::size_t n) {
    std::copy_n(from.hashes() + first, n, hashes() + count);
    std::copy_n(from.slices() + first, n, slices() + count);
    count += static_cast<std::uint32_t>(n);
  }
  // The first `n` bytes of the prefix stay; what is cut off moves into the slices.
  void shorten_prefix(std::size_t n) {
    if (n >= prefix.size()) return;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t old = slices()[i];
      std::string text = prefix.substr(n, 4);
      for (int shift = 24; text.size() < 4; shift -= 8) {
        text.push_back(static_cast<char>(old >> shift & 0xFF));
      }
      slices()[i] = slice_of(text, 0);
    }
    prefix.resize(n);
  }
};

KeyOrder::KeyOrder(const KeySource& source) : source_(source) {}

KeyOrder::~KeyOrder() {
  for (const auto& inner : inners_) {
    for (const LeafRef& ref : inner->leaves) free_leaf(ref.leaf);
  }
}

KeyOrder::Leaf* KeyOrder::make_leaf(std::size_t capacity) {
  const std::size_t bytes = Leaf::bytes(capacity);
  auto* leaf = new (::operator new(bytes)) Leaf;
  leaf->capacity = static_cast<std::uint32_t>(capacity);
  bytes_.fetch_add(bytes + sizeof(LeafRef), std::memory_order_relaxed);
  return leaf;
}

void KeyOrder::free_leaf(Leaf* leaf) {
  bytes_.fetch_sub(Leaf::bytes(leaf->capacity) + sizeof(LeafRef), std::memory_order_relaxed);
  leaf->~Leaf();
  ::operator delete(leaf);
}

void KeyOrder::set_capacity(LeafRef& ref, std::size_t capacity) {
  Leaf* made = make_leaf(capacity);
  made->prefix = std::move(ref.leaf->prefix);
  made->append(*ref.leaf, 0, ref.leaf->count);
  free_leaf(ref.leaf);
  ref.leaf = made;
}

std::string_view KeyOrder::key_at(const Leaf& leaf, std::size_t entry) const {
  std::string_view key;
  source_.find_keys({leaf.hashes() + entry, 1}, {&key, 1});
  return key;
}

KeyOrder::Position KeyOrder::leaf_for(std::string_view key) const {
  // The last one that begins at or before the key; keys before all of them belong to the first.
  const auto inner = std::upper_bound(
      inners_.begin(), inners_.end(), key,
      [](std::string_view text, const auto& one) { return text < one->leaves.front().low; });
  const std::size_t i =
      inner == inners_.begin() ? 0 : static_cast<std::size_t>(inner - inners_.begin()) - 1;
  const std::vector<LeafRef>& leaves = inners_[i]->leaves;
  const auto leaf =
      std::upper_bound(leaves.begin(), leaves.end(), key,
                       [](std::string_view text, const LeafRef& one) { return text < one.low; });
  return {i, leaf == leaves.begin() ? 0 : static_cast<std::size_t>(leaf - leaves.begin()) - 1, 0};
}

std::size_t KeyOrder::lower_bound(const Leaf& leaf, std::string_view key, bool above) const {
  const std::string_view prefix = leaf.prefix;
  if (!key.starts_with(prefix)) return key < prefix ? 0 : leaf.count;
  const std::uint32_t slice = slice_of(key, prefix.size());
  const auto [first, last] = std::equal_range(leaf.slices(), leaf.slices() + leaf.count, slice);
  auto low = static_cast<std::size_t>(first - leaf.slices());
  auto high = static_cast<std::size_t>(last - leaf.slices());
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    const int order = key_at(leaf, middle).compare(key);
    if (order < 0 || (above && order == 0)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

void KeyOrder::insert(std::uint64_t hash, std::string_view key, bool twin) {
  const epoch::Pin pin;
  const std::unique_lock lock(mutex_);
  if (twin) {
    twins_.emplace(key);
    bytes_.fetch_add(key.size() + 80, std::memory_order_relaxed);
    return;
  }
  insert_one(hash, key);
}

void KeyOrder::insert_one(std::uint64_t hash, std::string_view key) {
  if (inners_.empty()) return insert_first(hash, key);
  Position at = leaf_for(key);
  if (leaf_at(at)->count == kLeafMax) at = split(at, key);
  LeafRef& ref = inners_[at.inner]->leaves[at.leaf];
  if (ref.leaf->count == ref.leaf->capacity) set_capacity(ref, ref.leaf->capacity + kLeafStep);
  Leaf& leaf = *ref.leaf;
  if (leaf.count == 0) leaf.prefix = key;
  leaf.shorten_prefix(common(leaf.prefix, key));
  const std::size_t entry = lower_bound(leaf, key, false);
  std::copy_backward(leaf.hashes() + entry, leaf.hashes() + leaf.count,
                     leaf.hashes() + leaf.count + 1);
  std::copy_backward(leaf.slices() + entry, leaf.slices() + leaf.count,
                     leaf.slices() + leaf.count + 1);
  leaf.hashes()[entry] = hash;
  leaf.slices()[entry] = slice_of(key, leaf.prefix.size());
  ++leaf.count;
  ++inners_[at.inner]->keys;
}

void KeyOrder::insert_first(std::uint64_t hash, std::string_view key) {
  Leaf* leaf = make_leaf(kLeafStep);
  leaf->prefix = key;
  leaf->count = 1;
  leaf->hashes()[0] = hash;
  leaf->slices()[0] = 0;
  auto inner = std::make_unique<Inner>();
  inner->leaves.push_back({std::string(), leaf});
  inner->keys = 1;
  inners_.push_back(std::move(inner));
}

void KeyOrder::insert_many(std::span<const Entry> entries) {
  const epoch::Pin pin;
  const std::unique_lock lock(mutex_);
  while (!entries.empty()) {
    if (!erased_early_.empty()) {
      if (const auto gone = erased_early_.find(entries.front().key); gone != erased_early_.end()) {
        erased_early_.erase(gone);
      } else {
        insert_one(entries.front().hash, entries.front().key);
      }
      entries = entries.subspan(1);
      continue;
    }
    entries = entries.subspan(insert_run(entries));
  }
}

const std::string* KeyOrder::bound_of(Position at) const {
  const std::vector<LeafRef>& leaves = inners_[at.inner]->leaves;
  if (at.leaf + 1 < leaves.size()) return &leaves[at.leaf + 1].low;
  return at.inner + 1 < inners_.size() ? &inners_[at.inner + 1]->leaves.front().low : nullptr;
}

std::size_t KeyOrder::insert_run(std::span<const Entry> entries) {
  const std::string_view first = entries.front().key;
  if (inners_.empty()) return insert_first(entries.front().hash, first), 1;
  Position at = leaf_for(first);
  if (key_at(*leaf_at(at), leaf_at(at)->count - 1) > first) {
    return insert_one(entries.front().hash, first), 1;
  }
  const std::string* bound = bound_of(at);
  std::size_t run = 1;
  while (run < entries.size() && entries[run - 1].key < entries[run].key &&
         (bound == nullptr || entries[run].key < *bound)) {
    ++run;
  }
  std::size_t done = std::min<std::size_t>(run, kLeafMax - leaf_at(at)->count);
  append(at, entries.first(done));
  while (done < run) {
    const std::span<const Entry> next = entries.subspan(done, std::min(run - done, kLeafMax));
    const std::string_view key = next.front().key;
    const std::string_view before =
        done > 0 ? entries[done - 1].key : key_at(*leaf_at(at), leaf_at(at)->count - 1);
    insert_leaf({at.inner, at.leaf + 1}, separator(before, key), make_leaf(next.size()));
    at = leaf_for(key);
    append(at, next);
    done += next.size();
  }
  return run;
}

void KeyOrder::append(Position at, std::span<const Entry> entries) {
  if (entries.empty()) return;
  LeafRef& ref = inners_[at.inner]->leaves[at.leaf];
  const std::size_t count = ref.leaf->count + entries.size();
  if (count > ref.leaf->capacity) {
    set_capacity(ref, std::min(kLeafMax, (count + kLeafStep - 1) / kLeafStep * kLeafStep));
  }
  Leaf& leaf = *ref.leaf;
  // What the first and the last key have in common, all between them have.
  const std::string_view last = entries.back().key;
  if (leaf.count == 0) leaf.prefix = entries.front().key;
  leaf.shorten_prefix(common(leaf.prefix, last));
  for (const Entry& entry : entries) {
    leaf.hashes()[leaf.count] = entry.hash;
    leaf.slices()[leaf.count] = slice_of(entry.key, leaf.prefix.size());
    ++leaf.count;
  }
  inners_[at.inner]->keys += entries.size();
}

// Keys that come in order fill their leaves: one at an end of the leaf gets a leaf of its own.
KeyOrder::Position KeyOrder::split(Position at, std::string_view key) {
  LeafRef& ref = inners_[at.inner]->leaves[at.leaf];
  Leaf& leaf = *ref.leaf;
  const std::string first(key_at(leaf, 0));
  const std::string last(key_at(leaf, leaf.count - 1));
  if (key > last) {
    insert_leaf({at.inner, at.leaf + 1}, separator(last, key), make_leaf(kLeafStep));
    return leaf_for(key);
  }
  if (key < first) {
    std::string low = std::move(ref.low);
    ref.low = separator(key, first);
    if (low > key) low.clear();  // the first leaf of all takes what is before it too
    insert_leaf(at, std::move(low), make_leaf(kLeafStep));
    return leaf_for(key);
  }
  const std::size_t half = leaf.count / 2;
  std::string low = separator(key_at(leaf, half - 1), key_at(leaf, half));
  Leaf* right = make_leaf(leaf.count - half + kLeafStep);
  right->prefix = leaf.prefix;
  right->append(leaf, half, leaf.count - half);
  leaf.count = static_cast<std::uint32_t>(half);
  sharpen(leaf);
  sharpen(*right);
  set_capacity(ref, half + kLeafStep);
  insert_leaf({at.inner, at.leaf + 1}, std::move(low), right);
  return leaf_for(key);
}

// Where many slices are equal, and the keys begin alike for longer than the prefix says, the slices
// are taken anew from behind it.
void KeyOrder::sharpen(Leaf& leaf) const {
  std::size_t equal = 0;
  for (std::uint32_t i = 1; i < leaf.count; ++i) equal += leaf.slices()[i] == leaf.slices()[i - 1];
  if (equal * 4 < leaf.count) return;
  const std::string_view first = key_at(leaf, 0);
  const std::size_t alike = common(first, key_at(leaf, leaf.count - 1));
  if (alike <= leaf.prefix.size()) return;
  leaf.prefix = first.substr(0, alike);
  std::array<std::string_view, kLeafMax> keys;
  source_.find_keys({leaf.hashes(), leaf.count}, {keys.data(), leaf.count});
  for (std::uint32_t i = 0; i < leaf.count; ++i) leaf.slices()[i] = slice_of(keys[i], alike);
}

void KeyOrder::insert_leaf(Position at, std::string low, Leaf* leaf) {
  Inner& inner = *inners_[at.inner];
  const bool at_end = at.leaf == inner.leaves.size();
  inner.leaves.insert(inner.leaves.begin() + static_cast<std::ptrdiff_t>(at.leaf),
                      {std::move(low), leaf});
  if (inner.leaves.size() <= kLeavesMax) return;
  const auto from = inner.leaves.begin() + (at_end ? kLeavesMax : kLeavesMax / 2);
  auto right = std::make_unique<Inner>();
  right->leaves.assign(std::move_iterator(from), std::move_iterator(inner.leaves.end()));
  inner.leaves.erase(from, inner.leaves.end());
  for (const auto half : {&inner, right.get()}) {
    half->keys = 0;
    for (const LeafRef& ref : half->leaves) half->keys += ref.leaf->count;
  }
  inners_.insert(inners_.begin() + static_cast<std::ptrdiff_t>(at.inner) + 1, std::move(right));
}

void KeyOrder::erase(std::uint64_t hash, std::string_view key) {
  const epoch::Pin pin;
  const std::unique_lock lock(mutex_);
  if (!twins_.empty()) {
    if (const auto found = twins_.find(key); found != twins_.end()) {
      bytes_.fetch_sub(key.size() + 80, std::memory_order_relaxed);
      twins_.erase(found);
      return;
    }
  }
  const auto early = [&] { erased_early_.emplace(key); };
  if (inners_.empty()) return early();
  const Position at = leaf_for(key);
  Leaf& leaf = *leaf_at(at);
  if (!key.starts_with(leaf.prefix)) return early();
  const std::uint32_t slice = slice_of(key, leaf.prefix.size());
  const auto [first, last] = std::equal_range(leaf.slices(), leaf.slices() + leaf.count, slice);
  auto entry = static_cast<std::size_t>(first - leaf.slices());
  const auto end = static_cast<std::size_t>(last - leaf.slices());
  while (entry < end && leaf.hashes()[entry] != hash) ++entry;
  if (entry == end) return early();
  std::copy(leaf.hashes() + entry + 1, leaf.hashes() + leaf.count, leaf.hashes() + entry);
  std::copy(leaf.slices() + entry + 1, leaf.slices() + leaf.count, leaf.slices() + entry);
  --leaf.count;
  --inners_[at.inner]->keys;
  if (leaf.count == 0) {
    remove_leaf(at);
  } else if (leaf.count < kSparse) {
    merge_if_sparse(at);
  } else if (leaf.capacity >= leaf.count + 2 * kLeafStep) {
    set_capacity(inners_[at.inner]->leaves[at.leaf], leaf.count + kLeafStep);
  }
}

void KeyOrder::remove_leaf(Position at) {
  std::vector<LeafRef>& leaves = inners_[at.inner]->leaves;
  free_leaf(leaves[at.leaf].leaf);
  leaves.erase(leaves.begin() + static_cast<std::ptrdiff_t>(at.leaf));
  if (leaves.empty()) inners_.erase(inners_.begin() + static_cast<std::ptrdiff_t>(at.inner));
}

void KeyOrder::merge_if_sparse(Position at) {
  std::vector<LeafRef>& leaves = inners_[at.inner]->leaves;
  if (at.leaf + 1 == leaves.size()) {
    if (at.leaf == 0) return;
    --at.leaf;
  }
  Leaf& right = *leaves[at.leaf + 1].leaf;
  const std::size_t joined = leaves[at.leaf].leaf->count + right.count;
  if (joined > kJoinedMax) return;
  set_capacity(leaves[at.leaf], joined + kLeafStep);
  Leaf& left = *leaves[at.leaf].leaf;
  const std::size_t alike = common(left.prefix, right.prefix);
  left.shorten_prefix(alike);
  right.shorten_prefix(alike);
  left.append(right, 0, right.count);
  remove_leaf({at.inner, at.leaf + 1});
}

// Goes through the keys from a position, those beside the tree among them, under the lock.
class KeyOrder::Walk {
 public:
  Walk(const KeyOrder& order, bool from_start, std::string_view after) : order_(order) {
    twin_ = from_start ? order.twins_.begin() : order.twins_.upper_bound(after);
    if (from_start || order.inners_.empty()) return;
    at_ = order.leaf_for(after);
    at_.entry = order.lower_bound(*order.leaf_at(at_), after, true);
  }

  // Passes `keys` keys of the tree, or all that are left, without looking at each; how many.
  std::uint64_t skip(std::uint64_t keys) {
    std::uint64_t left = keys;
    while (left > 0 && settle()) {
      const Inner& inner = *order_.inners_[at_.inner];
      if (at_.leaf == 0 && at_.entry == 0 && inner.keys <= left) {
        left -= inner.keys;
        at_ = {at_.inner + 1, 0, 0};
        continue;
      }
      const std::uint64_t here =
          std::min<std::uint64_t>(inner.leaves[at_.leaf].leaf->count - at_.entry, left);
      at_.entry += here;
      left -= here;
    }
    return keys - left;
  }

  // The next key, nothing at the end. Its view lives until the lock or the Pin goes.
  std::optional<std::string_view> peek() {
    if (next_ == size_) fetch();
    const bool tree = next_ < size_;
    const bool beside = twin_ != order_.twins_.end();
    if (!tree && !beside) return std::nullopt;
    beside_ = beside && (!tree || *twin_ < keys_[next_]);
    return beside_ ? std::string_view(*twin_) : keys_[next_];
  }
  // After a `peek` that gave a key.
  void pass() {
    if (beside_) {
      ++twin_;
    } else {
      ++next_;
    }
  }

 private:
  // Moves to an entry that exists; false at the end.
  bool settle() {
    while (at_.inner < order_.inners_.size()) {
      const std::vector<LeafRef>& leaves = order_.inners_[at_.inner]->leaves;
      if (at_.leaf == leaves.size()) {
        at_ = {at_.inner + 1, 0, 0};
      } else if (at_.entry == leaves[at_.leaf].leaf->count) {
        at_ = {at_.inner, at_.leaf + 1, 0};
      } else {
        return true;
      }
    }
    return false;
  }

  void fetch() {
    next_ = size_ = 0;
    while (size_ < kKeysPerBatch && settle()) {
      const Leaf& leaf = *order_.leaf_at(at_);
      const std::size_t here = std::min(leaf.count - at_.entry, kKeysPerBatch - size_);
      std::copy_n(leaf.hashes() + at_.entry, here, hashes_.begin() + size_);
      size_ += here;
      at_.entry += here;
    }
    order_.source_.find_keys({hashes_.data(), size_}, {keys_.data(), size_});
  }

  const KeyOrder& order_;
  Position at_;
  std::set<std::string, std::less<>>::const_iterator twin_;
  bool beside_ = false;
  std::array<std::uint64_t, kKeysPerBatch> hashes_;
  std::array<std::string_view, kKeysPerBatch> keys_;
  std::size_t next_ = 0;
  std::size_t size_ = 0;
};

bool KeyOrder::page(Store::PageStart start, std::size_t keys_max, KeySink& sink) const {
  std::string after(start.after);
  bool from_start = start.from_start;
  for (;;) {
    const epoch::Pin pin;
    const std::shared_lock lock(mutex_);
    Walk walk(*this, from_start, after);
    if (twins_.empty()) start.skip -= walk.skip(start.skip);
    std::string_view last;
    for (std::size_t looked_at = 0;; ++looked_at) {
      const auto key = walk.peek();
      if (!key) return false;
      if (start.skip == 0 && keys_max == 0) return true;
      if (looked_at == kKeysPerLock) break;
      walk.pass();
      last = *key;
      if (start.skip > 0) {
        --start.skip;
        continue;
      }
      --keys_max;
      if (!sink.key(*key)) return walk.peek().has_value();
    }
    after = last;
    from_start = false;
  }
}

}  // namespace push_cache::store
