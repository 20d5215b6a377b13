#include "registry/reader_schemas.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace push_cache::registry {
namespace {

using Clock = std::chrono::steady_clock;

std::uint32_t tag_of(const SchemaText& text) {
  XXH64_hash_t hash = 0;
  for (const std::string& one : text.references)
    hash = XXH3_64bits_withSeed(one.data(), one.size(), hash);
  return static_cast<std::uint32_t>(
      XXH3_64bits_withSeed(text.schema.data(), text.schema.size(), hash));
}

}  // namespace

ReaderSchema::ReaderSchema(ReaderSchemas& owner, std::string_view subject, int version)
    : owner_(owner),
      name_(std::string(subject) + ":" +
            (version == kLatestVersion ? "latest" : std::to_string(version))),
      subject_(subject),
      version_(version) {}

const ReaderPlan* ReaderSchema::plan(const SchemaEntry& writer) {
  if (const ReaderPlan* known = find(writer.id)) return known;
  const ReaderPlan* made = nullptr;
  bool fresh = false;
  {
    const std::lock_guard lock(mutex_);
    const auto [place, added] = writers_.try_emplace(writer.id, Writer{writer.schema, asked_});
    fresh = added;
    if (const ReaderPlan* known = find(writer.id)) return known;
    if (reader_) made = compile(writer.id, place->second);
  }
  if (fresh && moves()) owner_.ask_soon(*this);
  if (made != nullptr) say(*made);
  return made;
}

Fit ReaderSchema::fit(const SchemaEntry& writer, Bytes datum, std::string& why) {
  const ReaderPlan* way = plan(writer);
  if (way == nullptr) return Fit::kNotKnown;
  Status good = way->resolves;
  if (good.ok()) good = way->plan->validate(datum);
  if (good.ok()) return Fit::kFits;
  if (!way->settled) return Fit::kNotKnown;
  why = std::move(good).error().public_text;
  return Fit::kDoesNotFit;
}

ReaderStatus ReaderSchema::status() const {
  const std::lock_guard lock(mutex_);
  ReaderStatus status;
  if (reader_) {
    status.kind = StateKind::kKnown;
    status.id = reader_->id;
    status.version = reader_->version;
  } else if (!last_.ok() && !nobody_knows(last_.error().code) &&
             last_.error().code != ErrorCode::kNotFound) {
    status.kind = StateKind::kFailed;
  }
  if (!last_.ok()) status.error = last_.error().describe();
  for (const auto& [id, writer] : writers_) {
    const ReaderPlan* way = find(id);
    if (way != nullptr && way->settled && !way->resolves.ok()) {
      status.unresolvable_writers.push_back(id);
    }
  }
  return status;
}

std::optional<avro::Schema> ReaderSchema::schema() const {
  const std::lock_guard lock(mutex_);
  return reader_ ? std::optional(reader_->schema) : std::nullopt;
}

Result<ReaderSchema::Reader> ReaderSchema::make(SubjectVersion version) {
  Result<avro::Schema> schema = avro::Schema::parse(version.text.schema, version.text.references);
  if (!schema.ok()) {
    // The registry's answer arrived whole, so another will not differ soon, whatever the code.
    return Error{ErrorCode::kInvalidArgument, schema.error().public_text};
  }
  return Reader{*std::move(schema), version.id, version.version, tag_of(version.text)};
}

const ReaderPlan* ReaderSchema::compile(SchemaId id, const Writer& writer) {
  auto way = std::make_unique<ReaderPlan>();
  way->id = id;
  way->settled = settled(writer);
  auto plan = avro::Plan::compile(writer.schema, reader_->schema, owner_.options_.plan);
  if (plan.ok()) {
    way->plan = *std::move(plan);
    way->tag = reader_->tag;
  } else {
    way->resolves = std::move(plan).error();
    if (const ReaderPlan* former = find(id)) {
      way->plan = former->plan;
      way->tag = former->tag;
    }
  }
  return plans_.publish(std::move(way));
}

void ReaderSchema::say(const ReaderPlan& plan) const {
  if (plan.resolves.ok() || !plan.settled) return;
  log("registry")
      .error("reader schema {}: records of schema {} cannot be resolved to it: {}{}", name_,
             plan.id.value, plan.resolves.error().public_text,
             plan.plan == nullptr ? "" : "; those that are there are shown as before");
}

std::optional<std::chrono::nanoseconds> ReaderSchema::ask(const std::stop_token& stop,
                                                          std::minstd_rand& random) {
  std::uint64_t question = 0;
  {
    const std::lock_guard lock(mutex_);
    question = ++asked_;
  }
  Result<SubjectVersion> answer = owner_.source_.fetch_version(subject_, *version_, stop);
  if (stop.stop_requested()) return std::nullopt;
  const Status taken = take(std::move(answer), question);
  if (!taken.ok()) return retry_.next_wait(owner_.options_.retry, taken.error().code, random);
  retry_ = {};
  if (!moves()) return std::nullopt;
  return spread(owner_.options_.refresh, owner_.options_.retry.jitter, random);
}

