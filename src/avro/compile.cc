#include "avro/compile.h"

#include <algorithm>
#include <map>
#include <utility>

#include "avro/encode.h"
#include "base/utf8.h"

namespace push_cache::avro {
namespace {

constexpr std::size_t kPathDepthMax = 200;

bool same_name(const Node& writer, const Node& reader) {
  if (writer.short_name() == reader.short_name()) return true;
  return std::any_of(reader.aliases.begin(), reader.aliases.end(),
                     [&](const std::string& alias) { return alias == writer.full_name; });
}

// Whether data of `writer` may be read as `reader`, as far as it takes to choose a branch of a
// union.
bool matches(const Node& writer, const Node& reader, int depth = 0) {
  if (depth > 32) return true;
  if (writer.type == Type::kUnion || reader.type == Type::kUnion) return true;
  if (writer.type == reader.type) {
    switch (writer.type) {
      case Type::kRecord:
      case Type::kEnum:
        return same_name(writer, reader);
      case Type::kFixed:
        return same_name(writer, reader) && writer.fixed_bytes == reader.fixed_bytes;
      case Type::kArray:
      case Type::kMap:
        return matches(*writer.items, *reader.items, depth + 1);
      default:
        return true;
    }
  }
  switch (writer.type) {
    case Type::kInt:
      return reader.type == Type::kLong || reader.type == Type::kFloat ||
             reader.type == Type::kDouble;
    case Type::kLong:
      return reader.type == Type::kFloat || reader.type == Type::kDouble;
    case Type::kFloat:
      return reader.type == Type::kDouble;
    case Type::kString:
      return reader.type == Type::kBytes;
    case Type::kBytes:
      return reader.type == Type::kString;
    default:
      return false;
  }
}

std::string describe(const Node& node) {
  return node.full_name.empty() ? std::string(to_string(node.type)) : node.full_name;
}

// One record type (or pair) has one function, so shared and recursive types cost their size once.
struct FunctionDraft {
  std::vector<Instruction> code;
  std::uint32_t slots = 0;
  bool finished = false;
  std::optional<Error> broken;
};

class Compiler {
 public:
  explicit Compiler(LogicalTypes logical_types) : logical_types_(logical_types) {}

  Result<Program> compile(const Node& writer, const Node& reader) {
    drafts_.emplace_back();
    current_ = 0;
    if (Status done = value(writer, reader); !done.ok()) return std::move(done).error();
    emit(Code::kEnd);
    drafts_[0].finished = true;
    return link();
  }

 private:
  using Pair = std::pair<const Node*, const Node*>;

  bool readable() const { return logical_types_ == LogicalTypes::kReadable; }

  std::vector<Instruction>& code() { return drafts_[current_].code; }
  std::uint32_t here() { return static_cast<std::uint32_t>(code().size()); }

  std::uint32_t emit(Code what, std::uint32_t a = 0, std::uint32_t b = 0) {
    Instruction instruction{.code = what, .a = a, .b = b};
    instruction.literal = static_cast<std::uint32_t>(program_.text.size());
    instruction.literal_bytes = static_cast<std::uint32_t>(pending_.size());
    program_.text += pending_;
    pending_.clear();
    code().push_back(instruction);
    return here() - 1;
  }

  void emit_fail(const Error& error) {
    program_.messages.push_back(error.public_text);
    emit(Code::kFail, static_cast<std::uint32_t>(program_.messages.size() - 1));
  }

  void append_quoted(std::string& out, std::string_view text) {
    Buffer buffer;
    append_json_string(buffer, text);
    out += buffer.view();
  }

  Error fault(std::string_view text) const {
    std::string where;
    for (const std::string& part : path_) where += (where.empty() ? "" : ".") + part;
    return {ErrorCode::kInvalidArgument,
            (where.empty() ? std::string("the schema") : "field '" + where + "'") + ": " +
                std::string(text)};
  }

  Error mismatch(const Node& writer, const Node& reader) const {
    return fault("data of type " + describe(writer) + " cannot be read as " + describe(reader));
  }

  // One value of `writer` as `reader`.
  Status value(const Node& writer, const Node& reader) {
    if (path_.size() > kPathDepthMax) return fault("nested too deeply");
    if (writer.type == Type::kUnion) return union_value(writer, reader);
    if (reader.type == Type::kUnion) {
      const Node* branch = choose_branch(writer, reader);
      if (branch == nullptr) return mismatch(writer, reader);
      return value(writer, *branch);
    }
    if (&writer != &reader && !matches(writer, reader)) return mismatch(writer, reader);
    switch (writer.type) {
      case Type::kNull:
        pending_ += "null";
        return {};
      case Type::kBoolean:
        emit(Code::kBoolean);
        return {};
      case Type::kInt:
      case Type::kLong:
      case Type::kFloat:
      case Type::kDouble:
        return number(writer, reader);
      case Type::kBytes:
      case Type::kString:
        return text(reader);
      case Type::kFixed:
        return fixed(reader);
      case Type::kEnum:
        return enumeration(writer, reader);
      case Type::kArray:
      case Type::kMap:
        return items(writer, reader);
      case Type::kRecord:
        return record(writer, reader);
      case Type::kUnion:
        break;
    }
    return fault("unknown type");
  }

