#include "api/records.h"

#include <algorithm>
#include <chrono>
#include <random>

#include "api/body_key.h"
#include "api/conditions.h"
#include "api/key_list.h"
#include "avro/encoder.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "store/local_number.h"

namespace push_cache::api {
namespace {

using store::LocalWrites;

constexpr std::string_view kNotReady =
    "not ready, so an answer could be wrong; the health port's /ready says why; try again";
constexpr std::string_view kStoreFull =
    "the store had to refuse keys, and this may be one of them; its readiness check says more";
constexpr std::string_view kReaderCannot =
    "the route's reader schema (cache.routes[].schema) cannot show what the record's schema wrote; "
    "the log says why";
constexpr std::string_view kReaderNotKnown =
    "the route's reader schema (cache.routes[].schema) is not known yet; try again";
constexpr std::string_view kSetAside =
    "the schema of this key's last record is not known here yet; try again";
constexpr std::string_view kSetAsideAny =
    "a record is here whose key's schema is not known yet, and it may be of this key; try again";
constexpr std::string_view kBadKey =
    "the key's last record is at fault, and no good one is known; the log and /status say why";
constexpr std::string_view kExists = "a record with this key exists";
// A record that is replaced between each look and what follows it: then the client may try again.
constexpr unsigned kRoundsMax = 16;
constexpr std::string_view kItemAllow = "GET, HEAD, DELETE, OPTIONS";
constexpr std::string_view kListAllow = "GET, HEAD, POST, OPTIONS";
constexpr std::string_view kNoListAllow = "POST, OPTIONS";
constexpr std::string_view kReadAllow = "GET, HEAD, OPTIONS";  // without writes
constexpr std::string_view kBodyAllow = "GET, POST, OPTIONS";

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::int64_t now_s() { return now_ms() / 1000; }

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// What tells this process from others that write to the same store at the same moment.
std::int64_t process_number() {
  static const std::int64_t number =
      static_cast<std::int64_t>(std::random_device()() % (1U << (63 - store::kLocalTimeBits)));
  return number;
}

// Numbers for the records written through HTTP: none twice, whichever route, run of the process or
// replica it came by. A store that several share knows by it whether a record is its own that came
// a second time.
std::int64_t next_local_offset() {
  static constinit std::atomic<std::int64_t> last{0};
  std::int64_t before = last.load(std::memory_order_relaxed);
  std::int64_t next = 0;
  do {
    next = std::max(before + 1, now_us());
  } while (!last.compare_exchange_weak(before, next, std::memory_order_relaxed));
  return store::local_number(process_number(), next);
}

bool is_json(std::string_view content_type) {
  if (content_type.empty()) return true;
  const std::string_view type = content_type.substr(0, content_type.find_first_of("; \t"));
  constexpr std::string_view kJson = "application/json";
  return std::equal(type.begin(), type.end(), kJson.begin(), kJson.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
  });
}

// A dictionary of RFC 8941; "" when there were none.
std::string local_writes_header(const LocalWrites& writes) {
  if (!writes.any()) return {};
  const LocalWrites::Counts counts = writes.counts();
  return "added=" + std::to_string(counts.added) + ", removed=" + std::to_string(counts.removed) +
         (writes.in_snapshot() ? ", in-snapshot" : "");
}

Error reader_cannot(const Error& why) {
  return {ErrorCode::kInternal, std::string(kReaderCannot), why.public_text};
}

}  // namespace

// A record that is being added: what its answer is made of.
struct Records::Addition {
  std::string key;
  Buffer datum;
  store::RecordView record;  // its views are the above
  Way way;
};

// What becomes of one call of the store: its sink, and the response it writes. Taken from a pool of
// its thread, since a remote store answers after `handle` has returned.
class Records::Reply final : public store::GetSink, public store::InsertSink {
 public:
  enum class Kind {
    kRead,
    kLook,  // before kRemove: whether what would be removed may be
    kRemove,
    kLookAdd,  // before kAdd: whether the conditions hold
    kAdd,
    kInspect,
  };

