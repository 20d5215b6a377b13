#include <fmt/format.h>

#include "config/config.h"
#include "config/options.h"
#include "config/parse.h"
#include "config/url.h"
#include "config/value.h"

namespace push_cache::config {
namespace {

constexpr std::string_view kHidden = "***";

Value text(std::string_view content) { return scalar(std::string(content), ""); }

template <typename List>
Value list_of(const List& items) {
  Value value;
  value.kind = Value::Kind::kList;
  for (const auto& item : items) value.items.push_back(text(fmt::format("{}", item)));
  return value;
}

template <typename Enum>
Value choice_of(const Option& option, Enum member) {
  for (const Choice& choice : option.choices) {
    if (static_cast<Enum>(choice.value) == member) return text(choice.name);
  }
  return {};
}

// The value of an option as it would stand in a file; null for one that is not set.
Value value_of(const Option& option, Config& config, std::size_t index) {
  struct Visitor {
    const Option& option;
    Value operator()(const std::string* member) const {
      if (member->empty() && option.type != Type::kPath) return {};
      if (option.type == Type::kRedisUrl) return text(redact_url(*member));
      if (option.secret) return text(kHidden);
      return text(option.type == Type::kPath && member->empty() ? "/" : *member);
    }
    Value operator()(const bool* member) const { return text(*member ? "true" : "false"); }
    Value operator()(const std::uint32_t* member) const { return text(std::to_string(*member)); }
    Value operator()(const std::uint64_t* member) const { return text(bytes_text(*member)); }
    Value operator()(const std::chrono::seconds* member) const {
      return text(std::to_string(member->count()));
    }
    Value operator()(const std::chrono::milliseconds* member) const {
      return text(duration_text(*member));
    }
    Value operator()(const std::vector<std::string>* member) const {
      if (member->empty()) return {};
      return option.type == Type::kTopics && member->size() == 1 ? text(member->front())
                                                                 : list_of(*member);
    }
    Value operator()(const std::vector<std::int32_t>* member) const {
      return member->empty() ? Value{} : list_of(*member);
    }
    Value operator()(const std::map<std::string, std::string>* member) const {
      Value map;
      for (const auto& [name, content] : *member) {
        map.at(name, "") = text(is_secret_property(name) ? kHidden : redact_url(content));
      }
      return map;
    }
    Value operator()(const OffsetReset* member) const { return choice_of(option, *member); }
    Value operator()(const StoreType* member) const { return choice_of(option, *member); }
    Value operator()(const Writes* member) const { return choice_of(option, *member); }
    Value operator()(const Etag* member) const { return choice_of(option, *member); }
    Value operator()(const OnBadRecord* member) const { return choice_of(option, *member); }
    Value operator()(const KeyFormat* member) const { return choice_of(option, *member); }
    Value operator()(const WireFormat* member) const { return choice_of(option, *member); }
    Value operator()(const LogicalTypes* member) const { return choice_of(option, *member); }
    Value operator()(const LogFormat* member) const { return choice_of(option, *member); }
  };
  return std::visit(Visitor{option}, option.slot(config, index));
}

// "kafka.topic" below `root`.
Value& place(Value& root, std::string_view path) {
  Value* value = &root;
  while (true) {
    const std::size_t dot = path.find('.');
    value = &value->at(path.substr(0, dot), "");
    if (dot == std::string_view::npos) return *value;
    path.remove_prefix(dot + 1);
  }
}

}  // namespace

std::string describe(const Config& config) {
  Config copy = config;  // slots are writable
  Value root;
  for (const Option& option : options()) {
    if (option.slot == nullptr) continue;
    const std::size_t list = option.path.find("[]");
    if (list == std::string_view::npos) {
      if (Value value = value_of(option, copy, 0); !value.is_null()) {
        place(root, option.path) = std::move(value);
      }
      continue;
    }
    const std::string_view list_path = option.path.substr(0, list);
    Value& items = place(root, list_path);
    const bool stores = list_path == "cache.stores";
    items.kind = Value::Kind::kList;
    items.items.resize(stores ? copy.cache.stores.size() : copy.cache.routes.size());
    for (std::size_t i = 0; i < items.items.size(); ++i) {
      if (Value value = value_of(option, copy, i); !value.is_null()) {
        items.items[i].at(option.name(), "") = std::move(value);
      }
    }
  }
  return to_yaml(root);
}

std::string record_formats(const Config& config) {
  Config copy = config;  // slots are writable
  std::string out;
  for (const Option& option : options()) {
    if (option.path != "kafka.key_format" && option.path != "kafka.wire_format") continue;
    const Value value = value_of(option, copy, 0);
    if (value.text != option.fallback) out += fmt::format("{} {}\n", option.name(), value.text);
  }
  return out;
}

}  // namespace push_cache::config
