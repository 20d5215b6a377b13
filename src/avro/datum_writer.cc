#include "avro/datum_writer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>

#include "avro/wire.h"
#include "base/limits.h"
#include "base/utf8.h"

namespace push_cache::avro {
namespace {

// The bytes that a string of code points up to U+00FF stands for (ISO 8859-1), or nothing.
std::optional<std::string> decode_latin1(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
      out.push_back(text[at]);
    } else if (byte == 0xC2 || byte == 0xC3) {  // the text is well-formed: one more byte follows
      const auto low = static_cast<unsigned char>(text[++at]);
      out.push_back(static_cast<char>((byte & 3) << 6 | (low & 0x3F)));
    } else {
      return std::nullopt;
    }
  }
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_integer(std::string_view number) {
  return number.find_first_of(".eE") == std::string_view::npos;
}

// The number nearest to `text`; nothing when it is beyond the type's range.
template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc{}) return value;
  if constexpr (std::is_floating_point_v<T>) {
    // from_chars does not tell what is too small (rounds to zero or a subnormal) from what is too
    // large.
    const double wide = std::strtod(std::string(text).c_str(), nullptr);
    if (std::fabs(wide) < 1) return static_cast<T>(wide);
  }
  return std::nullopt;
}

// The integer that a number with a fraction or an exponent is: Java takes 5.0 as an int's default.
std::optional<std::int64_t> whole_number(std::string_view text) {
  constexpr double kExactMax = 9007199254740992;  // 2^53
  const std::optional<double> number = parse_number<double>(text);
  if (!number || std::fabs(*number) > kExactMax || *number != std::trunc(*number)) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(*number);
}

// A number in a string, as Java takes it for the default of a float or double.
struct NumberText {
  std::string_view digits;
  double special = 0;  // NaN or an infinity, when it is one of them
};

std::optional<NumberText> read_number_text(std::string_view text) {
  const auto is_blank = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  std::string_view number = text;
  if (!number.empty() && (number.front() == '+' || number.front() == '-')) number.remove_prefix(1);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (number == "NaN") return NumberText{"", std::numeric_limits<double>::quiet_NaN()};
  if (number == "Infinity") return NumberText{"", text.front() == '-' ? -kInfinity : kInfinity};
  if (text.starts_with('+')) text.remove_prefix(1);
  if (!text.empty() && std::string_view("fFdD").find(text.back()) != std::string_view::npos) {
    text.remove_suffix(1);
  }
  double value = 0;
  const bool begins_well = !number.empty() && (number.front() == '.' || is_digit(number.front()));
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!begins_well || result.ec == std::errc::invalid_argument ||
      result.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return NumberText{text};
}

// Whether a value of this JSON kind may be one of `node` at all.
bool kind_fits(const Node& node, JsonKind kind) {
  switch (node.type) {
    case Type::kNull:
      return kind == JsonKind::kNull;
    case Type::kBoolean:
      return kind == JsonKind::kTrue || kind == JsonKind::kFalse;
    case Type::kInt:
    case Type::kLong:
    case Type::kFloat:
    case Type::kDouble:
      return kind == JsonKind::kNumber;
    case Type::kBytes:
    case Type::kString:
    case Type::kEnum:
    case Type::kFixed:
      return kind == JsonKind::kString;
    case Type::kRecord:
    case Type::kMap:
      return kind == JsonKind::kObject;
    case Type::kArray:
      return kind == JsonKind::kArray;
    case Type::kUnion:
      return true;
  }
  return false;
}

void append_bytes(Buffer& out, std::string_view bytes) {
  append_varint(out, static_cast<std::int64_t>(bytes.size()));
  out.append(bytes);
}

}  // namespace

DatumWriter::DatumWriter(const JsonTree& tree, Mode mode, std::size_t bytes_max,
                         std::size_t steps_max)
    : tree_(tree), mode_(mode), bytes_max_(bytes_max), steps_left_(steps_max) {}

std::string DatumWriter::fault() const {
  std::string path;
  for (auto segment = fault_path_.rbegin(); segment != fault_path_.rend(); ++segment) {
    if (!path.empty() && segment->front() != '[') path += '.';
    path += *segment;
  }
  return path.empty() ? fault_text_ : path + ": " + fault_text_;
}

bool DatumWriter::fail(std::string text) {
  fault_text_ = std::move(text);
  fault_path_.clear();
  return false;
}

bool DatumWriter::fail_kind(const char* needed, Ref value) {
  return fail(std::string(needed) + " is needed, not " + std::string(describe(tree_.kind(value))));
}

bool DatumWriter::within(std::string segment) {
  fault_path_.push_back(std::move(segment));
  return false;
}

bool DatumWriter::write(const Node& node, Ref value, Buffer& out) {
  if (depth_ == 0) exhausted_ = false;
  if (steps_left_ == 0) {
    exhausted_ = true;
    return fail("too many values");
  }
  --steps_left_;
  if (depth_ > limits::kDatumDepthMax) {
    exhausted_ = true;
    return fail("nested deeper than " + std::to_string(limits::kDatumDepthMax));
  }
  if (!write_value(node, value, out)) return false;
  if (out.size() > bytes_max_) {
    exhausted_ = true;
    return fail("more than " + std::to_string(bytes_max_) + " bytes of Avro");
  }
  return true;
}

