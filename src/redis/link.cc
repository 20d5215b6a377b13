#include "redis/link.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/write.hpp>

#include <netinet/tcp.h>

#include <algorithm>
#include <string>
#include <utility>

#include "redis/answers.h"

namespace push_cache::redis {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// What one large batch needed is not kept for ever.
constexpr std::size_t kOutBytesKept = 512 * 1024;

// A peer that went without a word is noticed after a minute also when nothing is asked of it.
constexpr int kKeepAliveIdleSeconds = 30;
constexpr int kKeepAliveIntervalSeconds = 10;
constexpr int kKeepAliveProbes = 3;

template <typename Socket>
void set_options(Socket& socket) {
  namespace option = asio::detail::socket_option;
  error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  socket.set_option(option::integer<IPPROTO_TCP, TCP_KEEPIDLE>(kKeepAliveIdleSeconds), ignored);
  socket.set_option(option::integer<IPPROTO_TCP, TCP_KEEPINTVL>(kKeepAliveIntervalSeconds),
                    ignored);
  socket.set_option(option::integer<IPPROTO_TCP, TCP_KEEPCNT>(kKeepAliveProbes), ignored);
}

}  // namespace

std::shared_ptr<Link> Link::open(asio::io_context& loop, const LinkOptions& options,
                                 const Endpoint& endpoint, unsigned attempt, Owner& owner) {
  auto link = std::make_shared<Link>(loop, options, endpoint, attempt, owner);
  link->start();
  return link;
}

Link::Link(asio::io_context& loop, const LinkOptions& options, const Endpoint& endpoint,
           unsigned attempt, Owner& owner)
    : owner_(&owner),
      endpoint_(endpoint),
      attempt_(attempt),
      tls_context_(options.tls),
      socket_(loop),
      resolver_(loop),
      set_up_late_(loop, [this] { fail("Redis does not answer", waits_for_ + " took too long"); }),
      setup_(options.setup),
      reader_(*this) {
  set_up_late_.set(Clock::now() + options.timeout);
}

// ---- Making it

void Link::start() {
  error_code ec;
  const auto address = asio::ip::make_address(endpoint_.host, ec);
  if (!ec) return connect({{address, endpoint_.port}});
  resolver_.async_resolve(
      endpoint_.host, std::to_string(endpoint_.port), Resolver::numeric_service,
      [self = shared_from_this()](const error_code& error, const Resolver::results_type& found) {
        if (self->owner_ == nullptr) return;
        if (error) return self->fail("the host of Redis cannot be found", error.message());
        self->connect({found.begin(), found.end()});
      });
}

void Link::connect(std::vector<Tcp::endpoint> addresses) {
  addresses_ = std::move(addresses);
  // One that swallows everything uses up the time: the next attempt starts with another.
  std::rotate(addresses_.begin(), addresses_.begin() + attempt_ % addresses_.size(),
              addresses_.end());
  asio::async_connect(socket_, addresses_,
                      [self = shared_from_this()](const error_code& error, const Tcp::endpoint&) {
                        if (self->owner_ == nullptr) return;
                        if (error) return self->fail("Redis cannot be reached", error.message());
                        set_options(self->socket_);
                        self->shake_hands();
                      });
}

void Link::shake_hands() {
  if (tls_context_ == nullptr) return set_up();
  tls_.emplace(socket_, *tls_context_);
  waits_for_ = "the TLS handshake";
  SSL* const ssl = tls_->native_handle();
  error_code ec;
  asio::ip::make_address(endpoint_.host, ec);
  bool checked = false;
  if (ec) {
    // An empty name would check none.
    checked = !endpoint_.host.empty() && SSL_set1_host(ssl, endpoint_.host.c_str()) == 1;
    // SNI is for names only: addresses are not allowed there (RFC 6066, 3).
    SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, endpoint_.host.data());
  } else {
    checked = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), endpoint_.host.c_str()) == 1;
  }
  if (!checked) return fail("TLS to Redis", "the host's name cannot be checked");
  tls_->async_handshake(asio::ssl::stream_base::client,
                        [self = shared_from_this()](const error_code& error) {
                          if (self->owner_ == nullptr) return;
                          if (error) return self->fail("TLS to Redis", self->tls_failure(error));
                          self->set_up();
                        });
}

