// The part of the compiler that passes over values. Skipping writes nothing, so pending text waits
// until after it.
#include "avro/compiler.h"

namespace push_cache::avro {

void Compiler::skip(const Node& node) {
  if (node.zero_size) return;
  switch (node.type) {
    case Type::kNull:
      return;
    case Type::kBoolean:
      emit_silent(OpCode::kSkipBoolean);
      return;
    case Type::kInt:
    case Type::kLong:
    case Type::kEnum:
      if (program_.ops.size() > barrier_ && program_.ops.back().code == OpCode::kSkipVarints) {
        ++program_.ops.back().a;
      } else {
        emit_silent(OpCode::kSkipVarints, 1);
      }
      return;
    case Type::kFloat:
      return skip_fixed(4);
    case Type::kDouble:
      return skip_fixed(8);
    case Type::kFixed:
      return skip_fixed(node.fixed_size);
    case Type::kBytes:
    case Type::kString:
      emit_silent(OpCode::kSkipSized);
      return;
    case Type::kArray:
    case Type::kMap:
      return skip_collection(node);
    case Type::kUnion:
      return skip_union(node);
    case Type::kRecord:
      break;
  }
  const Pair pair{&node, nullptr};
  if (!may_inline(pair)) return call(pair);
  open_.push_back(pair);
  skip_record_body(node);
  open_.pop_back();
}

void Compiler::skip_record_body(const Node& node) {
  for (const Field& field : node.fields) skip(*field.type);
}

void Compiler::skip_fixed(std::size_t bytes) {
  constexpr std::size_t kMergedMax = 0x7FFF'FFFF;
  if (program_.ops.size() > barrier_ && program_.ops.back().code == OpCode::kSkipFixed &&
      program_.ops.back().a + bytes <= kMergedMax) {
    program_.ops.back().a += static_cast<std::uint32_t>(bytes);
  } else {
    emit_silent(OpCode::kSkipFixed, bytes);
  }
}

void Compiler::skip_collection(const Node& node) {
  const bool is_map = node.type == Type::kMap;
  const bool zero_size = !is_map && node.items->zero_size;
  const unsigned flag = (is_map ? 1U : 0U) | (zero_size ? 2U : 0U);
  const std::uint32_t begin = emit_silent(OpCode::kSkipItems, 0, 0, flag);
  const std::uint32_t body = here();
  skip(*node.items);
  here();
  program_.ops[begin].a = emit_silent(OpCode::kSkipItemsNext, body, 0, flag);
  here();
}

void Compiler::skip_union(const Node& node) {
  const std::size_t branches = node.branches.size();
  const std::size_t first = program_.targets.size();
  program_.targets.resize(first + branches);
  emit_silent(OpCode::kUnion, first, branches);
  std::vector<std::uint32_t> jumps;
  for (std::size_t i = 0; i < branches; ++i) {
    program_.targets[first + i] = here();
    skip(*node.branches[i]);
    if (i + 1 < branches) jumps.push_back(emit_silent(OpCode::kJump));
  }
  const std::uint32_t end = here();
  for (const std::uint32_t jump : jumps) program_.ops[jump].a = end;
}

}  // namespace push_cache::avro
