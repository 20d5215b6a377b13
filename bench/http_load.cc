#include "bench/http_load.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>

#include "bench/harness.h"
#include "bench/http_client.h"

namespace push_cache::bench {
namespace {

constexpr int kPatienceSeconds = 5;  // without any answer

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
    const std::function<void(std::size_t, std::string_view head, std::string_view body)>& seen,
    std::size_t at_once) {
  const int fd = connect_to(port);
  HttpAnswers answers(fd);
  for (std::size_t first = 0; first < asks.size(); first += at_once) {
    const std::size_t end = std::min(first + at_once, asks.size());
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
