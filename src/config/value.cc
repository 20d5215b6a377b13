#include "config/value.h"

#include <fmt/format.h>
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "base/utf8.h"
#include "config/url.h"

namespace push_cache::config {
namespace {

// A configuration is some hundred values; aliases can make billions out of a few lines.
constexpr std::size_t kTextBytesMax = 1024 * 1024;
constexpr std::size_t kValuesMax = 10'000;
constexpr std::size_t kDepthMax = 32;
constexpr std::size_t kShownBytesMax = 80;

// yaml-cpp's texts end in ": <part of the file>" at times; that part may be a secret.
std::string without_content(const std::string& message) {
  return message.substr(0, message.find(':'));
}

// Builds the tree from the parser's events: its own tree takes aliases that hold themselves, and
// its YAML::LoadAll makes documents without end of some damaged files.
class Builder : public YAML::EventHandler {
 public:
  // Thrown through the parser when there is too much.
  struct TooMuch {};

  // With an empty `source` each place is `where`, else "source:line:column".
  Builder(std::string source, std::string where, Faults& faults)
      : source_(std::move(source)), where_(std::move(where)), faults_(faults) {}

  Value take() { return std::move(root_); }

  std::string place(const YAML::Mark& mark) const {
    if (source_.empty()) return where_;
    if (mark.is_null()) return source_;
    return fmt::format("{}:{}:{}", source_, mark.line + 1, mark.column + 1);
  }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Value value;
    value.where = place(mark);
    add(std::move(value), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                const std::string& text) override {
    add(scalar(text, place(mark)), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      faults_.add({next_path(), place(mark), "an alias within the value that it stands for"});
      Value value;
      value.where = place(mark);
      add(std::move(value), YAML::NullAnchor);
      return;
    }
    count(found->second, stack_.size(), mark);
    deliver(found->second);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Value::Kind::kList, mark, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Value::Kind::kMap, mark, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  // A list or map whose end has not come yet.
  struct Frame {
    Value value;
    std::string path;
    YAML::anchor_t anchor = YAML::NullAnchor;
    Value key = {};  // of the value to come, in a map
    bool has_key = false;
    bool drop = false;  // the value to come has no usable key
  };

  std::string next_path() const {
    if (stack_.empty()) return "";
    const Frame& frame = stack_.back();
    if (frame.value.is_list()) return fmt::format("{}[{}]", frame.path, frame.value.items.size());
    if (!frame.has_key || frame.drop) return frame.path;
    const std::string name = shown(frame.key.text);
    return frame.path.empty() ? name : frame.path + "." + name;
  }

  [[noreturn]] void stop(const std::string& where, std::string text) {
    faults_.add({next_path(), where, std::move(text)});
    throw TooMuch{};
  }

  void count(const Value& value, std::size_t depth, const YAML::Mark& mark) {
    if (depth > kDepthMax)
      stop(place(mark), fmt::format("nested deeper than {} levels", kDepthMax));
    if (++values_ > kValuesMax) stop(place(mark), fmt::format("more than {} values", kValuesMax));
    for (const Value& item : value.items) count(item, depth + 1, mark);
    for (const Entry& entry : value.entries) count(entry.value, depth + 1, mark);
  }

  void open(Value::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    Frame frame;
    frame.value.kind = kind;
    frame.value.where = place(mark);
    frame.path = next_path();
    frame.anchor = anchor;
    count(frame.value, stack_.size(), mark);
    stack_.push_back(std::move(frame));
  }

  void close() {
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    if (frame.anchor != YAML::NullAnchor) anchors_[frame.anchor] = frame.value;
    deliver(std::move(frame.value));
  }

  void add(Value value, YAML::anchor_t anchor) {
    if (++values_ > kValuesMax) stop(value.where, fmt::format("more than {} values", kValuesMax));
    if (anchor != YAML::NullAnchor) anchors_[anchor] = value;
    deliver(std::move(value));
  }

  // Puts a whole value where it belongs.
  void deliver(Value value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return;
    }
    Frame& frame = stack_.back();
    if (frame.value.is_list()) {
      frame.value.items.push_back(std::move(value));
    } else if (!frame.has_key) {
      frame.has_key = true;
      frame.drop = !takes_key(frame, value);
      frame.key = std::move(value);
    } else {
      if (!frame.drop) {
        frame.value.entries.push_back(
            {std::move(frame.key.text), std::move(frame.key.where), std::move(value)});
      }
      frame.has_key = false;
      frame.drop = false;
    }
  }

  bool takes_key(Frame& frame, const Value& key) {
    if (!key.is_scalar()) {
      faults_.add({frame.path, key.where, "a key must be a plain name"});
      return false;
    }
    if (key.text == "<<") {
      faults_.add(
          {frame.path, key.where, "the merge key '<<' is not supported; use a plain alias"});
      return false;
    }
    if (frame.value.find(key.text) != nullptr) {
      const std::string name = shown(key.text);
      faults_.add({frame.path.empty() ? name : frame.path + "." + name, key.where,
                   "given twice in the same place"});
      return false;
    }
    return true;
  }