  // `replaced`: LogIdentities', as it was before the gate was asked.
  static Reply& take(Records& owner, http::Exchange& exchange, Kind kind,
                     std::uint64_t replaced = 0) {
    Pool& pool = this_pool();
    if (pool.free.empty()) {
      pool.all.push_back(std::make_unique<Reply>());
      pool.free.reserve(pool.all.size());
      pool.free.push_back(pool.all.back().get());
    }
    Reply* reply = pool.free.back();
    pool.free.pop_back();
    reply->owner_ = &owner;
    reply->exchange_ = &exchange;
    reply->kind_ = kind;
    reply->status_ = 0;
    reply->inside_call_ = true;
    reply->unread_ = {};
    reply->next_ = Next::kNone;
    reply->replaced_ = replaced;
    reply->rounds_ = 0;
    return *reply;
  }

  // Before the store's call: what it may not have of the key. Whoever applies a record that was set
  // aside puts it into the store first.
  void look_at_unread(std::string_view key) { unread_ = owner_->unread(key); }

  // Of kLook: what will be removed.
  void keep_key(std::string_view key) { key_.assign(key); }

  void keep(Addition addition) {
    addition_ = std::make_unique<Addition>(std::move(addition));
    addition_->record.key = addition_->key;
    addition_->record.datum = addition_->datum.bytes();
  }

  // After the store's call: sends what has come by then, outside the store's locks.
  void returned() {
    for (;;) {
      inside_call_ = false;
      if (status_ != 0) return send();
      const Next next = std::exchange(next_, Next::kNone);
      if (next == Next::kNone) return;
      inside_call_ = true;
      call(next);
    }
  }

  // The calls that change the store: from here until their outcome the change is under way.
  void remove(std::string_view key, const store::TakeOnly& only) {
    owner_->options_.local_writes->begin();
    owner_->options_.store->take(key, only, *this);
  }
  void insert() {
    owner_->options_.local_writes->begin();
    owner_->options_.store->insert(addition_->record, *this);
  }
  void look(std::string_view key) { owner_->options_.store->get(key, *this); }

  void found(const store::RecordView& record) override {
    if (unread_.set_aside && kind_ != Kind::kRemove &&
        store::UnreadKeys::is_shown_over(*unread_.set_aside, record)) {
      return fail(Error{ErrorCode::kSchemaUnknown, std::string(kSetAside)});
    }
    if (kind_ == Kind::kLook) return looked(record);
    if (kind_ == Kind::kLookAdd) {
      if (passes(record)) fail(Error{ErrorCode::kConflict, std::string(kExists)});
      return;
    }
    wrote(LocalWrites::Outcome::kRemoved);
    if (kind_ == Kind::kRemove && owner_->options_.unread != nullptr) {
      owner_->options_.unread->forget_bad(record.key, owner_->options_.store_number, record.topic);
    }
    status_ = render(record);
    if (!inside_call_) send();
  }

  void absent() override {
    wrote(LocalWrites::Outcome::kNothing);
    // After the look-up: a partition that is being read anew closes the gate before it is emptied.
    if (!owner_->options_.gate->ready()) {
      return fail(Error{ErrorCode::kUnavailable, std::string(kNotReady)});
    }
    const Status health = owner_->options_.store->health();
    if (!health.ok() && health.error().code == ErrorCode::kFull) {
      return fail(Error{ErrorCode::kUnavailable, std::string(kStoreFull)});
    }
    if (const Status exists = unread_error(); !exists.ok()) return fail(exists.error());
    if (kind_ == Kind::kInspect) {
      exchange_->begin(200, {.cache_control = "no-store"}).append(R"({"found":false})");
      status_ = 200;
      if (!inside_call_) send();
      return;
    }
    if (kind_ == Kind::kRead) owner_->misses_.add(exchange_->loop_index());
    if (kind_ != Kind::kRead && exchange_->request().if_match) return fail_condition();
    if (kind_ == Kind::kLookAdd) {
      kind_ = Kind::kAdd;
      return then(Next::kInsert);
    }
    fail(Error{ErrorCode::kNotFound, "no record has this key"});
  }

