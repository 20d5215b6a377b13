// One connection of a loop: reads, answers, writes. Only for src/http; everything but `post` runs
// on the loop's thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/buffer.h"
#include "http/head.h"
#include "http/http.h"
#include "http/parser.h"
#include "http/wheel.h"

namespace push_cache::http {

class Loop;

// Memory for the one Asio operation of its kind that a connection has under way, so that waiting
// for the socket never allocates.
class OperationMemory {
 public:
  void* take(std::size_t bytes) {
    if (used_ || bytes > sizeof bytes_) return ::operator new(bytes);
    used_ = true;
    return bytes_;
  }
  void give_back(void* place) {
    if (place == bytes_) {
      used_ = false;
    } else {
      ::operator delete(place);
    }
  }

 private:
  alignas(std::max_align_t) unsigned char bytes_[160];
  bool used_ = false;
};

template <typename T>
struct OperationAllocator {
  using value_type = T;
  explicit OperationAllocator(OperationMemory& from) : memory(&from) {}
  template <typename U>
  OperationAllocator(const OperationAllocator<U>& other) : memory(other.memory) {}  // NOLINT
  T* allocate(std::size_t count) { return static_cast<T*>(memory->take(count * sizeof(T))); }
  void deallocate(T* place, std::size_t /*count*/) { memory->give_back(place); }
  template <typename U>
  bool operator==(const OperationAllocator<U>& other) const {
    return memory == other.memory;
  }
  OperationMemory* memory;
};

// The socket is only waited for; reads and writes are made by hand when it is ready, so an idle
// connection holds no buffer: both come from the loop's pool and go back when they are empty.
//
// Life: made by the loop and in its list until its socket is closed, no wait is under way and no
// exchange is open (the loop frees what is left after its thread has ended). `post` may be called
// by any thread while an exchange is open, and what it queues holds a reference.
class Connection final : public Exchange, public WheelEntry {
 public:
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp,
                                                  boost::asio::io_context::executor_type>;

  Connection(Loop& loop, Socket socket);
  ~Connection() override;

  void start();          // waits for the first request
  void start_refused();  // answers 503 and closes
  void on_deadline();
  void drain();  // see Server::drain
  void shut();   // closes at once, whatever is under way
  bool is_refused() const { return refused_; }

  // Exchange
  const Request& request() const override { return parsed_.request; }
  void set_rest(std::string_view rest) override { parsed_.request.rest = rest; }
  void set_route(std::size_t route) override;
  Buffer& begin(unsigned status, const Head& head) override;
  void abandon() override;
  void finish() override;
  void stream(unsigned status, const Head& head, std::unique_ptr<BodySource> source) override;
  void post(std::function<void()> task) override;
  unsigned loop_index() const override;

  void release();  // one reference; the last one ends the connection

  // For the loop's list of all its connections.
  Connection* before = nullptr;
  Connection* after = nullptr;

 private:
  struct ReadWait;
  struct WriteWait;
  struct PostedTask;
  enum class Phase : std::uint8_t { kServing, kLingering, kGone };

  void on_readable();
  void on_writable();
  void linger_read();
  void wait_read();
  void wait_write();
  bool receive();
  void run();
  void go_on();
  bool answer_batch();
  bool open_next();
  bool parse_head(std::string_view bytes);
  bool take_chunks();
  bool need_more();
  void refuse(Fault fault);
  void write_fault(const Fault& fault, std::string_view retry_after);
  void append_piece();
  void close_piece(std::size_t at);
  void fail_source(const Error& error);
  void end_exchange();
  void note_request();
  void settle_run();
  bool flush();
  void give_back_output();
  void compact_input();
  void lost();
  void end_serving();
  void close();
  void maybe_end();
  ConnectionLine connection_line() const;

  Loop& loop_;
  Socket socket_;
  std::atomic<int> references_{1};
  std::uint32_t generation_ = 0;  // of the exchange: a task of an earlier one is dropped

  Phase phase_ = Phase::kServing;
  bool refused_ = false;
  bool read_waits_ = false;
  bool write_waits_ = false;
  bool eof_ = false;       // the client has shut its side
  bool lost_ = false;      // the socket is of no use; waits for the exchange to end
  bool closing_ = false;   // after what is written
  bool open_ = false;      // an exchange
  bool begun_ = false;     // a response of it
  bool driven_ = false;    // within a call of the handler or a task: what called it goes on itself
  bool in_batch_ = false;  // within the handler's call for a request that has just been opened
  bool bodiless_ = false;  // the response's body is dropped
  bool chunked_out_ = false;
  bool continued_ = false;  // "100 Continue" was sent for this request

  // Input: the present request starts at in_at_.
  Buffer in_;
  std::size_t in_at_ = 0;
  HeaderScan scan_;
  std::size_t header_bytes_ = 0;  // 0 = not known yet
  std::size_t body_bytes_ = 0;
  std::int64_t request_deadline_ms_ = kNoDeadline;
  std::unique_ptr<ChunkedBody> chunks_;
  std::unique_ptr<JoinedValues> joined_;
  ParsedHeader parsed_;

  // Of the exchange, for the counts and the request log.
  std::chrono::nanoseconds began_{0};
  std::size_t route_ = 0;
  unsigned status_ = 0;
  std::uint64_t answer_bytes_ = 0;  // of its body
  // Requests of one route that were answered at once, one behind the other, and are not timed yet:
  // one look at the clock does for all.
  std::uint64_t run_ = 0;
  std::size_t run_route_ = 0;

  // Output: sent up to out_sent_.
  Buffer out_;
  std::size_t out_sent_ = 0;
  std::size_t response_at_ = 0;
  std::size_t body_at_ = 0;
  std::size_t length_place_ = 0;
  std::unique_ptr<BodySource> source_;
  bool source_waits_ = false;  // for its `wake`

  OperationMemory read_memory_;
  OperationMemory write_memory_;
};

}  // namespace push_cache::http
