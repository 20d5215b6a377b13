#include "redis/replies.h"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <new>

namespace push_cache::redis {
namespace {

constexpr std::size_t kArenaBlockBytes = 16 * 1024;
constexpr std::size_t kPartsKept = 16 * 1024;
// hiredis moves what is left of its input after each answer that ends beyond its first KiB: pieces
// of this size keep that cheap.
constexpr std::size_t kPieceBytes = 16 * 1024;
constexpr std::size_t kReaderBytesKept = 64 * 1024;
constexpr std::size_t kLengthDigitsMax = 20;

const redisReadTask& current_task(const redisReader& reader) {
#if HIREDIS_MAJOR >= 1
  return *reader.task[reader.ridx];
#else
  return reader.rstack[reader.ridx];
#endif
}

// hiredis wants an object for each part; nothing is ever read from this one.
char object;

}  // namespace

// ---- ReplyArena

void* ReplyArena::allocate(std::size_t bytes) {
  bytes = (bytes + alignof(Reply) - 1) / alignof(Reply) * alignof(Reply);
  if (bytes > left_) {
    const std::size_t size = std::max(bytes, kArenaBlockBytes);
    blocks_.push_back(std::unique_ptr<std::byte[]>(new std::byte[size]));
    if (size > kArenaBlockBytes) return blocks_.back().get();  // the open block stays open
    at_ = blocks_.back().get();
    left_ = size;
  }
  void* const place = at_;
  at_ += bytes;
  left_ -= bytes;
  return place;
}

std::string_view ReplyArena::copy(std::string_view text) {
  if (text.empty()) return {};
  char* const to = static_cast<char*>(allocate(text.size()));
  std::memcpy(to, text.data(), text.size());
  return {to, text.size()};
}

std::span<const Reply> ReplyArena::copy(std::span<const Reply> replies) {
  Reply* const to = static_cast<Reply*>(allocate(replies.size_bytes()));
  std::uninitialized_copy(replies.begin(), replies.end(), to);
  return {to, replies.size()};
}

void ReplyArena::reset() {
  if (blocks_.size() > 1) {
    blocks_.clear();
    at_ = nullptr;
    left_ = 0;
  } else if (!blocks_.empty()) {
    left_ += static_cast<std::size_t>(at_ - blocks_.front().get());
    at_ = blocks_.front().get();
    if (left_ == 0) blocks_.clear();  // one block, larger than the usual: not kept
  }
}

// ---- What hiredis calls

struct ReplyReader::Callbacks {
  static ReplyReader& self(const redisReadTask* task) {
    return *static_cast<ReplyReader*>(task->privdata);
  }

  static void* create_string(const redisReadTask* task, char* text, std::size_t size) {
    ReplyReader& reader = self(task);
    Reply reply;
    switch (task->type) {
      case REDIS_REPLY_STRING:
        reply.type = Reply::Type::kString;
        if (size > reader.caps_.bulk_bytes) return result(reader.refuse("a string is too long"));
        // hiredis has seen that two bytes follow, not which.
        if (text[size] != '\r' || text[size + 1] != '\n') {
          return result(reader.refuse("a string does not end where it should"));
        }
        break;
      case REDIS_REPLY_STATUS:
      case REDIS_REPLY_ERROR:
        reply.type = task->type == REDIS_REPLY_STATUS ? Reply::Type::kStatus : Reply::Type::kError;
        if (size > reader.caps_.line_bytes) return result(reader.refuse("a line is too long"));
        break;
      default:
        return result(reader.refuse("an answer that is not RESP2"));
    }
    reply.text = {text, size};
    if (task->parent != nullptr) {
      reader.bytes_ += size;
      if (reader.bytes_ > reader.caps_.bulk_bytes) {
        return result(reader.refuse("an array is too long"));
      }
      // Unlike the input, this stays until the array is whole.
      reply.text = reader.arena_.copy(reply.text);
    }
    return add(reader, task, reply);
  }

  static void* create_integer(const redisReadTask* task, long long value) {
    Reply reply;
    reply.type = Reply::Type::kInteger;
    reply.integer = value;
    return add(self(task), task, reply);
  }

  static void* create_nil(const redisReadTask* task) {
    // RESP3's own nil; RESP2's are a string or an array.
    if (task->type == REDIS_REPLY_NIL) {
      return result(self(task).refuse("an answer that is not RESP2"));
    }
    return add(self(task), task, Reply());
  }

  // `Count` is int or size_t, as the version has it.
  template <typename Count>
  static void* create_array(const redisReadTask* task, Count count) {
    ReplyReader& reader = self(task);
    if (task->type != REDIS_REPLY_ARRAY) {
      return result(reader.refuse("an answer that is not RESP2"));
    }
    std::size_t depth = 1;
    for (const redisReadTask* up = task->parent; up != nullptr; up = up->parent) ++depth;
    if (depth > reader.caps_.depth) return result(reader.refuse("an array is nested too deep"));
    if (static_cast<std::size_t>(count) > reader.caps_.elements - reader.elements_) {
      return result(reader.refuse("an array has too many elements"));
    }
    reader.elements_ += static_cast<std::size_t>(count);
    if (count > 0) return &object;
    Reply reply;
    reply.type = Reply::Type::kArray;
    return add(reader, task, reply);
  }

#if HIREDIS_MAJOR >= 1
  static void* create_double(const redisReadTask* task, double, char*, std::size_t) {
    return result(self(task).refuse("an answer that is not RESP2"));
  }
  static void* create_bool(const redisReadTask* task, int) {
    return result(self(task).refuse("an answer that is not RESP2"));
  }
#endif

