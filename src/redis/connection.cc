#include "redis/connection.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace push_cache::redis {
namespace {

using std::chrono::milliseconds;

// A server that restarts is back within milliseconds on loopback; one that is down for longer gets
// one knock a second from each line, which costs neither side anything.
constexpr milliseconds kReconnectFirst{20};
constexpr milliseconds kReconnectMost{1000};
// "Not now": a slot that moves takes milliseconds, a data set that loads seconds.
constexpr milliseconds kPauseFirst{10};
constexpr milliseconds kPauseMost{200};
// Until the store's own client is connected to the same server.
constexpr milliseconds kAdmissionFirst{2};
constexpr milliseconds kAdmissionMost{50};
// As much as a socket takes at once by default; a longer command goes out from where it is.
constexpr std::size_t kBatchBytes = 128 * 1024;
constexpr std::size_t kCopiedBytesMax = 32 * 1024;
constexpr std::string_view kAsking = "*1\r\n$6\r\nASKING\r\n";

}  // namespace

Connection::Connection(boost::asio::io_context& loop, const LinkOptions& options,
                       const Endpoint& endpoint, Load& load, ClientStats& stats, Owner& owner)
    : loop_(loop),
      options_(options),
      endpoint_(endpoint),
      load_(load),
      stats_(stats),
      owner_(owner),
      error_{ErrorCode::kUnavailable, "Redis is not connected yet"},
      again_(load),
      unsent_(load),
      sent_(load, this),
      admission_(options.servers.get()),
      reconnect_wait_(kReconnectFirst, kReconnectMost),
      pause_wait_(kPauseFirst, kPauseMost),
      admission_wait_(kAdmissionFirst, kAdmissionMost),
      alarm_(loop, [this] { on_alarm(); }),
      write_soon_(loop, [this] { write(); }) {
  open();
}

Connection::~Connection() {
  if (ready_) stats_.connections(-1);
  if (link_ != nullptr) link_->close();
}

void Connection::open() { link_ = Link::open(loop_, options_, endpoint_, attempts_++, *this); }

void Connection::on_alarm() {
  if (link_ == nullptr) return open();
  if (!ready_) return try_to_use();
  paused_ = false;
  if (!renew_) return write();
  // Only with nothing on its way: what was sent and answered "not now" is here again.
  if (sent_.empty()) return link_->fail("Redis is not the master any more");
  pause(true);
}

// ---- The link

void Connection::on_ready() {
  made_at_ = Clock::now();
  admission_.begin();
  admission_wait_.reset();
  try_to_use();
}

void Connection::try_to_use() {
  if (!admission_.admits(endpoint_, link_->identity())) {
    constexpr std::string_view kOther = "Redis is not the server that the store knows";
    // It may be this one that is wrong.
    if (Clock::now() - made_at_ > options_.timeout) return link_->fail(kOther);
    error_ = {ErrorCode::kUnavailable, std::string(kOther)};
    alarm_.set(Clock::now() + admission_wait_.next());
    return;
  }
  ready_ = true;
  ready_at_ = Clock::now();
  stats_.connections(1);
  stats_.count(ClientStats::Event::kConnected);
  renew_ = false;
  known_.clear();
  write();
  owner_.on_connected(*this);
}

void Connection::on_closed(const Error& error) {
  const Clock::time_point now = Clock::now();
  if (ready_ && now - ready_at_ > kReconnectMost) reconnect_wait_.reset();
  using Event = ClientStats::Event;
  stats_.count(ready_ ? Event::kConnectionLost : Event::kConnectError);
  if (ready_) stats_.connections(-1);
  link_ = nullptr;
  ready_ = false;
  writing_ = false;
  in_place_ = nullptr;
  paused_ = false;
  renew_ = false;
  error_ = error;
  write_soon_.cancel();
  alarm_.set(now + reconnect_wait_.next());
  RequestList repeated;
  while (Request* const request = sent_.first()) {
    sent_.remove(*request);
    if (request->sink != nullptr && request->repeatable) {
      stats_.count(Event::kRetried);
      request->asking_answered = false;
      repeated.push_back(*request);
    } else {
      owner_.on_lost(*request, error);
    }
  }
  repeated.take_all(again_);
  again_.take_all(repeated);
  owner_.on_down(*this);
}

