#include "redis/fingerprint.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "base/buffer.h"
#include "base/log.h"
#include "base/utf8.h"
#include "redis/key_error.h"

namespace push_cache::redis {
namespace {

constexpr std::string_view kField = "fingerprint";
constexpr std::string_view kHead = R"({"cluster":)";
constexpr std::string_view kUnknown = "null";
// How often a prefix must be found free after a conflict: it is looked at once a second or so.
constexpr unsigned kFreeRuns = 3;
// Of what others wrote into the field so much is shown.
constexpr std::size_t kShownBytes = 1'000;

// KEYS[1]: a position key. ARGV: the fingerprint, the one to replace ("" = none), what stands
// behind the id (and SharedStore::kCompactedMark) in fields of the same `takes`, the topics. Gives
// the fingerprint that stands there then and "", or "" and the position that is of something else.
// Fields without a slash are no positions.
constexpr const char* kSet = R"lua(
local stands = redis.call('HGET', KEYS[1], 'fingerprint')
if stands and stands ~= ARGV[2] then return {stands, ''} end
if not stands and redis.call('EXISTS', KEYS[1]) == 1 then
  local taken = {}
  for i = 4, #ARGV do taken[ARGV[i]] = true end
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.find(field, '/', 1, true) then
      local topic, mark = string.match(field, '^([^/]*)/%d+ [^ ]+(.*)$')
      mark = mark and string.gsub(mark, '^ compact', '')
      if not topic or not taken[topic] or mark ~= ARGV[3] then return {'', field} end
    end
  end
end
redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1])
return {ARGV[1], ''}
)lua";

// KEYS[1]: a position key. ARGV: the fingerprint to remove.
constexpr const char* kUnset = R"lua(
if redis.call('HGET', KEYS[1], 'fingerprint') ~= ARGV[1] then return 0 end
return redis.call('HDEL', KEYS[1], 'fingerprint')
)lua";

void append_list(Buffer& out, std::string_view name, const std::vector<std::string>& texts) {
  out.append(name);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    out.append(i == 0 ? '[' : ',');
    append_json_string(out, texts[i]);
  }
  out.append(texts.empty() ? "[]" : "]");
}

// The cluster's part and the rest; nothing when it is no fingerprint.
struct Parts {
  std::string_view cluster;
  std::string_view rest;
};
std::optional<Parts> parts_of(std::string_view fingerprint) {
  if (!fingerprint.starts_with(kHead)) return std::nullopt;
  const std::string_view all = fingerprint.substr(kHead.size());
  if (all.starts_with(kUnknown)) return Parts{kUnknown, all.substr(kUnknown.size())};
  const std::size_t end = all.starts_with('"') ? all.find('"', 1) : std::string_view::npos;
  if (end == std::string_view::npos) return std::nullopt;
  return Parts{all.substr(0, end + 1), all.substr(end + 1)};
}

// Says less of the cluster than `other`, which it fits.
bool is_vaguer(std::string_view fingerprint, std::string_view other) {
  return fingerprint != other && parts_of(fingerprint)->cluster == kUnknown;
}

// For people: whatever others have written.
std::string shown(std::string_view text) {
  std::string out(text.substr(0, kShownBytes));
  out.resize(utf8_prefix(out));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, '?');
  return out.size() < text.size() ? out + "..." : out;
}

// What stands behind the id in the fields of positions.
std::string mark_of(std::string_view takes) {
  return position_field("", Partition(0), "", takes).substr(std::string_view("/0 -").size());
}

}  // namespace

std::string fingerprint(const Filling& filling, std::string_view cluster_id) {
  Buffer out;
  out.append(kHead);
  if (cluster_id.empty()) {
    out.append(kUnknown);
  } else {
    append_json_string(out, cluster_id);
  }
  append_list(out, R"(,"topics":)", filling.topics);
  append_list(out, R"(,"schemas":)", filling.schemas);
  out.append(R"(,"layout":)");
  out.append(filling.layout == Layout::kOneTopic ? '1' : '2');
  out.append('}');
  return std::string(out.view());
}

bool fits(std::string_view fingerprint, std::string_view other) {
  if (fingerprint == other) return true;
  const auto one = parts_of(fingerprint);
  const auto two = parts_of(other);
  if (!one || !two || one->rest != two->rest) return false;
  return one->cluster == kUnknown || two->cluster == kUnknown;
}

// Looks at all keys, then writes into the first, then into the rest. Deletes itself at its end.
class Claim::Run {
 public:
  Run(Claim& claim, Client& client, std::string_view cluster_id, std::function<void(Status)> done)
      : claim_(claim),
        client_(client),
        own_(fingerprint(claim.filling_, cluster_id)),
        mark_(mark_of(claim.filling_.takes)),
        done_(std::move(done)) {
    for (const std::string& key : claim_.keys_) parts_.emplace_back(*this, key);
  }

  void start() {
    waits_for_ = parts_.size();
    for (Part& part : parts_) {
      const std::string_view args[] = {"HGET", part.key, kField};
      client_.send(part.key, args, part);
    }
  }

 private:
  enum class Step : std::uint8_t { kLook, kFirst, kRest, kUndo };
  struct Part final : ReplySink {
    Part(Run& owner, const std::string& of) : run(owner), key(of) {}
    Run& run;
    const std::string& key;
    std::string stands;    // "" = none
    bool written = false;  // where there was none before
    void reply(const Reply& reply) override { run.answered(*this, reply); }
    void failed(const Error& error) override { run.one_done(error); }
  };

