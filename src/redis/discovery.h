// Who the masters are: asked of the nodes of a Cluster, or of Sentinels.
#pragma once

#include <boost/asio/io_context.hpp>

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "redis/alarm.h"
#include "redis/answers.h"
#include "redis/link.h"

namespace push_cache::redis {

// Asks one after the other, over a connection of its own, until one answers; again when told to,
// as long as something is amiss, and now and then, for what nobody told. For the loop's thread.
class Discovery final : Link::Owner {
 public:
  class Owner {
   public:
    // Whom to ask, the most promising first.
    virtual std::vector<Endpoint> candidates() = 0;
    // False: ask again soon.
    virtual bool settled() const = 0;
    virtual void on_found(std::vector<SlotRange> ranges) = 0;

   protected:
    ~Owner() = default;
  };

  // Begins with `refresh`. `owner` outlives it.
  Discovery(boost::asio::io_context& loop, const ClientOptions& options, LinkOptions link_options,
            Owner& owner);
  ~Discovery();
  Discovery(const Discovery&) = delete;
  Discovery& operator=(const Discovery&) = delete;

  // Asks soon; how often it is called does not matter.
  void refresh();
  // Why the last round found nothing; success when it did.
  const Status& status() const { return status_; }

 private:
  void on_ready() override;
  void on_reply(const Reply& reply) override;
  void on_written() override {}
  void on_closed(const Error& error) override;

  void on_alarm();
  void ask_next();
  void end_round();

  boost::asio::io_context& loop_;
  const ClientOptions& options_;
  const LinkOptions link_options_;
  Owner& owner_;
  std::string question_;
  std::vector<Endpoint> left_;  // to ask in this round, the next one last
  std::shared_ptr<Link> link_;  // null between rounds
  Endpoint asked_;
  Endpoint last_good_{"", 0};
  unsigned attempts_ = 0;
  bool again_ = false;  // told to refresh during a round
  Status status_;
  Clock::time_point round_began_;
  Backoff wait_;
  Alarm alarm_;  // the next round, or the end of one candidate's time
};

}  // namespace push_cache::redis
