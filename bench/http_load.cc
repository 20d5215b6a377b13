#include "bench/http_load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <random>

#include "bench/harness.h"

namespace push_cache::bench {
namespace {

constexpr int kPatienceSeconds = 5;  // without any answer

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail("no connection to port " + std::to_string(port));
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const timeval patience{.tv_sec = kPatienceSeconds, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

void send_all(int fd, std::string_view text) {
  // It fits the socket's buffer: a connection sends only when all before is answered.
  if (::send(fd, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) {
    fail("a request was not sent whole");
  }
}

std::size_t content_length(std::string_view head) {
  constexpr std::string_view kName = "Content-Length:";
  std::size_t at = head.find(kName);
  if (at == head.npos) return 0;  // a 304
  at = head.find_first_not_of(' ', at + kName.size());
  std::size_t length = 0;
  const auto parsed = std::from_chars(head.data() + at, head.data() + head.size(), length);
  if (parsed.ec != std::errc()) fail("a Content-Length is no number");
  return length;
}

// Reads answers one after the other.
class Answers {
 public:
  explicit Answers(int fd) : fd_(fd) {}

  struct Answer {
    std::string_view head;
    std::string_view body;
  };
  // Valid until the next call. The body of a chunked answer is given with its chunks' heads.
  Answer next() {
    text_.erase(0, taken_);
    const std::size_t body = end_of("\r\n\r\n", 0);
    const std::string_view head = std::string_view(text_).substr(0, body);
    const bool chunked = head.find("Transfer-Encoding: chunked\r\n") != head.npos;
    taken_ = chunked ? end_of_chunks(body) : body + content_length(head);
    while (text_.size() < taken_) read();
    const std::string_view text(text_);
    return {text.substr(0, body), text.substr(body, taken_ - body)};
  }

 private:
  // Where `mark` ends, the first one from `from` on.
  std::size_t end_of(std::string_view mark, std::size_t from) {
    std::size_t at = 0;
    while ((at = text_.find(mark, from)) == text_.npos) read();
    return at + mark.size();
  }

  std::size_t end_of_chunks(std::size_t at) {
    for (;;) {
      const std::size_t data = end_of("\r\n", at);
      std::size_t size = 0;
      const auto parsed = std::from_chars(text_.data() + at, text_.data() + data, size, 16);
      if (parsed.ec != std::errc()) fail("a chunk's size is no number");
      at = data + size + 2;
      if (size == 0) return at;
      while (text_.size() < at) read();
    }
  }

  void read() {
    std::array<char, 65536> piece{};
    const ssize_t size = ::read(fd_, piece.data(), piece.size());
    if (size <= 0) fail("an answer did not come");
    text_.append(piece.data(), static_cast<std::size_t>(size));
  }

  const int fd_;
  std::string text_;
  std::size_t taken_ = 0;
};

// One connection under load.
struct Client {
  int fd = -1;
  std::vector<const Ask*> under_way;
  std::size_t expected = 0;  // bytes of their answers
  std::size_t received = 0;
  std::vector<char> answers;  // room for one byte too many
};

class Load {
 public:
  Load(std::uint16_t port, const std::vector<Ask>& asks, const LoadShape& shape)
      : asks_(asks), depth_(shape.depth), clients_(shape.connections) {
    std::size_t longest = 0;
    for (const Ask& ask : asks) longest = std::max(longest, ask.response_bytes);
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      Client& client = clients_[i];
      client.fd = connect_to(port);
      ::fcntl(client.fd, F_SETFL, O_NONBLOCK);
      client.answers.resize(longest * depth_ + 1);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, client.fd, &event) != 0) fail("epoll_ctl failed");
    }
  }

  ~Load() {
    for (const Client& client : clients_) ::close(client.fd);
    ::close(epoll_);
  }

  LoadResult run(double seconds) {
    const double start = now_seconds();
    const double end = start + seconds;
    for (Client& client : clients_) send(client);
    std::size_t busy = clients_.size();
    std::uint64_t requests = 0;
    std::array<epoll_event, 256> events{};
    while (busy > 0) {
      const int count = ::epoll_wait(epoll_, events.data(), events.size(), kPatienceSeconds * 1000);
      if (count == 0) fail("answers are missing, or shorter than before");
      const bool goes_on = now_seconds() < end;
      for (int i = 0; i < count; ++i) {
        Client& client = clients_[events[static_cast<std::size_t>(i)].data.u64];
        if (!receive(client)) continue;
        requests += client.under_way.size();
        if (goes_on) {
          send(client);
        } else {
          --busy;
        }
      }
    }
    return {requests, now_seconds() - start};
  }

 private:
  void send(Client& client) {
    client.under_way.clear();
    client.expected = 0;
    client.received = 0;
    out_.clear();
    for (unsigned i = 0; i < depth_; ++i) {
      const Ask& ask = asks_[random_() % asks_.size()];
      client.under_way.push_back(&ask);
      client.expected += ask.response_bytes;
      out_ += ask.request;
    }
    send_all(client.fd, out_);
  }

  // True when all that was under way is answered.
  bool receive(Client& client) {
    const ssize_t size = ::read(client.fd, client.answers.data() + client.received,
                                client.answers.size() - client.received);
    if (size < 0 && errno == EAGAIN) return false;
    if (size <= 0) fail("the server has closed a connection");
    client.received += static_cast<std::size_t>(size);
    if (client.received < client.expected) return false;
    if (client.received > client.expected) fail("an answer is longer than before");
    std::string_view text(client.answers.data(), client.received);
    for (const Ask* ask : client.under_way) {
      const std::string_view answer = text.substr(0, ask->response_bytes);
      if (!answer.starts_with(ask->status) ||
          answer.compare(ask->proof_at, ask->proof.size(), ask->proof) != 0) {
        fail("a wrong answer to\n" + ask->request + std::string(answer));
      }
      text.remove_prefix(ask->response_bytes);
    }
    return true;
  }

  const std::vector<Ask>& asks_;
  const unsigned depth_;
  std::vector<Client> clients_;
  int epoll_;
  std::string out_;
  std::minstd_rand random_{static_cast<std::uint32_t>(now_seconds() * 1e6) | 1};
};

}  // namespace

void learn(
    std::uint16_t port, std::vector<Ask>& asks,
    const std::function<void(std::size_t, std::string_view head, std::string_view body)>& seen) {
  constexpr std::size_t kAtOnce = 16;
  const int fd = connect_to(port);
  Answers answers(fd);
  for (std::size_t first = 0; first < asks.size(); first += kAtOnce) {
    const std::size_t end = std::min(first + kAtOnce, asks.size());
    std::string requests;
    for (std::size_t i = first; i < end; ++i) requests += asks[i].request;
    send_all(fd, requests);
    for (std::size_t i = first; i < end; ++i) {
      const auto [head, body] = answers.next();
      Ask& ask = asks[i];
      const std::string whole = std::string(head) + std::string(body);
      ask.response_bytes = whole.size();
      ask.proof_at = whole.find(ask.proof);
      if (!head.starts_with(ask.status) || ask.proof_at == whole.npos) {
        fail("a wrong answer to\n" + ask.request + whole);
      }
      if (seen) seen(i, head, body);
    }
  }
  ::close(fd);
}

LoadResult load(std::uint16_t port, const std::vector<Ask>& asks, const LoadShape& shape) {
  return Load(port, asks, shape).run(shape.seconds);
}

}  // namespace push_cache::bench