  void answered(Part& part, const Reply& reply) {
    if (step_ == Step::kUndo) return one_done({});
    if (step_ == Step::kLook && reply.type == Reply::Type::kNil) return one_done({});
    if (step_ == Step::kLook && reply.type == Reply::Type::kString) {
      part.stands = reply.text;
      return one_done(judge(part.stands));
    }
    if (reply.type != Reply::Type::kArray || reply.elements.size() != 2) {
      return one_done(own_key_error(reply, part.key, "a hash"));
    }
    const std::string_view other = reply.elements[1].text;
    if (!other.empty()) return one_done(conflict("the position '" + shown(other) + "'"));
    const bool was_none = std::exchange(part.stands, reply.elements[0].text).empty();
    part.written = was_none && part.stands == own_;
    one_done(judge(part.stands));
  }

  Status judge(std::string_view stands) const {
    return fits(stands, own_) ? Status() : Status(conflict(shown(stands)));
  }
  Error conflict(const std::string& there) const {
    return {ErrorCode::kConflict,
            (claim_.prefix_.empty() ? "Redis" : "prefix '" + claim_.prefix_ + "' in Redis") +
                " is filled by another configuration: it has " + there + ", and this process has " +
                own_ + " (docs/guides/redis.md, Another configuration)"};
  }

  void one_done(Status status) {
    // A conflict is the more important one.
    const bool is_conflict = !status.ok() && status.error().code == ErrorCode::kConflict;
    if (!status.ok() && (status_.ok() || (is_conflict && !found_conflict()))) {
      status_ = std::move(status);
    }
    if (--waits_for_ == 0) next();
  }
  bool found_conflict() const {
    return !status_.ok() && status_.error().code == ErrorCode::kConflict;
  }

  void next() {
    if (found_conflict() && step_ == Step::kRest && undo()) return;
    if (!status_.ok() || step_ == Step::kRest || step_ == Step::kUndo) return end();
    std::vector<std::size_t> missing;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const std::string& stands = parts_[i].stands;
      if (stands.empty() || is_vaguer(stands, own_)) missing.push_back(i);
    }
    if (missing.empty()) return end();
    step_ = missing.front() == 0 ? Step::kFirst : Step::kRest;
    if (step_ == Step::kFirst) missing.resize(1);
    waits_for_ = missing.size();
    for (const std::size_t i : missing) set(i);
  }

  void set(std::size_t key) {
    const std::vector<std::string>& topics = claim_.filling_.topics;
    std::vector<std::string_view> args = {own_, parts_[key].stands, mark_};
    args.insert(args.end(), topics.begin(), topics.end());
    client_.eval(claim_.set_, claim_.keys_[key], args, parts_[key]);
  }

  // Leaves the keys to the other one, or neither would ever begin. False when there is nothing to
  // take back.
  bool undo() {
    step_ = Step::kUndo;
    std::vector<std::size_t> written;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      if (parts_[i].written) written.push_back(i);
    }
    waits_for_ = written.size();
    const std::string_view args[] = {own_};
    for (const std::size_t i : written) {
      client_.eval(claim_.unset_, claim_.keys_[i], args, parts_[i]);
    }
    return !written.empty();
  }

  void end() {
    const std::unique_ptr<Run> self(this);
    done_(claim_.ended(status_));
  }

  Claim& claim_;
  Client& client_;
  const std::string own_;
  const std::string mark_;
  const std::function<void(Status)> done_;
  std::deque<Part> parts_;  // one for each key
  Step step_ = Step::kLook;
  std::size_t waits_for_ = 0;
  Status status_;
};

Claim::Claim(Filling filling, std::vector<std::string> keys, std::string store,
             std::string_view prefix)
    : filling_(std::move(filling)),
      keys_(std::move(keys)),
      store_(std::move(store)),
      prefix_(prefix),
      set_(kSet),
      unset_(kUnset) {
  for (const std::string& topic : filling_.topics) names_.insert(topic_mark(topic, "").name);
}

void Claim::make(Client& client, std::string_view cluster_id, std::function<void(Status)> done) {
  (new Run(*this, client, cluster_id, std::move(done)))->start();
}

// After a conflict the prefix is taken only once it has been found free several times: the other
// process, which has lost it, may be some moments late to notice.
Status Claim::ended(Status status) {
  const bool is_conflict = !status.ok() && status.error().code == ErrorCode::kConflict;
  if (!status.ok() && !is_conflict) return status;  // nobody knows
  const std::lock_guard lock(mutex_);
  had_conflict_ = had_conflict_ || is_conflict;
  free_since_ = is_conflict ? 0 : free_since_ + 1;
  if (status.ok() && had_conflict_ && !held_ && free_since_ < kFreeRuns) {
    return Error{ErrorCode::kUnavailable,
                 "the store's records were another configuration's until a moment ago"};
  }
  held_ = status.ok();
  const std::string now = is_conflict ? status.error().public_text : "";
  if (now == conflict_) return status;
  conflict_ = now;
  log("redis").warn("store '{}': {}", store_,
                    now.empty() ? "no other configuration fills its prefix any more" : now);
  return status;
}

bool Claim::had_conflict() const {
  const std::lock_guard lock(mutex_);
  return had_conflict_;
}

Error Claim::refusal() const {
  return {ErrorCode::kUnavailable, conflict().ok()
                                       ? "whether the store's records are this service's own is "
                                         "not known yet"
                                       : "the store's records are another service's"};
}

Status Claim::conflict() const {
  const std::lock_guard lock(mutex_);
  return conflict_.empty() ? Status() : Status(Error{ErrorCode::kConflict, conflict_});
}

// 0: of HTTP, and of no topic.
bool Claim::is_foreign(const Position& position) const {
  return position.topic_name != 0 && !names_.contains(position.topic_name);
}

}  // namespace push_cache::redis
