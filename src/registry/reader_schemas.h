// Reader schemas: what a route shows its records by, whatever schema each was written with.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "avro/plan.h"
#include "avro/schema.h"
#include "base/error.h"
#include "base/types.h"
#include "registry/id_table.h"
#include "registry/retry.h"
#include "registry/schema_cache.h"
#include "registry/schema_source.h"

namespace push_cache::registry {

// How data of one writer's schema are shown. Immutable.
struct ReaderPlan {
  SchemaId id;  // the writer's
  // To the present reader schema; to a former one when the present one cannot be resolved to, so
  // that what was kept can still be shown; null when there never was one that could.
  std::shared_ptr<const avro::Plan> plan;
  std::uint32_t tag = 0;  // of the reader schema that `plan` is for: differs with the schema's text
  Status resolves;        // whether the present reader schema can be resolved to
  // False while the registry may have a reader schema that is newer than the first record of this
  // writer: a refusal is then not the last word.
  bool settled = true;
};

// What a reader schema says of one datum.
enum class Fit {
  kFits,
  kDoesNotFit,  // nor will it until the reader schema changes
  kNotKnown,    // the registry has to be asked first; it is
};

struct ReaderStatus {
  // kFailed: the registry's answer is of no use. Once known it stays so, whatever the registry says
  // later: the last good one is used.
  StateKind kind = StateKind::kWaiting;
  SchemaId id{-1};    // -1 = not from the registry, or not known
  int version = 0;    // the same: 0
  std::string error;  // of the last question to the registry, "" when it was answered
  std::vector<SchemaId> unresolvable_writers;  // of those met since the start
};

struct ReaderSchemasOptions {
  RetryTimes retry = {};
  std::chrono::milliseconds refresh{30'000};  // between two looks for a newer latest version
  avro::PlanOptions plan = {};
};

class ReaderSchemas;

// One reader schema. Made by ReaderSchemas; safe from any thread.
class ReaderSchema {
 public:
  // "SUBJECT:VERSION", "SUBJECT:latest", or the name it was added by.
  const std::string& name() const { return name_; }

  // The plan for a writer's schema, or null when it was not asked for yet. Takes no lock, some
  // nanoseconds. Plans live as long as this.
  const ReaderPlan* find(SchemaId writer) const { return plans_.find(writer); }

  // The same, compiled now when it was not yet; null while the reader schema is not known.
  const ReaderPlan* plan(const SchemaEntry& writer);

  // Whether the present reader schema can show `datum`, which is well-formed; `why` not, for a log.
  // Of a writer that it cannot read it says so only after the latest version was asked for again: a
  // new version may be the writer's own.
  Fit fit(const SchemaEntry& writer, Bytes datum, std::string& why);

  ReaderStatus status() const;
  // The present reader schema; nothing while it is not known.
  std::optional<avro::Schema> schema() const;

 private:
  friend class ReaderSchemas;
  struct Reader {
    avro::Schema schema;
    SchemaId id;
    int version;
    std::uint32_t tag;
  };
  struct Writer {
    avro::Schema schema;
    std::uint64_t seen;  // how many questions were asked before it came
  };

  ReaderSchema(ReaderSchemas& owner, std::string name) : owner_(owner), name_(std::move(name)) {}
  ReaderSchema(ReaderSchemas& owner, std::string_view subject, int version);
  static Result<Reader> make(SubjectVersion version);
  bool moves() const { return version_ == kLatestVersion; }
  // Asks the source. How long until it is to be asked again; nothing = never.
  std::optional<std::chrono::nanoseconds> ask(const std::stop_token& stop,
                                              std::minstd_rand& random);
  Status take(Result<SubjectVersion> answer, std::uint64_t question);
  const ReaderPlan* compile(SchemaId id, const Writer& writer);  // with mutex_
  bool settled(const Writer& writer) const { return !moves() || answered_ > writer.seen; }
  void say(const ReaderPlan& plan) const;

  ReaderSchemas& owner_;
  const std::string name_;
  const std::string subject_;
  const std::optional<int> version_;           // nothing: not from the registry
  std::chrono::steady_clock::time_point due_;  // with the owner's mutex
  Retry retry_;                                // the owner's thread alone
  IdTable<ReaderPlan> plans_;
  mutable std::mutex mutex_;  // guards what follows, and publishing
  std::optional<Reader> reader_;
  std::map<SchemaId, Writer> writers_;
  std::uint64_t asked_ = 0;     // questions begun
  std::uint64_t answered_ = 0;  // the latest of them that the registry had an answer to
  Status last_;                 // of the last question
};

// All reader schemas, and the thread that asks for them in the background, for ever.
class ReaderSchemas {
 public:
  // `source` must outlive this.
  explicit ReaderSchemas(SubjectSource& source, ReaderSchemasOptions options = {});
  // Gives up what is under way and joins the thread.
  ~ReaderSchemas();
  ReaderSchemas(const ReaderSchemas&) = delete;
  ReaderSchemas& operator=(const ReaderSchemas&) = delete;

  // The reader schema of a subject's version, or of its latest one (kLatestVersion), which then
  // moves with it. The same one for the same arguments. It lives as long as this.
  ReaderSchema& subject(std::string_view subject, int version);
  // One whose text is known. The error is that of the schema.
  Result<ReaderSchema*> fixed(std::string_view name, SchemaText text);

  // Questions to the source, and how many of them were in vain.

 private:
  friend class ReaderSchema;
  void run(const std::stop_token& stop);
  void ask_soon(ReaderSchema& reader);

  SubjectSource& source_;
  const ReaderSchemasOptions options_;
  std::minstd_rand random_;  // the thread's
  std::mutex mutex_;         // guards what follows
  std::condition_variable_any wake_;
  std::vector<std::unique_ptr<ReaderSchema>> readers_;
  std::jthread thread_;  // last: it ends before the rest goes
};

// The reader schema of a route: one for all topics, or each topic's own (in the order of the
// topics). A plain value.
struct RouteReader {
  std::string spec;  // as configured
  std::vector<ReaderSchema*> by_topic;

  ReaderSchema& of(std::uint32_t topic) const {
    return *by_topic[topic < by_topic.size() ? topic : 0];
  }
  // The plan to show a record by: `topic` is nothing for one that came from none. Null while the
  // reader schema is not known.
  const ReaderPlan* plan(const SchemaEntry& writer, std::optional<std::uint32_t> topic) const;
};

}  // namespace push_cache::registry
