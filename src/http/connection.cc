#include "http/connection.h"

#include <boost/asio/post.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/utf8.h"
#include "http/loop.h"
#include "http/request_log.h"

namespace push_cache::http {
namespace {

// How long a client may take to read the last answer and close, so that our own close does not
// destroy what is on its way (a close with unread input resets the connection).
constexpr std::int64_t kLingerMs = 2000;
constexpr std::size_t kChunkHeadBytes = 10;  // 8 hexadecimal digits, CR LF
constexpr std::string_view kHexDigits = "0123456789abcdef";

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

struct Connection::ReadWait {
  using allocator_type = OperationAllocator<void>;
  Connection* connection;
  allocator_type get_allocator() const { return allocator_type(connection->read_memory_); }
  void operator()(const boost::system::error_code& /*ec*/) const {
    connection->read_waits_ = false;
    connection->on_readable();
  }
};

struct Connection::WriteWait {
  using allocator_type = OperationAllocator<void>;
  Connection* connection;
  allocator_type get_allocator() const { return allocator_type(connection->write_memory_); }
  void operator()(const boost::system::error_code& /*ec*/) const {
    connection->write_waits_ = false;
    connection->on_writable();
  }
};

struct Connection::PostedTask {
  PostedTask(Connection& to, std::function<void()> what)
      : connection(&to), generation(to.generation_), task(std::move(what)) {
    connection->references_.fetch_add(1, std::memory_order_relaxed);
  }
  PostedTask(PostedTask&& other) noexcept
      : connection(std::exchange(other.connection, nullptr)),
        generation(other.generation),
        task(std::move(other.task)) {}
  PostedTask(const PostedTask&) = delete;
  PostedTask& operator=(const PostedTask&) = delete;
  PostedTask& operator=(PostedTask&&) = delete;
  ~PostedTask() {
    if (connection != nullptr) connection->release();
  }

  void operator()() {
    Connection& to = *connection;
    if (to.phase_ == Phase::kGone || !to.open_ || to.generation_ != generation) return;
    to.loop_.refresh_clock();
    to.driven_ = true;
    task();
    to.driven_ = false;
    task = nullptr;  // what it holds must not outlive the exchange
    if (!to.open_ || to.source_ != nullptr) to.run();
  }

