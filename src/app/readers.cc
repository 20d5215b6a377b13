#include "app/readers.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "avro/schema.h"
#include "base/limits.h"
#include "config/faults.h"
#include "config/parse.h"

namespace push_cache::app {
namespace {

using Kind = config::ReaderSchema::Kind;

// The configuration has been checked: each text is one of the forms.
config::ReaderSchema reader_of(const config::Route& route) {
  return *config::parse_reader_schema(route.schema);
}

Result<std::string> read_schema_file(const std::string& path) {
  const auto bad = [](std::string text) {
    return Error{ErrorCode::kInvalidArgument, std::move(text)};
  };
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  if (file) {
    text.resize(limits::kSchemaTextBytesMax + 1);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
  }
  if (!file.is_open() || file.bad() || (file.fail() && !file.eof())) {
    return bad("the file cannot be read: " + std::string(std::strerror(errno)));
  }
  if (text.size() > limits::kSchemaTextBytesMax) return bad("the file is larger than 4 MiB");
  if (const auto schema = avro::Schema::parse(text); !schema.ok()) {
    return bad("the file holds no Avro schema: " + schema.error().public_text);
  }
  return text;
}

}  // namespace

Status check_schema_files(const config::Config& config) {
  config::Faults faults;
  for (std::size_t i = 0; i < config.cache.routes.size(); ++i) {
    const config::Route& route = config.cache.routes[i];
    const config::ReaderSchema reader = reader_of(route);
    if (reader.kind != Kind::kFile) continue;
    if (const auto text = read_schema_file(reader.path); !text.ok()) {
      faults.add({"cache.routes[" + std::to_string(i) + "].schema", "",
                  "'" + route.schema + "': " + text.error().public_text});
    }
  }
  if (faults.empty()) return {};
  return Error{ErrorCode::kInvalidArgument, faults.format()};
}

Result<Readers> make_readers(const config::Config& config, registry::SubjectSource& source,
                             const avro::PlanOptions& plan) {
  if (Status files = check_schema_files(config); !files.ok()) return std::move(files).error();
  Readers readers;
  std::map<std::string, registry::ReaderSchema*> files;
  for (const config::Route& route : config.cache.routes) {
    readers.routes.emplace_back();
    const config::ReaderSchema reader = reader_of(route);
    if (reader.kind == Kind::kWriter) continue;
    if (readers.schemas == nullptr) {
      readers.schemas = std::make_unique<registry::ReaderSchemas>(
          source, registry::ReaderSchemasOptions{.plan = plan});
    }
    registry::RouteReader made{.spec = route.schema, .by_topic = {}};
    if (reader.kind == Kind::kLatest) {
      for (const std::string& topic : config.kafka.topics) {
        made.by_topic.push_back(
            &readers.schemas->subject(topic + "-value", registry::kLatestVersion));
      }
    } else if (reader.kind == Kind::kSubject) {
      const int version = reader.version == 0 ? registry::kLatestVersion : reader.version;
      made.by_topic.push_back(&readers.schemas->subject(reader.subject, version));
    } else {
      registry::ReaderSchema*& known = files[reader.path];
      if (known == nullptr) {
        auto text = read_schema_file(reader.path);
        if (!text.ok()) return std::move(text).error();
        auto fixed = readers.schemas->fixed(route.schema, {*std::move(text)});
        if (!fixed.ok()) return std::move(fixed).error();
        known = *fixed;
      }
      made.by_topic.push_back(known);
    }
    readers.routes.back() = std::make_unique<const registry::RouteReader>(std::move(made));
  }
  return readers;
}

std::vector<registry::RouteReader> Readers::of_store(const config::Config& config,
                                                     const config::Store& store) const {
  std::vector<registry::RouteReader> found;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    if (routes[i] == nullptr || config.cache.routes[i].store != store.name) continue;
    const bool again = std::any_of(found.begin(), found.end(), [&](const auto& other) {
      return other.by_topic == routes[i]->by_topic;
    });
    if (!again) found.push_back(*routes[i]);
  }
  return found;
}

void Readers::add_reasons(std::vector<std::string>& reasons) const {
  std::set<const registry::ReaderSchema*> seen;
  for (const auto& route : routes) {
    if (route == nullptr) continue;
    for (const registry::ReaderSchema* reader : route->by_topic) {
      const registry::ReaderStatus status = reader->status();
      if (!seen.insert(reader).second || status.kind == registry::StateKind::kKnown) continue;
      reasons.push_back("the reader schema " + reader->name() + " is not known yet" +
                        (status.error.empty() ? "" : ": " + status.error));
    }
  }
}

}  // namespace push_cache::app