bool DatumWriter::write_value(const Node& node, Ref value, Buffer& out) {
  switch (node.type) {
    case Type::kNull:
      return tree_.kind(value) == JsonKind::kNull || fail_kind("null", value);
    case Type::kBoolean:
      if (!kind_fits(node, tree_.kind(value))) return fail_kind("true or false", value);
      out.append(tree_.kind(value) == JsonKind::kTrue ? '\1' : '\0');
      return true;
    case Type::kInt:
    case Type::kLong:
      return write_integer(node, value, out);
    case Type::kFloat:
    case Type::kDouble:
      return write_float(node, value, out);
    case Type::kString:
      if (!tree_.is_string(value)) return fail_kind("a string", value);
      append_bytes(out, tree_.text(value));
      return true;
    case Type::kBytes:
    case Type::kFixed:
      return write_bytes(node, value, out);
    case Type::kEnum:
      return write_enum(node, value, out);
    case Type::kArray:
      return write_array(node, value, out);
    case Type::kMap:
      return write_map(node, value, out);
    case Type::kRecord:
      return write_record(node, value, out);
    case Type::kUnion:
      return write_union(node, value, out);
  }
  return fail("unknown type");
}

bool DatumWriter::write_integer(const Node& node, Ref value, Buffer& out) {
  if (tree_.kind(value) != JsonKind::kNumber) return fail_kind("a number", value);
  const std::string_view text = tree_.text(value);
  std::optional<std::int64_t> number;
  if (is_integer(text)) {
    number = parse_number<std::int64_t>(text);
  } else {
    if (mode_ == Mode::kDefaults) number = whole_number(text);
    if (!number) return fail("a whole number is needed, not " + std::string(text.substr(0, 64)));
  }
  const bool is_int = node.type == Type::kInt;
  if (!number || (is_int && (*number < std::numeric_limits<std::int32_t>::min() ||
                             *number > std::numeric_limits<std::int32_t>::max()))) {
    return fail(std::string(text.substr(0, 64)) + " is out of the range of " +
                (is_int ? "int" : "long"));
  }
  append_varint(out, *number);
  return true;
}

bool DatumWriter::write_float(const Node& node, Ref value, Buffer& out) {
  const bool is_text = tree_.is_string(value) && mode_ == Mode::kDefaults;
  if (tree_.kind(value) != JsonKind::kNumber && !is_text) return fail_kind("a number", value);
  std::string_view text = tree_.text(value);
  double special = 0;
  if (is_text) {
    const std::optional<NumberText> number = read_number_text(text);
    if (!number) return fail_kind("a number", value);
    text = number->digits;
    special = number->special;
  }
  const auto append = [&](auto number) {
    using Number = typename decltype(number)::value_type;
    if (special != 0) {
      number = static_cast<Number>(special);
    } else if (!number || std::isinf(*number)) {
      return fail(std::string(text.substr(0, 64)) + " is out of the range of " +
                  std::string(to_string(node.type)));
    }
    std::memcpy(out.reserve(sizeof *number), &*number, sizeof *number);
    out.commit(sizeof *number);
    return true;
  };
  return node.type == Type::kFloat ? append(parse_number<float>(text))
                                   : append(parse_number<double>(text));
}

bool DatumWriter::write_bytes(const Node& node, Ref value, Buffer& out) {
  const bool defaults = mode_ == Mode::kDefaults;
  const char* const needed = defaults ? "a string" : "a base64 string";
  if (!tree_.is_string(value)) return fail_kind(needed, value);
  const std::string_view text = tree_.text(value);
  const std::optional<std::string> bytes = defaults ? decode_latin1(text) : decode_base64(text);
  if (!bytes) {
    return fail(defaults ? "characters up to U+00FF are needed"
                         : "base64 with padding is needed, not " + in_quotes(text));
  }
  if (node.type == Type::kBytes) {
    append_bytes(out, *bytes);
    return true;
  }
  if (bytes->size() != node.fixed_size) {
    return fail(std::to_string(node.fixed_size) + " bytes are needed, not " +
                std::to_string(bytes->size()));
  }
  out.append(*bytes);
  return true;
}

bool DatumWriter::write_enum(const Node& node, Ref value, Buffer& out) {
  if (!tree_.is_string(value)) return fail_kind("a string", value);
  const std::string_view text = tree_.text(value);
  const auto found = std::find(node.symbols.begin(), node.symbols.end(), text);
  if (found == node.symbols.end()) {
    return fail(in_quotes(text) + " is no symbol of " + std::string(beginning(node.full_name)));
  }
  append_varint(out, found - node.symbols.begin());
  return true;
}

bool DatumWriter::count_items(const Node& items, std::size_t count) {
  if (!items.zero_size) return true;
  zero_size_items_ += count;
  if (zero_size_items_ <= limits::kZeroSizeItemsMax) return true;
  exhausted_ = true;
  return fail("more than " + std::to_string(limits::kZeroSizeItemsMax) + " items of no bytes");
}