  // Puts a finished part where it belongs. Arrays that it completes become parts of theirs; what
  // has no parent is the answer.
  static void* add(ReplyReader& reader, const redisReadTask* task, Reply reply) {
    while (task->parent != nullptr) {
      reader.parts_.push_back(reply);
      if (task->idx + 1 != task->parent->elements) return &object;
      task = task->parent;
      const std::size_t count = static_cast<std::size_t>(task->elements);
      reply = Reply();
      reply.type = Reply::Type::kArray;
      reply.elements = reader.arena_.copy(std::span<const Reply>(reader.parts_).last(count));
      reader.parts_.resize(reader.parts_.size() - count);
    }
    return result(reader.deliver(reply));
  }

  static void* result(bool good) { return good ? &object : nullptr; }
};

namespace {

// hiredis takes it as not const.
redisReplyObjectFunctions& functions(redisReplyObjectFunctions made) {
  static redisReplyObjectFunctions kept = made;
  return kept;
}

}  // namespace

// ---- ReplyReader

void ReplyReader::Free::operator()(redisReader* reader) const { redisReaderFree(reader); }

ReplyReader::ReplyReader(Handler& handler, const ReplyCaps& caps) : handler_(handler), caps_(caps) {
  redisReplyObjectFunctions made = {};
  made.createString = Callbacks::create_string;
  made.createArray = Callbacks::create_array;
  made.createInteger = Callbacks::create_integer;
  made.createNil = Callbacks::create_nil;
#if HIREDIS_MAJOR >= 1
  made.createDouble = Callbacks::create_double;
  made.createBool = Callbacks::create_bool;
#endif
  reader_.reset(redisReaderCreateWithFunctions(&functions(made)));
  if (reader_ == nullptr) throw std::bad_alloc();
  reader_->privdata = this;
  reader_->maxbuf = kReaderBytesKept;
#if HIREDIS_MAJOR >= 1
  reader_->maxelements = static_cast<long long>(caps_.elements);
#endif
}

ReplyReader::~ReplyReader() = default;

bool ReplyReader::deliver(const Reply& reply) {
  const bool more = handler_.on_reply(reply);
  arena_.reset();
  if (parts_.capacity() > kPartsKept) parts_ = {};
  elements_ = 0;
  bytes_ = 0;
  if (!more) stopped_ = true;
  return more;
}

bool ReplyReader::refuse(std::string_view why) {
  why_ = why;
  return false;
}

// hiredis keeps what it is fed until a part is whole: whether that may become too long is seen
// here.
bool ReplyReader::check_pending() {
  const redisReader& reader = *reader_;
  if (reader.ridx < 0 || reader.pos >= reader.len) return true;
  const std::string_view pending(reader.buf + reader.pos, reader.len - reader.pos);
  if (current_task(reader).type != REDIS_REPLY_STRING) {
    return pending.size() <= caps_.line_bytes + 1 || refuse("a line is too long");  // its CR
  }
  // Strict, so that it does not matter where the stream is cut: hiredis looks at a whole line only.
  const std::string_view head = pending.substr(0, kLengthDigitsMax + 1);
  const std::string_view length = head.substr(0, head.find('\r'));
  if (length.size() > kLengthDigitsMax ||
      length.find_first_not_of("-0123456789") != std::string_view::npos ||
      (pending.size() > length.size() + 1 && pending[length.size() + 1] != '\n')) {
    return refuse("a length that is none");
  }
  std::size_t size = 0;
  const auto parsed = std::from_chars(length.data(), length.data() + length.size(), size);
  if (length.size() == pending.size() || parsed.ec != std::errc()) return true;
  return size <= caps_.bulk_bytes - bytes_ || refuse("a string is too long");
}

Error ReplyReader::failure() const {
  return {ErrorCode::kMalformed, "Redis answered with what this version does not understand",
          why_.empty() ? std::string(reader_->errstr) : why_};
}

Status ReplyReader::feed(std::string_view bytes) {
  if (stopped_) return {};
  if (!why_.empty() || reader_->err != 0) return failure();
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kPieceBytes);
    bytes.remove_prefix(piece.size());
    bool good = redisReaderFeed(reader_.get(), piece.data(), piece.size()) == REDIS_OK;
    void* answer = &object;
    while (good && answer != nullptr) {
      good = redisReaderGetReply(reader_.get(), &answer) == REDIS_OK;
    }
    if (stopped_) return {};
    if (!good || !check_pending()) return failure();
  }
  return {};
}

}  // namespace push_cache::redis
