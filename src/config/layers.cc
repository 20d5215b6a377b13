#include "config/layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/utf8.h"
#include "config/options.h"
#include "config/url.h"

namespace push_cache::config {
namespace {

namespace fs = std::filesystem;
using Segments = std::vector<std::string>;

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

Segments split(std::string_view text, std::string_view separator) {
  Segments parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + separator.size());
  }
}

std::string join(std::string_view section, std::string_view name) {
  return section.empty() ? std::string(name) : fmt::format("{}.{}", section, name);
}

std::optional<std::size_t> index_of(std::string_view text) {
  std::size_t index = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return index;
}

bool holds_many(Type type) {
  return type == Type::kBrokers || type == Type::kTopics || type == Type::kStrings ||
         type == Type::kIds;
}

// When `section.address` is an http URL: the address becomes host:port, and its path the prefix
// unless `keep_prefix` and there is one.
void split_address(Value& section, bool keep_prefix) {
  Value* address = section.find("address");
  if (address == nullptr || !address->is_scalar()) return;
  const Result<Url> url = parse_url(address->text);
  // What does not fit stays, and is refused as no address.
  if (!url || url->scheme != "http" || url->has_query || !url->username.empty() ||
      !url->password.empty()) {
    return;
  }
  const std::string where = address->where;
  const std::string host = url->host_is_ipv6 ? "[" + url->host + "]" : url->host;
  *address = scalar(fmt::format("{}:{}", host, url->port == 0 ? 80 : url->port), where);
  if (url->path.empty() || url->path == "/") return;
  if (keep_prefix && section.find("prefix") != nullptr) return;
  section.at("prefix", where) = scalar(url->path, where);
}

Value* find_path(Value& root, std::string_view path) {
  Value* value = &root;
  for (const std::string& part : split(path, ".")) {
    value = value->find(part);
    if (value == nullptr) return nullptr;
  }
  return value;
}

Value& make_path(Value& root, std::string_view path, std::string_view where) {
  Value* value = &root;
  for (const std::string& part : split(path, ".")) value = &value->at(part, where);
  return *value;
}

void erase_path(Value& root, std::string_view path) {
  const std::size_t dot = path.rfind('.');
  if (dot == std::string_view::npos) {
    root.erase(path);
  } else if (Value* section = find_path(root, path.substr(0, dot)); section != nullptr) {
    section->erase(path.substr(dot + 1));
  }
}

// The content of a file of secrets, without one line end at its end.
Result<std::string> read_secret(const fs::path& path) {
  Result<std::string> content = read_text(path.string());
  if (!content) return content;
  if (content->ends_with('\n')) content->pop_back();
  if (content->ends_with('\r')) content->pop_back();
  if (!is_utf8(*content)) return Error{ErrorCode::kInvalidArgument, "not UTF-8 text"};
  return content;
}

// Puts one value of a file name or a variable's name into the tree.
class Assignment {
 public:
  Assignment(Value& root, std::string where, Faults& faults)
      : root_(root), node_(&root), where_(std::move(where)), faults_(faults) {}

  void put(const Segments& segments, std::string text) {
    for (std::size_t i = 0; i < segments.size(); ++i) {
      const Option* option = find_option(pattern_);
      if (option != nullptr && option->type == Type::kProperties) {
        std::string name;
        for (std::size_t j = i; j < segments.size(); ++j) {
          name += (j == i ? "" : ".") + segments[j];
        }
        // librdkafka's names have dots where a variable's name can only have underscores.
        std::replace(name.begin(), name.end(), '_', '.');
        node_->at(name, where_) = scalar(std::move(text), where_);
        return;
      }
      if (!step(segments[i], option)) return;
      if (option = find_option(pattern_); option != nullptr && option->type == Type::kIgnored) {
        return;
      }
    }
    finish(std::move(text));
  }

 private:
  bool fail(std::string text) {
    faults_.add({shown(path_), where_, std::move(text)});
    return false;
  }

  bool step(const std::string& segment, const Option* option) {
    if (option != nullptr && option->type == Type::kGroupId) {
      pattern_ += "." + segment;
      path_ = join(path_, segment);
      node_ = &node_->at(segment, where_);
      return true;
    }
    if ((option != nullptr && holds_many(option->type)) || is_list_section(pattern_)) {
      return step_into_list(segment);
    }
    const std::string section = path_;
    path_ = join(path_, segment);
    if (option != nullptr) {
      return fail(fmt::format("unknown key: {} is a single value", section));
    }
    const std::vector<std::string_view> names = names_in(pattern_);
    if (std::find(names.begin(), names.end(), segment) == names.end()) {
      const std::string_view meant = closest(segment, names);
      return fail(meant.empty() ? "unknown key"
                                : fmt::format("unknown key; did you mean '{}'?", meant));
    }
    pattern_ = join(pattern_, segment);
    if (const Option* found = find_option(pattern_);
        found != nullptr && found->type == Type::kAlias) {
      pattern_ = path_ = found->fallback;
      node_ = &make_path(root_, pattern_, where_);
      return true;
    }
    node_ = &node_->at(segment, where_);
    return true;
  }

