#include "avro/plain_decoder.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "avro/format.h"
#include "base/buffer.h"
#include "base/limits.h"
#include "base/utf8.h"

namespace push_cache::avro {
namespace {

// A match that rests on itself holds: a record within itself matches when all else does.
class Matcher {
 public:
  bool matches(const Node& writer, const Node& reader) {
    if (writer.type == Type::kUnion) {
      if (writer.branches.empty()) return true;
      return std::any_of(writer.branches.begin(), writer.branches.end(),
                         [&](const Node* from) { return matches(*from, reader); });
    }
    if (reader.type == Type::kUnion) return branch(writer, reader) != nullptr;
    if (writer.type != reader.type) return promotes(writer.type, reader.type);
    if (writer.logical == Logical::kDecimal && reader.logical == Logical::kDecimal &&
        writer.scale != reader.scale) {
      return false;
    }
    switch (writer.type) {
      case Type::kArray:
      case Type::kMap:
        return matches(*writer.items, *reader.items);
      case Type::kFixed:
        return same_name(writer, reader) && writer.fixed_size == reader.fixed_size;
      case Type::kEnum:
        return same_name(writer, reader) &&
               (reader.default_symbol || writer.symbols.empty() ||
                std::any_of(writer.symbols.begin(), writer.symbols.end(),
                            [&](const std::string& symbol) { return has(reader, symbol); }));
      case Type::kRecord:
        return record(writer, reader);
      default:
        return true;
    }
  }

  // The reader's branch for data of `writer`: of the same full name, else of the same type, else
  // one it can be promoted to.
  const Node* branch(const Node& writer, const Node& reader_union) {
    for (const int turn : {0, 1, 2}) {
      for (const Node* to : reader_union.branches) {
        const bool suits = turn == 0 ? writer.is_named() && to->type == writer.type &&
                                           to->full_name == writer.full_name
                           : turn == 1 ? to->type == writer.type
                                       : promotes(writer.type, to->type);
        if (suits && matches(writer, *to)) return to;
      }
    }
    return nullptr;
  }

  static bool has(const Node& reader, const std::string& symbol) {
    return std::find(reader.symbols.begin(), reader.symbols.end(), symbol) != reader.symbols.end();
  }

  // For each of the writer's fields the reader's that shows it: by name, and then, for those of the
  // reader's that have found none, by alias.
  static std::vector<const Field*> targets(const Node& writer, const Node& reader) {
    std::vector<const Field*> to(writer.fields.size(), nullptr);
    std::set<const Field*> served;
    const auto pair = [&](const Field& field, const std::string& name) {
      for (std::size_t i = 0; i < writer.fields.size() && !served.contains(&field); ++i) {
        if (to[i] != nullptr || writer.fields[i].name != name) continue;
        to[i] = &field;
        served.insert(&field);
      }
    };
    for (const Field& field : reader.fields) pair(field, field.name);
    for (const Field& field : reader.fields) {
      for (const std::string& alias : field.aliases) pair(field, alias);
    }
    return to;
  }

 private:
  static bool promotes(Type from, Type to) {
    const auto rank = [](Type type) {
      return type == Type::kInt      ? 1
             : type == Type::kLong   ? 2
             : type == Type::kFloat  ? 3
             : type == Type::kDouble ? 4
                                     : 0;
    };
    if (rank(from) != 0 && rank(to) != 0) return rank(from) < rank(to);
    return (from == Type::kString && to == Type::kBytes) ||
           (from == Type::kBytes && to == Type::kString);
  }

  static bool same_name(const Node& writer, const Node& reader) {
    const auto last = [](const std::string& name) { return name.substr(name.rfind('.') + 1); };
    return last(writer.full_name) == last(reader.full_name) ||
           std::find(reader.aliases.begin(), reader.aliases.end(), writer.full_name) !=
               reader.aliases.end();
  }

  bool record(const Node& writer, const Node& reader) {
    if (&writer == &reader) return true;
    if (!same_name(writer, reader)) return false;
    const auto [place, is_new] = open_.insert({&writer, &reader});
    if (!is_new) return true;
    const bool fits = fields_match(writer, reader);
    open_.erase({&writer, &reader});
    return fits;
  }

