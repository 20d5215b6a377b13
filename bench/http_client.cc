#include "bench/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "bench/harness.h"

namespace push_cache::bench {
namespace {

constexpr int kPatienceSeconds = 5;

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

std::uint16_t port_of(const std::string& url) {
  const std::size_t at = url.rfind(':') + 1;
  return static_cast<std::uint16_t>(std::stoul(url.substr(at)));
}

}  // namespace

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
  if (::send(fd, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) {
    fail("a request was not sent whole");
  }
}

int HttpAnswers::Answer::status() const {
  // "HTTP/1.1 200"
  int status = 0;
  if (head.size() >= 12) std::from_chars(head.data() + 9, head.data() + 12, status);
  return status;
}

HttpAnswers::Answer HttpAnswers::next() {
  text_.erase(0, taken_);
  const std::size_t body = end_of("\r\n\r\n", 0);
  const std::string_view head = std::string_view(text_).substr(0, body);
  const bool chunked = head.find("Transfer-Encoding: chunked\r\n") != head.npos;
  taken_ = chunked ? end_of_chunks(body) : body + content_length(head);
  while (text_.size() < taken_) read();
  const std::string_view text(text_);
  return {text.substr(0, body), text.substr(body, taken_ - body)};
}

void HttpAnswers::read() {
  std::array<char, 65536> piece{};
  const ssize_t size = ::read(fd_, piece.data(), piece.size());
  if (size <= 0) fail("an answer did not come");
  text_.append(piece.data(), static_cast<std::size_t>(size));
}

// Where `mark` ends, the first one from `from` on.
std::size_t HttpAnswers::end_of(std::string_view mark, std::size_t from) {
  std::size_t at = 0;
  while ((at = text_.find(mark, from)) == text_.npos) read();
  return at + mark.size();
}

std::size_t HttpAnswers::end_of_chunks(std::size_t at) {
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

HttpClient::HttpClient(const std::string& url) : fd_(connect_to(port_of(url))), answers_(fd_) {}

HttpClient::~HttpClient() { ::close(fd_); }

HttpAnswers::Answer HttpClient::get(const std::string& path) {
  send_all(fd_, "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  return answers_.next();
}

}  // namespace push_cache::bench