  void inserted() override {
    wrote(LocalWrites::Outcome::kAdded);
    status_ = render_added();
    if (!inside_call_) send();
  }

  void exists() override {
    wrote(LocalWrites::Outcome::kNothing);
    // It was not there a moment ago: now it is what the conditions are about.
    if (is_conditional(exchange_->request())) return look_again(Kind::kLookAdd);
    fail(Error{ErrorCode::kConflict, std::string(kExists)});
  }

  void failed(const Error& error) override {
    wrote(LocalWrites::Outcome::kNothing);
    if (error.code == ErrorCode::kConflict) return look_again(Kind::kLook);
    if (error.code == ErrorCode::kOtherTopic) return fail(error);  // the request's, not the store's
    owner_->repeats_.log("store", spdlog::level::warn, "{}: the store does not answer: {}",
                         owner_->options_.path, error.describe());
    fail(error);
  }

 private:
  // Owns also what is in use: a loop may end with answers outstanding.
  struct Pool {
    std::vector<std::unique_ptr<Reply>> all;
    std::vector<Reply*> free;
  };
  static Pool& this_pool() {
    thread_local Pool pool;
    return pool;
  }

  // What to ask the store next.
  enum class Next : std::uint8_t { kNone, kLook, kRemove, kInsert };

  void then(Next next) {
    if (inside_call_) {
      next_ = next;  // once the present call has returned
    } else {
      call(next);
    }
  }
  void call(Next next) {
    switch (next) {
      case Next::kNone:
        break;
      case Next::kLook:
        return look(kind_ == Kind::kLook ? std::string_view(key_) : addition_->record.key);
      case Next::kRemove:
        return remove(key_, only());
      case Next::kInsert:
        return insert();
    }
  }
  store::TakeOnly only() const {
    const RecordsOptions& options = owner_->options_;
    return {.topic = options.topic_only ? std::optional(options.topic) : std::nullopt,
            .record = is_conditional(exchange_->request()) ? seen_ : std::nullopt};
  }

  // The record that the conditions were held against has been replaced since.
  void look_again(Kind kind) {
    kind_ = kind;
    replaced_ = owner_->options_.logs->replaced();
    if (!owner_->options_.gate->ready()) {
      return fail(Error{ErrorCode::kUnavailable, std::string(kNotReady)});
    }
    if (++rounds_ > kRoundsMax) {
      return fail(Error{ErrorCode::kUnavailable,
                        "the record changes as fast as its conditions are looked at; try again"});
    }
    if (kind == Kind::kLook) look_at_unread(key_);  // it may have been set aside since
    then(Next::kLook);
  }

  // Without conditions a record that comes between this look and the removal, and cannot be shown,
  // is removed all the same and answered by 500: Redis knows no schemas, so that both cannot be one
  // step.
  void looked(const store::RecordView& record) {
    const RecordsOptions& options = owner_->options_;
    // Conditions count only where the answer would be a success without them (RFC 9110, 13.2.1).
    if (options.topic_only && record.topic != options.topic) {
      return fail(Error{ErrorCode::kOtherTopic, std::string(store::kOfOtherTopic)});
    }
    if (const Status can = showable(record); !can.ok()) return answer_unshown(record, can.error());
    if (!passes(record)) return;
    seen_ = store::id_of(record);
    kind_ = Kind::kRemove;
    then(Next::kRemove);
  }

