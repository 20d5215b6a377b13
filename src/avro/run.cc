#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <type_traits>

#include "avro/program.h"
#include "avro/reader.h"
#include "avro/text.h"
#include "base/limits.h"
#include "base/utf8.h"

namespace push_cache::avro {
namespace {

// Why a datum is refused.
enum class Fault : std::uint8_t {
  kNone,
  kTruncated,
  kVarint,
  kBoolean,
  kLength,
  kUtf8,
  kEnumIndex,
  kEnumSymbol,
  kBranch,
  kBlockSize,
  kDepth,
  kZeroSize,
  kTooMuchText,
  kLeftOver,
  kUnresolvable,
};

constexpr std::array<std::string_view, 15> kFaultTexts = {
    "no fault",
    "the datum ends before this value does",
    "a number that does not end or does not fit its type",
    "a boolean must be 0 or 1",
    "a length that is negative or more than the bytes left",
    "a string that is not UTF-8",
    "the enum has no such symbol",
    "the reader's enum does not have this symbol and has no default",
    "the union has no such branch",
    "a block's byte size is not that of its items",
    "nested too deeply",
    "too many items without any bytes",
    "its JSON would be too long",
    "bytes are left over behind the datum",
    "the reader's schema cannot take this value",
};

// Output goes to a raw place; `room` makes sure of it first.
class Writer {
 public:
  explicit Writer(Buffer& out) : out_(out), start_(out.size()), at_(out.reserve(256)) {
    end_ = out.data() + out.capacity();
  }

  char* room(std::size_t bytes) {
    if (static_cast<std::size_t>(end_ - at_) < bytes) [[unlikely]] {
      grow(bytes);
    }
    return at_;
  }
  void moved_to(char* at) { at_ = at; }
  void put(char byte) { *at_++ = byte; }  // after `room`
  std::size_t size() const { return static_cast<std::size_t>(at_ - out_.data()); }
  void rewind(std::size_t size) { at_ = out_.data() + size; }
  void finish() { out_.commit(size() - out_.size()); }

 private:
  void grow(std::size_t bytes) {
    const std::size_t used = size();
    out_.commit(used - out_.size());
    at_ = out_.reserve(bytes);
    end_ = out_.data() + out_.capacity();
    // Not committed: the buffer must be as it was should the datum prove bad.
    out_.truncate(start_);
  }

