// RESP2 answers out of a stream of bytes, by hiredis' reader
// (https://redis.io/docs/reference/protocol-spec/).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "redis/client.h"

struct redisReader;

namespace push_cache::redis {

// What one answer may be; beyond, the stream is given up.
struct ReplyCaps {
  std::size_t bulk_bytes = limits::kRedisBulkBytesMax;  // one string; all strings of one array
  std::size_t elements = limits::kRedisElementsMax;     // of all levels of one array together
  std::size_t depth = limits::kRedisDepthMax;           // arrays within arrays
  std::size_t line_bytes = limits::kRedisLineBytesMax;
};

// Memory for the parts of one array: grows in blocks that stay where they are; `reset` keeps one.
class ReplyArena {
 public:
  std::string_view copy(std::string_view text);
  std::span<const Reply> copy(std::span<const Reply> replies);
  void reset();

 private:
  void* allocate(std::size_t bytes);

  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::byte* at_ = nullptr;
  std::size_t left_ = 0;
};

// Not safe from several threads.
class ReplyReader {
 public:
  class Handler {
   public:
    // One whole answer, within `feed`. It lives during the call: a string that is no element of an
    // array lies in the reader's input. False: nothing more is read, for ever.
    virtual bool on_reply(const Reply& reply) = 0;

   protected:
    ~Handler() = default;
  };

  // `handler` must live as long as the reader.
  explicit ReplyReader(Handler& handler, const ReplyCaps& caps = {});
  ~ReplyReader();
  ReplyReader(const ReplyReader&) = delete;
  ReplyReader& operator=(const ReplyReader&) = delete;

  // Takes any piece of the stream. kMalformed (also for a cap that was passed) is for ever: the
  // same for all that follows. Memory grows with what has arrived, never with what is only
  // announced.
  Status feed(std::string_view bytes);

 private:
  struct Callbacks;  // what hiredis calls

  bool deliver(const Reply& reply);
  bool refuse(std::string_view why);
  bool check_pending();
  Error failure() const;

  Handler& handler_;
  ReplyCaps caps_;
  struct Free {
    void operator()(redisReader* reader) const;
  };
  std::unique_ptr<redisReader, Free> reader_;
  ReplyArena arena_;
  std::vector<Reply> parts_;  // finished elements of arrays that are not
  std::size_t elements_ = 0;  // announced so far by the array being read
  std::size_t bytes_ = 0;     // in its strings
  bool stopped_ = false;
  std::string why_;
};

}  // namespace push_cache::redis