  // Whether the record meets the request's conditions; answers when it does not.
  bool passes(const store::RecordView& record) {
    const http::Request& request = exchange_->request();
    if (!is_conditional(request)) return true;
    std::optional<EntityTag> tag;
    if (needs_tag(request)) {
      const registry::SchemaEntry* schema = owner_->options_.schemas->find(record.schema);
      const auto way =
          schema == nullptr ? Result<Way>(missing(record.schema)) : owner_->way_of(*schema, record);
      if (!way.ok()) return answer_unshown(record, way.error()), false;
      tag = owner_->tag_of(record, *way);
      if (!is_settled(record)) {
        return fail(Error{ErrorCode::kUnavailable, std::string(kNotReady)}), false;
      }
    }
    const Verdict verdict = judge(request, tag ? tag->view() : "", modified_s(record), now_s());
    if (verdict == Verdict::kGo) return true;
    fail_condition();
    return false;
  }

  // Whether the log that `tag_of` names is the record's (store/log_identities.h).
  bool is_settled(const store::RecordView& record) const {
    return record.log != 0 || owner_->options_.logs->replaced() == replaced_;
  }

  static std::optional<std::int64_t> modified_s(const store::RecordView& record) {
    return record.timestamp_ms < 0 ? std::nullopt : std::optional(record.timestamp_ms / 1000);
  }

  void fail_condition() {
    fail(Error{ErrorCode::kPreconditionFailed, std::string(kPreconditionFailed)});
  }

  void answer_unshown(const store::RecordView& record, const Error& error) {
    status_ = fail_render(record, error);
    if (!inside_call_) send();
  }

  // Of a key that the store does not have.
  Status unread_error() const {
    if (unread_.set_aside) return Error{ErrorCode::kSchemaUnknown, std::string(kSetAside)};
    if (unread_.bad) return Error{ErrorCode::kBadRecord, std::string(kBadKey)};
    if (unread_.any_key) return Error{ErrorCode::kSchemaUnknown, std::string(kSetAsideAny)};
    return {};
  }

  // The outcome of `remove` or `insert`; of other calls it is none.
  void wrote(LocalWrites::Outcome outcome) {
    if (kind_ == Kind::kRemove || kind_ == Kind::kAdd) owner_->options_.local_writes->end(outcome);
  }

  Status showable(const store::RecordView& record) const {
    const registry::SchemaEntry* schema = owner_->options_.schemas->find(record.schema);
    if (schema == nullptr) return missing(record.schema);
    const auto way = owner_->way_of(*schema, record);
    if (!way.ok()) return way.error();
    Status fits = way->plan->validate(record.datum);
    return fits.ok() || way->reader == nullptr ? fits : reader_cannot(fits.error());
  }

  // Writes the response into the connection's buffer and gives its status; 0 when it failed and
  // `error_` says how.
  unsigned render(const store::RecordView& record) {
    const registry::SchemaEntry* schema = owner_->options_.schemas->find(record.schema);
    if (schema == nullptr) return fail_render(record, missing(record.schema));
    const auto way = owner_->way_of(*schema, record);
    if (!way.ok()) return fail_render(record, way.error());
    if (kind_ == Kind::kInspect) return render_inspected(record, *schema, *way);
    const EntityTag tag = owner_->tag_of(record, *way);
    if (kind_ == Kind::kRead && !is_settled(record)) {
      error_ = {ErrorCode::kUnavailable, std::string(kNotReady)};
      return static_cast<unsigned>(http_status(error_.code));
    }
    http::Head head;
    std::optional<Provenance> from;
    if (kind_ == Kind::kRead) {
      head = {.etag = tag.view(), .cache_control = owner_->cache_control_};
      if (owner_->options_.position_headers && of_topic(record)) {
        from.emplace(owner_->options_.topics[record.topic], record, now_s());
        head.last_modified = from->last_modified();
        head.position = from->position();
      }
      if (is_conditional(exchange_->request())) {
        const Verdict verdict =
            judge(exchange_->request(), tag.view(), modified_s(record), now_s());
        if (verdict == Verdict::kUnchanged) {
          exchange_->begin(304, head);
          return 304;
        }
        if (verdict == Verdict::kFailed) {
          error_ = {ErrorCode::kPreconditionFailed, std::string(kPreconditionFailed)};
          return static_cast<unsigned>(http_status(error_.code));
        }
      }
    } else {
      head = {.cache_control = "no-store"};
    }
    return render_datum(record, *way, exchange_->begin(200, head)) ? 200 : status_;
  }

