#include "redis/discovery.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "redis/command.h"

namespace push_cache::redis {
namespace {

using std::chrono::milliseconds;

// While a master is away: a fail-over takes seconds, and its end should be seen soon.
constexpr milliseconds kUnsettledFirst{50};
constexpr milliseconds kUnsettledMost{1000};
// Between two rounds that somebody asked for: a slot that moves gives a MOVED for each key.
constexpr milliseconds kGap{100};
// For what nobody told: a new master without errors, a master that only we still see.
constexpr milliseconds kSettled{15'000};

std::string question(const ClientOptions& options) {
  if (options.topology == Topology::kSentinel) {
    const std::array<std::string_view, 3> args{"SENTINEL", "GET-MASTER-ADDR-BY-NAME",
                                               options.master_name};
    return std::string(Command(args).view());
  }
  const std::array<std::string_view, 2> args{"CLUSTER", "SLOTS"};
  return std::string(Command(args).view());
}

}  // namespace

Discovery::Discovery(boost::asio::io_context& loop, const ClientOptions& options,
                     LinkOptions link_options, Owner& owner)
    : loop_(loop),
      options_(options),
      link_options_(std::move(link_options)),
      owner_(owner),
      question_(question(options)),
      status_(Error{ErrorCode::kUnavailable, "Redis is not connected yet"}),
      wait_(kUnsettledFirst, kUnsettledMost),
      alarm_(loop, [this] { on_alarm(); }) {
  alarm_.set(Clock::now());
}

Discovery::~Discovery() {
  if (link_ != nullptr) link_->close();
}

void Discovery::refresh() {
  if (link_ != nullptr) {
    again_ = true;
    return;
  }
  const Clock::time_point when = std::max(Clock::now(), round_began_ + kGap);
  if (when < alarm_.due()) alarm_.set(when);
}

void Discovery::on_alarm() {
  if (link_ != nullptr) return link_->fail("Redis does not answer");
  round_began_ = Clock::now();
  left_ = owner_.candidates();
  // Who answered last is asked first: with Sentinels, as their guidelines say.
  const auto good = std::find(left_.begin(), left_.end(), last_good_);
  if (options_.topology == Topology::kSentinel && good != left_.end()) {
    std::rotate(left_.begin(), good, good + 1);
  }
  std::reverse(left_.begin(), left_.end());
  ask_next();
}

void Discovery::ask_next() {
  if (left_.empty()) return end_round();
  asked_ = left_.back();
  left_.pop_back();
  link_ = Link::open(loop_, link_options_, asked_, attempts_++, *this);
}

void Discovery::on_ready() {
  alarm_.set(Clock::now() + options_.timeout);
  link_->out().append(question_);
  link_->write_out();
}

void Discovery::on_reply(const Reply& reply) {
  Result<std::vector<SlotRange>> found = std::vector<SlotRange>();
  if (options_.topology == Topology::kCluster) {
    found = read_cluster_slots(reply, asked_);
  } else {
    Result<Endpoint> master = read_master_address(reply);
    if (master.ok()) {
      found = std::vector<SlotRange>{{0, kSlots - 1, std::move(*master)}};
    } else {
      found = std::move(master.error());
    }
  }
  link_->close();
  if (!found.ok()) return on_closed(found.error());
  link_ = nullptr;
  alarm_.cancel();
  status_ = Status();
  last_good_ = asked_;
  left_.clear();
  owner_.on_found(std::move(*found));
  end_round();
}

void Discovery::on_closed(const Error& error) {
  link_ = nullptr;
  alarm_.cancel();
  status_ = error;
  ask_next();
}

void Discovery::end_round() {
  const Clock::time_point now = Clock::now();
  if (status_.ok() && owner_.settled()) {
    wait_.reset();
    alarm_.set(now + kSettled);
  } else {
    alarm_.set(now + wait_.next());
  }
  if (std::exchange(again_, false)) refresh();
}

}  // namespace push_cache::redis
