#include "avro/random_schemas.h"

#include <array>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "avro/wire.h"

namespace push_cache::avro {
namespace {

constexpr std::size_t kNestingMax = 5;
constexpr std::size_t kTypesMax = 30;  // of one pair: what they are compared with takes its time
constexpr int kDatumNestingMax = 40;

constexpr std::array<std::string_view, 8> kPrimitives = {"null",  "boolean", "int",   "long",
                                                         "float", "double",  "bytes", "string"};
// Fields of the reader's own.
constexpr std::array<std::string_view, 6> kAdded = {
    R"("type":"string","default":"d\u00e9\n")",
    R"("type":"double","default":1e300)",
    R"("type":["null","int"],"default":null)",
    R"("type":{"type":"map","values":{"type":"array","items":"long"}},"default":{"a":[1,-2],"b":[]})",
    R"("type":"bytes","default":"\u00ff")",
    R"("type":"int")"};  // no default: the pair does not resolve

std::string quote(std::string_view text) { return '"' + std::string(text) + '"'; }

class Maker {
 public:
  explicit Maker(FuzzChoices& choices) : choices_(choices) {}

  SchemaTexts type(std::size_t nesting) {
    ++types_;
    const bool leaf = nesting >= kNestingMax || types_ >= kTypesMax;
    switch (choices_.below(leaf ? 10 : 18)) {
      case 8:
        return reference();
      case 9:
        return fixed();
      case 10:
        return enumeration();
      case 11:
      case 12:
        return collection(nesting, R"({"type":"array","items":)");
      case 13:
        return collection(nesting, R"({"type":"map","values":)");
      case 14:
        return either(nesting);
      case 15:
      case 16:
      case 17:
        return record(nesting);
      default:
        return primitive();
    }
  }

 private:
  // Both sides' names of a named type; the reader's is "" when the reader has lost it.
  struct Named {
    std::string writer;
    std::string reader;
  };

  SchemaTexts primitive() {
    const std::size_t at = choices_.below(kPrimitives.size());
    std::string_view read = kPrimitives[at];
    const std::uint8_t change = choices_.byte();
    if (change % 4 == 1) {
      constexpr std::array<std::array<std::string_view, 3>, 8> kPromoted = {
          {{"null", "null", "null"},
           {"boolean", "boolean", "boolean"},
           {"long", "float", "double"},
           {"float", "double", "double"},
           {"double", "double", "double"},
           {"double", "double", "double"},
           {"string", "string", "string"},
           {"bytes", "bytes", "bytes"}}};
      read = kPromoted[at][change / 4 % 3];
    } else if (change == 255) {
      read = kPrimitives[choices_.below(kPrimitives.size())];
    }
    return {quote(kPrimitives[at]), quote(read)};
  }

  Named name() {
    const std::string number = std::to_string(names_.size());
    const bool renamed = choices_.one_in(4);
    return {"T" + number, (renamed ? "Q" : "T") + number};
  }
  static std::string alias_of(const Named& name) {
    return name.writer == name.reader ? "" : R"("aliases":[")" + name.writer + R"("],)";
  }

  SchemaTexts reference() {
    if (names_.empty()) return primitive();
    const Named& name = names_[choices_.below(names_.size())];
    return {quote(name.writer), quote(name.reader.empty() ? "null" : name.reader)};
  }

  SchemaTexts fixed() {
    const Named name = this->name();
    const std::string size = std::to_string(choices_.below(5));
    const auto text = [&](const std::string& own, const std::string& aliases) {
      return R"({"type":"fixed",)" + aliases + R"("name":")" + own + R"(","size":)" + size + "}";
    };
    names_.push_back(name);
    return {text(name.writer, ""), text(name.reader, alias_of(name))};
  }

  SchemaTexts enumeration() {
    const Named name = this->name();
    names_.push_back(name);
    const auto text = [&](const std::string& own, const std::string& more) {
      std::string symbols;
      for (const char symbol : {'A', 'B', 'C', 'D'}) {
        if (choices_.one_in(3)) continue;
        symbols += (symbols.empty() ? "\"" : ",\"") + std::string(1, symbol) + '"';
      }
      return R"({"type":"enum",)" + more + R"("name":")" + own + R"(","symbols":["Z")" +
             (symbols.empty() ? "" : ",") + symbols + "]}";
    };
    SchemaTexts texts;
    texts.writer = text(name.writer, "");
    texts.reader =
        text(name.reader, alias_of(name) + (choices_.one_in(2) ? R"("default":"Z",)" : ""));
    return texts;
  }

  SchemaTexts collection(std::size_t nesting, std::string_view begin) {
    SchemaTexts items = type(nesting + 1);
    items.writer = std::string(begin) + items.writer + '}';
    items.reader = std::string(begin) + items.reader + '}';
    return items;
  }

  // A union on one side or on both; a type that a union may not hold twice makes it no schema, so
  // the branches are of different kinds by construction.
  SchemaTexts either(std::size_t nesting) {
    const std::size_t sides = choices_.below(4);
    SchemaTexts inner;
    switch (choices_.below(4)) {
      case 0:
        inner = record(nesting + 1);
        break;
      case 1:
        inner = collection(nesting + 1, R"({"type":"array","items":)");
        break;
      case 2:
        inner = fixed();
        break;
      default:
        inner = {R"("long")", choices_.one_in(2) ? R"("double")" : R"("long")"};
    }
    const auto wrap = [&](std::string& text) {
      switch (choices_.below(4)) {
        case 0:
          text = R"(["null",)" + text + "]";
          break;
        case 1:
          text = "[" + text + R"(,"null"])";
          break;
        case 2:
          text = R"(["string",)" + text + R"(,"null","boolean"])";
          break;
        default:
          text = R"(["bytes","null","float",)" + text + "]";
      }
    };
    if (sides != 1) wrap(inner.writer);
    if (sides != 2) wrap(inner.reader);
    return inner;
  }