  // Appends the record. False when it failed: then `status_` is the one to answer with.
  bool render_datum(const store::RecordView& record, const Way& way, Buffer& body) {
    Status rendered = way.plan->to_json(record.datum, body);
    if (rendered.ok()) return true;
    exchange_->abandon();
    status_ = fail_render(
        record, way.reader ? reader_cannot(rendered.error()) : std::move(rendered).error());
    return false;
  }

  unsigned render_inspected(const store::RecordView& record, const registry::SchemaEntry& schema,
                            const Way& way) {
    Buffer& body = exchange_->begin(200, {.cache_control = "no-store"});
    const auto number = [&body](std::string_view name, bool known, std::int64_t value) {
      body.append(name);
      body.append(known ? std::to_string(value) : "null");
    };
    body.append(R"({"found":true,"topic":)");
    if (of_topic(record)) {
      append_json_string(body, owner_->options_.topics[record.topic]);
    } else {
      body.append("null");
    }
    number(R"(,"partition":)", of_topic(record), record.partition.value);
    number(R"(,"offset":)", of_topic(record), record.offset.value);
    number(R"(,"timestamp_ms":)", record.timestamp_ms >= 0, record.timestamp_ms);
    number(R"(,"schema":{"id":)", true, schema.id.value);
    body.append(R"(,"name":)");
    append_json_string(body, schema.full_name);
    body.append(R"(},"record":)");
    if (!render_datum(record, way, body)) return status_;
    body.append('}');
    return 200;
  }

  bool of_topic(const store::RecordView& record) const {
    return record.partition.value >= 0 && record.topic < owner_->options_.topics.size();
  }

  Error missing(SchemaId id) const {
    const registry::State state = owner_->options_.schemas->request(id);
    if (state.kind == registry::StateKind::kFailed) {
      return {ErrorCode::kBadRecord, "the record's schema cannot be used",
              owner_->options_.schemas->name(id) + ": " + state.error.describe()};
    }
    return {ErrorCode::kSchemaUnknown,
            "the record's schema is being fetched from the registry; try again"};
  }

  unsigned render_added() {
    const store::RecordView& record = addition_->record;
    const Way& way = addition_->way;
    const EntityTag tag = owner_->tag_of(record, way);
    const std::string location = owner_->options_.path + "/" + percent_encode(record.key);
    Buffer& body = exchange_->begin(201, {.etag = tag.view(), .location = location});
    if (const Status rendered = way.plan->to_json(record.datum, body); !rendered.ok()) {
      exchange_->abandon();
      error_ = rendered.error();
      return static_cast<unsigned>(http_status(error_.code));
    }
    return 201;
  }

  unsigned fail_render(const store::RecordView& record, const Error& error) {
    owner_->repeats_.log("record", spdlog::level::err,
                         "{}: the record at partition {} offset {} cannot be shown: {}",
                         owner_->options_.path, record.partition.value, record.offset.value,
                         error.describe());
    const bool passes = error.code == ErrorCode::kSchemaUnknown;
    const bool of_reader = passes || error.public_text == kReaderCannot;
    error_ = {passes ? error.code : ErrorCode::kBadRecord,
              of_reader ? error.public_text : "the record cannot be shown; the log says why"};
    if (kind_ == Kind::kRemove) {  // which another attempt would not find
      error_.code = ErrorCode::kBadRecord;
      error_.public_text = "the record was removed, but: " + error_.public_text;
    }
    return static_cast<unsigned>(http_status(error_.code));
  }

  void fail(const Error& error) {
    error_ = error;
    status_ = static_cast<unsigned>(http_status(error.code));
    if (!inside_call_) send();
  }

