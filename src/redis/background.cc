#include "redis/background.h"

#include <boost/asio/post.hpp>

#include <utility>

#include "base/log.h"
#include "net/loop.h"
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

// --- PartitionEraser ---

struct PartitionEraser::Part final : ReplySink {
  explicit Part(PartitionEraser& to) : owner(to) {}
  PartitionEraser& owner;
  void reply(const Reply& reply) override {
    PartitionEraser& to = owner;
    delete this;
    if (reply.type != Reply::Type::kInteger) {
      if (to.status_.ok()) to.status_ = error_of(reply);
    } else {
      to.erased_ += reply.integer == 1 ? 1 : 0;
    }
    to.one_done();
  }
  void failed(const Error& error) override {
    PartitionEraser& to = owner;
    delete this;
    if (to.status_.ok()) to.status_ = error;
    to.one_done();
  }
};

void PartitionEraser::start(Client& client, const Script& script, std::string prefix,
                            std::string part, std::string below, Done done) {
  auto* self = new PartitionEraser(client, script, std::move(prefix), std::move(part),
                                   std::move(below), std::move(done));
  self->waits_for_ = 1;
  self->scan_.next(*self);
}

PartitionEraser::PartitionEraser(Client& client, const Script& script, std::string prefix,
                                 std::string part, std::string below, Done done)
    : client_(client),
      script_(script),
      key_start_(prefix.empty() ? "" : prefix + ":"),
      part_(std::move(part)),
      below_(std::move(below)),
      done_(std::move(done)),
      scan_(client, {.prefix = std::move(prefix), .deleted = true}) {}

void PartitionEraser::key(std::string_view key) {
  ++waits_for_;
  const std::string_view args[] = {part_, below_};
  client_.eval(script_, key_start_ + std::string(key), args, *new Part(*this));
}

void PartitionEraser::end(bool more) {
  more_ = more;
  one_done();
}

void PartitionEraser::failed(const Error& error) {
  status_ = error;
  one_done();
}

void PartitionEraser::one_done() {
  if (--waits_for_ > 0) return;
  if (status_.ok() && more_) {
    waits_for_ = 1;
    return scan_.next(*this);
  }
  const Done done = done_;
  Result<std::uint64_t> outcome = erased_;
  if (!status_.ok()) outcome = std::move(status_).error();
  // The scan's own call may be under way.
  boost::asio::post(*net::this_loop(), [this] { delete this; });
  done(std::move(outcome));
}

}  // namespace push_cache::redis