  const std::string source_;
  const std::string where_;
  Faults& faults_;
  std::vector<Frame> stack_;
  std::map<YAML::anchor_t, Value> anchors_;
  Value root_;
  std::size_t values_ = 0;
};

// Notices whether there is anything in a document.
class Anything : public YAML::EventHandler {
 public:
  struct Found {
    YAML::Mark mark;
  };
  void OnDocumentStart(const YAML::Mark& mark) override { throw Found{mark}; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

Value parse(std::string_view text, Builder& builder, const std::string& source, Faults& faults) {
  if (text.size() > kTextBytesMax) {
    faults.add({"", source, fmt::format("larger than {} bytes", kTextBytesMax)});
    return {};
  }
  if (!is_utf8(text)) {
    faults.add({"", source, "not UTF-8 text"});
    return {};
  }
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    if (parser.HandleNextDocument(builder)) {
      Anything anything;
      parser.HandleNextDocument(anything);
    }
    return builder.take();
  } catch (const Builder::TooMuch&) {
  } catch (const Anything::Found& found) {
    faults.add({"", builder.place(found.mark), "more than one YAML document, or no valid YAML"});
  } catch (const YAML::Exception& error) {
    faults.add({"", builder.place(error.mark), "not valid YAML: " + without_content(error.msg)});
  } catch (const std::exception&) {
    faults.add({"", source, "not valid YAML"});
  }
  return {};
}

void emit(YAML::Emitter& out, const Value& value) {
  switch (value.kind) {
    case Value::Kind::kNull:
      out << YAML::Null;
      break;
    case Value::Kind::kScalar:
      out << value.text;
      break;
    case Value::Kind::kList:
      out << YAML::BeginSeq;
      for (const Value& item : value.items) emit(out, item);
      out << YAML::EndSeq;
      break;
    case Value::Kind::kMap:
      out << YAML::BeginMap;
      for (const Entry& entry : value.entries) {
        out << YAML::Key << entry.key << YAML::Value;
        emit(out, entry.value);
      }
      out << YAML::EndMap;
      break;
  }
}

}  // namespace

Value* Value::find(std::string_view key) {
  for (Entry& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

Value& Value::at(std::string_view key, std::string_view place) {
  if (!is_map()) {
    *this = Value{};
    kind = Kind::kMap;
    where = place;
  }
  if (Value* found = find(key)) return *found;
  entries.push_back({std::string(key), std::string(place), {}});
  entries.back().value.where = place;
  return entries.back().value;
}

void Value::erase(std::string_view key) {
  std::erase_if(entries, [key](const Entry& entry) { return entry.key == key; });
}

Value scalar(std::string text, std::string where) {
  Value value;
  value.kind = Value::Kind::kScalar;
  value.text = std::move(text);
  value.where = std::move(where);
  return value;
}

void merge(Value& under, Value over) {
  if (!under.is_map() || !over.is_map()) {
    under = std::move(over);
    return;
  }
  for (Entry& entry : over.entries) {
    merge(under.at(entry.key, entry.where), std::move(entry.value));
  }
}

Result<std::string> read_text(const std::string& path) {
  const Error unreadable{ErrorCode::kNotFound, "cannot be read"};
  std::ifstream in(path, std::ios::binary);
  if (!in) return unreadable;
  std::string content(kTextBytesMax + 1, '\0');
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  // A folder opens, and fails here.
  if (in.bad()) return unreadable;
  content.resize(static_cast<std::size_t>(in.gcount()));
  if (content.size() > kTextBytesMax) {
    return Error{ErrorCode::kTooLarge, fmt::format("larger than {} bytes", kTextBytesMax)};
  }
  return content;
}

Value parse_yaml(std::string_view text, const std::string& source, Faults& faults) {
  Builder builder(source, source, faults);
  return parse(text, builder, source, faults);
}

Value parse_yaml_value(std::string_view text, const std::string& where, Faults& faults) {
  Builder builder("", where, faults);
  return parse(text, builder, where, faults);
}

std::string to_yaml(const Value& value) {
  YAML::Emitter out;
  emit(out, value);
  return std::string(out.c_str(), out.size()) + "\n";
}

std::string shown(std::string_view text) {
  std::string result = redact_url(text);
  const bool utf8 = is_utf8(result);
  for (char& c : result) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !utf8)) c = '?';
  }
  if (result.size() > kShownBytesMax) {
    result.resize(kShownBytesMax);
    while (!result.empty() && !is_utf8(result)) result.pop_back();
    result += "...";
  }
  return result;
}

}  // namespace push_cache::config
