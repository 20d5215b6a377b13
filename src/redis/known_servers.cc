#include "redis/known_servers.h"

#include <algorithm>
#include <utility>

namespace push_cache::redis {

// --- KnownServers ---

void KnownServers::publish(std::vector<Server> masters) {
  const std::lock_guard lock(mutex_);
  if (masters == masters_) return;
  masters_ = std::move(masters);
  version_.fetch_add(1, std::memory_order_release);
}

KnownServers::Fit KnownServers::fit(const Endpoint& endpoint, std::string_view identity) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(masters_.begin(), masters_.end(), [&](const Server& server) {
    return server.endpoint == endpoint;
  });
  if (found == masters_.end()) return Fit::kOther;
  if (identity.empty() || found->identity.empty()) return Fit::kUnknown;
  return found->identity == identity ? Fit::kSame : Fit::kOther;
}

void KnownServers::report_other(const Endpoint& endpoint) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find(others_.begin(), others_.end(), endpoint);
    if (found == others_.end()) others_.push_back(endpoint);
  }
  notify();
}

std::uint64_t KnownServers::ask() {
  const std::uint64_t question = asked_.fetch_add(1, std::memory_order_acq_rel) + 1;
  notify();
  return question;
}

void KnownServers::on_request(std::function<void()> listener) {
  const std::lock_guard lock(listener_mutex_);
  listener_ = std::move(listener);
}

std::vector<Endpoint> KnownServers::take_others() {
  const std::lock_guard lock(mutex_);
  return std::exchange(others_, {});
}

void KnownServers::notify() {
  const std::lock_guard lock(listener_mutex_);
  if (listener_) listener_();
}

// --- Admission ---

void Admission::begin() {
  question_ = 0;
  reported_ = false;
}

bool Admission::admits(const Endpoint& endpoint, std::string_view identity) {
  if (servers_ == nullptr || is_free_) return true;
  // Before the masters are looked at: what changes after that shows at the first answer.
  version_ = servers_->version();
  switch (servers_->fit(endpoint, identity)) {
    case KnownServers::Fit::kSame:
      return true;
    case KnownServers::Fit::kUnknown:
      if (question_ == 0) question_ = servers_->ask();
      return servers_->is_proved(question_);
    case KnownServers::Fit::kOther:
      question_ = 0;
      if (!std::exchange(reported_, true)) servers_->report_other(endpoint);
      return false;
  }
  return false;
}

// A server that does not tell its identity needs no new proof: when the leader has come to another
// process at this address, the one of this connection has ended, and the leader's doubt came before
// the new version.
bool Admission::renew(const Endpoint& endpoint, std::string_view identity) {
  const std::uint64_t version = servers_->version();
  if (servers_->fit(endpoint, identity) == KnownServers::Fit::kOther) return false;
  version_ = version;
  return true;
}

}  // namespace push_cache::redis