  void send() {
    http::Exchange& exchange = *exchange_;
    const unsigned status = status_;
    const Error error = status >= 400 ? std::move(error_) : Error{};
    error_ = Error{};
    addition_.reset();
    this_pool().free.push_back(this);  // before finish: the next request may want it at once
    if (status >= 400) return Records::fail(exchange, error);
    exchange.finish();
  }

  Records* owner_ = nullptr;
  http::Exchange* exchange_ = nullptr;
  Kind kind_ = Kind::kRead;
  bool inside_call_ = false;
  Next next_ = Next::kNone;
  unsigned status_ = 0;  // of the response that is ready to go; 0 = none yet
  std::uint64_t replaced_ = 0;
  unsigned rounds_ = 0;                  // of looking again
  std::string key_;                      // of kLook, and of the kRemove after it
  std::optional<store::RecordId> seen_;  // by kLook
  Error error_;
  store::UnreadKeys::Found unread_;
  std::unique_ptr<Addition> addition_;  // of kAdd
};

Records::Records(RecordsOptions options)
    : options_(std::move(options)),
      cache_control_("public, max-age=" + std::to_string(options_.max_age_seconds)),
      misses_(options_.loops) {}

Records::~Records() = default;

void Records::handle(http::Exchange& exchange) {
  const http::Request& request = exchange.request();
  const std::uint64_t replaced = options_.logs->replaced();
  const bool item = request.rest.size() > 1;
  const std::string_view allow = allowed(item);
  const auto refuse = [&] {
    fail(exchange, ErrorCode::kMethodNotAllowed, "this method is not allowed here",
         {.allow = allow});
  };
  using http::Method;
  if (request.method == Method::kOptions) {
    exchange.begin(204, {.content_type = "", .allow = allow});
    return exchange.finish();
  }
  const bool reads = request.method == Method::kGet || request.method == Method::kHead;
  const bool writes = request.method == (item ? Method::kDelete : Method::kPost);
  if (!reads && !writes) return refuse();
  if (reads && !item && !options_.list) {
    return fail(exchange, ErrorCode::kMethodNotAllowed,
                "this route has no list of its keys (cache.routes[].list)", {.allow = allow});
  }
  if (writes && !options_.writes) {
    return fail(exchange, ErrorCode::kMethodNotAllowed,
                "writing through HTTP is switched off (cache.writes)", {.allow = allow});
  }
  if (!options_.gate->ready() && !(item && reads && may_serve_early())) {
    return fail(exchange, Error{ErrorCode::kUnavailable, std::string(kNotReady)});
  }
  if (!item) return reads ? list(exchange) : insert(exchange, replaced);

  std::string_view key = request.rest.substr(1);
  std::optional<std::string> decoded;
  if (key.find('%') != std::string_view::npos) {
    decoded = percent_decode(key);
    if (!decoded) {
      return fail(exchange, ErrorCode::kInvalidArgument,
                  "the key in the path is not well percent-encoded");
    }
    key = *decoded;
  }
  if (!is_utf8(key))
    return fail(exchange, ErrorCode::kInvalidArgument, "the key in the path is not UTF-8");
  reads ? read(exchange, key, replaced) : remove(exchange, key, replaced);
}

std::string_view Records::allowed(bool item) const {
  if (item) return options_.writes ? kItemAllow : kReadAllow;
  if (!options_.list) return options_.writes ? kNoListAllow : "OPTIONS";
  return options_.writes ? kListAllow : kReadAllow;
}