  bool fields_match(const Node& writer, const Node& reader) {
    const std::vector<const Field*> to = targets(writer, reader);
    for (std::size_t i = 0; i < to.size(); ++i) {
      if (to[i] != nullptr && !matches(*writer.fields[i].type, *to[i]->type)) return false;
    }
    return std::all_of(reader.fields.begin(), reader.fields.end(), [&](const Field& field) {
      return field.has_default() || std::find(to.begin(), to.end(), &field) != to.end();
    });
  }

  std::set<std::pair<const Node*, const Node*>> open_;
};

class PlainDecoder {
 public:
  explicit PlainDecoder(Bytes datum) : left_(datum) {}

  bool value(const Node& writer, const Node& reader) {
    if (writer.type == Type::kUnion) {
      const std::optional<std::size_t> index = index_of(writer.branches.size());
      if (!index) return false;
      const Node& branch = *writer.branches[*index];
      // As it was written when the reader has the very same union: no look for a better branch.
      const Node& to = &writer == &reader ? branch : reader;
      return Matcher().matches(branch, to) && value(branch, to);
    }
    if (reader.type == Type::kUnion) return value(writer, *Matcher().branch(writer, reader));
    switch (writer.type) {
      case Type::kNull:
        out_.append("null");
        return true;
      case Type::kBoolean: {
        const std::optional<Bytes> byte = raw(1);
        if (!byte || byte->front() > 1) return false;
        out_.append(byte->front() == 1 ? "true" : "false");
        return true;
      }
      case Type::kInt:
      case Type::kLong:
        return whole(writer.type, reader.type);
      case Type::kFloat: {
        float number = 0;
        if (!load(number)) return false;
        return reader.type == Type::kFloat ? put(number) : put(double{number});
      }
      case Type::kDouble: {
        double number = 0;
        return load(number) && put(number);
      }
      case Type::kBytes:
      case Type::kString: {
        const std::optional<Bytes> text = sized();
        return text && put(*text, reader.type);
      }
      case Type::kFixed: {
        const std::optional<Bytes> bytes = raw(writer.fixed_size);
        return bytes && put(*bytes, Type::kBytes);
      }
      case Type::kEnum: {
        const std::optional<std::size_t> index = index_of(writer.symbols.size());
        if (!index) return false;
        const std::string& symbol = writer.symbols[*index];
        const bool known = Matcher::has(reader, symbol);
        if (!known && !reader.default_symbol) return false;
        append_json_string(out_, known ? symbol : reader.symbols[*reader.default_symbol]);
        return true;
      }
      case Type::kArray:
      case Type::kMap:
        return items(writer, reader);
      case Type::kRecord:
        return record(writer, reader);
      case Type::kUnion:
        break;
    }
    return false;
  }

  PlainJson result(bool taken) {
    if (at_limit_) return {PlainVerdict::kAtLimit, std::string(out_.view())};
    if (!taken || !left_.empty()) return {PlainVerdict::kRefused, {}};
    return {PlainVerdict::kTaken, std::string(out_.view())};
  }

 private:
  // Half of each cap: where records are called, and what is passed over and looked at again, counts
  // in a plan but not here.
  static constexpr std::size_t kDepthMax = limits::kDatumDepthMax / 2;
  static constexpr std::uint64_t kZeroSizeMax = limits::kZeroSizeItemsMax / 4;

  bool limit() {
    at_limit_ = true;
    return false;
  }

  std::optional<Bytes> raw(std::uint64_t size) {
    if (size > left_.size()) return std::nullopt;
    const Bytes taken = left_.first(size);
    left_ = left_.subspan(size);
    return taken;
  }

  template <typename Number>
  bool load(Number& number) {
    const std::optional<Bytes> bytes = raw(sizeof number);
    if (bytes) std::memcpy(&number, bytes->data(), sizeof number);
    return bytes.has_value();
  }