void Connection::on_reply(const Reply& reply) {
  if (!admission_.still_admits(endpoint_, link_->identity())) {
    return link_->fail("the store is connected to another server of Redis");
  }
  Request* const request = sent_.first();
  // Before it has all of it: the memory of the rest must stay until it is written.
  if (request == nullptr || request == in_place_) {
    return link_->fail("Redis answered more than it was asked");
  }
  if (request->asking && !request->asking_answered) {
    request->asking_answered = true;
    return;
  }
  request->asking = false;
  request->asking_answered = false;
  sent_.remove(*request);
  reconnect_wait_.reset();
  owner_.on_answer(*this, *request, reply);
}

void Connection::on_written() {
  writing_ = false;
  in_place_ = nullptr;
  write();
}

// ---- Requests

void Connection::send(Request& request) {
  unsent_.push_back(request);
  // Behind what else the loop's present handler sends: all that goes out with one write.
  if (may_write()) write_soon_.soon();
}

void Connection::send_again(Request& request) {
  again_.push_back(request);
  if (may_write()) write_soon_.soon();
}

void Connection::pause(bool renew) {
  renew_ = renew_ || renew;
  if (paused_ || !ready_) return;
  paused_ = true;
  alarm_.set(Clock::now() + pause_wait_.next());
}

void Connection::on_progress() { pause_wait_.reset(); }

void Connection::forget(const Script& script) { std::erase(known_, &script); }

void Connection::on_overdue() {
  const Request* const first = sent_.first();
  if (first == nullptr || link_ == nullptr) return;
  // A little less than the time-out: what goes out is as much younger than its deadline.
  const Clock::time_point silent_since = std::max(link_->last_read(), first->written_at);
  if (Clock::now() - silent_since < options_.timeout * 3 / 4) return;
  link_->fail("Redis does not answer");
}

void Connection::take_unsent(RequestList& to) {
  to.take_all(again_);
  to.take_all(unsent_);
}

// ---- Writing

bool Connection::may_write() const { return ready_ && !writing_ && !paused_; }

Request* Connection::next_unsent() const {
  return again_.empty() ? unsent_.first() : again_.first();
}

// The first use of a script on a link sends all of it, so that nothing behind it can overtake it
// for want of the script; the server keeps it under its digest.
void Connection::prepare(Request& request) {
  if (request.script == nullptr) return;
  if (std::find(known_.begin(), known_.end(), request.script) != known_.end()) return;
  known_.push_back(request.script);
  if (request.whole_script) return;
  std::vector<std::string_view> args = request.command.args();
  args[0] = "EVAL";
  args[1] = request.script->text();
  Command whole(args);
  load_.bytes += whole.size() - request.size();
  request.command = std::move(whole);
  request.whole_script = true;
}

void Connection::mark_sent(Request& request, Clock::time_point now) {
  request.list->remove(request);
  sent_.push_back(request);
  request.written_at = now;
}

void Connection::write() {
  if (!may_write()) return;
  Request* request = next_unsent();
  if (request == nullptr) return;
  const Clock::time_point now = Clock::now();
  Buffer& out = link_->out();
  for (; request != nullptr; request = next_unsent()) {
    prepare(*request);
    if (!link_->tls() && !request->asking && request->size() > kCopiedBytesMax) {
      if (!out.empty()) break;
      mark_sent(*request, now);
      writing_ = true;
      in_place_ = request;
      return link_->write(request->command.view());
    }
    if (!out.empty() && out.size() + request->size() > kBatchBytes) break;
    if (request->asking) out.append(kAsking);
    out.append(request->command.view());
    mark_sent(*request, now);
  }
  writing_ = true;
  link_->write_out();
}

}  // namespace push_cache::redis