  const Node* choose_branch(const Node& writer, const Node& reader_union) {
    for (const Node* branch : reader_union.branches) {  // the same type before a promotion
      if (branch->type == writer.type && matches(writer, *branch)) return branch;
    }
    for (const Node* branch : reader_union.branches) {
      if (matches(writer, *branch)) return branch;
    }
    return nullptr;
  }

  Status number(const Node& writer, const Node& reader) {
    const bool is_int = writer.type == Type::kInt;
    if (reader.type == Type::kDouble && writer.type != Type::kDouble) {
      emit(writer.type == Type::kFloat ? Code::kFloat
           : is_int                    ? Code::kIntAsDouble
                                       : Code::kLongAsDouble);
      // A float read as a double has the double's digits, not the shortest ones of the float.
      if (writer.type == Type::kFloat) code().back().a = 1;
      return {};
    }
    if (reader.type == Type::kFloat && writer.type != Type::kFloat) {
      emit(is_int ? Code::kIntAsFloat : Code::kLongAsFloat);
      return {};
    }
    const std::uint32_t from_int = is_int ? 1 : 0;
    if (readable()) {
      switch (reader.logical) {
        case Logical::kDate:
          emit(Code::kDate);
          return {};
        case Logical::kTimeMillis:
          emit(Code::kTime, 3);
          return {};
        case Logical::kTimeMicros:
          emit(Code::kTime, 6, from_int);
          return {};
        case Logical::kTimestampMillis:
        case Logical::kLocalTimestampMillis:
          emit(Code::kTimestamp, 3, timestamp_flags(reader, from_int));
          return {};
        case Logical::kTimestampMicros:
        case Logical::kLocalTimestampMicros:
          emit(Code::kTimestamp, 6, timestamp_flags(reader, from_int));
          return {};
        case Logical::kTimestampNanos:
        case Logical::kLocalTimestampNanos:
          emit(Code::kTimestamp, 9, timestamp_flags(reader, from_int));
          return {};
        default:
          break;
      }
    }
    emit(is_int                        ? Code::kInt
         : writer.type == Type::kLong  ? Code::kLong
         : writer.type == Type::kFloat ? Code::kFloat
                                       : Code::kDouble);
    return {};
  }

  static std::uint32_t timestamp_flags(const Node& reader, std::uint32_t from_int) {
    const bool local = reader.logical == Logical::kLocalTimestampMillis ||
                       reader.logical == Logical::kLocalTimestampMicros ||
                       reader.logical == Logical::kLocalTimestampNanos;
    return (local ? 0u : 1u) | from_int << 1;
  }

  Status text(const Node& reader) {
    if (reader.type == Type::kString) {
      emit(Code::kString);
    } else if (readable() && reader.logical == Logical::kDecimal) {
      emit(Code::kDecimalBytes, reader.scale);
    } else {
      emit(Code::kBytes);
    }
    return {};
  }

  Status fixed(const Node& reader) {
    const auto bytes = static_cast<std::uint32_t>(reader.fixed_bytes);
    if (readable() && reader.logical == Logical::kDecimal) {
      emit(Code::kDecimalFixed, reader.scale, bytes);
    } else if (readable() && reader.logical == Logical::kUuid) {
      emit(Code::kUuidFixed);
    } else if (readable() && reader.logical == Logical::kDuration) {
      emit(Code::kDuration);
    } else {
      emit(Code::kFixed, bytes);
    }
    return {};
  }

  Status enumeration(const Node& writer, const Node& reader) {
    const auto first = static_cast<std::uint32_t>(program_.pieces.size());
    for (const std::string& symbol : writer.symbols) {
      const bool known =
          std::find(reader.symbols.begin(), reader.symbols.end(), symbol) != reader.symbols.end();
      std::string shown;
      if (known) {
        append_quoted(shown, symbol);
      } else if (reader.enum_default) {
        append_quoted(shown, reader.symbols[*reader.enum_default]);
      }
      program_.pieces.push_back({static_cast<std::uint32_t>(program_.text.size()),
                                 static_cast<std::uint32_t>(shown.size())});
      program_.text += shown;
    }
    emit(Code::kEnum, first, static_cast<std::uint32_t>(writer.symbols.size()));
    return {};
  }