bool DatumWriter::write_array(const Node& node, Ref value, Buffer& out) {
  if (!tree_.is_array(value)) return fail_kind("an array", value);
  const std::size_t count = tree_.count(value);
  if (!count_items(*node.items, count)) return false;
  if (count != 0) append_varint(out, static_cast<std::int64_t>(count));
  ++depth_;
  std::size_t index = 0;
  for (Ref at = tree_.first(value); at < tree_.end(value); at = tree_.next(at), ++index) {
    if (!write(*node.items, at, out)) return --depth_, within("[" + std::to_string(index) + "]");
  }
  --depth_;
  append_varint(out, 0);
  return true;
}

bool DatumWriter::write_map(const Node& node, Ref value, Buffer& out) {
  if (!tree_.is_object(value)) return fail_kind("an object", value);
  const std::size_t count = tree_.count(value);
  if (count != 0) append_varint(out, static_cast<std::int64_t>(count));
  ++depth_;
  for (Ref key = tree_.first(value); key < tree_.end(value); key = tree_.next(key + 1)) {
    append_bytes(out, tree_.text(key));
    if (!write(*node.items, key + 1, out)) {
      return --depth_, within("[" + in_quotes(tree_.text(key)) + "]");
    }
  }
  --depth_;
  append_varint(out, 0);
  return true;
}

// Finds the value of each field, before any is written: what most often tells a wrong branch of a
// union, and all it costs is one pass over the keys.
bool DatumWriter::match_fields(const Node& node, Ref value, std::size_t base) {
  matched_.resize(base + node.fields.size(), JsonTree::kNone);
  std::size_t expected = 0;  // keys mostly come in the schema's order
  for (Ref key = tree_.first(value); key < tree_.end(value); key = tree_.next(key + 1)) {
    const std::string_view name = tree_.text(key);
    if (expected >= node.fields.size() || node.fields[expected].name != name) {
      const auto found = std::find_if(node.fields.begin(), node.fields.end(),
                                      [&](const Field& field) { return field.name == name; });
      if (found == node.fields.end()) {
        fail("no such field in " + std::string(beginning(node.full_name)));
        std::string segment = in_quotes(name);
        return within(segment.substr(1, segment.size() - 2));
      }
      expected = static_cast<std::size_t>(found - node.fields.begin());
    }
    matched_[base + expected++] = key + 1;
  }
  for (std::size_t i = 0; i < node.fields.size(); ++i) {
    if (matched_[base + i] == JsonTree::kNone && !node.fields[i].has_default()) {
      const std::string& fault = node.fields[i].default_fault;
      fail(fault.empty() ? "the field is missing and has no default"
                         : "the field is missing, and its default cannot be used: " + fault);
      return within(std::string(beginning(node.fields[i].name)));
    }
  }
  return true;
}

bool DatumWriter::write_record(const Node& node, Ref value, Buffer& out) {
  if (!tree_.is_object(value)) return fail_kind("an object", value);
  const std::size_t base = matched_.size();
  bool fits = match_fields(node, value, base);
  ++depth_;
  for (std::size_t i = 0; fits && i < node.fields.size(); ++i) {
    const Field& field = node.fields[i];
    const Ref given = matched_[base + i];
    if (given == JsonTree::kNone && field.default_datum) {
      out.append(*field.default_datum);
    } else {
      fits = write(*field.type, given == JsonTree::kNone ? field.default_token : given, out) ||
             within(std::string(beginning(field.name)));
    }
  }
  --depth_;
  matched_.resize(base);
  return fits;
}

bool DatumWriter::write_union(const Node& node, Ref value, Buffer& out) {
  const std::size_t start = out.size();
  const JsonKind kind = tree_.kind(value);
  std::size_t tried = 0;
  for (std::size_t i = 0; i < node.branches.size(); ++i) {
    if (!kind_fits(*node.branches[i], kind)) continue;
    ++tried;
    append_varint(out, static_cast<std::int64_t>(i));
    if (write(*node.branches[i], value, out)) return true;
    if (exhausted_) return false;
    out.truncate(start);
  }
  if (tried == 1) return false;  // what is wrong with the only candidate says more
  const auto is_null = [](const Node* branch) { return branch->type == Type::kNull; };
  if (tried == 0 && node.branches.size() == 2 &&
      is_null(node.branches[0]) != is_null(node.branches[1])) {
    return write(*node.branches[is_null(node.branches[0]) ? 1 : 0], value, out);
  }
  constexpr std::size_t kBranchesTextMax = 500;
  std::string branches;
  for (const Node* branch : node.branches) {
    branches += branches.empty() ? "" : ", ";
    if (branches.size() > kBranchesTextMax) {
      branches += "...";
      break;
    }
    branches += beginning(branch->label());
  }
  return fail(std::string(describe(kind)) + " fits no branch of the union (" + branches + ")");
}

}  // namespace push_cache::avro
