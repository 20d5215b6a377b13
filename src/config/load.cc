#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "config/checks.h"
#include "config/config.h"
#include "config/layers.h"
#include "config/options.h"
#include "config/parse.h"
#include "config/url.h"
#include "config/value.h"

extern char** environ;  // NOLINT: POSIX's name

namespace push_cache::config {
namespace {

// Properties of librdkafka that the service sets itself, with what to use instead.
struct OwnProperty {
  std::string_view name;
  std::string_view instead;
};
constexpr OwnProperty kOwnProperties[] = {
    {"bootstrap.servers", "use kafka.brokers"},
    {"metadata.broker.list", "use kafka.brokers"},
    {"group.id", "use kafka.group_id"},
    {"auto.offset.reset", "use kafka.offset_reset"},
    {"enable.auto.commit", "the service decides it"},
    {"enable.auto.offset.store", "the service decides it"},
    {"enable.partition.eof", "the service decides it"},
};

// Walks the merged tree along the table and fills the struct.
class Loader {
 public:
  Loader(const Sources& sources, Faults& faults) : sources_(sources), faults_(faults) {}

  Config load(Value& root, std::vector<std::string> notes) {
    config_.notes = std::move(notes);
    if (!root.is_map() && !root.is_null()) {
      fault("", root.where, "a configuration is a map of sections, such as 'kafka:'");
      return std::move(config_);
    }
    // The rows of a list need its items: they are made before anything is stored in them.
    config_.cache.stores.resize(items_of(root, "stores"));
    config_.cache.routes.resize(items_of(root, "routes"));
    section(root, "", "", 0);
    // A user and password of the URL count where the keys of their own are not set.
    SchemaRegistry& registry = config_.kafka.registry;
    if (registry.username.empty()) registry.username = url_username_;
    if (registry.password.empty()) registry.password = url_password_;
    given_.source = sources_.file;
    check(config_, given_, faults_);
    return std::move(config_);
  }

 private:
  void fault(std::string path, std::string where, std::string text) {
    faults_.add({std::move(path), std::move(where), std::move(text)});
  }

  static std::size_t items_of(Value& root, std::string_view list) {
    Value* cache = root.find("cache");
    Value* found = cache == nullptr ? nullptr : cache->find(list);
    return found == nullptr || !found->is_list() ? 0 : found->items.size();
  }

  void section(Value& value, const std::string& pattern, const std::string& path,
               std::size_t index) {
    const std::vector<std::string_view> names = names_in(pattern);
    for (const Entry& entry : value.entries) {
      if (std::find(names.begin(), names.end(), entry.key) != names.end()) continue;
      const std::string_view meant = closest(entry.key, names);
      fault(path.empty() ? shown(entry.key) : path + "." + shown(entry.key), entry.where,
            meant.empty() ? "unknown key" : fmt::format("unknown key; did you mean '{}'?", meant));
    }
    for (std::string_view name : names) {
      const std::string child =
          pattern.empty() ? std::string(name) : fmt::format("{}.{}", pattern, name);
      const std::string child_path =
          path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
      Value* found = value.find(name);
      if (const Option* row = find_option(child); row != nullptr) {
        option(*row, found, child_path, index, value.where);
      } else if (is_list_section(child)) {
        list(found, child, child_path);
      } else {
        Value none;
        if (found == nullptr || found->is_null()) found = &none;
        if (found == &none || found->is_map()) {
          section(*found, child, child_path, 0);
        } else {
          fault(child_path, found->where, "should be a map of keys");
        }
      }
    }
  }

  void list(Value* value, const std::string& pattern, const std::string& path) {
    if (value == nullptr || value->is_null() || (value->is_list() && value->items.empty())) {
      fault(path, value == nullptr ? sources_.file : value->where,
            "required: a list with at least one item");
      return;
    }
    given_.places.emplace(path, value->where);
    if (!value->is_list()) {
      fault(path, value->where, "should be a list");
      return;
    }
    for (std::size_t i = 0; i < value->items.size(); ++i) {
      Value& item = value->items[i];
      const std::string item_path = fmt::format("{}[{}]", path, i);
      if (item.is_map()) {
        section(item, pattern + "[]", item_path, i);
      } else {
        fault(item_path, item.where, "should be a map of keys");
      }
    }
  }

