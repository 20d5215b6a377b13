// The part of the compiler that makes JSON of values.
#include <algorithm>

#include "avro/compiler.h"
#include "avro/format.h"
#include "base/utf8.h"

namespace push_cache::avro {
namespace {

std::string json_string(std::string_view text) {
  Buffer out;
  append_json_string(out, text);
  return std::string(out.view());
}

constexpr std::uint32_t kMillis = 1000;
constexpr std::uint32_t kMicros = 1'000'000;
constexpr std::uint32_t kNanos = 1'000'000'000;

}  // namespace

void Compiler::value(const Node& writer, const Node& reader) {
  if (writer.type == Type::kUnion) return writer_union(writer, reader);
  if (reader.type == Type::kUnion) {
    const Node* const branch = resolver_.branch(writer, reader);
    if (branch != nullptr) return value(writer, *branch);
    error_ = Error{ErrorCode::kInvalidArgument, "schemas too entangled to resolve"};
    return;
  }
  switch (writer.type) {
    case Type::kRecord:
      return record(writer, reader);
    case Type::kArray:
    case Type::kMap:
      return collection(writer, reader);
    case Type::kEnum:
      return enumeration(writer, reader);
    default:
      if (options_.logical_types == LogicalTypes::kReadable && logical_value(writer, reader))
        return;
      return plain_value(writer, reader);
  }
}

void Compiler::plain_value(const Node& writer, const Node& reader) {
  const Type as = reader.type;
  switch (writer.type) {
    case Type::kNull:
      pending_ += "null";
      return;
    case Type::kBoolean:
      emit(OpCode::kBoolean, 8);
      return;
    case Type::kInt:
      if (as == Type::kFloat) {
        emit(OpCode::kIntAsFloat, kDoubleTextMax);
      } else if (as == Type::kDouble) {
        emit(OpCode::kIntAsDouble, kDoubleTextMax);
      } else {
        emit(OpCode::kInt, kLongTextMax);
      }
      return;
    case Type::kLong:
      if (as == Type::kFloat) {
        emit(OpCode::kLongAsFloat, kDoubleTextMax);
      } else if (as == Type::kDouble) {
        emit(OpCode::kLongAsDouble, kDoubleTextMax);
      } else {
        emit(OpCode::kLong, kLongTextMax);
      }
      return;
    case Type::kFloat:
      emit(as == Type::kDouble ? OpCode::kFloatAsDouble : OpCode::kFloat, kDoubleTextMax);
      return;
    case Type::kDouble:
      emit(OpCode::kDouble, kDoubleTextMax);
      return;
    case Type::kString:
    case Type::kBytes:
      emit(as == Type::kString ? OpCode::kString : OpCode::kBytes);
      return;
    case Type::kFixed:
      emit(OpCode::kFixed, 0, writer.fixed_size);
      return;
    default:
      return;
  }
}

// With differing logical types on both sides the writer's says what the bytes mean; a reader's type
// without one asks for the plain value.
bool Compiler::logical_value(const Node& writer, const Node& reader) {
  if (reader.logical == Logical::kNone) return false;
  const Node& meaning = writer.logical == Logical::kNone ? reader : writer;
  const unsigned is_int = writer.type == Type::kInt ? 1 : 0;
  const auto number = [&](OpCode code, std::uint32_t units) {
    emit(code, kTimeTextMax, units, 0, is_int);
    return true;
  };
  switch (meaning.logical) {
    case Logical::kDate:
      return number(OpCode::kDate, 1);
    case Logical::kTimeMillis:
      return number(OpCode::kTime, kMillis);
    case Logical::kTimeMicros:
      return number(OpCode::kTime, kMicros);
    case Logical::kTimestampMillis:
      return number(OpCode::kTimestamp, kMillis);
    case Logical::kTimestampMicros:
      return number(OpCode::kTimestamp, kMicros);
    case Logical::kTimestampNanos:
      return number(OpCode::kTimestamp, kNanos);
    case Logical::kLocalTimestampMillis:
      return number(OpCode::kLocalTimestamp, kMillis);
    case Logical::kLocalTimestampMicros:
      return number(OpCode::kLocalTimestamp, kMicros);
    case Logical::kLocalTimestampNanos:
      return number(OpCode::kLocalTimestamp, kNanos);
    case Logical::kDecimal:
      if (reader.type == Type::kString) return false;
      if (writer.type == Type::kFixed) {
        emit(OpCode::kDecimalFixed, 0, meaning.scale, writer.fixed_size);
      } else {
        emit(OpCode::kDecimal, 0, meaning.scale);
      }
      return true;
    case Logical::kUuid:
      if (writer.type != Type::kFixed) return false;
      emit(OpCode::kUuid, kUuidTextMax);
      return true;
    case Logical::kDuration:
      emit(OpCode::kDuration, kDurationTextMax);
      return true;
    case Logical::kNone:
      break;
  }
  return false;
}

void Compiler::enumeration(const Node& writer, const Node& reader) {
  const std::size_t first = program_.choices.size();
  for (const std::string& symbol : writer.symbols) {
    Choice choice;
    const std::string* shown = nullptr;
    if (std::find(reader.symbols.begin(), reader.symbols.end(), symbol) != reader.symbols.end()) {
      shown = &symbol;
    } else if (reader.default_symbol) {
      shown = &reader.symbols[*reader.default_symbol];
    }
    if (shown != nullptr) {
      const std::string text = json_string(*shown);
      choice.text_at = static_cast<std::uint32_t>(add_constant(text));
      choice.size = static_cast<std::uint32_t>(text.size());
    } else {
      choice.size = Choice::kUnresolved;
      choice.text_at = static_cast<std::uint32_t>(
          add_message("symbol '" + symbol + "' is not in the reader's " + reader.full_name + ", " +
                      without_default(reader)));
    }
    program_.choices.push_back(choice);
  }
  emit(OpCode::kEnum, 0, first, writer.symbols.size());
}

void Compiler::collection(const Node& writer, const Node& reader) {
  const bool is_map = writer.type == Type::kMap;
  program_.has_maps = program_.has_maps || is_map;
  pending_ += is_map ? '{' : '[';
  const std::uint32_t begin = emit(is_map ? OpCode::kMap : OpCode::kArray);
  const std::uint32_t body = here();
  value(*writer.items, *reader.items);
  flush();
  here();
  program_.ops[begin].a = emit_silent(is_map ? OpCode::kMapNext : OpCode::kArrayNext, body, 0,
                                      !is_map && writer.items->zero_size ? 1 : 0);
  here();
  pending_ += is_map ? '}' : ']';
}

const Node* Compiler::target_branch(const Node& writer_union, std::size_t index,
                                    const Node& reader) {
  if (&writer_union == &reader) return writer_union.branches[index];
  const Node& writer = *writer_union.branches[index];
  if (reader.type == Type::kUnion) return resolver_.branch(writer, reader);
  return resolver_.resolves(writer, reader) ? &reader : nullptr;
}

void Compiler::writer_union(const Node& writer, const Node& reader) {
  const std::size_t branches = writer.branches.size();
  std::vector<const Node*> as(branches);
  bool all_resolve = true;
  for (std::size_t i = 0; i < branches; ++i) {
    as[i] = target_branch(writer, i, reader);
    all_resolve = all_resolve && as[i] != nullptr;
  }
  const auto is_null = [&](std::size_t i) { return writer.branches[i]->type == Type::kNull; };
  if (branches == 2 && all_resolve && (is_null(0) || is_null(1))) {
    const std::size_t other = is_null(0) ? 1 : 0;
    const std::uint32_t op = emit(OpCode::kNullable, 8, 0, 0, is_null(0) ? 0 : 1);
    value(*writer.branches[other], *as[other]);
    flush();
    program_.ops[op].a = here();
    return;
  }
  const std::size_t first = program_.targets.size();
  program_.targets.resize(first + branches);
  emit(OpCode::kUnion, 0, first, branches);
  std::vector<std::uint32_t> jumps;
  for (std::size_t i = 0; i < branches; ++i) {
    program_.targets[first + i] = here();
    if (as[i] == nullptr) {
      emit_silent(OpCode::kFail,
                  add_message("a union's " + std::string(writer.branches[i]->label()) +
                              " cannot be read as the reader's " + std::string(reader.label())));
      continue;
    }
    value(*writer.branches[i], *as[i]);
    flush();
    if (i + 1 < branches) jumps.push_back(emit_silent(OpCode::kJump));
  }
  const std::uint32_t end = here();
  for (const std::uint32_t jump : jumps) program_.ops[jump].a = end;
}

void Compiler::record(const Node& writer, const Node& reader) {
  const Pair pair{&writer, &reader};
  if (!may_inline(pair)) return call(pair);
  open_.push_back(pair);
  record_body(writer, reader);
  open_.pop_back();
}

// The reader's fields in their order. The writer's are read as they come for as long as the orders
// agree; one that stands behind is marked when it is passed over, and visited when its turn comes.
void Compiler::record_body(const Node& writer, const Node& reader) {
  constexpr std::uint32_t kNoSlot = 0xFFFF'FFFF;
  const std::vector<std::optional<std::size_t>> from = match_fields(writer, reader);
  const std::uint32_t slots_before = slots_open_;
  std::vector<std::uint32_t> slot(writer.fields.size(), kNoSlot);
  std::size_t read = 0;  // the writer's fields before this one have been passed
  for (const std::optional<std::size_t>& field : from) {
    if (!field) continue;
    if (*field < read) {
      slot[*field] = slots_open_++;
    } else {
      read = *field + 1;
    }
  }
  slots_max_ = std::max(slots_max_, slots_open_);

  read = 0;
  const auto pass_until = [&](std::size_t end) {
    for (; read < end; ++read) {
      if (slot[read] != kNoSlot) emit_silent(OpCode::kMark, slot[read]);
      skip(*writer.fields[read].type);
    }
  };
  pending_ += '{';
  for (std::size_t i = 0; i < from.size() && !error_; ++i) {
    const Field& field = reader.fields[i];
    if (i != 0) pending_ += ',';
    pending_ += json_string(field.name) + ':';
    if (!from[i]) {
      pending_ += default_json(field);
    } else if (slot[*from[i]] != kNoSlot) {
      emit_silent(OpCode::kVisit, slot[*from[i]]);
      value(*writer.fields[*from[i]].type, *field.type);
      emit_silent(OpCode::kResume, slot[*from[i]]);
    } else {
      pass_until(*from[i]);
      value(*writer.fields[read++].type, *field.type);
    }
    if (too_large()) {
      error_ = Error{ErrorCode::kInvalidArgument, "the schemas make too large a program"};
    }
  }
  pass_until(writer.fields.size());
  pending_ += '}';
  slots_open_ = slots_before;
}

}  // namespace push_cache::avro
