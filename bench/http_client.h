// A small blocking HTTP client for loopback. Anything unexpected ends the benchmark.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace push_cache::bench {

// A connected socket with TCP_NODELAY, whose reads give up after some seconds.
int connect_to(std::uint16_t port);

// Sends what the socket's buffer has room for: a few requests when all before are answered.
void send_all(int fd, std::string_view text);

// Reads answers one after the other from a socket that it borrows.
class HttpAnswers {
 public:
  explicit HttpAnswers(int fd) : fd_(fd) {}

  struct Answer {
    std::string_view head;
    std::string_view body;
    int status() const;
  };
  // Valid until the next call. The body of a chunked answer is given with its chunks' heads.
  Answer next();

 private:
  void read();
  std::size_t end_of(std::string_view mark, std::size_t from);
  std::size_t end_of_chunks(std::size_t at);

  const int fd_;
  std::string text_;
  std::size_t taken_ = 0;
};

// One kept connection for single requests.
class HttpClient {
 public:
  // `url`: "http://127.0.0.1:34567/hams", as the program prints it.
  explicit HttpClient(const std::string& url);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // The answer for a path from the root. Valid until the next call.
  HttpAnswers::Answer get(const std::string& path);

 private:
  const int fd_;
  HttpAnswers answers_;
};

}  // namespace push_cache::bench