  void option(const Option& row, Value* value, const std::string& path, std::size_t index,
              const std::string& section_where) {
    if (row.type == Type::kAlias || row.type == Type::kIgnored) return;
    if (value == nullptr || value->is_null()) {
      if (row.required) {
        // The section's place only says more than the file's name inside a list.
        const bool in_list = row.path.find("[]") != std::string_view::npos;
        fault(path, in_list ? section_where : sources_.file,
              fmt::format("required, and set nowhere; it can also be given as {}",
                          environment_name(path)));
      } else if (!row.fallback.empty()) {
        take(row, scalar(std::string(row.fallback), "default"), path, index);
      }
      return;
    }
    given_.places.emplace(path, value->where);
    const std::size_t before = faults_.list().size();
    take(row, *value, path, index);
    if (faults_.list().size() == before) given_.good.insert(path);
  }

  void reject(const Option& row, const Value& value, const std::string& path,
              const std::string& reason) {
    const bool hide = row.secret || row.type == Type::kHttpUrl || !value.is_scalar() ||
                      value.text.find('@') != std::string::npos;
    fault(path, value.where, hide ? reason : fmt::format("'{}': {}", shown(value.text), reason));
  }

  // The text of a single value, or nothing after a fault.
  const std::string* text_of(const Option& row, const Value& value, const std::string& path) {
    if (value.is_scalar()) return &value.text;
    fault(path, value.where,
          fmt::format("should be a single value ({}), not a {}", type_text(row),
                      value.is_map()    ? "map"
                      : value.is_list() ? "list"
                                        : "null"));
    return nullptr;
  }

  // Stores the value of `result`, or reports why there is none.
  template <typename T, typename Store>
  void store(const Option& row, const Value& value, const std::string& path, Result<T> result,
             Store&& done) {
    if (result) {
      done(*std::move(result));
    } else {
      reject(row, value, path, result.error().public_text);
    }
  }

  void take(const Option& row, const Value& value, const std::string& path, std::size_t index) {
    const Slot slot = row.slot(config_, index);
    switch (row.type) {
      case Type::kBrokers:
        take_brokers(row, value, path, *std::get<std::string*>(slot));
        return;
      case Type::kTopics:
      case Type::kStrings:
        take_strings(row, value, path, *std::get<std::vector<std::string>*>(slot));
        return;
      case Type::kIds:
        take_ids(row, value, path, *std::get<std::vector<std::int32_t>*>(slot));
        return;
      case Type::kGroupId:
        take_group_id(row, value, path, *std::get<std::string*>(slot));
        return;
      case Type::kProperties:
        take_properties(value, path, "", *std::get<std::map<std::string, std::string>*>(slot));
        return;
      case Type::kSeconds:
      case Type::kDuration:
        take_duration(row, value, path, slot);
        return;
      default:
        break;
    }
    const std::string* text = text_of(row, value, path);
    if (text == nullptr) return;
    const auto keep = [&](std::string taken) { *std::get<std::string*>(slot) = std::move(taken); };
    switch (row.type) {
      case Type::kString:
        if (text->empty() && row.required) return reject(row, value, path, "must not be empty");
        return keep(*text);
      case Type::kBool:
        return store(row, value, path, parse_bool(*text),
                     [&](bool taken) { *std::get<bool*>(slot) = taken; });
      case Type::kCount:
        return store(row, value, path, parse_whole(*text), [&](std::int64_t number) {
          if (number < row.min || number > row.max) {
            return reject(row, value, path, fmt::format("not in {} to {}", row.min, row.max));
          }
          *std::get<std::uint32_t*>(slot) = static_cast<std::uint32_t>(number);
        });
      case Type::kBytes:
        return store(row, value, path, parse_bytes(*text),
                     [&](std::uint64_t bytes) { *std::get<std::uint64_t*>(slot) = bytes; });
      case Type::kAddress:
        return store(row, value, path, parse_address(*text), keep);
      case Type::kPath:
        return store(row, value, path, parse_path(*text), keep);
      case Type::kHttpUrl:
        return take_registry_url(row, value, path, *text);
      case Type::kRedisUrl:
        return keep(*text);  // what is right depends on `cluster`: see checks.cc
      case Type::kReader:
        return store(row, value, path, parse_reader_schema(*text),
                     [&](const ReaderSchema&) { keep(*text); });
      case Type::kChoice:
        return take_choice(row, value, path, slot);
      default:
        return;
    }
  }

  void take_choice(const Option& row, const Value& value, const std::string& path, Slot slot) {
    std::string names;
    for (const Choice& choice : row.choices) {
      if (choice.name == value.text) {
        std::visit(
            [&](auto* member) {
              using Member = std::remove_pointer_t<decltype(member)>;
              if constexpr (std::is_enum_v<Member>) *member = static_cast<Member>(choice.value);
            },
            slot);
        return;
      }
      names += (names.empty() ? "" : " or ") + std::string(choice.name);
    }
    const bool reserved =
        std::find(row.reserved.begin(), row.reserved.end(), value.text) != row.reserved.end();
    reject(row, value, path,
           reserved ? fmt::format("not available in this version; use {}", names)
                    : fmt::format("should be {}", names));
  }