  Buffer& out_;
  std::size_t start_;
  char* at_;
  char* end_;
};

// For checking only: nothing is written.
class NullWriter {
 public:
  char* room(std::size_t) { return nullptr; }
  void moved_to(char*) {}
  void put(char) {}
  std::size_t size() const { return 0; }
  void rewind(std::size_t) {}
  void finish() {}
};

constexpr std::uint64_t kHighBits = 0x8080808080808080ULL;
constexpr std::uint64_t kOnes = 0x0101010101010101ULL;

std::uint64_t load8(const std::uint8_t* place) {
  std::uint64_t word;
  std::memcpy(&word, place, sizeof word);
  return word;
}

// Zero when all eight bytes are plain: ASCII without quote, backslash or control character.
std::uint64_t special(std::uint64_t word) {
  const std::uint64_t control = word - kOnes * 0x20;
  const std::uint64_t quote = (word ^ (kOnes * '"')) - kOnes;
  const std::uint64_t backslash = (word ^ (kOnes * '\\')) - kOnes;
  return (control | quote | backslash | word) & kHighBits;
}

bool plain_byte(std::uint8_t byte) {
  return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

// A level of an array, a map or a call.
struct Frame {
  std::uint64_t items_left = 0;      // of the block
  std::size_t item_start = 0;        // where in the datum the item began
  std::size_t block_end = SIZE_MAX;  // where the block says it ends; SIZE_MAX = it does not say
  std::uint32_t back = 0;            // of a call: the instruction to return to
  std::uint32_t slots = 0;           // of a call: the caller's first slot
};

std::vector<std::size_t>& slot_scratch() {
  thread_local std::vector<std::size_t> slots;
  return slots;
}

template <typename Out>
class Machine {
 public:
  Machine(const Program& program, Bytes datum, Out& out)
      : program_(program), reader_(datum), out_(out) {}

  Fault run();
  std::size_t position() const { return reader_.position(); }
  std::uint32_t message() const { return message_; }

 private:
  static constexpr bool kRender = !std::is_same_v<Out, NullWriter>;

  // Bytes behind their length.
  Fault sized(Bytes& bytes) {
    const std::size_t begin = reader_.position();
    std::int64_t size = 0;
    if (!reader_.read_long(size)) return Fault::kVarint;
    if (size >= 0 && reader_.read_fixed(static_cast<std::size_t>(size), bytes)) return Fault::kNone;
    reader_.seek(begin);
    return Fault::kLength;
  }
  Fault string();
  void string_slow(Bytes text, std::size_t from);
  Fault base64(Bytes bytes);
  Fault decimal(Bytes bytes, unsigned scale);
  Fault enumeration(const Instruction& at);
  // Reads block headers up to one with items. `more` = false at the end of the array or map.
  Fault next_block(Frame& frame, bool& more);
  Fault next_item(bool& more);

  template <typename Write>
  void text(Write write) {
    if constexpr (kRender) out_.moved_to(write(out_.room(kTextBytesMax)));
  }

  // Literals are copied in pieces of 16 bytes; both the program's text and the output have room.
  void literal(const Instruction& at) {
    if constexpr (kRender) {
      const char* from = program_.text.data() + at.literal;
      char* to = out_.room(at.literal_bytes + 16);
      char* const end = to + at.literal_bytes;
      do {
        std::memcpy(to, from, 16);
        to += 16;
        from += 16;
      } while (to < end);
      out_.moved_to(end);
    }
  }

  const Program& program_;
  Reader reader_;
  Out& out_;
  std::size_t text_bytes_ =
      0;  // of literals: the part of the output that the datum's size does not bound
  std::size_t zero_size_items_ = 0;
  std::uint32_t message_ = 0;
  std::size_t depth_ = 0;
  std::array<Frame, limits::kDatumDepthMax> frames_;
};

template <typename Out>
Fault Machine<Out>::string() {
  Bytes bytes;
  const std::size_t begin = reader_.position();
  if (const Fault fault = sized(bytes); fault != Fault::kNone) return fault;
  const std::uint8_t* const from = bytes.data();
  const std::size_t length = bytes.size();
  char* to = nullptr;
  if constexpr (kRender) {
    to = out_.room(length + 2 + 8);
    *to++ = '"';
  }
  std::size_t i = 0;
  for (; i + 8 <= length; i += 8) {
    const std::uint64_t word = load8(from + i);
    if (special(word) != 0) break;
    if constexpr (kRender) std::memcpy(to + i, &word, 8);
  }
  if (i + 8 > length) {
    for (; i < length && plain_byte(from[i]); ++i) {
      if constexpr (kRender) to[i] = static_cast<char>(from[i]);
    }
  }
  if (i == length) {
    if constexpr (kRender) {
      to[length] = '"';
      out_.moved_to(to + length + 1);
    }
    return Fault::kNone;
  }
  const std::string_view rest(reinterpret_cast<const char*>(from) + i, length - i);
  if (!is_utf8(rest)) {
    reader_.seek(begin);
    return Fault::kUtf8;
  }
  if constexpr (kRender) {
    out_.moved_to(to + i);
    string_slow(bytes, i);
  }
  return Fault::kNone;
}

// The rest of a string that has something to escape, or letters beyond ASCII.
template <typename Out>
void Machine<Out>::string_slow(Bytes bytes, std::size_t from) {
  constexpr std::size_t kStep = 1024;
  constexpr std::string_view kHex = "0123456789abcdef";
  while (from < bytes.size()) {
    const std::size_t end = std::min(bytes.size(), from + kStep);
    char* to = out_.room(kStep * 6 + 1);  // the longest escape is \u00XX
    for (; from < end; ++from) {
      const std::uint8_t byte = bytes[from];
      if (byte >= 0x80 || plain_byte(byte)) {
        *to++ = static_cast<char>(byte);
        continue;
      }
      *to++ = '\\';
      switch (byte) {
        case '"':
        case '\\':
          *to++ = static_cast<char>(byte);
          break;
        case '\b':
          *to++ = 'b';
          break;
        case '\f':
          *to++ = 'f';
          break;
        case '\n':
          *to++ = 'n';
          break;
        case '\r':
          *to++ = 'r';
          break;
        case '\t':
          *to++ = 't';
          break;
        default:
          std::memcpy(to, "u00", 3);
          to[3] = kHex[byte >> 4];
          to[4] = kHex[byte & 15];
          to += 5;
      }
    }
    out_.moved_to(to);
  }
  out_.put('"');
}

template <typename Out>
Fault Machine<Out>::base64(Bytes bytes) {
  if constexpr (kRender) {
    char* to = out_.room((bytes.size() + 2) / 3 * 4 + 2);
    *to++ = '"';
    to = write_base64(to, bytes);
    *to++ = '"';
    out_.moved_to(to);
  }
  return Fault::kNone;
}

template <typename Out>
Fault Machine<Out>::decimal(Bytes bytes, unsigned scale) {
  if (bytes.size() > kDecimalBytesMax) return base64(bytes);
  if constexpr (kRender) {
    out_.moved_to(write_decimal(out_.room(kDecimalTextMax), bytes, scale));
  }
  return Fault::kNone;
}

template <typename Out>
Fault Machine<Out>::enumeration(const Instruction& at) {
  std::int64_t index = 0;
  const std::size_t before = reader_.position();
  if (!reader_.read_int(index)) return Fault::kVarint;
  if (index < 0 || index >= at.b) {
    reader_.seek(before);
    return Fault::kEnumIndex;
  }
  const Piece& piece = program_.pieces[at.a + static_cast<std::size_t>(index)];
  if (piece.bytes == 0) {
    reader_.seek(before);
    return Fault::kEnumSymbol;
  }
  text_bytes_ += piece.bytes;
  if constexpr (kRender) {
    char* to = out_.room(piece.bytes);
    std::memcpy(to, program_.text.data() + piece.offset, piece.bytes);
    out_.moved_to(to + piece.bytes);
  }
  return Fault::kNone;
}

template <typename Out>
Fault Machine<Out>::next_block(Frame& frame, bool& more) {
  if (frame.block_end != SIZE_MAX && frame.block_end != reader_.position()) {
    return Fault::kBlockSize;
  }
  std::int64_t count = 0;
  if (!reader_.read_long(count)) return Fault::kVarint;
  frame.block_end = SIZE_MAX;
  if (count < 0) {
    if (count == std::numeric_limits<std::int64_t>::min()) return Fault::kVarint;
    count = -count;
    std::int64_t size = 0;
    if (!reader_.read_long(size)) return Fault::kVarint;
    if (size < 0 || static_cast<std::uint64_t>(size) > reader_.left()) return Fault::kLength;
    frame.block_end = reader_.position() + static_cast<std::size_t>(size);
  }
  more = count != 0;
  frame.items_left = static_cast<std::uint64_t>(count);
  frame.item_start = reader_.position();
  return Fault::kNone;
}

// After an item: whether another one follows in this or a later block.
template <typename Out>
Fault Machine<Out>::next_item(bool& more) {
  Frame& frame = frames_[depth_ - 1];
  if (reader_.position() == frame.item_start && ++zero_size_items_ > limits::kZeroSizeItemsMax) {
    return Fault::kZeroSize;
  }
  if (text_bytes_ > limits::kJsonBytesMax) return Fault::kTooMuchText;
  if (--frame.items_left > 0) {
    frame.item_start = reader_.position();
    more = true;
  } else {
    if (const Fault fault = next_block(frame, more); fault != Fault::kNone) return fault;
  }
  if (!more) {
    --depth_;
    return Fault::kNone;
  }
  ++text_bytes_;
  if constexpr (kRender) {
    (void)out_.room(1);
    out_.put(',');
  }
  return Fault::kNone;
}

template <typename Out>
Fault Machine<Out>::run() {
  const Instruction* const code = program_.code.data();
  const Instruction* at = code;
  std::vector<std::size_t>& slots = slot_scratch();
  std::uint32_t slot_base = 0;
  slots.resize(program_.functions[0].slots);
  std::uint32_t slots_used = program_.functions[0].slots;
  std::size_t muted_at = 0;
  Fault fault = Fault::kNone;
  for (;; ++at) {
    if (at->literal_bytes != 0) {
      literal(*at);
      text_bytes_ += at->literal_bytes;
    }
    switch (at->code) {
      case Code::kBoolean: {
        if (reader_.left() == 0) return Fault::kTruncated;
        Bytes byte;
        (void)reader_.read_fixed(1, byte);
        if (byte[0] > 1) {
          reader_.seek(reader_.position() - 1);
          return Fault::kBoolean;
        }
        if constexpr (kRender) {
          char* to = out_.room(5);
          if (byte[0] == 1) {
            std::memcpy(to, "true", 4);
            out_.moved_to(to + 4);
          } else {
            std::memcpy(to, "false", 5);
            out_.moved_to(to + 5);
          }
        }
        break;
      }
      case Code::kInt: {
        std::int64_t value = 0;
        if (!reader_.read_int(value)) return Fault::kVarint;
        text([value](char* to) { return write_long(to, value); });
        break;
      }
      case Code::kLong: {
        std::int64_t value = 0;
        if (!reader_.read_long(value)) return Fault::kVarint;
        text([value](char* to) { return write_long(to, value); });
        break;
      }
      case Code::kIntAsDouble:
      case Code::kLongAsDouble: {
        std::int64_t value = 0;
        if (!(at->code == Code::kIntAsDouble ? reader_.read_int(value)
                                             : reader_.read_long(value))) {
          return Fault::kVarint;
        }
        text([value](char* to) { return write_double(to, static_cast<double>(value)); });
        break;
      }
      case Code::kIntAsFloat:
      case Code::kLongAsFloat: {
        std::int64_t value = 0;
        if (!(at->code == Code::kIntAsFloat ? reader_.read_int(value) : reader_.read_long(value))) {
          return Fault::kVarint;
        }
        text([value](char* to) { return write_float(to, static_cast<float>(value)); });
        break;
      }
      case Code::kFloat: {
        float value = 0;
        if (!reader_.read_number(value)) return Fault::kTruncated;
        const bool wide = at->a != 0;
        text([value, wide](char* to) {
          return wide ? write_double(to, static_cast<double>(value)) : write_float(to, value);
        });
        break;
      }
      case Code::kDouble: {
        double value = 0;
        if (!reader_.read_number(value)) return Fault::kTruncated;
        text([value](char* to) { return write_double(to, value); });
        break;
      }
      case Code::kString:
        if (fault = string(); fault != Fault::kNone) return fault;
        break;
      case Code::kBytes:
      case Code::kDecimalBytes: {
        Bytes bytes;
        if (fault = sized(bytes); fault != Fault::kNone) return fault;
        at->code == Code::kBytes ? base64(bytes) : decimal(bytes, at->a);
        break;
      }
      case Code::kFixed:
      case Code::kDecimalFixed: {
        Bytes bytes;
        const bool plain = at->code == Code::kFixed;
        if (!reader_.read_fixed(plain ? at->a : at->b, bytes)) return Fault::kTruncated;
        plain ? base64(bytes) : decimal(bytes, at->a);
        break;
      }
      case Code::kUuidFixed: {
        Bytes bytes;
        if (!reader_.read_fixed(16, bytes)) return Fault::kTruncated;
        text([bytes](char* to) { return write_uuid(to, bytes); });
        break;
      }
      case Code::kDuration: {
        Bytes bytes;
        if (!reader_.read_fixed(12, bytes)) return Fault::kTruncated;
        text([bytes](char* to) { return write_duration(to, bytes); });
        break;
      }
      case Code::kEnum:
        if (fault = enumeration(*at); fault != Fault::kNone) return fault;
        break;
      case Code::kDate: {
        std::int64_t value = 0;
        if (!reader_.read_int(value)) return Fault::kVarint;
        text([value](char* to) { return write_date(to, value); });
        break;
      }
      case Code::kTime: {
        std::int64_t value = 0;
        const bool is_int = at->a == 3 || at->b != 0;
        if (!(is_int ? reader_.read_int(value) : reader_.read_long(value))) return Fault::kVarint;
        text([value, at](char* to) { return write_time(to, value, at->a); });
        break;
      }
      case Code::kTimestamp: {
        std::int64_t value = 0;
        const bool is_int = (at->b & 2) != 0;
        if (!(is_int ? reader_.read_int(value) : reader_.read_long(value))) return Fault::kVarint;
        text([value, at](char* to) { return write_timestamp(to, value, at->a, (at->b & 1) != 0); });
        break;
      }
      case Code::kUnion: {
        std::int64_t branch = 0;
        const std::size_t before = reader_.position();
        if (!reader_.read_long(branch)) return Fault::kVarint;
        if (branch < 0 || branch >= at->b) {
          reader_.seek(before);
          return Fault::kBranch;
        }
        at = code + program_.targets[at->a + static_cast<std::size_t>(branch)] - 1;
        break;
      }
      case Code::kJump:
        at = code + at->a - 1;
        break;
      case Code::kArray:
      case Code::kMap: {
        if (depth_ == frames_.size()) return Fault::kDepth;
        Frame& frame = frames_[depth_];
        frame.block_end = SIZE_MAX;
        bool more = false;
        if (fault = next_block(frame, more); fault != Fault::kNone) return fault;
        if (more) {
          ++depth_;
        } else {
          at = code + at->a - 1;
        }
        break;
      }
      case Code::kMapKey:
        if (fault = string(); fault != Fault::kNone) return fault;
        if constexpr (kRender) {
          (void)out_.room(1);
          out_.put(':');
        }
        break;
      case Code::kArrayNext:
      case Code::kMapNext: {
        bool more = false;
        if (fault = next_item(more); fault != Fault::kNone) return fault;
        if (more) at = code + at->a - 1;
        break;
      }
      case Code::kCall: {
        if (depth_ == frames_.size()) return Fault::kDepth;
        const Function& function = program_.functions[at->a];
        Frame& frame = frames_[depth_++];
        frame.back = static_cast<std::uint32_t>(at - code);
        frame.slots = slot_base;
        slot_base = slots_used;
        slots_used += function.slots;
        if (slots.size() < slots_used) slots.resize(slots_used);
        at = code + function.entry - 1;
        break;
      }
      case Code::kReturn: {
        const Frame& frame = frames_[--depth_];
        at = code + frame.back;
        slots_used = slot_base;
        slot_base = frame.slots;
        break;
      }
      case Code::kMute:
        muted_at = out_.size();
        break;
      case Code::kUnmute:
        out_.rewind(muted_at);
        break;
      case Code::kSavePlace:
        slots[slot_base + at->a] = reader_.position();
        break;
      case Code::kSeekPlace:
        reader_.seek(slots[slot_base + at->a]);
        break;
      case Code::kFail:
        message_ = at->a + 1;
        return Fault::kUnresolvable;
      case Code::kEnd:
        if (!reader_.at_end()) return Fault::kLeftOver;
        if (text_bytes_ > limits::kJsonBytesMax) return Fault::kTooMuchText;
        out_.finish();
        return Fault::kNone;
    }
  }
}

template <typename Out>
Status run_with(const Program& program, Bytes datum, Out out) {
  Machine<Out> machine(program, datum, out);
  const Fault fault = machine.run();
  if (fault == Fault::kNone) return {};
  std::string text = "byte " + std::to_string(machine.position()) + ": " +
                     std::string(kFaultTexts[static_cast<std::size_t>(fault)]);
  if (machine.message() != 0) text += ": " + program.messages[machine.message() - 1];
  return Error{ErrorCode::kMalformed, std::move(text)};
}

}  // namespace

Status run(const Program& program, Bytes datum, Buffer* out) {
  if (out == nullptr) return run_with(program, datum, NullWriter());
  return run_with(program, datum, Writer(*out));
}

}  // namespace push_cache::avro