  Status items(const Node& writer, const Node& reader) {
    const bool map = writer.type == Type::kMap;
    pending_ += map ? "{" : "[";
    const std::uint32_t begin = emit(map ? Code::kMap : Code::kArray);
    const std::uint32_t body = here();
    if (map) emit(Code::kMapKey);
    path_.push_back(map ? "{}" : "[]");
    Status done = value(*writer.items, *reader.items);
    path_.pop_back();
    if (!done.ok()) return done;
    emit(map ? Code::kMapNext : Code::kArrayNext, body);
    code()[begin].a = here();
    pending_ += map ? "}" : "]";
    return {};
  }

  Status union_value(const Node& writer, const Node& reader) {
    const auto count = static_cast<std::uint32_t>(writer.branches.size());
    const auto first = static_cast<std::uint32_t>(program_.targets.size());
    program_.targets.resize(first + count);
    target_ranges_.push_back({first, count, current_});
    emit(Code::kUnion, first, count);
    std::vector<std::uint32_t> jumps;
    std::optional<Error> first_error;
    bool any = false;
    for (std::uint32_t i = 0; i < count; ++i) {
      program_.targets[first + i] = here();
      const Node& branch = *writer.branches[i];
      // Unresolved, each branch is read as itself.
      const Node& as = &writer == &reader ? branch : reader;
      const std::uint32_t before = here();
      Status done = value(branch, as);
      if (done.ok()) {
        any = true;
      } else {
        pending_.clear();
        code().resize(before);
        if (!first_error) first_error = done.error();
        emit_fail(done.error());
      }
      jumps.push_back(emit(Code::kJump));
    }
    if (!any && first_error) return *first_error;
    for (const std::uint32_t jump : jumps) code()[jump].a = here();
    return {};
  }

  Status record(const Node& writer, const Node& reader) {
    // The root's own fields stand in the main line; all other records are functions.
    if (!root_done_) {
      root_done_ = true;
      return fields(writer, reader);
    }
    const auto [place, added] =
        functions_.try_emplace(Pair(&writer, &reader), static_cast<std::uint32_t>(drafts_.size()));
    const std::uint32_t index = place->second;
    if (added) {
      drafts_.emplace_back();
      const std::size_t caller = std::exchange(current_, index);
      std::string callers_pending = std::exchange(pending_, {});
      Status done = fields(writer, reader);
      if (done.ok()) {
        emit(Code::kReturn);
      } else {
        drafts_[index].broken = done.error();
        pending_.clear();
        code().clear();  // a recursive type may have called it already
        emit_fail(done.error());
      }
      drafts_[index].finished = true;
      current_ = caller;
      pending_ = std::move(callers_pending);
    }
    if (drafts_[index].broken) return *drafts_[index].broken;
    emit(Code::kCall, index);
    return {};
  }

  Status fields(const Node& writer, const Node& reader) {
    pending_ += "{";
    Status done = &writer == &reader ? plain_fields(writer) : resolved_fields(writer, reader);
    pending_ += "}";
    return done;
  }

  void name_of(const Field& field, bool first) {
    if (!first) pending_ += ",";
    append_quoted(pending_, field.name);
    pending_ += ":";
  }

  Status field_value(const Field& field, const Node& writer, const Node& reader) {
    path_.push_back(field.name);
    Status done = value(writer, reader);
    path_.pop_back();
    return done;
  }

  Status plain_fields(const Node& record) {
    bool first = true;
    for (const Field& field : record.fields) {
      name_of(field, first);
      first = false;
      if (Status done = field_value(field, *field.type, *field.type); !done.ok()) return done;
    }
    return {};
  }

  // Reads a value and writes nothing.
  Status skip_value(const Field& field) {
    emit(Code::kMute);
    Status done = field_value(field, *field.type, *field.type);
    emit(Code::kUnmute);
    return done;
  }

  Status default_value(const Field& field) {
    path_.push_back(field.name);
    Status done = [&]() -> Status {
      if (!field.default_value) {
        return fault("the writer's schema does not have it and it has no default");
      }
      Buffer datum;
      if (Status encoded = encode_value(*field.type, *field.default_value, Text::kDefault, datum);
          !encoded.ok()) {
        return fault("its default does not fit its type: " + encoded.error().public_text);
      }
      auto program = compile_program(*field.type, *field.type, logical_types_);
      if (!program.ok()) return std::move(program).error();
      Buffer shown;
      if (Status rendered = run(*program, datum.bytes(), &shown); !rendered.ok()) return rendered;
      pending_ += shown.view();
      return {};
    }();
    path_.pop_back();
    return done;
  }

