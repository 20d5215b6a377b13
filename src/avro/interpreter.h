// Runs a program over a datum.
#pragma once

#include <cstdint>
#include <string>

#include "avro/program.h"
#include "base/buffer.h"
#include "base/types.h"

namespace push_cache::avro {

enum class Fault : std::uint8_t {
  kNone,
  kCut,       // a: bytes needed, b: bytes left
  kVarint,    // not a number of at most 64 bits, or cut short
  kIntRange,  // a: the number
  kBoolean,   // a: the byte
  kLength,    // a: length said, b: bytes left
  kUtf8,
  kEnum,         // a: index, b: symbols
  kBranch,       // a: index, b: branches
  kCount,        // a: items said, b: bytes left
  kBlockLength,  // a: length said, b: bytes left
  kBlockEnd,     // a: bytes that the block said, b: bytes that its items took
  kZeroSize,     // more items of no bytes than may be
  kDepth,
  kUnresolved,  // a: of the program's messages
  kLeftOver,    // a: bytes
  kTooLarge,    // more JSON than may be
};

struct Outcome {
  Fault fault = Fault::kNone;
  const std::uint8_t* where = nullptr;
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  // Of run_validate: bytes that the JSON would have at most. Of run_version: whether there is one.
  std::uint64_t json_bytes = 0;
  bool has_version = false;
  std::int64_t version = 0;
};

// Appends JSON; on a fault `out` holds a part of it.
Outcome run_to_json(const Program& program, Bytes datum, Buffer& out);
// Finds the same faults, save that of too much JSON where `json_bytes` is above the program's cap:
// then only run_to_json can tell.
Outcome run_validate(const Program& program, Bytes datum);
// `program.version_start` must not be 0.
Outcome run_version(const Program& program, Bytes datum);

// "byte 17: string of 9 bytes, 3 left".
std::string describe(const Outcome& outcome, const Program& program, Bytes datum);

}  // namespace push_cache::avro
