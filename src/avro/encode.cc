#include "avro/encode.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <limits>

#include "base/limits.h"
#include "base/utf8.h"

namespace push_cache::avro {
namespace {

namespace json = boost::json;

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

std::string_view kind_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
      return "an integer";
    case json::kind::double_:
      return "a number with a fraction";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
  }
  return "something else";
}

std::string_view wanted(const Node& node) {
  switch (node.type) {
    case Type::kNull:
      return "null";
    case Type::kBoolean:
      return "a boolean";
    case Type::kInt:
      return "an integer of 32 bits";
    case Type::kLong:
      return "an integer of 64 bits";
    case Type::kFloat:
    case Type::kDouble:
      return "a number";
    case Type::kBytes:
    case Type::kFixed:
      return "a string in base64";
    case Type::kString:
      return "a string";
    case Type::kRecord:
    case Type::kMap:
      return "an object";
    case Type::kEnum:
      return "one of the enum's symbols";
    case Type::kArray:
      return "an array";
    case Type::kUnion:
      return "one of the union's types";
  }
  return "another type";
}

void put_long(Buffer& out, std::int64_t value) {
  auto raw = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
  char* const start = out.reserve(10);
  char* to = start;
  for (; raw >= 0x80; raw >>= 7) *to++ = static_cast<char>(raw | 0x80);
  *to++ = static_cast<char>(raw);
  out.commit(static_cast<std::size_t>(to - start));
}

template <typename Number>
void put_number(Buffer& out, Number value) {
  std::memcpy(out.reserve(sizeof value), &value, sizeof value);
  out.commit(sizeof value);
}

class Encoding {
 public:
  Encoding(Text text, Buffer& out) : text_(text), out_(out) {}

  Status value(const Node& node, const json::value& value, std::size_t depth) {
    if (depth > limits::kDatumDepthMax) return fault("nested too deeply");
    switch (node.type) {
      case Type::kNull:
        return value.is_null() ? Status() : mismatch(node, value);
      case Type::kBoolean:
        if (!value.is_bool()) return mismatch(node, value);
        out_.append(static_cast<char>(value.get_bool() ? 1 : 0));
        return {};
      case Type::kInt:
      case Type::kLong:
        return integer(node, value);
      case Type::kFloat:
      case Type::kDouble:
        return floating(node, value);
      case Type::kBytes:
      case Type::kFixed:
        return bytes(node, value);
      case Type::kString:
        if (!value.is_string()) return mismatch(node, value);
        put_long(out_, static_cast<std::int64_t>(value.get_string().size()));
        out_.append(view(value.get_string()));
        return {};
      case Type::kEnum:
        return enumeration(node, value);
      case Type::kArray:
        return array(node, value, depth);
      case Type::kMap:
        return map(node, value, depth);
      case Type::kRecord:
        return record(node, value, depth);
      case Type::kUnion:
        return any_branch(node, value, depth);
    }
    return fault("unknown type");
  }

 private:
  Error fault(std::string_view text) const {
    std::string where;
    for (const std::string& part : path_) {
      where += where.empty() || part.starts_with('[') ? part : "." + part;
    }
    return {ErrorCode::kInvalidArgument,
            where.empty() ? std::string(text) : where + ": " + std::string(text)};
  }

  Error mismatch(const Node& node, const json::value& value) const {
    return fault(std::string(wanted(node)) + " is needed, not " + std::string(kind_of(value)));
  }

  Status integer(const Node& node, const json::value& value) {
    if (value.is_uint64())
      return fault(std::string(wanted(node)) + " is needed, this one is too large");
    if (!value.is_int64()) return mismatch(node, value);
    const std::int64_t number = value.get_int64();
    if (node.type == Type::kInt && (number < std::numeric_limits<std::int32_t>::min() ||
                                    number > std::numeric_limits<std::int32_t>::max())) {
      return fault("an integer of 32 bits is needed, this one is too large");
    }
    put_long(out_, number);
    return {};
  }

  Status floating(const Node& node, const json::value& value) {
    double number = 0;
    if (value.is_double()) {
      number = value.get_double();
    } else if (value.is_int64()) {
      number = static_cast<double>(value.get_int64());
    } else if (value.is_uint64()) {
      number = static_cast<double>(value.get_uint64());
    } else {
      return mismatch(node, value);
    }
    if (node.type == Type::kDouble) {
      put_number(out_, number);
      return {};
    }
    if (std::abs(number) > static_cast<double>(std::numeric_limits<float>::max())) {
      return fault("the number is too large for a float");
    }
    put_number(out_, static_cast<float>(number));
    return {};
  }

  Status bytes(const Node& node, const json::value& value) {
    if (!value.is_string()) return mismatch(node, value);
    const std::string_view given = view(value.get_string());
    const std::optional<std::string> raw =
        text_ == Text::kBase64 ? decode_base64(given) : from_latin1(given);
    if (!raw) {
      return fault(text_ == Text::kBase64 ? "the string is not base64"
                                          : "a letter beyond U+00FF in a default for bytes");
    }
    if (node.type == Type::kFixed) {
      if (raw->size() != node.fixed_bytes) {
        return fault(std::to_string(node.fixed_bytes) + " bytes are needed, not " +
                     std::to_string(raw->size()));
      }
    } else {
      put_long(out_, static_cast<std::int64_t>(raw->size()));
    }
    out_.append(std::string_view(*raw));
    return {};
  }