  Status resolved_fields(const Node& writer, const Node& reader) {
    // Which reader's field each of the writer's becomes; a field of the writer is used once.
    std::vector<const Field*> sources(reader.fields.size(), nullptr);
    for (std::size_t i = 0; i < reader.fields.size(); ++i) {
      sources[i] = find_writer_field(writer, reader.fields[i]);
    }
    std::vector<const Field*> used;
    for (const Field* source : sources) {
      if (source != nullptr) used.push_back(source);
    }
    return std::is_sorted(used.begin(), used.end()) ? fields_in_order(writer, reader, sources)
                                                    : fields_by_place(writer, reader, sources);
  }

  // The fields that both have come in the same order: one pass, the writer's other ones skipped.
  Status fields_in_order(const Node& writer, const Node& reader,
                         const std::vector<const Field*>& sources) {
    std::size_t next = 0;  // of the writer's fields
    const auto skip_to = [&](std::size_t end) -> Status {
      for (; next < end; ++next) {
        if (Status done = skip_value(writer.fields[next]); !done.ok()) return done;
      }
      return {};
    };
    for (std::size_t i = 0; i < reader.fields.size(); ++i) {
      const Field& field = reader.fields[i];
      if (sources[i] == nullptr) {
        name_of(field, i == 0);
        if (Status done = default_value(field); !done.ok()) return done;
        continue;
      }
      const auto index = static_cast<std::size_t>(sources[i] - writer.fields.data());
      if (Status done = skip_to(index); !done.ok()) return done;
      name_of(field, i == 0);
      if (Status done = field_value(field, *sources[i]->type, *field.type); !done.ok()) return done;
      next = index + 1;
    }
    return skip_to(writer.fields.size());
  }

  // The order differs: a first pass notes where each field lies, then they are shown from there.
  Status fields_by_place(const Node& writer, const Node& reader,
                         const std::vector<const Field*>& sources) {
    const std::uint32_t first = drafts_[current_].slots;
    const auto count = static_cast<std::uint32_t>(writer.fields.size());
    drafts_[current_].slots += count + 1;
    for (std::uint32_t i = 0; i < count; ++i) {
      emit(Code::kSavePlace, first + i);
      if (Status done = skip_value(writer.fields[i]); !done.ok()) return done;
    }
    emit(Code::kSavePlace, first + count);
    for (std::size_t i = 0; i < reader.fields.size(); ++i) {
      const Field& field = reader.fields[i];
      name_of(field, i == 0);
      if (sources[i] == nullptr) {
        if (Status done = default_value(field); !done.ok()) return done;
        continue;
      }
      emit(Code::kSeekPlace, first + static_cast<std::uint32_t>(sources[i] - writer.fields.data()));
      if (Status done = field_value(field, *sources[i]->type, *field.type); !done.ok()) return done;
    }
    emit(Code::kSeekPlace, first + count);
    return {};
  }

  // Puts the functions behind each other and turns their own addresses into those of the whole.
  Program link() {
    for (const FunctionDraft& draft : drafts_) {
      const auto base = static_cast<std::uint32_t>(program_.code.size());
      program_.functions.push_back({base, draft.slots});
      for (Instruction instruction : draft.code) {
        switch (instruction.code) {
          case Code::kJump:
          case Code::kArray:
          case Code::kArrayNext:
          case Code::kMap:
          case Code::kMapNext:
            instruction.a += base;
            break;
          default:
            break;
        }
        program_.code.push_back(instruction);
      }
    }
    for (const TargetRange& range : target_ranges_) {
      for (std::uint32_t i = 0; i < range.count; ++i) {
        program_.targets[range.first + i] += program_.functions[range.function].entry;
      }
    }
    program_.text.append(16, '\0');
    return std::move(program_);
  }

  struct TargetRange {
    std::uint32_t first;
    std::uint32_t count;
    std::size_t function;
  };

  LogicalTypes logical_types_;
  Program program_;
  std::vector<FunctionDraft> drafts_;
  std::size_t current_ = 0;
  std::map<Pair, std::uint32_t> functions_;
  std::vector<TargetRange> target_ranges_;
  std::string pending_;  // literals to be written before the next value
  std::vector<std::string> path_;
  bool root_done_ = false;
};

}  // namespace

Result<Program> compile_program(const Node& writer, const Node& reader,
                                LogicalTypes logical_types) {
  return Compiler(logical_types).compile(writer, reader);
}

const Field* find_writer_field(const Node& writer, const Field& reader_field) {
  if (const Field* same = writer.find_field(reader_field.name)) return same;
  for (const std::string& alias : reader_field.aliases) {
    if (const Field* field = writer.find_field(alias)) return field;
  }
  return nullptr;
}

}  // namespace push_cache::avro