  std::optional<std::int64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < 10; ++i) {
      const std::optional<Bytes> byte = raw(1);
      if (!byte) return std::nullopt;
      const std::uint64_t group = byte->front() & 0x7F;
      if (i == 9 && group > 1) return std::nullopt;
      value |= group << (7 * i);
      if (byte->front() >= 0x80) continue;
      const std::uint64_t magnitude = value >> 1;
      return static_cast<std::int64_t>(value % 2 == 0 ? magnitude : ~magnitude);
    }
    return std::nullopt;
  }

  std::optional<std::size_t> index_of(std::size_t count) {
    const std::optional<std::int64_t> index = varint();
    if (!index || *index < 0 || static_cast<std::uint64_t>(*index) >= count) return std::nullopt;
    return static_cast<std::size_t>(*index);
  }

  std::optional<Bytes> sized() {
    const std::optional<std::int64_t> size = varint();
    if (!size || *size < 0) return std::nullopt;
    return raw(static_cast<std::uint64_t>(*size));
  }

  template <typename Number>
  bool put(Number number) {
    char text[kDoubleTextMax + 1] = {};
    char* end = nullptr;
    if constexpr (sizeof number == sizeof(float)) {
      end = write_float(text, number);
    } else {
      end = write_double(text, number);
    }
    *end = 0;
    if (std::strcmp(text, "null") != 0) {
      const Number back = sizeof number == sizeof(float)
                              ? static_cast<Number>(std::strtof(text, nullptr))
                              : static_cast<Number>(std::strtod(text, nullptr));
      if (std::memcmp(&back, &number, sizeof number) != 0) std::abort();
    }
    out_.append(std::string_view(text));
    return true;
  }

  bool put(Bytes bytes, Type as) {
    if (as == Type::kString) {
      const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      if (!is_utf8(text)) return false;
      append_json_string(out_, text);
    } else {
      out_.append('"');
      append_base64(out_, bytes);
      out_.append('"');
    }
    return true;
  }

  bool whole(Type writer, Type reader) {
    const std::optional<std::int64_t> number = varint();
    if (!number) return false;
    if (writer == Type::kInt && (*number < std::numeric_limits<std::int32_t>::min() ||
                                 *number > std::numeric_limits<std::int32_t>::max())) {
      return false;
    }
    if (reader == Type::kFloat) return put(static_cast<float>(*number));
    if (reader == Type::kDouble) return put(static_cast<double>(*number));
    out_.append(std::to_string(*number));
    return true;
  }

  // Calls `item` for each item of an array or a map. `jump`: blocks that say their length are
  // passed over by it.
  template <typename Item>
  bool blocks(const Node& node, bool jump, Item&& item) {
    if (++depth_ > kDepthMax) return limit();
    const bool no_bytes = node.type == Type::kArray && node.items->zero_size;
    for (;;) {
      const std::optional<std::int64_t> head = varint();
      if (!head) return false;
      if (*head == 0) break;
      std::optional<std::int64_t> bytes;
      auto count = static_cast<std::uint64_t>(*head);
      if (*head < 0) {
        count = 0 - count;
        bytes = varint();
        if (!bytes || *bytes < 0 || static_cast<std::uint64_t>(*bytes) > left_.size()) return false;
      }
      if (no_bytes && (count > kZeroSizeMax || (zero_size_ += count) > kZeroSizeMax))
        return limit();
      if (!no_bytes && count > left_.size()) return false;
      if (bytes && jump) {
        raw(static_cast<std::uint64_t>(*bytes));
        continue;
      }
      const std::size_t before = left_.size();
      for (; count > 0; --count) {
        if (!item()) return false;
      }
      if (bytes && before - left_.size() != static_cast<std::uint64_t>(*bytes)) return false;
    }
    --depth_;
    return true;
  }