  bool step_into_list(const std::string& segment) {
    const std::optional<std::size_t> index = index_of(segment);
    if (!index) return fail(fmt::format("a list: '{}' should be a number", shown(segment)));
    if (!node_->is_list()) {
      *node_ = Value{};
      node_->kind = Value::Kind::kList;
      node_->where = where_;
    }
    if (*index > node_->items.size()) {
      return fail(fmt::format("the list has {} items: the next one is number {}, not {}",
                              node_->items.size(), node_->items.size(), *index));
    }
    if (*index == node_->items.size()) {
      node_->items.emplace_back();
      node_->items.back().where = where_;
    }
    node_ = &node_->items[*index];
    path_ += fmt::format("[{}]", *index);
    pattern_ += "[]";
    return true;
  }

  void finish(std::string text) {
    const Option* option = find_option(pattern_);
    const bool many = option == nullptr
                          ? is_section(pattern_) || is_list_section(pattern_)
                          : holds_many(option->type) || option->type == Type::kProperties ||
                                option->type == Type::kGroupId;
    if (many && (text.starts_with('{') || text.starts_with('['))) {
      merge(*node_, parse_yaml_value(text, where_, faults_));
    } else {
      *node_ = scalar(std::move(text), where_);
    }
    for (std::string_view section : {"webservice", "hams"}) {
      if (pattern_ != fmt::format("{}.address", section)) continue;
      split_address(*find_path(root_, section), false);
    }
  }

  Value& root_;
  Value* node_;
  const std::string where_;
  Faults& faults_;
  std::string pattern_;  // where we are in the table: "cache.stores[].url"
  std::string path_;     // and in the tree: "cache.stores[0].url"
};

// So that "2" comes before "10", and a list's items in their order.
bool in_order(const Segments& a, const Segments& b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i] == b[i]) continue;
    const std::optional<std::size_t> number_a = index_of(a[i]);
    const std::optional<std::size_t> number_b = index_of(b[i]);
    if (number_a && number_b && *number_a != *number_b) return *number_a < *number_b;
    return a[i] < b[i];
  }
  return a.size() < b.size();
}

struct Item {
  Segments segments;
  std::string where;
  std::string text;
};

void assign_all(Value& root, std::vector<Item> items, Faults& faults) {
  std::stable_sort(items.begin(), items.end(),
                   [](const Item& a, const Item& b) { return in_order(a.segments, b.segments); });
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0 && items[i].segments == items[i - 1].segments) {
      faults.add({"", items[i].where, fmt::format("the same key as {}", items[i - 1].where)});
      continue;
    }
    Assignment(root, items[i].where, faults).put(items[i].segments, std::move(items[i].text));
  }
}

// A variable's value may be quoted as in YAML.
std::string unquoted(const std::string& text, const std::string& where, Faults& faults) {
  if (text.size() < 2 || text.front() != text.back() ||
      (text.front() != '"' && text.front() != '\'')) {
    return text;
  }
  Faults ignored;
  const Value value = parse_yaml_value(text, where, ignored);
  if (ignored.empty() && value.is_scalar()) return value.text;
  faults.add({"", where, "not a quoted YAML string"});
  return {};
}