  static std::optional<std::string> from_latin1(std::string_view utf8) {
    std::string out;
    for (std::size_t i = 0; i < utf8.size(); ++i) {
      const auto byte = static_cast<unsigned char>(utf8[i]);
      if (byte < 0x80) {
        out.push_back(utf8[i]);
      } else if ((byte == 0xC2 || byte == 0xC3) && i + 1 < utf8.size()) {
        out.push_back(static_cast<char>((byte & 3) << 6 | (utf8[++i] & 0x3F)));
      } else {
        return std::nullopt;
      }
    }
    return out;
  }

  Status enumeration(const Node& node, const json::value& value) {
    if (!value.is_string()) return mismatch(node, value);
    const auto symbol =
        std::find(node.symbols.begin(), node.symbols.end(), view(value.get_string()));
    if (symbol == node.symbols.end()) {
      return fault("'" + std::string(value.get_string()) + "' is none of the enum's symbols");
    }
    put_long(out_, symbol - node.symbols.begin());
    return {};
  }

  Status array(const Node& node, const json::value& value, std::size_t depth) {
    if (!value.is_array()) return mismatch(node, value);
    const json::array& items = value.get_array();
    if (!items.empty()) put_long(out_, static_cast<std::int64_t>(items.size()));
    for (std::size_t i = 0; i < items.size(); ++i) {
      path_.push_back("[" + std::to_string(i) + "]");
      if (Status done = this->value(*node.items, items[i], depth + 1); !done.ok()) return done;
      path_.pop_back();
    }
    put_long(out_, 0);
    return {};
  }

  Status map(const Node& node, const json::value& value, std::size_t depth) {
    if (!value.is_object()) return mismatch(node, value);
    const json::object& entries = value.get_object();
    if (!entries.empty()) put_long(out_, static_cast<std::int64_t>(entries.size()));
    for (const json::key_value_pair& entry : entries) {
      put_long(out_, static_cast<std::int64_t>(entry.key().size()));
      out_.append(std::string_view(entry.key().data(), entry.key().size()));
      path_.emplace_back(entry.key());
      if (Status done = this->value(*node.items, entry.value(), depth + 1); !done.ok()) return done;
      path_.pop_back();
    }
    put_long(out_, 0);
    return {};
  }

  Status record(const Node& node, const json::value& value, std::size_t depth) {
    if (!value.is_object()) return mismatch(node, value);
    const json::object& given = value.get_object();
    std::size_t used = 0;
    for (const Field& field : node.fields) {
      path_.push_back(field.name);
      const json::value* found = given.if_contains(field.name);
      Status done;
      if (found != nullptr) {
        ++used;
        done = this->value(*field.type, *found, depth + 1);
      } else if (field.default_value) {
        Encoding standard(Text::kDefault, out_);
        done = standard.value(*field.type, *field.default_value, depth + 1);
      } else {
        done = fault("the field is missing");
      }
      if (!done.ok()) return done;
      path_.pop_back();
    }
    if (used == given.size()) return {};
    for (const json::key_value_pair& entry : given) {
      if (node.find_field(std::string_view(entry.key().data(), entry.key().size())) != nullptr) {
        continue;
      }
      path_.emplace_back(entry.key());
      return fault("there is no such field in " + node.full_name);
    }
    return {};
  }

  Status any_branch(const Node& node, const json::value& value, std::size_t depth) {
    const std::size_t before = out_.size();
    const std::size_t level = path_.size();
    std::optional<Error> nearest;  // of the one branch that is of the value's kind
    std::size_t of_kind = 0;
    for (std::size_t i = 0; i < node.branches.size(); ++i) {
      put_long(out_, static_cast<std::int64_t>(i));
      Status done = this->value(*node.branches[i], value, depth + 1);
      if (done.ok()) return {};
      out_.truncate(before);
      path_.resize(level);
      const bool object = value.is_object() && (node.branches[i]->type == Type::kRecord ||
                                                node.branches[i]->type == Type::kMap);
      const bool list = value.is_array() && node.branches[i]->type == Type::kArray;
      const bool only = node.branches.size() == 2 && node.branches[1 - i]->type == Type::kNull;
      if (object || list || (only && !value.is_null())) {
        ++of_kind;
        nearest = done.error();
      }
    }
    if (of_kind == 1) return *nearest;
    return fault("no branch of the union takes " + std::string(kind_of(value)));
  }

  Text text_;
  Buffer& out_;
  std::vector<std::string> path_;
};

}  // namespace

Status encode_value(const Node& node, const json::value& value, Text text, Buffer& out) {
  return Encoding(text, out).value(node, value, 0);
}

}  // namespace push_cache::avro