  Connection* connection;
  std::uint32_t generation;
  std::function<void()> task;
};

Connection::Connection(Loop& loop, Socket socket) : loop_(loop), socket_(std::move(socket)) {
  loop_.wheel().add(*this, kNoDeadline);
}

Connection::~Connection() = default;

unsigned Connection::loop_index() const { return loop_.index(); }

void Connection::release() {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

void Connection::start() { wait_read(); }

void Connection::start_refused() {
  refused_ = true;
  write_fault({ErrorCode::kUnavailable, "too many connections; try again"}, "1");
  run();
}

// ---- waiting

void Connection::wait_read() {
  if (phase_ == Phase::kServing) {
    if (in_.size() == in_at_) {
      request_deadline_ms_ = kNoDeadline;
      if (in_.capacity() != 0) {
        in_.clear();
        in_at_ = 0;
        loop_.give_back_input(std::move(in_));
      }
      loop_.wheel().set(*this, loop_.now_ms() + loop_.options().idle_timeout.count());
    } else {
      if (request_deadline_ms_ == kNoDeadline) {
        request_deadline_ms_ = loop_.now_ms() + loop_.options().request_timeout.count();
      }
      loop_.wheel().set(*this, request_deadline_ms_);
    }
  }
  if (read_waits_) return;
  read_waits_ = true;
  socket_.async_wait(Socket::wait_read, ReadWait{this});
}

void Connection::wait_write() {
  if (write_waits_) return;
  write_waits_ = true;
  socket_.async_wait(Socket::wait_write, WriteWait{this});
}

void Connection::on_readable() {
  switch (phase_) {
    case Phase::kGone:
      maybe_end();
      return;
    case Phase::kLingering:
      linger_read();
      return;
    case Phase::kServing:
      break;
  }
  if (open_ || lost_) return;  // not while an exchange is open: its views must stay
  loop_.refresh_clock();
  if (receive()) run();
}

void Connection::on_writable() {
  if (phase_ == Phase::kGone) {
    maybe_end();
    return;
  }
  if (lost_) return;
  loop_.refresh_clock();
  if (!flush()) return;
  if (source_ != nullptr && !source_waits_) append_piece();
  if (!open_ || source_ != nullptr) {
    run();
  } else {
    loop_.wheel().set(*this, kNoDeadline);
  }
}

void Connection::on_deadline() {
  if (phase_ == Phase::kLingering) {
    close();
  } else if (write_waits_) {
    lost();
  } else if (!open_ && in_.size() > in_at_) {
    refuse({ErrorCode::kRequestTimeout, "the request did not come in time"});
    run();
  } else if (!open_) {
    close();
  }
}

// ---- input

void Connection::compact_input() {
  if (in_at_ == 0) return;
  const std::size_t left = in_.size() - in_at_;
  if (left != 0) std::memmove(in_.data(), in_.data() + in_at_, left);
  in_.truncate(left);
  in_at_ = 0;
}

// One read. False when there was nothing, or the connection has ended.
bool Connection::receive() {
  if (in_.capacity() == 0) in_ = loop_.take_input();
  compact_input();
  if (in_.size() == in_.capacity()) in_.reserve(in_.capacity());  // doubles; open_next has the caps
  const std::size_t room = in_.capacity() - in_.size();
  ssize_t got = 0;
  do {
    got = ::recv(socket_.native_handle(), in_.data() + in_.size(), room, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    in_.commit(static_cast<std::size_t>(got));
    add(loop_.counts().bytes_in_total, static_cast<std::uint64_t>(got));
    return true;
  }
  if (got == 0) {
    eof_ = true;
    return true;
  }
  if (would_block(errno)) {
    wait_read();
  } else {
    lost();
  }
  return false;
}

bool Connection::need_more() {
  if (header_bytes_ != 0 && parsed_.expect_continue && !continued_) {
    continued_ = true;
    if (out_.capacity() == 0) out_ = loop_.take_output();
    out_.append("HTTP/1.1 100 Continue\r\n\r\n");
  }
  return false;
}

bool Connection::parse_head(std::string_view bytes) {
  const Fault fault = parse_header(bytes.substr(0, header_bytes_), loop_.options().target_bytes_max,
                                   parsed_, joined_);
  if (!fault) return true;
  refuse(fault);
  return false;
}

// Decodes what came of a chunked body where it lies. True when it is whole.
bool Connection::take_chunks() {
  const std::size_t body_at = in_at_ + header_bytes_;
  const std::size_t raw_at = body_at + body_bytes_;
  const std::size_t raw_bytes = in_.size() - raw_at;
  const ChunkedBody::Progress progress =
      chunks_->take({in_.data() + raw_at, raw_bytes}, in_.data() + raw_at);
  if (progress.fault) {
    refuse(progress.fault);
    return false;
  }
  body_bytes_ += progress.decoded;
  const std::size_t left = raw_bytes - progress.taken;
  if (left != 0) {
    std::memmove(in_.data() + body_at + body_bytes_, in_.data() + raw_at + progress.taken, left);
  }
  in_.truncate(body_at + body_bytes_ + left);
  return progress.done;
}

// Opens the exchange of the next request if it is whole. False when more bytes are needed or the
// request was refused.
bool Connection::open_next() {
  std::string_view bytes = in_.view().substr(in_at_);
  bool parsed = false;
  if (header_bytes_ == 0) {
    // Empty lines before a request: RFC 9112, 2.2.
    while (scan_.header_bytes() == 0 && bytes.starts_with("\r\n")) {
      in_at_ += 2;
      bytes.remove_prefix(2);
      scan_ = HeaderScan{};
    }
    if (bytes.empty()) return false;
    switch (
        scan_.scan(bytes, {loop_.options().target_bytes_max, loop_.options().header_bytes_max})) {
      case HeaderScan::Outcome::kIncomplete:
        return false;
      case HeaderScan::Outcome::kFault:
        refuse(scan_.fault());
        return false;
      case HeaderScan::Outcome::kComplete:
        break;
    }
    header_bytes_ = scan_.header_bytes();
    if (!parse_head(bytes)) return false;
    if (parsed_.content_length > loop_.options().body_bytes_max) {
      refuse({ErrorCode::kTooLarge, "the request body is too large"});
      return false;
    }
    body_bytes_ = parsed_.content_length;
    parsed = true;
    if (parsed_.chunked) {
      chunks_ = std::make_unique<ChunkedBody>(bytes.substr(0, header_bytes_),
                                              loop_.options().body_bytes_max);
    }
  }
  if (chunks_ != nullptr) {
    if (!take_chunks()) return closing_ ? false : need_more();
    bytes = in_.view().substr(in_at_);
  }
  if (bytes.size() - header_bytes_ < body_bytes_) return need_more();
  // Of a request that came in pieces the buffer may have moved since its header was read.
  if (!parsed && !parse_head(bytes)) return false;
  parsed_.request.body = bytes.substr(header_bytes_, body_bytes_);
  open_ = true;
  begun_ = false;
  began_ = loop_.now();
  route_ = 0;
  answer_bytes_ = 0;
  add(loop_.counts().requests_total, 1);
  return true;
}

// ---- serving

// Answers the requests in the buffer up to the first that is not whole or not answered at once.
// True when it stopped for the size of the output.
bool Connection::answer_batch() {
  bool full = false;
  while (!open_ && !closing_) {
    full = out_.size() - out_sent_ >= kOutputBatchBytes;
    if (full || !open_next()) break;
    driven_ = true;
    in_batch_ = true;
    loop_.shared().handler.handle(*this);
    in_batch_ = false;
    driven_ = false;
  }
  settle_run();
  return full;
}

// Does all that can be done now, and then waits for what is needed next. The connection may be gone
// afterwards.
void Connection::run() {
  for (;;) {
    if (lost_) {
      if (!open_) close();
      return;
    }
    const bool more = answer_batch();
    if (!flush()) return;
    if (source_waits_) {
      loop_.wheel().set(*this, kNoDeadline);
      return;
    }
    if (source_ != nullptr) {
      // The next piece when the loop comes round, so that other connections get their turn.
      loop_.wheel().set(*this, loop_.now_ms() + loop_.options().write_timeout.count());
      wait_write();
      return;
    }
    if (open_) {
      loop_.wheel().set(*this, kNoDeadline);
      return;
    }
    if (closing_) {
      end_serving();
      return;
    }
    if (!more) break;
  }
  if (eof_) {
    close();
    return;
  }
  wait_read();
}

// After a response that was finished by nobody who goes on by himself.
void Connection::go_on() {
  if (driven_) return;
  loop_.refresh_clock();
  run();
}

void Connection::write_fault(const Fault& fault, std::string_view retry_after) {
  if (out_.capacity() == 0) out_ = loop_.take_output();
  const Head head{.cache_control = "no-store", .retry_after = retry_after};
  const std::size_t place = append_head(out_, fault.status(), head, loop_.date_line(),
                                        BodyFraming::kLength, ConnectionLine::kClose);
  const std::size_t body_at = out_.size();
  append_error(out_, fault.code, fault.message);
  patch_length(out_, place, out_.size() - body_at);
  closing_ = true;
}

void Connection::refuse(Fault fault) {
  add(loop_.counts().bad_requests_total, 1);
  write_fault(fault, {});
}

ConnectionLine Connection::connection_line() const {
  if (!parsed_.keep_alive || loop_.draining()) return ConnectionLine::kClose;
  return parsed_.http11 ? ConnectionLine::kNone : ConnectionLine::kKeepAlive;
}

Buffer& Connection::begin(unsigned status, const Head& head) {
  if (begun_) abandon();
  if (out_.capacity() == 0) out_ = loop_.take_output();
  response_at_ = out_.size();
  status_ = status;
  const bool no_length = status == 204 || status == 304;
  bodiless_ = no_length || parsed_.request.method == Method::kHead;
  length_place_ = append_head(out_, status, head, loop_.date_line(),
                              no_length ? BodyFraming::kNone : BodyFraming::kLength,
                              connection_line(), parsed_.request.correlation);
  body_at_ = out_.size();
  begun_ = true;
  return out_;
}

void Connection::abandon() {
  if (!begun_) return;
  out_.truncate(response_at_);
  begun_ = false;
}

void Connection::finish() {
  if (!begun_) {
    send_error(*this, ErrorCode::kInternal, "no answer was made");
    return;
  }
  if (length_place_ != 0) patch_length(out_, length_place_, out_.size() - body_at_);
  if (bodiless_) out_.truncate(body_at_);
  answer_bytes_ = out_.size() - body_at_;
  end_exchange();
  go_on();
}

void Connection::stream(unsigned status, const Head& head, std::unique_ptr<BodySource> source) {
  if (begun_) abandon();
  if (out_.capacity() == 0) out_ = loop_.take_output();
  response_at_ = out_.size();
  chunked_out_ = parsed_.http11;
  if (!chunked_out_) parsed_.keep_alive = false;
  append_head(out_, status, head, loop_.date_line(),
              chunked_out_ ? BodyFraming::kChunked : BodyFraming::kUntilClose, connection_line(),
              parsed_.request.correlation);
  status_ = status;
  if (lost_ || parsed_.request.method == Method::kHead) {
    end_exchange();
    go_on();
    return;
  }
  begun_ = true;  // until the first piece: it may be an error instead
  source_ = std::move(source);
  source_->on_wake([this] {
    Connection& self = *this;  // the piece may be the last one, and this function goes with it
    self.loop_.refresh_clock();
    self.source_waits_ = false;
    if (self.write_waits_) return;  // which goes on by itself
    self.append_piece();
    self.run();
  });
  append_piece();
  go_on();
}

void Connection::append_piece() {
  const std::size_t at = out_.size();
  if (out_.capacity() == 0) out_ = loop_.take_output();
  if (chunked_out_) {
    out_.reserve(kChunkHeadBytes);
    out_.commit(kChunkHeadBytes);
  }
  const Result<BodySource::Next> next = source_->append_next(out_);
  if (!next.ok()) {
    out_.truncate(at);
    return fail_source(next.error());
  }
  source_waits_ = *next == BodySource::Next::kLater;
  if (source_waits_) return out_.truncate(at);
  begun_ = false;
  answer_bytes_ += out_.size() - at - (chunked_out_ ? kChunkHeadBytes : 0);
  if (chunked_out_) close_piece(at);
  if (*next == BodySource::Next::kMore) return;
  if (chunked_out_) out_.append("0\r\n\r\n");
  end_exchange();
}

// Makes a chunk of what was appended since `at`, where its head has its place.
void Connection::close_piece(std::size_t at) {
  std::size_t bytes = out_.size() - at - kChunkHeadBytes;
  if (bytes == 0) return out_.truncate(at);  // a chunk of no bytes would be the end
  char* digit = out_.data() + at + 8;
  std::memcpy(digit, "\r\n", 2);
  for (int i = 0; i < 8; ++i, bytes >>= 4) *--digit = kHexDigits[bytes & 15];
  out_.append("\r\n");
}

void Connection::fail_source(const Error& error) {
  if (begun_) {  // nothing of the response was sent
    source_.reset();
    const bool driven = std::exchange(driven_, true);  // whoever wants a piece runs on by itself
    send_error(*this, error, {.cache_control = "no-store"});
    driven_ = driven;
    return;
  }
  closing_ = true;
  status_ = 500;  // whatever was sent before
  end_exchange();
}

void Connection::set_route(std::size_t route) {
  route_ = route;
  if (run_ == 0 || route == run_route_) return;
  settle_run();
  began_ = loop_.now();
}

// Once an exchange.
void Connection::note_request() {
  loop_.requests().count(route_, parsed_.request.method, status_);
  if (in_batch_ && loop_.options().log_requests == 0) {
    run_route_ = route_;
    ++run_;
    return;
  }
  loop_.refresh_clock();
  const std::chrono::nanoseconds duration = loop_.now() - began_;
  loop_.requests().took(route_, duration, 1);
  if (!loop_.logs_request()) return;
  write_request_log({.request = parsed_.request,
                     .status = status_,
                     .body_bytes = answer_bytes_,
                     .duration = duration,
                     .socket = socket_.native_handle()});
}

// The clock has stood since the first of the run: what comes now begins here.
void Connection::settle_run() {
  if (run_ == 0) return;
  const std::chrono::nanoseconds began = loop_.now();
  loop_.refresh_clock();
  loop_.requests().took(run_route_, (loop_.now() - began) / static_cast<std::int64_t>(run_), run_);
  run_ = 0;
}

void Connection::end_exchange() {
  note_request();
  open_ = false;
  begun_ = false;
  ++generation_;
  source_.reset();
  source_waits_ = false;
  chunks_.reset();
  joined_.reset();
  in_at_ += header_bytes_ + body_bytes_;
  header_bytes_ = 0;
  body_bytes_ = 0;
  scan_ = HeaderScan{};
  continued_ = false;
  request_deadline_ms_ = kNoDeadline;
  if (!parsed_.keep_alive || loop_.draining()) closing_ = true;
}

void Connection::post(std::function<void()> task) {
  boost::asio::post(loop_.io(), PostedTask(*this, std::move(task)));
}

// ---- output

// Writes what there is of finished responses. True when all of it has gone, so false means that the
// connection waits for its socket or has ended.
bool Connection::flush() {
  if (lost_) return false;
  const std::size_t end = open_ && begun_ ? response_at_ : out_.size();
  bool progress = false;
  while (out_sent_ < end) {
    const ssize_t sent = ::send(socket_.native_handle(), out_.data() + out_sent_, end - out_sent_,
                                MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      out_sent_ += static_cast<std::size_t>(sent);
      add(loop_.counts().bytes_out_total, static_cast<std::uint64_t>(sent));
      progress = true;
      continue;
    }
    if (errno == EINTR) continue;
    if (would_block(errno)) {
      if (progress || !write_waits_) {
        loop_.wheel().set(*this, loop_.now_ms() + loop_.options().write_timeout.count());
      }
      wait_write();
    } else {
      lost();
    }
    return false;
  }
  if (out_sent_ == out_.size()) give_back_output();
  return true;
}

void Connection::give_back_output() {
  out_.clear();
  out_sent_ = 0;
  if (out_.capacity() != 0 && !begun_) loop_.give_back_output(std::move(out_));
}

// ---- the end

// The socket has failed. An open exchange is let to its end first: others may hold it.
void Connection::lost() {
  if (source_ != nullptr) {
    note_request();
    source_.reset();
    source_waits_ = false;
    open_ = false;
    ++generation_;
  }
  if (!open_) {
    close();
    return;
  }
  lost_ = true;
  closing_ = true;
  loop_.wheel().set(*this, kNoDeadline);
}

void Connection::end_serving() {
  if (eof_) {
    close();
    return;
  }
  phase_ = Phase::kLingering;
  in_ = Buffer();
  in_at_ = 0;
  ::shutdown(socket_.native_handle(), SHUT_WR);
  loop_.wheel().set(*this, loop_.now_ms() + kLingerMs);
  linger_read();
}

void Connection::linger_read() {
  char unread[16 * 1024];
  for (int turns = 0; turns < 8; ++turns) {
    const ssize_t got = ::recv(socket_.native_handle(), unread, sizeof unread, MSG_DONTWAIT);
    if (got > 0 || (got < 0 && errno == EINTR)) continue;
    if (got < 0 && would_block(errno)) break;
    close();
    return;
  }
  wait_read();
}

void Connection::drain() {
  if (phase_ != Phase::kServing || open_ || closing_ || write_waits_) return;
  if (in_.size() > in_at_ || !out_.empty()) return;
  // A request that lies unread in the socket is answered too.
  char byte = 0;
  if (::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) return;
  close();
}

void Connection::shut() {
  if (phase_ == Phase::kGone) return;
  if (source_ != nullptr) {
    source_.reset();
    open_ = false;
  }
  close();
}

void Connection::close() {
  phase_ = Phase::kGone;
  loop_.wheel().remove(*this);
  boost::system::error_code ignored;
  socket_.close(ignored);
  loop_.closed(*this);
  maybe_end();
}

void Connection::maybe_end() {
  if (!read_waits_ && !write_waits_ && !open_) loop_.remove(*this);
}

}  // namespace push_cache::http