Status ReaderSchema::take(Result<SubjectVersion> answer, std::uint64_t question) {
  Result<Reader> reader =
      answer.ok() ? make(*std::move(answer)) : Result<Reader>(std::move(answer).error());
  const Status now = reader.ok() ? Status() : Status(reader.error());
  std::vector<const ReaderPlan*> made;
  bool changed = false;
  bool news = false;
  {
    const std::lock_guard lock(mutex_);
    news = now.ok() != last_.ok() ||
           (!now.ok() && !last_.ok() && now.error().code != last_.error().code);
    last_ = now;
    // What the registry does not know, or what is of no use, is an answer: there is nothing newer.
    if (now.ok() || !nobody_knows(now.error().code)) answered_ = question;
    if (reader.ok()) {
      changed = !reader_ || reader_->tag != reader->tag || reader_->id != reader->id ||
                reader_->version != reader->version;
      if (changed) reader_ = *std::move(reader);
    }
    if (reader_) {
      for (const auto& [id, writer] : writers_) {
        const ReaderPlan* former = find(id);
        if (changed || former == nullptr || former->settled != settled(writer)) {
          made.push_back(compile(id, writer));
        }
      }
    }
  }
  if (changed) {
    const ReaderStatus is = status();
    log("registry").info("reader schema {}: version {}, id {}", name_, is.version, is.id.value);
  } else if (news) {
    if (now.ok()) {
      log("registry").info("reader schema {}: the registry answers again", name_);
    } else {
      log("registry").warn("reader schema {}: {}", name_, now.error().describe());
    }
  }
  for (const ReaderPlan* way : made) say(*way);
  return now;
}

ReaderSchemas::ReaderSchemas(SubjectSource& source, ReaderSchemasOptions options)
    : source_(source), options_(std::move(options)), random_(std::random_device{}()) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

ReaderSchemas::~ReaderSchemas() {
  thread_.request_stop();
  thread_.join();
}

ReaderSchema& ReaderSchemas::subject(std::string_view subject, int version) {
  const std::lock_guard lock(mutex_);
  for (const auto& reader : readers_) {
    if (reader->subject_ == subject && reader->version_ == version) return *reader;
  }
  readers_.emplace_back(new ReaderSchema(*this, subject, version));
  readers_.back()->due_ = Clock::now();
  wake_.notify_one();
  return *readers_.back();
}

Result<ReaderSchema*> ReaderSchemas::fixed(std::string_view name, SchemaText text) {
  auto made = ReaderSchema::make({SchemaId(-1), 0, std::move(text)});
  if (!made.ok()) {
    made.error().public_text = std::string(name) + ": " + made.error().public_text;
    return std::move(made).error();
  }
  std::unique_ptr<ReaderSchema> reader(new ReaderSchema(*this, std::string(name)));
  reader->reader_ = *std::move(made);
  reader->due_ = Clock::time_point::max();
  const std::lock_guard lock(mutex_);
  readers_.push_back(std::move(reader));
  return readers_.back().get();
}

void ReaderSchemas::ask_soon(ReaderSchema& reader) {
  const std::lock_guard lock(mutex_);
  reader.due_ = Clock::now();
  wake_.notify_one();
}

void ReaderSchemas::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const auto next =
        std::min_element(readers_.begin(), readers_.end(),
                         [](const auto& a, const auto& b) { return a->due_ < b->due_; });
    const Clock::time_point due = next == readers_.end() ? Clock::time_point::max() : (*next)->due_;
    if (due > Clock::now()) {
      const auto sooner = [this, due] {
        return std::any_of(readers_.begin(), readers_.end(),
                           [due](const auto& reader) { return reader->due_ < due; });
      };
      if (due == Clock::time_point::max()) {
        wake_.wait(lock, stop, sooner);
      } else {
        wake_.wait_until(lock, stop, due, sooner);
      }
      continue;
    }
    ReaderSchema& reader = **next;
    reader.due_ = Clock::time_point::max();
    lock.unlock();
    const auto wait = reader.ask(stop, random_);
    lock.lock();
    // A new writer may have asked for it meanwhile.
    if (wait) {
      reader.due_ =
          std::min(reader.due_, Clock::now() + std::chrono::duration_cast<Clock::duration>(*wait));
    }
  }
}

const ReaderPlan* RouteReader::plan(const SchemaEntry& writer,
                                    std::optional<std::uint32_t> topic) const {
  if (topic) return of(*topic).plan(writer);
  // Those that have met the writer go first: asking each for a plan would tell of a writer that
  // some cannot read, and never get.
  const ReaderPlan* last = nullptr;
  for (const bool met : {true, false}) {
    for (ReaderSchema* reader : by_topic) {
      const ReaderPlan* way = met ? reader->find(writer.id) : reader->plan(writer);
      if (way != nullptr && way->plan != nullptr) return way;
      if (way != nullptr) last = way;
    }
  }
  return last;
}

}  // namespace push_cache::registry
