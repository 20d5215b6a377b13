#include "avro/compile.h"

#include <algorithm>

#include "avro/compiler.h"
#include "avro/interpreter.h"
#include "base/utf8.h"

namespace push_cache::avro {
namespace {

// Records are compiled in line up to these, and called beyond: the program stays in proportion to
// the schemas, and the compiler's stack bounded.
constexpr std::size_t kInlineDepthMax = 16;
constexpr std::size_t kInlineOpsMax = 8192;
constexpr std::size_t kInlineTextMax = 256 * 1024;

constexpr std::size_t kOpsMax = 4'000'000;
constexpr std::size_t kConstantsMax = 256 * 1024 * 1024;

}  // namespace

Result<Program> compile_program(const Node& writer, const Node& reader,
                                const PlanOptions& options) {
  return Compiler(options).compile(writer, reader);
}

Result<Program> Compiler::compile(const Node& writer, const Node& reader) {
  if (Status fits = resolver_.check(writer, reader); !fits) return std::move(fits).error();
  value(writer, reader);
  emit(OpCode::kEnd);
  version_program(writer, reader);
  procedures();
  if (resolver_.entangled()) {
    error_ = Error{ErrorCode::kInvalidArgument, "schemas too entangled to resolve"};
  }
  if (error_) return std::move(*error_);
  finish();
  return std::move(program_);
}

bool Compiler::too_large() const {
  return program_.ops.size() > kOpsMax ||
         program_.constants.size() + pending_.size() > kConstantsMax;
}

std::uint32_t Compiler::emit_silent(OpCode code, std::size_t a, std::size_t b, unsigned flag) {
  Op op;
  op.code = code;
  op.flag = static_cast<std::uint8_t>(flag);
  op.a = static_cast<std::uint32_t>(a);
  op.b = static_cast<std::uint32_t>(b);
  op.room = kCopySlack;
  program_.ops.push_back(op);
  return static_cast<std::uint32_t>(program_.ops.size() - 1);
}

std::uint32_t Compiler::emit(OpCode code, std::size_t value_room, std::size_t a, std::size_t b,
                             unsigned flag) {
  const std::uint32_t at = emit_silent(code, a, b, flag);
  Op& op = program_.ops[at];
  op.text_size = static_cast<std::uint32_t>(pending_.size());
  op.text_at = static_cast<std::uint32_t>(add_constant(pending_));
  op.room = static_cast<std::uint32_t>(pending_.size() + value_room + kCopySlack);
  pending_.clear();
  return at;
}

void Compiler::flush() {
  if (!pending_.empty()) emit(OpCode::kText);
}

std::uint32_t Compiler::here() {
  barrier_ = static_cast<std::uint32_t>(program_.ops.size());
  return barrier_;
}

std::size_t Compiler::add_constant(std::string_view text) {
  if (text.empty()) return 0;
  program_.constants.append(text);
  return program_.constants.size() - text.size();
}

std::size_t Compiler::add_message(std::string text) {
  program_.messages.push_back(std::move(text));
  return program_.messages.size() - 1;
}

bool Compiler::may_inline(Pair pair) const {
  return open_.size() < kInlineDepthMax && program_.ops.size() < kInlineOpsMax &&
         program_.constants.size() + pending_.size() < kInlineTextMax &&
         std::find(open_.begin(), open_.end(), pair) == open_.end();
}

void Compiler::call(Pair pair) {
  const std::uint32_t op =
      pair.second == nullptr ? emit_silent(OpCode::kCall) : emit(OpCode::kCall);
  program_.ops[op].b = slots_open_;
  calls_.push_back({op, pair});
}

// Compiles what is called, until nothing new is. A list to work off, since the nesting of named
// types has no bound.
void Compiler::procedures() {
  open_.clear();
  for (std::size_t next = 0; next < calls_.size() && !error_; ++next) {
    const Pair pair = calls_[next].pair;
    const auto [entry, is_new] = entries_.emplace(pair, program_.ops.size());
    if (!is_new) continue;
    here();
    slots_open_ = 0;
    open_.assign(1, pair);
    if (pair.second == nullptr) {
      skip_record_body(*pair.first);
      emit_silent(OpCode::kReturn);
    } else {
      record_body(*pair.first, *pair.second);
      emit(OpCode::kReturn);
    }
    open_.clear();
    if (too_large()) {
      error_ = Error{ErrorCode::kInvalidArgument, "the schemas make too large a program"};
    }
  }
}

void Compiler::finish() {
  program_.constants.append(kCopySlack, ' ');
  program_.constants.shrink_to_fit();
  program_.ops.shrink_to_fit();
  const char* const base = program_.constants.data();
  for (Op& op : program_.ops) op.text = base + op.text_at;
  for (Choice& choice : program_.choices) choice.text = base + choice.text_at;
  for (const Call& call : calls_) program_.ops[call.op].a = entries_.at(call.pair);
  program_.slots = slots_max_;
  if (!calls_.empty()) program_.slots *= limits::kDatumDepthMax + 1;
}

// Reads no further than the version field: passes over those before it, in the writer's order.
void Compiler::version_program(const Node& writer, const Node& reader) {
  if (options_.version_field.empty() || writer.type != Type::kRecord) return;
  std::optional<std::size_t> at;
  if (reader.type == Type::kRecord) {
    const std::vector<std::optional<std::size_t>> from = match_fields(writer, reader);
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (reader.fields[i].name == options_.version_field) at = from[i];
    }
  }
  for (std::size_t i = 0; !at && i < writer.fields.size(); ++i) {
    if (writer.fields[i].name == options_.version_field) at = i;
  }
  if (!at) return;
  const auto is_integer = [](const Node& node) {
    return node.type == Type::kInt || node.type == Type::kLong;
  };
  const Node& type = *writer.fields[*at].type;
  const bool is_union =
      type.type == Type::kUnion &&
      std::all_of(type.branches.begin(), type.branches.end(), [&](const Node* branch) {
        return branch->type == Type::kNull || is_integer(*branch);
      });
  if (!is_union && !is_integer(type)) return;