  void take_duration(const Option& row, const Value& value, const std::string& path, Slot slot) {
    Value plain = value;
    if (value.is_map() && !join_secs_and_nanos(plain)) {
      fault(path, value.where, "not a duration, such as 5, 500ms, 5s or 1m");
      return;
    }
    const std::string* text = text_of(row, plain, path);
    if (text == nullptr) return;
    store(row, plain, path, parse_duration(*text), [&](std::chrono::nanoseconds taken) {
      const bool seconds = row.type == Type::kSeconds;
      const std::int64_t unit = seconds ? 1'000'000'000 : 1'000'000;
      const std::int64_t number = taken.count() / unit;
      if (number < row.min || number > row.max) {
        return reject(row, plain, path,
                      fmt::format("not in {}{} to {}{}", row.min, seconds ? "s" : "ms",
                                  seconds ? row.max : row.max / 1000, "s"));
      }
      if (seconds) {
        *std::get<std::chrono::seconds*>(slot) = std::chrono::seconds(number);
      } else {
        *std::get<std::chrono::milliseconds*>(slot) = std::chrono::milliseconds(number);
      }
    });
  }

  // {secs: 5, nanos: 0}, as the first form's language writes a duration, becomes "5s 0ns".
  static bool join_secs_and_nanos(Value& value) {
    const Value* secs = value.find("secs");
    const Value* nanos = value.find("nanos");
    if (secs == nullptr || value.entries.size() != (nanos == nullptr ? 1u : 2u)) return false;
    const Result<std::int64_t> whole = parse_whole(secs->text);
    const Result<std::int64_t> part = nanos == nullptr ? 0 : parse_whole(nanos->text);
    if (!whole || !part || *whole < 0 || *part < 0) return false;
    value = scalar(fmt::format("{}s {}ns", *whole, *part), value.where);
    return true;
  }

  void take_brokers(const Option& row, const Value& value, const std::string& path,
                    std::string& member) {
    Value joined = value;
    if (value.is_list()) {
      joined = scalar("", value.where);
      for (const Value& item : value.items) {
        const std::string* text = text_of(row, item, path);
        if (text == nullptr) return;
        joined.text += (joined.text.empty() ? "" : ",") + *text;
      }
    }
    const std::string* text = text_of(row, joined, path);
    if (text == nullptr) return;
    store(row, joined, path, parse_brokers(*text),
          [&](std::string taken) { member = std::move(taken); });
  }

  void take_strings(const Option& row, const Value& value, const std::string& path,
                    std::vector<std::string>& member) {
    const bool topics = row.type == Type::kTopics;
    std::vector<Value> items;
    if (value.is_list()) {
      items = value.items;
    } else if (topics && value.is_scalar()) {
      items.push_back(value);
    } else {
      fault(path, value.where, fmt::format("should be a {}", type_text(row)));
      return;
    }
    if (topics && items.empty()) return fault(path, value.where, "names no topic");
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::string item_path = value.is_list() ? fmt::format("{}[{}]", path, i) : path;
      const std::string* text = text_of(row, items[i], item_path);
      if (text == nullptr) continue;
      Result<std::string> taken = topics ? parse_topic(*text) : Result<std::string>(*text);
      if (taken && taken->empty()) taken = Error{ErrorCode::kInvalidArgument, "must not be empty"};
      if (taken && std::find(member.begin(), member.end(), *taken) != member.end()) {
        taken = Error{ErrorCode::kInvalidArgument, "listed twice"};
      }
      store(row, items[i], item_path, std::move(taken),
            [&](std::string name) { member.push_back(std::move(name)); });
    }
  }

  void take_ids(const Option& row, const Value& value, const std::string& path,
                std::vector<std::int32_t>& member) {
    if (!value.is_list()) return fault(path, value.where, "should be a list of numbers");
    for (std::size_t i = 0; i < value.items.size(); ++i) {
      const Value& item = value.items[i];
      const std::string item_path = fmt::format("{}[{}]", path, i);
      const std::string* text = text_of(row, item, item_path);
      if (text == nullptr) continue;
      store(row, item, item_path, parse_whole(*text), [&](std::int64_t id) {
        if (id < row.min || id > row.max) {
          return reject(row, item, item_path, fmt::format("not in {} to {}", row.min, row.max));
        }
        member.push_back(static_cast<std::int32_t>(id));
      });
    }
  }

