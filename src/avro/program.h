// The program that a plan runs: what compile.cc writes and interpret.h reads.
//
// One vector of instructions, run from the first to `kEnd`. Most read one value and write constant
// text followed by the value's JSON; names of fields, braces, nulls and defaults are all constant
// text, joined at compile time. Records are flattened into the program of what holds them, save the
// recursive and the very large, which are called.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/limits.h"

namespace push_cache::avro {

enum class OpCode : std::uint8_t {
  // Constant text, then one value: `a`, `b` as said.
  kText,  // no value
  kBoolean,
  kInt,
  kLong,
  kIntAsFloat,
  kIntAsDouble,
  kLongAsFloat,
  kLongAsDouble,
  kFloat,
  kDouble,
  kFloatAsDouble,
  kString,
  kBytes,
  kFixed,  // a: bytes
  kEnum,   // a: first of `choices`, b: their number
  // Logical types as text; `flag`: the value on the wire is an int.
  kDate,
  kTime,            // a: units a second
  kTimestamp,       // a: units a second
  kLocalTimestamp,  // a: units a second
  kDecimal,         // a: scale
  kDecimalFixed,    // a: scale, b: bytes
  kUuid,
  kDuration,
  // Control.
  kUnion,      // a: first of `targets`, b: their number: jumps to that of the branch
  kNullable,   // union of null and one more; flag: number of the null; a: where to go after a null
  kJump,       // a: where to
  kArray,      // text ends with '['; a: its kArrayNext
  kArrayNext,  // a: first of the body; flag: items take no bytes
  kMap,        // text ends with '{'; a: its kMapNext
  kMapNext,    // a: first of the body
  kCall,       // a: where to, b: slots of the caller
  kReturn,
  kFail,  // a: of `messages`: the datum cannot be resolved to the reader's schema
  kEnd,
  // Fields that are not in the reader's order. A slot holds a place in the datum.
  kMark,    // slot a = here
  kVisit,   // here = slot a, which keeps where to come back to
  kResume,  // here = slot a
  // Reading without writing.
  kSkipBoolean,
  kSkipVarints,    // a: their number
  kSkipSized,      // string or bytes
  kSkipFixed,      // a: bytes
  kSkipItems,      // array or map; a: its kSkipItemsNext; flag: a map
  kSkipItemsNext,  // a: first of the body; flag: a map
  // End of the program of Plan::version.
  kVersion,
  kNoVersion,
};

struct Op {
  OpCode code = OpCode::kEnd;
  std::uint8_t flag = 0;
  std::uint32_t text_size = 0;
  // Most bytes that the text and a value of bounded size take, with the slack that wide copies use.
  std::uint32_t room = 0;
  std::uint32_t a = 0;
  std::uint32_t b = 0;
  std::uint32_t text_at = 0;  // until `text` is set
  const char* text = nullptr;
};

// Text of one symbol of an enum, with its quotes.
struct Choice {
  static constexpr std::uint32_t kUnresolved = 0xFFFF'FFFF;
  const char* text = nullptr;
  std::uint32_t size = 0;     // kUnresolved: not in the reader's enum
  std::uint32_t text_at = 0;  // of the constants; a message when unresolved
};

struct Program {
  std::vector<Op> ops;
  std::vector<std::uint32_t> targets;
  std::vector<Choice> choices;
  std::vector<std::string> messages;
  std::string constants;            // what `text` points into, padded for wide copies
  std::uint32_t version_start = 0;  // program of Plan::version; 0 = none
  std::size_t slots = 0;            // most that can be open at a time
  bool has_maps = false;            // that are written
  std::size_t json_bytes_max = limits::kJsonBytesMax;
};

// Copies and stores of values run over by up to this much.
inline constexpr std::size_t kCopySlack = 64;

}  // namespace push_cache::avro
