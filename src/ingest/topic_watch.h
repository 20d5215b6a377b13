// What a feed asks the brokers of its topics time and again, and what it says of the answers.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "ingest/applier.h"
#include "ingest/board.h"
#include "ingest/feed_status.h"
#include "ingest/freshness.h"
#include "kafka/client.h"
#include "store/log_identities.h"

namespace push_cache::ingest {

// Instead of kafka::Client::cleanup, for brokers within the process: they know no policies.
using AskCleanup = std::function<Result<kafka::TopicCleanup>(std::uint32_t topic)>;

struct TopicWatchOptions {
  std::chrono::milliseconds metadata_timeout{5'000};  // of one question to a broker
  // Beyond this age (PartitionStatus::lag_seconds) of any partition the board is not ready; 0 =
  // never.
  std::chrono::milliseconds max_staleness{0};
  AskCleanup ask_cleanup = {};
  std::chrono::milliseconds cleanup_interval{60'000};  // between two questions
  store::LogIdentities* logs = nullptr;                // null, or what hears of each id that is set
};

// The questions block; `stopping` turning true makes them give up between two of them.
class TopicWatch {
 public:
  // All must outlive it.
  TopicWatch(kafka::Client& client, Board& board, const Applier& applier,
             const TopicWatchOptions& options, const std::atomic<bool>& stopping);

  // --- by the one thread that asks ---

  // Adds the topic's partitions that are not watched yet to `fresh`. False when some may be
  // missing.
  bool list_partitions(std::uint32_t topic, std::vector<kafka::TopicPartition>& fresh);
  // As the brokers said last.
  bool is_present(kafka::TopicPartition at) const;
  // Topics that were deleted and made again under their names, with their new ids: each until
  // `set_topic_id`. Nothing when no broker says. Ids that are heard first are set at once.
  std::optional<std::vector<std::pair<std::uint32_t, std::string>>> remade();
  // Before anything of a topic is read: asks for its cleanup policy unless that is known. Those of
  // `fresh` whose topic's nobody tells are taken out, and their topics added to `incomplete`.
  void learn_cleanups(std::vector<kafka::TopicPartition>& fresh,
                      std::set<std::uint32_t>& incomplete);
  // Asks for the cleanup policies of topics whose partitions were listed: of those that are not
  // known, and of each one every `cleanup_interval` and after `ask_cleanups_again`.
  void ask_cleanups();
  // Whether it is a new one. "" = none any more.
  bool set_problem(std::uint32_t topic, const std::string& problem);

  // Watches a partition of the board's from now on. Again for one that begins anew.
  void add(PartitionState& partition);
  // One that is watched and not gone, or null.
  PartitionState* find(kafka::TopicPartition at) const;
  // Also one that is gone.
  PartitionState* known(kafka::TopicPartition at) const;
  std::vector<kafka::TopicPartition> partitions() const;
  // Asks where the partitions end now: the moment of a question that we have caught up with is the
  // moment of which our records are.
  void ask_ends();
  // How often that is to be done, and how long one question may take.
  std::chrono::milliseconds interval() const;
  std::chrono::milliseconds timeout() const;
  // Due every `kRateInterval`; does nothing sooner.
  static constexpr std::chrono::milliseconds kRateInterval{500};
  void update_rate();

  // --- from any thread ---

  // Asks for the topic's cleanup policy unless it is known. kUnavailable: nobody answers, and
  // nothing of the topic may be read.
  Status learn_cleanup(std::uint32_t topic);
  // As the brokers said last; an error when they refused or could not say, so that it counts as not
  // compacted. Nothing before they have answered.
  std::optional<Result<kafka::TopicCleanup>> cleanup(std::uint32_t topic) const;
  // What Applier::compacted ought to be by that.
  std::optional<bool> compacted(std::uint32_t topic) const;
  void ask_cleanups_again();
  // A line about what this changes.
  void say_cleanup_changed(std::uint32_t topic, bool compacted) const;

  std::string topic_id(std::uint32_t topic) const;
  void set_topic_id(std::uint32_t topic, const std::string& id);
  std::vector<std::string> topic_ids() const;
  // All of the status that this knows; `more` are reasons of the feed's own while it is not ready.
  void fill(FeedStatus& out, const std::vector<std::string>& more) const;

 private:
  struct Known {
    PartitionState* state;
    Freshness freshness;
  };

  struct Cleanup {
    std::optional<Result<kafka::TopicCleanup>> said;
    std::chrono::steady_clock::time_point due{};
    bool refusal_logged = false;
  };

  Status ask_cleanup(std::uint32_t topic);
  void judge_age();
  void set_connection(const Status& status);
  PartitionStatus status_of(const PartitionState& partition) const;
  void give_reasons(FeedStatus& out, const std::vector<std::string>& more) const;
  std::optional<std::string> reason(const PartitionStatus& one) const;

  kafka::Client& client_;
  Board& board_;
  const Applier& applier_;
  const TopicWatchOptions options_;
  const std::atomic<bool>& stopping_;

  // The asking thread's own.
  std::map<kafka::TopicPartition, Known> known_;
  std::vector<std::vector<Partition>> present_;  // of each topic, as the brokers said last
  std::uint64_t rate_records_ = 0;
  std::chrono::steady_clock::time_point rate_time_ = std::chrono::steady_clock::now();

  mutable std::mutex mutex_;  // guards what follows
  std::vector<std::string> topic_ids_;
  std::vector<Cleanup> cleanups_;  // by topic
  std::map<std::uint32_t, std::string> topic_problems_;
  bool connected_ = false;
  std::string connection_error_;
  double records_per_second_ = 0;
};

}  // namespace push_cache::ingest