void Records::handle_by_body(http::Exchange& exchange) {
  const http::Request& request = exchange.request();
  if (request.method == http::Method::kOptions) {
    exchange.begin(204, {.content_type = "", .allow = kBodyAllow});
    return exchange.finish();
  }
  if (request.method != http::Method::kGet && request.method != http::Method::kPost) {
    return fail(exchange, ErrorCode::kMethodNotAllowed, "this method is not allowed here",
                {.allow = kBodyAllow});
  }
  if (!request.rest.empty() && request.rest != "/") {
    return fail(exchange, ErrorCode::kNotFound, "no such page: the key belongs into the body");
  }
  if (!is_json(request.content_type)) {
    return fail(exchange, ErrorCode::kUnsupportedMedia, "the body must be application/json");
  }
  const std::uint64_t replaced = options_.logs->replaced();
  if (!options_.gate->ready() && !may_serve_early()) {
    return fail(exchange, Error{ErrorCode::kUnavailable, std::string(kNotReady)});
  }
  const auto key = key_from_body(request.body, options_.key_from_body);
  if (!key.ok()) return fail(exchange, key.error());
  read(exchange, *key, replaced);
}

Result<Records::Way> Records::way_of(const registry::SchemaEntry& schema,
                                     const store::RecordView& record) const {
  if (options_.reader == nullptr) return Way{schema.plan.get(), nullptr};
  const bool local = record.partition.value < 0;
  const registry::ReaderPlan* found =
      options_.reader->plan(schema, local ? std::nullopt : std::optional(record.topic));
  if (found == nullptr) return Error{ErrorCode::kSchemaUnknown, std::string(kReaderNotKnown)};
  if (found->plan == nullptr) return reader_cannot(found->resolves.error());
  return Way{found->plan.get(), found};
}

EntityTag Records::tag_of(const store::RecordView& record, const Way& way) const {
  const auto version = options_.etag_by_position ? std::nullopt : way.plan->version(record.datum);
  const std::uint64_t log =
      record.log != 0 ? options_.store->log_identity(record) : options_.logs->of(record.topic);
  return {record, version, log, way.tag()};
}

void Records::read(http::Exchange& exchange, std::string_view key, std::uint64_t replaced) {
  Reply& reply = Reply::take(*this, exchange, Reply::Kind::kRead, replaced);
  reply.look_at_unread(key);
  reply.look(key);
  reply.returned();
}

void Records::inspect(http::Exchange& exchange, std::string_view key) {
  if (!options_.gate->ready() && !may_serve_early()) {
    return fail(exchange, Error{ErrorCode::kUnavailable, std::string(kNotReady)});
  }
  Reply& reply = Reply::take(*this, exchange, Reply::Kind::kInspect);
  reply.look_at_unread(key);
  options_.store->get(key, reply);
  reply.returned();
}

void Records::remove(http::Exchange& exchange, std::string_view key, std::uint64_t replaced) {
  const bool look =
      options_.shared || is_conditional(exchange.request()) || unread(key).set_aside.has_value();
  Reply& reply =
      Reply::take(*this, exchange, look ? Reply::Kind::kLook : Reply::Kind::kRemove, replaced);
  reply.look_at_unread(key);
  if (look) {
    reply.keep_key(key);
    reply.look(key);
  } else {
    reply.remove(key,
                 {.topic = options_.topic_only ? std::optional(options_.topic) : std::nullopt});
  }
  reply.returned();
}

void Records::list(http::Exchange& exchange) {
  auto query = ListQuery::parse(exchange.request().query);
  if (!query.ok()) return fail(exchange, query.error());
  const std::string local = local_writes_header(*options_.local_writes);
  exchange.stream(200, {.local_writes = local, .cache_control = "no-cache"},
                  make_key_list(*options_.store, *std::move(query), repeats_));
}

// A branch of a union may be of a type that the store does not take.
Status Records::check_branch(const registry::SchemaEntry& schema, Bytes datum) const {
  const auto branch = avro::branch_of(datum, schema.branches.size());
  if (!branch || !options_.takes || options_.takes(schema.branches[*branch])) return {};
  return Error{ErrorCode::kInvalidArgument,
               "the route's store takes no records of type " + schema.branches[*branch]};
}