std::string Link::tls_failure(const error_code& error) {
  const long verified = SSL_get_verify_result(tls_->native_handle());
  if (verified == X509_V_OK) return error.message();
  return error.message() + ": " + X509_verify_cert_error_string(verified);
}

void Link::set_up() {
  waits_for_ = "the answers to AUTH and what else a connection begins with";
  read();
  if (setup_.done()) return become_ready();
  out_.append(setup_.bytes());
  write_some(out_.view(), [self = shared_from_this()](const error_code& error, std::size_t) {
    if (self->owner_ == nullptr) return;
    self->out_.clear();
    if (error) return self->fail("the connection to Redis was lost", error.message());
    if (self->setup_.done()) self->become_ready();
  });
}

void Link::become_ready() {
  // Not before the set-up's own write is over, however fast its answers came.
  if (ready_ || !out_.empty()) return;
  ready_ = true;
  set_up_late_.cancel();
  owner_->on_ready();
}

// ---- Using it

template <typename Done>
void Link::write_some(std::string_view bytes, Done done) {
  const asio::const_buffer buffer(bytes.data(), bytes.size());
  if (tls_.has_value()) {
    asio::async_write(*tls_, buffer, std::move(done));
  } else {
    asio::async_write(socket_, buffer, std::move(done));
  }
}

void Link::write_out() { write(out_.view()); }

void Link::write(std::string_view bytes) {
  write_some(bytes, [self = shared_from_this()](const error_code& error, std::size_t) {
    self->on_written(error);
  });
}

void Link::on_written(const error_code& error) {
  if (owner_ == nullptr) return;
  if (error) return fail("the connection to Redis was lost", error.message());
  out_.clear();
  out_.shrink(kOutBytesKept);
  owner_->on_written();
}

void Link::read() {
  const asio::mutable_buffer buffer(in_.data(), in_.size());
  auto handler = [self = shared_from_this()](const error_code& error, std::size_t size) {
    self->on_read(error, size);
  };
  if (tls_.has_value()) {
    tls_->async_read_some(buffer, std::move(handler));
  } else {
    socket_.async_read_some(buffer, std::move(handler));
  }
}

void Link::on_read(const error_code& error, std::size_t size) {
  if (owner_ == nullptr) return;
  if (error) return fail("the connection to Redis was lost", error.message());
  last_read_ = Clock::now();
  const Status status = reader_.feed({in_.data(), size});
  if (owner_ == nullptr) return;  // by what an answer led to
  if (!status.ok()) return fail(status.error().public_text, status.error().detail);
  read();
}

bool Link::on_reply(const Reply& reply) {
  if (ready_) {
    owner_->on_reply(reply);
    return owner_ != nullptr;
  }
  if (setup_.done()) {
    fail("Redis answered more than it was asked");
    return false;
  }
  const Status status = setup_.take(reply);
  if (!status.ok()) {
    fail(status.error().public_text, status.error().detail);
  } else if (setup_.done()) {
    become_ready();
  }
  return owner_ != nullptr;
}

// ---- Ending it

void Link::close_socket() {
  set_up_late_.cancel();
  resolver_.cancel();
  error_code ignored;
  socket_.close(ignored);
}

void Link::close() {
  if (std::exchange(owner_, nullptr) != nullptr) close_socket();
}

void Link::fail(std::string_view what, std::string_view detail) {
  const auto self = shared_from_this();  // the owner may drop it
  Owner* const owner = std::exchange(owner_, nullptr);
  if (owner == nullptr) return;
  close_socket();
  std::string where = to_text(endpoint_);
  if (!detail.empty()) where += ": " + std::string(detail);
  owner->on_closed({ErrorCode::kUnavailable, std::string(what), std::move(where)});
}

}  // namespace push_cache::redis
