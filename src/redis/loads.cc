#include "redis/loads.h"

#include <algorithm>
#include <utility>

#include "redis/calls.h"
#include "redis/layout.h"

namespace push_cache::redis {
namespace {

// Whether these are two topics; of one that is not known nobody can tell.
bool is_other(std::string_view incarnation, std::string_view than) {
  constexpr std::string_view kUnknown("\0\0\0\0", 4);
  return incarnation != than && incarnation != kUnknown && than != kUnknown;
}

}  // namespace

// --- Loads ---

void Loads::begin(Source source) {
  const std::lock_guard lock(mutex_);
  loads_[source] = {++last_number_, {}};
  any_ = true;
}

void Loads::cancel(Source source) {
  const std::lock_guard lock(mutex_);
  loads_.erase(source);
  any_ = !loads_.empty();
}

void Loads::note(std::span<const store::Write> writes) {
  if (!any_) return;
  const std::lock_guard lock(mutex_);
  for (const store::Write& one : writes) {
    const store::RecordView& record = one.record;
    if (one.tombstone || record.offset.value < 0) continue;
    const auto found = loads_.find({record.topic, record.partition});
    if (found == loads_.end()) continue;
    found->second.written.add(static_cast<std::uint64_t>(record.offset.value));
  }
}

std::uint64_t Loads::number(Source source) const {
  const std::lock_guard lock(mutex_);
  const auto found = loads_.find(source);
  return found == loads_.end() ? 0 : found->second.number;
}

bool Loads::lacks(Source source, std::uint64_t number, Offset offset) const {
  const std::lock_guard lock(mutex_);
  const auto found = loads_.find(source);
  return found != loads_.end() && found->second.number == number &&
         !found->second.written.contains(static_cast<std::uint64_t>(offset.value));
}

// --- Sweep ---

// Where the record of a key came from.
class Sweep::Look final : public ReplySink {
 public:
  Look(Sweep& sweep, std::string key) : sweep_(sweep), key_(std::move(key)) {}

  void reply(const Reply& reply) override {
    const std::unique_ptr<Look> self(this);
    // An error: a deleted key is of another type, and stays.
    if (reply.type == Reply::Type::kString) sweep_.take(key_, reply.text);
    sweep_.one_done();
  }
  void failed(const Error& error) override {
    const std::unique_ptr<Look> self(this);
    sweep_.fail(error);
  }

 private:
  Sweep& sweep_;
  const std::string key_;
};

class Sweep::Erasure final : public ReplySink {
 public:
  explicit Erasure(Sweep& sweep) : sweep_(sweep) {}

  void reply(const Reply& reply) override {
    const std::unique_ptr<Erasure> self(this);
    if (reply.type != Reply::Type::kInteger) return sweep_.fail(error_of(reply));
    sweep_.outcome_.erased += reply.integer == 1 ? 1 : 0;
    sweep_.one_done();
  }
  void failed(const Error& error) override {
    const std::unique_ptr<Erasure> self(this);
    sweep_.fail(error);
  }

 private:
  Sweep& sweep_;
};

Sweep::Sweep(Client& client, const Scripts& scripts, const Loads& loads, const Claim& claim,
             std::string prefix, Layout layout, std::vector<Part> parts,
             std::function<void(const Outcome&)> done)
    : client_(client),
      scripts_(scripts),
      loads_(loads),
      claim_(claim),
      key_start_(key_start(prefix)),
      layout_(layout),
      parts_(std::move(parts)),
      done_(std::move(done)),
      takes_all_(std::any_of(parts_.begin(), parts_.end(),
                             [](const Part& part) { return part.load == 0; })),
      scan_(client, {.prefix = std::move(prefix), .deleted = takes_all_}) {}

void Sweep::start() {
  waits_for_ = 1;
  scan_.next(*this);
}

void Sweep::key(std::string_view key) {
  ++waits_for_;
  const std::string full = key_start_ + std::string(key);
  if (takes_all_ || layout_ == Layout::kTopics) {
    const std::string_view deleted[] = {takes_all_ ? "1" : "0"};
    return client_.eval(scripts_.positions, full, deleted, *new Look(*this, full));
  }
  const std::string_view args[] = {"GETRANGE", full, "-40", "-1"};
  client_.send(full, args, *new Look(*this, full));
}

void Sweep::take(const std::string& key, std::string_view positions) {
  if (!claim_.is_held()) {
    if (outcome_.status.ok()) outcome_.status = claim_.refusal();
    return;
  }
  for (; positions.size() >= kPositionBytes; positions.remove_prefix(kPositionBytes)) {
    const std::string_view position = positions.substr(0, kPositionBytes);
    if (!is_stale(position)) continue;
    ++waits_for_;
    const std::string_view args[] = {position};
    client_.eval(scripts_.erase_if, key, args, *new Erasure(*this));
  }
}

// Records of HTTP are none of any log's.
bool Sweep::is_stale(std::string_view position) const {
  const std::optional<Position> found = parse_position(position);
  if (!found) return false;
  if (found->layout != layout_ || claim_.is_foreign(*found)) return true;  // no reader shows it
  if (found->local != 0) return false;
  for (const Part& part : parts_) {
    if (!part.place.ends_with(partition_part(position).substr(4))) continue;  // another topic
    // Under the other policy its other partitions are not ours to judge: their owners load them.
    const bool is_of_other_policy = incarnation_part(position) == part.other_policy;
    if (!is_of_other_policy && is_other(part.incarnation, incarnation_part(position))) return true;
    if (part.place != partition_part(position)) continue;
    return part.load == 0 ||
           (found->offset < part.end && loads_.lacks(part.source, part.load, found->offset));
  }
  return false;
}

void Sweep::end(bool more) {
  more_ = more;
  one_done();
}

void Sweep::failed(const Error& error) { fail(error); }

void Sweep::fail(const Error& error) {
  if (outcome_.status.ok()) outcome_.status = error;
  one_done();
}

void Sweep::one_done() {
  if (--waits_for_ > 0) return;
  if (!outcome_.status.ok() || !more_) return done_(outcome_);
  waits_for_ = 1;
  scan_.next(*this);
}

}  // namespace push_cache::redis