void read_file_keys_in(Value& section, const std::string& pattern, const std::string& path,
                       const std::optional<std::string>& secrets_dir, Faults& faults) {
  if (section.is_list()) {
    for (std::size_t i = 0; i < section.items.size(); ++i) {
      read_file_keys_in(section.items[i], pattern + "[]", fmt::format("{}[{}]", path, i),
                        secrets_dir, faults);
    }
    return;
  }
  const Option* here = find_option(pattern);
  const bool properties = here != nullptr && here->type == Type::kProperties;
  for (std::size_t i = 0; i < section.entries.size(); ++i) {
    Entry& entry = section.entries[i];
    const std::string child = join(pattern, entry.key);
    const std::string child_path = join(path, shown(entry.key));
    if (is_section(child) || is_list_section(child) ||
        (find_option(child) != nullptr && find_option(child)->type == Type::kProperties)) {
      read_file_keys_in(entry.value, child, child_path, secrets_dir, faults);
      continue;
    }
    constexpr std::string_view kEnding = "_file";
    if (!entry.key.ends_with(kEnding) || find_option(child) != nullptr) continue;
    const std::string key = entry.key.substr(0, entry.key.size() - kEnding.size());
    const Option* option = find_option(join(pattern, key));
    const bool single = option != nullptr && !holds_many(option->type) &&
                        option->type != Type::kProperties && option->type != Type::kIgnored;
    if (key.empty() || (!properties && !single) || !entry.value.is_scalar()) continue;
    const fs::path name = entry.value.text;
    const std::string where = fmt::format("{} (file {})", entry.value.where, shown(name.string()));
    Result<std::string> content = Error{};
    if (section.find(key) != nullptr) {
      content = Error{ErrorCode::kConflict, fmt::format("{} is given too; choose one", key)};
    } else if (name.is_relative() && !secrets_dir) {
      content = Error{ErrorCode::kNotFound, "a relative file name needs the secrets directory"};
    } else {
      content = read_secret(name.is_relative() ? fs::path(*secrets_dir) / name : name);
    }
    if (!content) {
      faults.add({child_path, where, content.error().public_text});
      content = std::string();
    }
    // Also after a fault, so that the key is not missing as well; a null would be.
    entry.key = key;
    entry.value = scalar(*std::move(content), where);
  }
}

}  // namespace

void translate_first_form(Value& root, std::vector<std::string>& notes) {
  for (const Option& option : options()) {
    if (option.type != Type::kAlias && option.type != Type::kIgnored) continue;
    Value* old = find_path(root, option.path);
    if (old == nullptr) continue;
    if (option.type == Type::kIgnored) {
      notes.push_back(fmt::format("{}: {} has no effect", old->where, option.path));
    } else if (const Value* present = find_path(root, option.fallback);
               present != nullptr && !present->is_null()) {
      notes.push_back(
          fmt::format("{}: {} has no effect beside {}", old->where, option.path, option.fallback));
    } else {
      Value moved = std::move(*old);
      const std::string where = moved.where;
      make_path(root, option.fallback, where) = std::move(moved);
    }
    erase_path(root, option.path);
  }
  for (std::string_view section : {"webservice", "hams"}) {
    if (Value* found = root.find(section); found != nullptr) split_address(*found, true);
  }
}

void read_file_keys(Value& root, const std::optional<std::string>& secrets_dir, Faults& faults) {
  read_file_keys_in(root, "", "", secrets_dir, faults);
}

void add_secrets(Value& root, const std::string& dir, Faults& faults) {
  std::vector<Item> items;
  std::error_code code;
  for (fs::directory_iterator it(dir, code), end; !code && it != end; it.increment(code)) {
    const std::string name = it->path().filename().string();
    std::error_code unread;
    if (name.starts_with('.') || it->is_directory(unread)) continue;
    const std::string where = fmt::format("secrets file {}", shown(name));
    if (!is_utf8(name)) {
      faults.add({"", where, "its name is not UTF-8 text"});
      continue;
    }
    Segments segments;
    for (const std::string& part : split(lower(name), "__")) {
      for (std::string& piece : split(part, ".")) segments.push_back(std::move(piece));
    }
    if (segments.size() < 2) continue;
    const std::vector<std::string_view> sections = names_in("");
    if (std::find(sections.begin(), sections.end(), segments[0]) == sections.end()) {
      if (const std::string_view meant = closest(segments[0], sections); !meant.empty()) {
        faults.add(
            {shown(segments[0]), where, fmt::format("unknown key; did you mean '{}'?", meant)});
      }
      continue;
    }
    Result<std::string> content = read_secret(it->path());
    if (!content) {
      faults.add({"", where, content.error().public_text});
      continue;
    }
    items.push_back({std::move(segments), where, *std::move(content)});
  }
  if (code) {
    faults.add({"", fmt::format("secrets directory {}", shown(dir)),
                fmt::format("cannot be read: {}", code.message())});
  }
  assign_all(root, std::move(items), faults);
}

void add_environment(Value& root, const std::map<std::string, std::string>& environment,
                     Faults& faults) {
  constexpr std::string_view kPrefix = "app_";
  std::vector<Item> items;
  for (const auto& [name, value] : environment) {
    const std::string low = lower(name);
    if (!low.starts_with(kPrefix)) continue;
    Segments segments = split(std::string_view(low).substr(kPrefix.size()), "__");
    if (segments.size() < 2) continue;
    const std::string where = fmt::format("environment {}", shown(name));
    if (!is_utf8(name) || !is_utf8(value)) {
      faults.add({"", where, "not UTF-8 text"});
      continue;
    }
    items.push_back({std::move(segments), where, unquoted(value, where, faults)});
  }
  assign_all(root, std::move(items), faults);
}

}  // namespace push_cache::config
