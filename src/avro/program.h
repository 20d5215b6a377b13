// The flat program that a plan runs. Internal to this folder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/error.h"
#include "base/types.h"

namespace push_cache::avro {

// What one instruction does after it has written its literal. "Value" is the JSON of one datum.
enum class Code : std::uint8_t {
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kIntAsDouble,  // int or long that the reader wants as a double; with a fraction
  kLongAsDouble,
  kIntAsFloat,
  kLongAsFloat,
  kString,
  kBytes,         // in base64
  kFixed,         // of `a` bytes, in base64
  kEnum,          // `a` = first piece, `b` = number of symbols; an empty piece cannot be resolved
  kDate,          // logical types as text
  kTime,          // `a` = digits of the fraction (3, 6, 9); of an int when 3
  kTimestamp,     // `a` = digits of the fraction, `b` = 1 for UTC, 0 for local
  kDecimalBytes,  // `a` = scale
  kDecimalFixed,  // `a` = scale, `b` = bytes
  kUuidFixed,
  kDuration,
  kUnion,      // `a` = first target, `b` = number of branches
  kJump,       // to `a`
  kArray,      // begins: `a` = where to go when it is empty
  kArrayNext,  // after an item: back to `a` when there is another
  kMap,        // begins: `a` = where to go when it is empty
  kMapKey,     // writes "key":
  kMapNext,    // after an entry: back to `a` when there is another
  kCall,       // function `a`
  kReturn,
  kMute,  // what is written from here to kUnmute is dropped again
  kUnmute,
  kSavePlace,  // slot `a` = this place in the datum
  kSeekPlace,  // go on at slot `a`
  kFail,       // `a` = message
  kEnd,
};

struct Instruction {
  Code code;
  std::uint32_t literal = 0;  // offset into Program::text
  std::uint32_t literal_bytes = 0;
  std::uint32_t a = 0;
  std::uint32_t b = 0;
};

struct Piece {
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;
};

struct Function {
  std::uint32_t entry = 0;
  std::uint32_t slots = 0;  // places that one call of it saves
};

struct Program {
  std::vector<Instruction> code;
  std::string text;  // all literals, with 16 bytes behind them so that copies may run over
  std::vector<std::uint32_t> targets;
  std::vector<Piece> pieces;
  std::vector<Function> functions;  // [0] is the root
  std::vector<std::string> messages;
};

// Renders `datum` into `out`, or with `out` null only checks it. On an error `out` is as it was.
Status run(const Program& program, Bytes datum, Buffer* out);

}  // namespace push_cache::avro