  void take_group_id(const Option& row, const Value& value, const std::string& path,
                     std::string& member) {
    if (value.is_scalar()) {
      if (value.text.empty()) return reject(row, value, path, "must not be empty");
      member = value.text;
      return;
    }
    const bool right = value.is_map() && value.entries.size() == 1 &&
                       value.entries[0].key == "use_hostname" && value.entries[0].value.is_scalar();
    const Result<bool> use =
        right ? parse_bool(value.entries[0].value.text) : Result<bool>(Error{});
    if (!use) return fault(path, value.where, "should be a string or {use_hostname: true}");
    if (!*use) return fault(path, value.where, "with use_hostname false, give a string instead");
    member = hostname();
    if (member.empty()) fault(path, value.where, "this host has no name; set HOSTNAME");
  }

  std::string hostname() const {
    if (!sources_.hostname.empty()) return sources_.hostname;
    const auto variable = sources_.environment.find("HOSTNAME");
    if (variable != sources_.environment.end() && !variable->second.empty()) {
      return variable->second;
    }
    char name[256] = {};
    return gethostname(name, sizeof(name) - 1) == 0 ? std::string(name) : std::string();
  }

  // Maps within the map are names with dots: {sasl: {username: x}} is sasl.username.
  void take_properties(const Value& value, const std::string& path, const std::string& before,
                       std::map<std::string, std::string>& member) {
    if (!value.is_map()) return fault(path, value.where, "should be a map of strings");
    for (const Entry& entry : value.entries) {
      const std::string name = before + entry.key;
      const std::string name_path = path + "." + shown(entry.key);
      given_.places.emplace(name_path, entry.value.where);
      if (entry.key.empty()) {
        fault(path, entry.where, "a property without a name");
        continue;
      }
      if (entry.value.is_map()) {
        take_properties(entry.value, name_path, name + ".", member);
        continue;
      }
      if (!entry.value.is_scalar()) {
        fault(name_path, entry.value.where, "should be a single value");
        continue;
      }
      const auto own = std::find_if(std::begin(kOwnProperties), std::end(kOwnProperties),
                                    [&](const OwnProperty& p) { return p.name == name; });
      if (own != std::end(kOwnProperties)) {
        fault(name_path, entry.where, fmt::format("cannot be set here: {}", own->instead));
      } else if (!member.emplace(name, entry.value.text).second) {
        fault(name_path, entry.where, "given twice");
      }
    }
  }

  void take_registry_url(const Option& row, const Value& value, const std::string& path,
                         const std::string& text) {
    Result<Url> url = parse_url(text);
    if (!url) return reject(row, value, path, url.error().public_text);
    if (url->scheme != "http" && url->scheme != "https") {
      return reject(row, value, path, "the registry's URL begins with http:// or https://");
    }
    if (url->has_query) return reject(row, value, path, "the registry's URL has no query");
    while (url->path.ends_with('/')) url->path.pop_back();
    SchemaRegistry& registry = config_.kafka.registry;
    registry.url = url->without_userinfo();
    url_username_ = std::move(url->username);
    url_password_ = std::move(url->password);
  }

  const Sources& sources_;
  Faults& faults_;
  Config config_;
  Given given_;
  std::string url_username_;
  std::string url_password_;
};

}  // namespace

std::map<std::string, std::string> process_environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

std::optional<Config> load(const Sources& sources, Faults& faults) {
  const std::size_t before = faults.list().size();
  std::optional<std::string> text = sources.text;
  if (!text) {
    Result<std::string> content = read_text(sources.file);
    if (!content) {
      // Without the file everything would be missing: saying so would only hide what is wrong.
      faults.add({"", shown(sources.file), content.error().public_text});
      return std::nullopt;
    }
    text = *std::move(content);
  }
  Value root = parse_yaml(*text, sources.file, faults);
  if (faults.list().size() > before && root.is_null()) return std::nullopt;
  std::vector<std::string> notes;
  if (root.is_map() || root.is_null()) {
    translate_first_form(root, notes);
    read_file_keys(root, sources.secrets_dir, faults);
    if (sources.secrets_dir) add_secrets(root, *sources.secrets_dir, faults);
    add_environment(root, sources.environment, faults);
  }
  Config config = Loader(sources, faults).load(root, std::move(notes));
  if (faults.list().size() > before) return std::nullopt;
  return config;
}

Result<Config> load(const Sources& sources) {
  Faults faults;
  std::optional<Config> config = load(sources, faults);
  if (config) return *std::move(config);
  return Error{ErrorCode::kInvalidArgument, faults.format()};
}

}  // namespace push_cache::config