void Records::insert(http::Exchange& exchange, std::uint64_t replaced) {
  const http::Request& request = exchange.request();
  if (!is_json(request.content_type)) {
    return fail(exchange, ErrorCode::kUnsupportedMedia, "the body must be application/json");
  }
  const std::vector<SchemaId> candidates = options_.writable();
  if (candidates.empty()) {
    return fail(exchange,
                Error{ErrorCode::kSchemaUnknown,
                      "no schema is known here yet: it comes with the first record of the "
                      "topic, or from kafka.preload_schemas"});
  }
  Buffer datum;
  const registry::SchemaEntry* schema = nullptr;
  Error first_error;
  for (const SchemaId id : candidates) {
    const registry::SchemaEntry* candidate = options_.schemas->find(id);
    if (candidate == nullptr) continue;
    Status encoded = avro::Encoder(candidate->schema).from_json(request.body, datum);
    if (encoded.ok()) encoded = check_branch(*candidate, datum.bytes());
    if (!encoded.ok()) datum.clear();
    if (encoded.ok()) {
      schema = candidate;
      break;
    }
    if (first_error.public_text.empty()) {
      first_error = std::move(encoded).error();
      if (candidates.size() > 1) {
        first_error.public_text = candidate->full_name + ": " + first_error.public_text;
      }
    }
  }
  if (schema == nullptr) return fail(exchange, first_error);

  std::optional<std::string> field = options_.key_from_body;
  if (field->empty()) field = options_.key_field(schema->id);
  if (!field) {
    return fail(exchange, ErrorCode::kInvalidArgument,
                "which field holds the key is not known here: set key_from_body on the route");
  }
  const auto key = key_from_body(request.body, *field);
  if (!key.ok()) return fail(exchange, key.error());
  if (key->empty() || key->size() > limits::kKeyBytesMax) {
    return fail(
        exchange, ErrorCode::kInvalidArgument,
        "the field '" + *field + "' is too " + (key->empty() ? "short" : "long") + " for a key");
  }
  if (const store::UnreadKeys::Found there = unread(*key); there.set_aside || there.any_key) {
    return fail(exchange, Error{ErrorCode::kSchemaUnknown,
                                std::string(there.set_aside ? kSetAside : kSetAsideAny)});
  } else if (there.bad) {
    return fail(exchange,
                Error{ErrorCode::kConflict, "a record with this key exists, and it is at fault"});
  }
  const store::RecordView record = {.key = *key,
                                    .datum = datum.bytes(),
                                    .schema = schema->id,
                                    .offset = Offset(next_local_offset()),
                                    .timestamp_ms = now_ms(),
                                    .topic = options_.topic};
  const auto way = way_of(*schema, record);
  if (!way.ok() && way.error().code == ErrorCode::kSchemaUnknown)
    return fail(exchange, way.error());
  // What a record of the topic could not be is not taken here either.
  Status fits;
  if (!way.ok()) {
    fits = Error{ErrorCode::kInternal, way.error().detail};
  } else if (way->reader != nullptr) {
    fits = way->reader->resolves.ok() ? way->plan->validate(record.datum) : way->reader->resolves;
  }
  if (!fits.ok()) {
    return fail(exchange, ErrorCode::kInvalidArgument,
                "the route's reader schema (cache.routes[].schema) cannot show this: " +
                    fits.error().public_text);
  }
  const bool look = is_conditional(request);
  Reply& reply =
      Reply::take(*this, exchange, look ? Reply::Kind::kLookAdd : Reply::Kind::kAdd, replaced);
  reply.keep({.key = std::string(*key), .datum = std::move(datum), .record = record, .way = *way});
  look ? reply.look(*key) : reply.insert();
  reply.returned();
}

void Records::fail(http::Exchange& exchange, const Error& error) {
  http::send_error(exchange, error, {.cache_control = "no-store"});
}

void Records::fail(http::Exchange& exchange, ErrorCode code, std::string_view message,
                   http::Head head) {
  head.cache_control = "no-store";
  http::send_error(exchange, code, message, head);
}

}  // namespace push_cache::api
