#include "avro/resolve.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

namespace push_cache::avro {
namespace {

// Bound the stack and the time that schemas made for it could cost.
constexpr std::size_t kDepthMax = 2000;
constexpr std::size_t kStepsMax = 2'000'000;

}  // namespace

bool is_promotion(Type writer, Type reader) {
  switch (writer) {
    case Type::kInt:
      return reader == Type::kLong || reader == Type::kFloat || reader == Type::kDouble;
    case Type::kLong:
      return reader == Type::kFloat || reader == Type::kDouble;
    case Type::kFloat:
      return reader == Type::kDouble;
    case Type::kString:
      return reader == Type::kBytes;
    case Type::kBytes:
      return reader == Type::kString;
    default:
      return false;
  }
}

// The specification compares names without their namespaces; aliases are full names.
bool names_match(const Node& writer, const Node& reader) {
  return writer.short_name() == reader.short_name() ||
         std::find(reader.aliases.begin(), reader.aliases.end(), writer.full_name) !=
             reader.aliases.end();
}

std::string without_default(const Node& reader_enum) {
  if (reader_enum.default_fault.empty()) return "which has no default";
  return "whose default cannot be used: " + reader_enum.default_fault;
}

std::vector<std::optional<std::size_t>> match_fields(const Node& writer, const Node& reader) {
  std::unordered_map<std::string_view, std::size_t> free;  // the writer's fields not yet taken
  for (std::size_t i = 0; i < writer.fields.size(); ++i) free.emplace(writer.fields[i].name, i);
  std::vector<std::optional<std::size_t>> from(reader.fields.size());
  const auto take = [&](const std::string& name, std::optional<std::size_t>& to) {
    const auto found = free.find(name);
    if (found == free.end()) return;
    to = found->second;
    free.erase(found);
  };
  for (std::size_t i = 0; i < from.size(); ++i) take(reader.fields[i].name, from[i]);
  for (std::size_t i = 0; i < from.size(); ++i) {
    for (const std::string& alias : reader.fields[i].aliases) {
      if (!from[i]) take(alias, from[i]);
    }
  }
  return from;
}

Status Resolver::check(const Node& writer, const Node& reader) {
  steps_ = 0;
  const bool matches = match(writer, reader);
  if (entangled_) return Error{ErrorCode::kInvalidArgument, "schemas too entangled to resolve"};
  if (matches) return {};
  std::string path;
  for (auto segment = fault_path_.rbegin(); segment != fault_path_.rend(); ++segment) {
    if (!path.empty() && segment->front() != '[') path += '.';
    path += *segment;
  }
  return Error{ErrorCode::kInvalidArgument, path.empty() ? fault_ : path + ": " + fault_};
}

bool Resolver::resolves(const Node& writer, const Node& reader) {
  steps_ = 0;
  return match(writer, reader);
}

const Node* Resolver::branch(const Node& writer, const Node& reader_union) {
  steps_ = 0;
  return find_branch(writer, reader_union);
}

const Node* Resolver::find_branch(const Node& writer, const Node& reader_union) {
  const auto find = [&](auto&& suits) -> const Node* {
    for (const Node* candidate : reader_union.branches) {
      if (suits(*candidate) && match(writer, *candidate)) return candidate;
    }
    return nullptr;
  };
  steps_ += reader_union.branches.size();
  if (writer.is_named()) {
    const Node* const same = find([&](const Node& candidate) {
      return candidate.type == writer.type && candidate.full_name == writer.full_name;
    });
    if (same != nullptr) return same;
  }
  const Node* const alike =
      find([&](const Node& candidate) { return candidate.type == writer.type; });
  if (alike != nullptr) return alike;
  return find([&](const Node& candidate) { return is_promotion(writer.type, candidate.type); });
}

bool Resolver::fail(std::string what) {
  fault_ = std::move(what);
  fault_path_.clear();
  return false;
}

bool Resolver::within(std::string segment) {
  fault_path_.push_back(std::move(segment));
  return false;
}

bool Resolver::match(const Node& writer, const Node& reader) {
  if (&writer == &reader) return true;
  if (entangled_ || depth_ >= kDepthMax || ++steps_ > kStepsMax) {
    entangled_ = true;
    return false;
  }
  if (writer.type == Type::kUnion) return match_writer_union(writer, reader);
  if (reader.type == Type::kUnion) {
    if (find_branch(writer, reader) != nullptr) return true;
    return fail("written as " + std::string(writer.label()) +
                ", which no branch of the reader's union takes");
  }
  if (writer.type != reader.type) {
    if (is_promotion(writer.type, reader.type)) return true;
    return fail("written as " + std::string(writer.label()) + ", cannot be read as " +
                std::string(reader.label()));
  }
  if (writer.logical == Logical::kDecimal && reader.logical == Logical::kDecimal &&
      writer.scale != reader.scale) {
    return fail("written as decimal of scale " + std::to_string(writer.scale) +
                ", cannot be read with scale " + std::to_string(reader.scale));
  }
  switch (writer.type) {
    case Type::kArray:
      ++depth_;
      if (!match(*writer.items, *reader.items)) return --depth_, within("[]");
      --depth_;
      return true;
    case Type::kMap:
      ++depth_;
      if (!match(*writer.items, *reader.items)) return --depth_, within("[*]");
      --depth_;
      return true;
    case Type::kRecord:
      return match_record(writer, reader);
    case Type::kEnum:
      return match_enum(writer, reader);
    case Type::kFixed:
      if (!names_match(writer, reader)) break;
      if (writer.fixed_size == reader.fixed_size) return true;
      return fail(writer.full_name + " is written with " + std::to_string(writer.fixed_size) +
                  " bytes and read with " + std::to_string(reader.fixed_size));
    default:
      return true;
  }
  return fail("written as " + writer.full_name + ", cannot be read as " + reader.full_name +
              " (no alias says so)");
}

bool Resolver::match_enum(const Node& writer, const Node& reader) {
  if (!names_match(writer, reader)) {
    return fail("written as " + writer.full_name + ", cannot be read as " + reader.full_name +
                " (no alias says so)");
  }
  if (reader.default_symbol || writer.symbols.empty()) return true;
  for (const std::string& symbol : writer.symbols) {
    if (std::find(reader.symbols.begin(), reader.symbols.end(), symbol) != reader.symbols.end()) {
      return true;
    }
  }
  return fail("no symbol of " + writer.full_name + " is one of the reader's, " +
              without_default(reader));
}

bool Resolver::match_writer_union(const Node& writer, const Node& reader) {
  if (writer.branches.empty()) return true;
  for (std::size_t i = 0; i < writer.branches.size(); ++i) {
    const Node& from = *writer.branches[i];
    const bool takes =
        reader.type == Type::kUnion ? find_branch(from, reader) != nullptr : match(from, reader);
    if (takes) return true;
  }
  if (writer.branches.size() == 1) return false;  // its own fault says more
  return fail("no branch of the writer's union can be read as " + std::string(reader.label()));
}

bool Resolver::match_record(const Node& writer, const Node& reader) {
  const Pair pair{&writer, &reader};
  if (const auto found = known_.find(pair); found != known_.end()) {
    return found->second || fail(writer.full_name + " cannot be read as " + reader.full_name);
  }
  if (!names_match(writer, reader)) {
    return fail("written as " + writer.full_name + ", cannot be read as " + reader.full_name +
                " (no alias says so)");
  }
  known_[pair] = true;
  const std::size_t mark = order_.size();
  order_.push_back(pair);
  ++depth_;
  const bool fits = match_record_fields(writer, reader);
  --depth_;
  if (fits) return true;
  // What matched only because this pair was taken to match is to be looked at again.
  for (std::size_t i = mark; i < order_.size(); ++i) {
    if (const auto found = known_.find(order_[i]); found != known_.end() && found->second) {
      known_.erase(found);
    }
  }
  order_.resize(mark);
  known_[pair] = false;
  return false;
}

bool Resolver::match_record_fields(const Node& writer, const Node& reader) {
  const std::vector<std::optional<std::size_t>> from = match_fields(writer, reader);
  steps_ += from.size();
  for (std::size_t i = 0; i < from.size(); ++i) {
    const Field& field = reader.fields[i];
    if (from[i]) {
      if (!match(*writer.fields[*from[i]].type, *field.type)) return within(field.name);
    } else if (!field.has_default()) {
      fail("not in the writer's " + writer.full_name +
           (field.default_fault.empty() ? ", and has no default"
                                        : ", and the default in the reader's " + reader.full_name +
                                              " cannot be used: " + field.default_fault));
      return within(field.name);
    }
  }
  return true;
}

}  // namespace push_cache::avro