  SchemaTexts record(std::size_t nesting) {
    const Named name = this->name();
    names_.push_back(name);
    std::string written;
    std::vector<std::string> read;
    const std::size_t fields = choices_.below(6);
    for (std::size_t i = 0; i < fields; ++i) {
      const std::string own(1, static_cast<char>('a' + i));
      const std::size_t names_before = names_.size();
      SchemaTexts inner = type(nesting + 1);
      written += (written.empty() ? R"({"name":")" : R"(,{"name":")") + own + R"(","type":)" +
                 inner.writer + '}';
      switch (choices_.below(8)) {
        case 1:  // left out, and all the names in it
          for (std::size_t n = names_before; n < names_.size(); ++n) names_[n].reader.clear();
          break;
        case 2:
          read.push_back(R"({"name":"x)" + own + R"(","aliases":[")" + own + R"("],"type":)" +
                         inner.reader + '}');
          break;
        default:
          read.push_back(R"({"name":")" + own + R"(","type":)" + inner.reader + '}');
      }
    }
    if (choices_.one_in(4)) {
      read.push_back(R"({"name":"n",)" + std::string(kAdded[choices_.below(kAdded.size())]) + '}');
    }
    if (read.size() > 1 && choices_.one_in(2)) {
      std::swap(read.front(), read[choices_.below(read.size())]);
    }
    std::string joined;
    for (const std::string& field : read) joined += (joined.empty() ? "" : ",") + field;
    const auto text = [](const std::string& own, const std::string& more, const std::string& all) {
      return R"({"type":"record",)" + more + R"("name":")" + own + R"(","fields":[)" + all + "]}";
    };
    return {text(name.writer, "", written), text(name.reader, alias_of(name), joined)};
  }

  FuzzChoices& choices_;
  std::vector<Named> names_;
  std::size_t types_ = 0;
};

std::int64_t random_whole(FuzzChoices& choices) {
  const Bytes bytes = choices.take(choices.below(9));
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) value = value << 8 | byte;
  return unzigzag(value);
}

void append_bytes(FuzzChoices& choices, std::size_t size, Buffer& out) {
  for (std::size_t i = 0; i < size; ++i) out.append(static_cast<char>(choices.byte()));
}

void append_string(FuzzChoices& choices, Buffer& out) {
  constexpr std::array<std::string_view, 8> kPieces = {
      "a", "\"", "\n", "\xc3\xa9", "\xf0\x9f\x98\x80", "0123456789abcdef", "\\", " "};
  std::string text;
  for (std::size_t left = choices.below(10); left > 0; --left) {
    text += kPieces[choices.below(kPieces.size())];
  }
  append_varint(out, static_cast<std::int64_t>(text.size()));
  out.append(text);
}

bool append_items(const Node& node, FuzzChoices& choices, Buffer& out, int depth) {
  while (const std::size_t count = choices.below(4)) {
    Buffer items;
    for (std::size_t i = 0; i < count; ++i) {
      if (node.type == Type::kMap) append_string(choices, items);
      if (!random_datum(*node.items, choices, items, depth + 1)) return false;
    }
    if (choices.one_in(2)) {
      append_varint(out, -static_cast<std::int64_t>(count));
      append_varint(out, static_cast<std::int64_t>(items.size()));
    } else {
      append_varint(out, static_cast<std::int64_t>(count));
    }
    out.append(items.view());
  }
  append_varint(out, 0);
  return true;
}

}  // namespace

SchemaTexts random_schemas(FuzzChoices& choices) { return Maker(choices).type(0); }

bool random_datum(const Node& node, FuzzChoices& choices, Buffer& out, int depth) {
  if (depth > kDatumNestingMax) return false;
  switch (node.type) {
    case Type::kNull:
      return true;
    case Type::kBoolean:
      out.append(static_cast<char>(choices.below(2)));
      return true;
    case Type::kInt:
      append_varint(out, static_cast<std::int32_t>(random_whole(choices)));
      return true;
    case Type::kLong:
      append_varint(out, random_whole(choices));
      return true;
    case Type::kFloat:
      append_bytes(choices, sizeof(float), out);
      return true;
    case Type::kDouble:
      append_bytes(choices, sizeof(double), out);
      return true;
    case Type::kBytes: {
      const std::size_t size = choices.below(20);
      append_varint(out, static_cast<std::int64_t>(size));
      append_bytes(choices, size, out);
      return true;
    }
    case Type::kString:
      append_string(choices, out);
      return true;
    case Type::kFixed:
      append_bytes(choices, node.fixed_size, out);
      return true;
    case Type::kEnum:
      append_varint(out, static_cast<std::int64_t>(choices.below(node.symbols.size())));
      return true;
    case Type::kArray:
    case Type::kMap:
      return append_items(node, choices, out, depth);
    case Type::kUnion: {
      std::size_t index = choices.below(node.branches.size());
      // The end of the choices is the end of the nesting.
      for (std::size_t i = 0; choices.empty() && i < node.branches.size(); ++i) {
        if (node.branches[i]->type == Type::kNull) index = i;
      }
      append_varint(out, static_cast<std::int64_t>(index));
      return random_datum(*node.branches[index], choices, out, depth + 1);
    }
    case Type::kRecord:
      for (const Field& field : node.fields) {
        if (!random_datum(*field.type, choices, out, depth + 1)) return false;
      }
      return true;
  }
  return false;
}

}  // namespace push_cache::avro