  bool items(const Node& writer, const Node& reader) {
    const bool is_map = writer.type == Type::kMap;
    std::vector<std::string> texts;
    std::map<std::string, std::size_t> last;  // where each key came last
    Buffer outer = std::exchange(out_, Buffer());
    const bool taken = blocks(writer, false, [&] {
      out_.clear();
      if (is_map) {
        const std::optional<Bytes> key = sized();
        if (!key || !put(*key, Type::kString)) return false;
        const auto [place, is_new] = last.try_emplace(std::string(out_.view()), texts.size());
        if (!is_new) texts[place->second].clear();
        place->second = texts.size();
        out_.append(':');
      }
      if (!value(*writer.items, *reader.items)) return false;
      texts.emplace_back(out_.view());
      return true;
    });
    out_ = std::move(outer);
    if (!taken) return false;
    out_.append(is_map ? '{' : '[');
    bool any = false;
    for (const std::string& text : texts) {
      if (text.empty()) continue;
      if (any) out_.append(',');
      any = true;
      out_.append(text);
    }
    out_.append(is_map ? '}' : ']');
    return true;
  }

  // The writer's fields are read in their order, each to a text of its own; the reader's order is
  // that of the output.
  bool record(const Node& writer, const Node& reader) {
    if (++depth_ > kDepthMax) return limit();
    const std::vector<const Field*> to = Matcher::targets(writer, reader);
    std::vector<std::string> texts(reader.fields.size());
    Buffer outer = std::exchange(out_, Buffer());
    bool taken = true;
    for (std::size_t i = 0; i < to.size() && taken; ++i) {
      const Node& type = *writer.fields[i].type;
      if (to[i] == nullptr) {
        taken = skip(type);
      } else {
        out_.clear();
        taken = value(type, *to[i]->type);
        texts[static_cast<std::size_t>(to[i] - reader.fields.data())] = out_.view();
      }
    }
    out_ = std::move(outer);
    if (!taken) return false;
    out_.append('{');
    for (std::size_t i = 0; i < reader.fields.size(); ++i) {
      const Field& field = reader.fields[i];
      if (i != 0) out_.append(',');
      append_json_string(out_, field.name);
      out_.append(':');
      if (std::find(to.begin(), to.end(), &field) == to.end()) {
        texts[i] = default_of(field);
      }
      out_.append(texts[i]);
    }
    out_.append('}');
    --depth_;
    return true;
  }

  static std::string default_of(const Field& field) {
    const std::string& datum = *field.default_datum;
    PlainDecoder decoder({reinterpret_cast<const std::uint8_t*>(datum.data()), datum.size()});
    return decoder.result(decoder.value(*field.type, *field.type)).json;
  }

  // What no field of the reader's shows is not looked into more than finding its end needs: strings
  // may be no UTF-8, symbols and numbers out of range.
  bool skip(const Node& node) {
    if (node.zero_size) return true;
    switch (node.type) {
      case Type::kNull:
        return true;
      case Type::kBoolean: {
        const std::optional<Bytes> byte = raw(1);
        return byte && byte->front() <= 1;
      }
      case Type::kInt:
      case Type::kLong:
      case Type::kEnum:
        return varint().has_value();
      case Type::kFloat:
        return raw(4).has_value();
      case Type::kDouble:
        return raw(8).has_value();
      case Type::kFixed:
        return raw(node.fixed_size).has_value();
      case Type::kBytes:
      case Type::kString:
        return sized().has_value();
      case Type::kArray:
      case Type::kMap:
        return blocks(node, true,
                      [&] { return (node.type == Type::kArray || sized()) && skip(*node.items); });
      case Type::kUnion: {
        const std::optional<std::size_t> index = index_of(node.branches.size());
        return index && skip(*node.branches[*index]);
      }
      case Type::kRecord:
        break;
    }
    if (++depth_ > kDepthMax) return limit();
    for (const Field& field : node.fields) {
      if (!skip(*field.type)) return false;
    }
    --depth_;
    return true;
  }

  Bytes left_;
  Buffer out_;
  std::size_t depth_ = 0;
  std::uint64_t zero_size_ = 0;
  bool at_limit_ = false;
};

}  // namespace

PlainJson decode_plain(const Node& writer, const Node& reader, Bytes datum) {
  PlainDecoder decoder(datum);
  return decoder.result(decoder.value(writer, reader));
}

bool resolves_plain(const Node& writer, const Node& reader) {
  return Matcher().matches(writer, reader);
}

}  // namespace push_cache::avro