  program_.version_start = here();
  for (std::size_t i = 0; i < *at; ++i) skip(*writer.fields[i].type);
  if (!is_union) {
    emit_silent(OpCode::kVersion, 0, 0, type.type == Type::kInt);
    return;
  }
  const std::size_t first = program_.targets.size();
  program_.targets.resize(first + type.branches.size());
  emit_silent(OpCode::kUnion, first, type.branches.size());
  for (std::size_t i = 0; i < type.branches.size(); ++i) {
    program_.targets[first + i] = here();
    const Type branch = type.branches[i]->type;
    emit_silent(branch == Type::kNull ? OpCode::kNoVersion : OpCode::kVersion, 0, 0,
                branch == Type::kInt);
  }
}

const std::string& Compiler::default_json(const Field& field) {
  const auto [place, is_new] = defaults_.try_emplace(&field);
  if (!is_new) return place->second;
  Result<std::string> json = avro::default_json(field, options_);
  if (json.ok()) {
    place->second = *std::move(json);
  } else {
    error_ = std::move(json).error();
  }
  return place->second;
}

Result<std::string> default_json(const Field& field, const PlanOptions& options) {
  PlanOptions plain = options;
  plain.version_field.clear();
  const Result<Program> program = compile_program(*field.type, *field.type, plain);
  if (!program) return program.error();
  Buffer json;
  const std::string& datum = *field.default_datum;
  const Bytes bytes(reinterpret_cast<const std::uint8_t*>(datum.data()), datum.size());
  const Outcome outcome = run_to_json(*program, bytes, json);
  if (outcome.fault != Fault::kNone) {
    return Error{ErrorCode::kInvalidArgument,
                 "default of '" + field.name + "': " + describe(outcome, *program, bytes)};
  }
  return std::string(json.view());
}

}  // namespace push_cache::avro
