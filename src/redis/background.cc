#include "redis/background.h"

#include <utility>

#include "base/log.h"
#include "redis/calls.h"

namespace push_cache::redis {
namespace {

using std::chrono::steady_clock;

// Counting takes one part in so many of a server's time, and begins again after so long.
constexpr int kCountPart = 50;
constexpr std::chrono::seconds kCountInterval{10};

}  // namespace

// --- Counter ---

Counter::Counter(boost::asio::io_context& loop, Client& client, std::string prefix)
    : timer_(loop), client_(client), prefix_(std::move(prefix)) {}

void Counter::wait(steady_clock::duration time) {
  timer_.expires_after(time);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) step();
  });
}

void Counter::step() {
  if (std::exchange(ended_, false)) {
    found_ = 0;
    scan_ = std::make_unique<RedisKeyScan>(client_, ScanOptions{.prefix = prefix_});
  }
  began_ = steady_clock::now();
  scan_->next(*this);
}

void Counter::end(bool more) {
  if (more) return wait((steady_clock::now() - began_) * kCountPart);
  records_.store(found_, std::memory_order_relaxed);
  ended_ = true;
  wait(kCountInterval);
}

void Counter::failed(const Error&) {
  ended_ = true;
  wait(kCountInterval);
}

// --- PolicyWatch ---

void PolicyWatch::look() {
  const std::vector<Node> masters = client_.masters();
  if (asked_ || masters.empty()) return;
  asked_ = true;
  const std::string_view args[] = {"INFO", "memory"};
  client_.send_to(masters[turn_++ % masters.size()], args, *this, {.line = Line::kBulk});
}

void PolicyWatch::reply(const Reply& reply) {
  asked_ = false;
  constexpr std::string_view kName = "maxmemory_policy:";
  const std::size_t at = reply.text.find(kName);
  if (reply.type != Reply::Type::kString || at == std::string_view::npos) return;
  std::string_view policy = reply.text.substr(at + kName.size());
  policy = policy.substr(0, policy.find_first_of("\r\n"));
  if (policy == "noeviction" || policy == warned_of_) return;
  warned_of_.assign(policy);
  log("redis").warn(
      "store '{}': Redis has maxmemory-policy {}, which removes records when memory runs short, so "
      "that they answer 404; set it to noeviction",
      store_, policy);
}

// --- KeyCount ---

void KeyCount::start(Client& client, Done done) {
  const std::vector<Node> masters = client.masters();
  if (masters.empty()) return done(Error{ErrorCode::kUnavailable, "no server is known"});
  auto* const self = new KeyCount(std::move(done));
  self->waits_for_ = masters.size();
  const std::string_view args[] = {"DBSIZE"};
  for (const Node& node : masters) client.send_to(node, args, *self);
}

void KeyCount::start(Client& client, std::span<const std::string> keys, Done done) {
  auto* const self = new KeyCount(std::move(done));
  self->waits_for_ = keys.size();
  for (const std::string& key : keys) {
    const std::string_view args[] = {"EXISTS", key};
    client.send(key, args, *self);
  }
}

void KeyCount::reply(const Reply& reply) {
  if (reply.type != Reply::Type::kInteger) return failed(error_of(reply));
  keys_ += static_cast<std::uint64_t>(reply.integer);
  one_done();
}

void KeyCount::failed(const Error& error) {
  if (status_.ok()) status_ = error;
  one_done();
}

void KeyCount::one_done() {
  if (--waits_for_ > 0) return;
  const std::unique_ptr<KeyCount> self(this);
  status_.ok() ? done_(keys_) : done_(status_.error());
}

}  // namespace push_cache::redis
