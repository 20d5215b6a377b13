#include "avro/interpreter.h"

#include <array>
#include <cstring>
#include <limits>
#include <vector>

#include "avro/format.h"
#include "avro/interpreter_parts.h"
#include "avro/map_keys.h"
#include "avro/wire.h"
#include "base/utf8.h"

namespace push_cache::avro {
namespace {

// The open arrays, maps and calls.
struct Frame {
  const Op* back;             // of a call: where to return to
  std::uint64_t left;         // items left in the block
  const std::uint8_t* block;  // where the block began that said its length, else nullptr
  std::uint64_t block_bytes;
  const std::uint8_t** slots;  // of a call: the caller's
};

// Slots of programs that read fields out of order; kept, so that a datum allocates nothing.
const std::uint8_t** slots_of(const Program& program) {
  if (program.slots == 0) return nullptr;
  thread_local std::vector<const std::uint8_t*> slots;
  if (slots.size() < program.slots) slots.resize(program.slots);
  return slots.data();
}

enum class Mode { kRender, kCheck };

#define PUSH_CACHE_INLINE __attribute__((always_inline))

// One function for both modes, so that they agree. All state is in local variables whose address is
// never taken: a store through `to` may alias anything else, and would make each of them be loaded
// again.
// `keys`: to render a program that has maps.
template <Mode kMode>
Outcome run(const Program& program, std::uint32_t start, Bytes datum, Buffer* out, MapKeys* keys) {
  constexpr bool kRender = kMode == Mode::kRender;
  const Op* const ops = program.ops.data();
  const Op* pc = ops + start;
  const std::uint8_t* at = datum.data();
  const std::uint8_t* const end = at + datum.size();
  std::array<Frame, limits::kDatumDepthMax> frames;  // NOLINT: filled as they are opened
  std::size_t depth = 0;
  const std::uint8_t** slots = slots_of(program);
  std::uint64_t zero_size_items = 0;
  std::uint64_t json_bytes = 0;  // kCheck: at most so many

  std::size_t out_start = 0;
  char* to = nullptr;
  char* limit = nullptr;
  if constexpr (kRender) {
    out_start = out->size();
    to = out->reserve(256);
    limit = out->data() + out->capacity();
  }

  const auto sync = [&]() PUSH_CACHE_INLINE {
    if constexpr (kRender) {
      out->commit(static_cast<std::size_t>(to - (out->data() + out->size())));
    }
  };
  const auto reload = [&]() PUSH_CACHE_INLINE {
    if constexpr (kRender) {
      to = out->data() + out->size();
      limit = out->data() + out->capacity();
    }
  };
  // False when the JSON is too large. Only growing is checked here; the rest is, at the end.
  const auto room = [&](std::uint64_t bytes) PUSH_CACHE_INLINE -> bool {
    if constexpr (kRender) {
      if (static_cast<std::uint64_t>(limit - to) >= bytes) [[likely]]
        return true;
      sync();
      if (out->size() - out_start > program.json_bytes_max) return false;
      out->reserve(bytes);
      reload();
      return true;
    } else {
      json_bytes += bytes;
      return json_bytes <= program.json_bytes_max;
    }
  };
  const auto fault = [&](Fault what, const std::uint8_t* where, std::uint64_t a = 0,
                         std::uint64_t b = 0) PUSH_CACHE_INLINE {
    sync();
    Outcome outcome;
    outcome.fault = what;
    outcome.where = where;
    outcome.a = a;
    outcome.b = b;
    outcome.json_bytes = json_bytes;
    return outcome;
  };
  const auto left = [&]() PUSH_CACHE_INLINE { return static_cast<std::uint64_t>(end - at); };
  // A string's characters with quotes; false when they are not UTF-8.
  const auto put_string = [&](const std::uint8_t* text, std::size_t size)
                              PUSH_CACHE_INLINE -> bool {
    const std::string_view whole(reinterpret_cast<const char*>(text), size);
    if constexpr (kRender) {
      *to++ = '"';
      const std::size_t plain = copy_plain<true>(to, text, size, end);
      to += plain;
      if (plain != size) [[unlikely]] {
        if (!is_utf8(whole.substr(plain))) return false;
        sync();
        append_json_escaped(*out, whole.substr(plain));
        out->reserve(kCopySlack);
        reload();
      }
      *to++ = '"';
      return true;
    } else {
      const std::size_t plain = copy_plain<false>(nullptr, text, size, end);
      return plain == size || is_utf8(whole.substr(plain));
    }
  };

  for (;;) {
    const Op& op = *pc;
    if (!room(op.room)) [[unlikely]]
      return fault(Fault::kTooLarge, at);
    if constexpr (kRender) to = copy_text(to, op.text, op.text_size);
    switch (op.code) {
      case OpCode::kText:
        ++pc;
        continue;

      case OpCode::kBoolean: {
        if (at == end) return fault(Fault::kCut, at, 1, 0);
        if (*at > 1) return fault(Fault::kBoolean, at, *at);
        if constexpr (kRender) to = write_boolean(to, *at != 0);
        ++at;
        ++pc;
        continue;
      }

      case OpCode::kInt:
      case OpCode::kLong:
      case OpCode::kIntAsFloat:
      case OpCode::kIntAsDouble:
      case OpCode::kLongAsFloat:
      case OpCode::kLongAsDouble: {
        const Varint varint = read_varint(at, end);
        if (varint.next == nullptr) return fault(Fault::kVarint, at);
        const std::int64_t value = unzigzag(varint.raw);
        const bool is_int = op.code == OpCode::kInt || op.code == OpCode::kIntAsFloat ||
                            op.code == OpCode::kIntAsDouble;
        if (is_int && !is_int32(value)) {
          return fault(Fault::kIntRange, at, static_cast<std::uint64_t>(value));
        }
        if constexpr (kRender) {
          if (op.code == OpCode::kInt || op.code == OpCode::kLong) {
            to = write_long(to, value);
          } else if (op.code == OpCode::kIntAsDouble || op.code == OpCode::kLongAsDouble) {
            to = write_double(to, static_cast<double>(value));
          } else {
            to = write_float(to, static_cast<float>(value));
          }
        }
        at = varint.next;
        ++pc;
        continue;
      }

      case OpCode::kFloat:
      case OpCode::kFloatAsDouble: {
        if (left() < sizeof(float)) return fault(Fault::kCut, at, sizeof(float), left());
        if constexpr (kRender) {
          const auto value = load<float>(at);
          to = op.code == OpCode::kFloat ? write_float(to, value) : write_double(to, value);
        }
        at += sizeof(float);
        ++pc;
        continue;
      }

      case OpCode::kDouble: {
        if (left() < sizeof(double)) return fault(Fault::kCut, at, sizeof(double), left());
        if constexpr (kRender) to = write_double(to, load<double>(at));
        at += sizeof(double);
        ++pc;
        continue;
      }

      case OpCode::kString: {
        const Sized sized = read_sized(at, end);
        if (sized.fault != Fault::kNone) return fault(sized.fault, at, sized.size, sized.left);
        const std::size_t needed = kRender ? sized.size : 6 * sized.size;
        if (!room(needed + kCopySlack)) return fault(Fault::kTooLarge, at);
        if (!put_string(sized.text, sized.size)) return fault(Fault::kUtf8, at);
        at = sized.text + sized.size;
        ++pc;
        continue;
      }

      case OpCode::kBytes:
      case OpCode::kFixed:
      case OpCode::kDecimal:
      case OpCode::kDecimalFixed: {
        const bool fixed = op.code == OpCode::kFixed || op.code == OpCode::kDecimalFixed;
        const Sized sized = fixed ? read_fixed(at, end, op.code == OpCode::kFixed ? op.a : op.b)
                                  : read_sized(at, end);
        if (sized.fault != Fault::kNone) return fault(sized.fault, at, sized.size, sized.left);
        const bool decimal = op.code == OpCode::kDecimal || op.code == OpCode::kDecimalFixed;
        const std::uint64_t needed = kRender ? 0 : 3 * sized.size + (decimal ? op.a : 0);
        if (!room(needed + kCopySlack)) return fault(Fault::kTooLarge, at);
        if constexpr (kRender) {
          sync();
          const Bytes bytes(sized.text, sized.size);
          if (decimal) {
            append_decimal(*out, bytes, op.a);
          } else {
            out->append('"');
            append_base64(*out, bytes);
            out->append('"');
          }
          reload();
        }
        at = sized.text + sized.size;
        ++pc;
        continue;
      }

      case OpCode::kEnum: {
        const Varint varint = read_varint(at, end);
        if (varint.next == nullptr) return fault(Fault::kVarint, at);
        const auto index = static_cast<std::uint64_t>(unzigzag(varint.raw));
        if (index >= op.b) return fault(Fault::kEnum, at, index, op.b);
        const Choice& choice = program.choices[op.a + index];
        if (choice.size == Choice::kUnresolved) {
          return fault(Fault::kUnresolved, at, choice.text_at);
        }
        if (!room(choice.size + kCopySlack)) return fault(Fault::kTooLarge, at);
        if constexpr (kRender) to = copy_text(to, choice.text, choice.size);
        at = varint.next;
        ++pc;
        continue;
      }

      case OpCode::kDate:
      case OpCode::kTime:
      case OpCode::kTimestamp:
      case OpCode::kLocalTimestamp: {
        const Varint varint = read_varint(at, end);
        if (varint.next == nullptr) return fault(Fault::kVarint, at);
        const std::int64_t value = unzigzag(varint.raw);
        if (op.flag != 0 && !is_int32(value)) {
          return fault(Fault::kIntRange, at, static_cast<std::uint64_t>(value));
        }
        if constexpr (kRender) {
          if (op.code == OpCode::kDate) {
            to = write_date(to, value);
          } else if (op.code == OpCode::kTime) {
            to = write_time(to, value, op.a);
          } else {
            to = write_timestamp(to, value, op.a, op.code == OpCode::kLocalTimestamp);
          }
        }
        at = varint.next;
        ++pc;
        continue;
      }

      case OpCode::kUuid:
      case OpCode::kDuration: {
        const std::uint64_t bytes = op.code == OpCode::kUuid ? 16 : 12;
        if (left() < bytes) return fault(Fault::kCut, at, bytes, left());
        if constexpr (kRender) {
          to = op.code == OpCode::kUuid ? write_uuid(to, at) : write_duration(to, at);
        }
        at += bytes;
        ++pc;
        continue;
      }

      case OpCode::kUnion: {
        const Varint varint = read_varint(at, end);
        if (varint.next == nullptr) return fault(Fault::kVarint, at);
        const auto index = static_cast<std::uint64_t>(unzigzag(varint.raw));
        if (index >= op.b) return fault(Fault::kBranch, at, index, op.b);
        at = varint.next;
        pc = ops + program.targets[op.a + index];
        continue;
      }

      case OpCode::kNullable: {
        const Varint varint = read_varint(at, end);
        if (varint.next == nullptr) return fault(Fault::kVarint, at);
        const auto index = static_cast<std::uint64_t>(unzigzag(varint.raw));
        if (index > 1) return fault(Fault::kBranch, at, index, 2);
        at = varint.next;
        if (index != op.flag) {
          ++pc;
          continue;
        }
        if constexpr (kRender) {
          std::memcpy(to, "null", 4);
          to += 4;
        }
        pc = ops + op.a;
        continue;
      }

      case OpCode::kJump:
        pc = ops + op.a;
        continue;

      case OpCode::kCall: {
        if (depth == frames.size()) return fault(Fault::kDepth, at);
        frames[depth++] = {pc + 1, 0, nullptr, 0, slots};
        slots += op.b;
        pc = ops + op.a;
        continue;
      }

      case OpCode::kReturn: {
        const Frame& frame = frames[--depth];
        slots = frame.slots;
        pc = frame.back;
        continue;
      }

      case OpCode::kArray:
      case OpCode::kMap:
      case OpCode::kSkipItems:
        if (depth == frames.size()) return fault(Fault::kDepth, at);
        frames[depth++] = {nullptr, 1, nullptr, 0, nullptr};  // a block of one item, just done
        if constexpr (kRender) {
          if (op.code == OpCode::kMap) keys->open();
        }
        pc = ops + op.a;
        break;  // to the next block

      case OpCode::kArrayNext:
      case OpCode::kMapNext:
      case OpCode::kSkipItemsNext:
        break;  // to the next item

      case OpCode::kFail:
        return fault(Fault::kUnresolved, at, op.a);

      case OpCode::kMark:
        slots[op.a] = at;
        ++pc;
        continue;
      case OpCode::kVisit:
        std::swap(at, slots[op.a]);
        ++pc;
        continue;
      case OpCode::kResume:
        at = slots[op.a];
        ++pc;
        continue;

      case OpCode::kSkipBoolean:
        if (at == end) return fault(Fault::kCut, at, 1, 0);
        if (*at > 1) return fault(Fault::kBoolean, at, *at);
        ++at;
        ++pc;
        continue;

      case OpCode::kSkipVarints:
        for (std::uint32_t i = 0; i < op.a; ++i) {
          const Varint varint = read_varint(at, end);
          if (varint.next == nullptr) return fault(Fault::kVarint, at);
          at = varint.next;
        }
        ++pc;
        continue;

      case OpCode::kSkipSized: {
        const Sized sized = read_sized(at, end);
        if (sized.fault != Fault::kNone) return fault(sized.fault, at, sized.size, sized.left);
        at = sized.text + sized.size;
        ++pc;
        continue;
      }

      case OpCode::kSkipFixed:
        if (left() < op.a) return fault(Fault::kCut, at, op.a, left());
        at += op.a;
        ++pc;
        continue;

      case OpCode::kVersion: {
        const Varint varint = read_varint(at, end);
        if (varint.next == nullptr) return fault(Fault::kVarint, at);
        const std::int64_t value = unzigzag(varint.raw);
        if (op.flag != 0 && !is_int32(value)) {
          return fault(Fault::kIntRange, at, static_cast<std::uint64_t>(value));
        }
        Outcome outcome;
        outcome.has_version = true;
        outcome.version = value;
        return outcome;
      }
      case OpCode::kNoVersion:
        return {};

      case OpCode::kEnd: {
        if (at != end) return fault(Fault::kLeftOver, at, left());
        sync();
        if constexpr (kRender) {
          if (out->size() - out_start > program.json_bytes_max) {
            return fault(Fault::kTooLarge, at);
          }
        }
        Outcome outcome;
        outcome.json_bytes = json_bytes;
        return outcome;
      }
    }

    // An item of an array or a map is done (or it is just opened): the next one, or the next block.
    const Op& next = *pc;
    const bool skips = next.code == OpCode::kSkipItemsNext;
    const bool is_map = next.code == OpCode::kMapNext || (skips && (next.flag & 1) != 0);
    const bool zero_size = skips ? (next.flag & 2) != 0 : next.flag != 0;
    const bool opened = &op != &next;
    Frame& frame = frames[depth - 1];
    if (--frame.left == 0) {
      if (frame.block != nullptr &&
          static_cast<std::uint64_t>(at - frame.block) != frame.block_bytes) {
        return fault(Fault::kBlockEnd, at, frame.block_bytes,
                     static_cast<std::uint64_t>(at - frame.block));
      }
      for (;;) {
        const std::uint8_t* const head = at;
        const Block block = read_block(at, end);
        if (block.next == nullptr) return fault(block.fault, head, block.bytes, block.left);
        at = block.next;
        frame.left = block.count;
        frame.block = block.sized ? at : nullptr;
        frame.block_bytes = block.bytes;
        if (block.count == 0) break;
        if (zero_size) {
          zero_size_items += block.count;
          if (block.count > limits::kZeroSizeItemsMax ||
              zero_size_items > limits::kZeroSizeItemsMax) {
            return fault(Fault::kZeroSize, head);
          }
        } else if (block.count > left()) {
          return fault(Fault::kCount, head, block.count, left());
        }
        if (!skips || (!block.sized && !zero_size)) break;
        if (block.sized) at += block.bytes;
      }
      if (frame.left == 0) {
        if constexpr (kRender) {
          if (is_map && !skips) {
            if (keys->may_repeat()) [[unlikely]] {
              sync();
              keys->drop_repeats(*out);
              reload();
            }
            keys->close();
          }
        }
        --depth;
        ++pc;
        continue;
      }
    }
    if constexpr (kRender) {
      if (is_map && !skips && keys->is_full()) [[unlikely]] {
        sync();
        keys->make_room(*out);
        reload();
      }
      if (!skips && !opened) *to++ = ',';
    }
    if (is_map) {
      const Sized key = read_sized(at, end);
      if (key.fault != Fault::kNone) return fault(key.fault, at, key.size, key.left);
      if (!skips) {
        const std::size_t needed = kRender ? key.size : 6 * key.size;
        if (!room(needed + kCopySlack)) return fault(Fault::kTooLarge, at);
        if constexpr (kRender) {
          keys->add(key.text, key.size, static_cast<std::size_t>(to - out->data()));
        }
        if (!put_string(key.text, key.size)) return fault(Fault::kUtf8, at);
        if constexpr (kRender) *to++ = ':';
      }
      at = key.text + key.size;
    }
    pc = ops + next.a;
  }
}

}  // namespace

Outcome run_to_json(const Program& program, Bytes datum, Buffer& out) {
  if (!program.has_maps) return run<Mode::kRender>(program, 0, datum, &out, nullptr);
  MapKeys keys(datum, out.size());
  return run<Mode::kRender>(program, 0, datum, &out, &keys);
}

Outcome run_validate(const Program& program, Bytes datum) {
  return run<Mode::kCheck>(program, 0, datum, nullptr, nullptr);
}

Outcome run_version(const Program& program, Bytes datum) {
  return run<Mode::kCheck>(program, program.version_start, datum, nullptr, nullptr);
}

std::string describe(const Outcome& outcome, const Program& program, Bytes datum) {
  const auto a = std::to_string(outcome.a);
  const auto b = std::to_string(outcome.b);
  const auto signed_a = std::to_string(static_cast<std::int64_t>(outcome.a));
  std::string text = "byte " + std::to_string(outcome.where - datum.data()) + ": ";
  switch (outcome.fault) {
    case Fault::kNone:
      return "";
    case Fault::kCut:
      return text + a + " bytes needed, " + b + " left";
    case Fault::kVarint:
      return text + "number cut short, or of more than 64 bits";
    case Fault::kIntRange:
      return text + signed_a + " is out of the range of int";
    case Fault::kBoolean:
      return text + "boolean of value " + a;
    case Fault::kLength:
      return text + "string of " + signed_a + " bytes, " + b + " left";
    case Fault::kUtf8:
      return text + "string that is not UTF-8";
    case Fault::kEnum:
      return text + "symbol " + signed_a + " of an enum of " + b;
    case Fault::kBranch:
      return text + "branch " + signed_a + " of a union of " + b;
    case Fault::kCount:
      return text + a + " items, " + b + " bytes left";
    case Fault::kBlockLength:
      return text + "block of " + signed_a + " bytes, " + b + " left";
    case Fault::kBlockEnd:
      return text + "block of " + a + " bytes whose items take " + b;
    case Fault::kZeroSize:
      return text + "more than " + std::to_string(limits::kZeroSizeItemsMax) + " items of no bytes";
    case Fault::kDepth:
      return text + "nested deeper than " + std::to_string(limits::kDatumDepthMax);
    case Fault::kUnresolved:
      return text + program.messages[outcome.a];
    case Fault::kLeftOver:
      return text + a + " bytes left over";
    case Fault::kTooLarge:
      return text + "JSON of more than " + std::to_string(program.json_bytes_max) + " bytes";
  }
  return text;
}

}  // namespace push_cache::avro
