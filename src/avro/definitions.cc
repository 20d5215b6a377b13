// The part of the schema's parser for types that are used before they are defined, which Java takes
// since Avro 1.12.
#include <string>
#include <utility>

#include "avro/names.h"
#include "avro/path_scope.h"
#include "avro/schema_parser.h"
#include "base/limits.h"

namespace push_cache::avro {

const Node* SchemaParser::define_ahead(std::string_view name, std::string_view space) {
  if (!definitions_) {
    definitions_.emplace();
    std::string path = std::exchange(path_, text_name_);
    find_definitions(JsonTree::kRoot, "");
    path_ = std::move(path);
  }
  if (name.size() + space.size() > limits::kSchemaNameBytesMax) {
    return fail("unknown type " + in_quotes(name));
  }
  auto found = definitions_->find(qualify(name, space));
  if (found == definitions_->end()) found = definitions_->find(name);
  // One that was looked for before is known by now, or at fault.
  if (found == definitions_->end() || !ahead_.emplace(found->second.ref, nullptr).second) {
    return fail("unknown type " + in_quotes(name));
  }
  const Definition& definition = found->second;
  std::string path = std::exchange(path_, definition.path);
  const Node* const node = parse_type(definition.ref, definition.space);
  path_ = std::move(path);
  return node;
}

void SchemaParser::find_definitions_at(std::string_view segment, Ref ref, std::string_view space) {
  if (ref == JsonTree::kNone) return;
  const PathScope scope(path_, segment);
  find_definitions(ref, space);
}

void SchemaParser::find_definitions(Ref ref, std::string_view space) {
  if (tree_.is_array(ref)) {
    std::size_t index = 0;
    for (Ref at = tree_.first(ref); at < tree_.end(ref); at = tree_.next(at), ++index) {
      find_definitions_at(indexed("", index), at, space);
    }
    return;
  }
  if (!tree_.is_object(ref)) return;
  const Ref type = tree_.find(ref, "type");
  if (type == JsonTree::kNone) return;
  if (!tree_.is_string(type)) return find_definitions_at("type", type, space);
  const std::string_view word = tree_.text(type);
  if (word == "array") return find_definitions_at("items", tree_.find(ref, "items"), space);
  if (word == "map") return find_definitions_at("values", tree_.find(ref, "values"), space);
  const bool is_record = word == "record" || word == "error";
  const Ref name = tree_.find(ref, "name");
  if ((!is_record && word != "enum" && word != "fixed") || name == JsonTree::kNone ||
      !tree_.is_string(name)) {
    return;
  }
  const std::string_view own = own_space(ref, space);
  if (tree_.text(name).size() + own.size() > limits::kSchemaNameBytesMax) return;
  const auto place =
      definitions_->emplace(qualify(tree_.text(name), own), Definition{ref, space, path_}).first;
  const Ref fields = is_record ? tree_.find(ref, "fields") : JsonTree::kNone;
  if (fields == JsonTree::kNone || !tree_.is_array(fields)) return;
  std::size_t index = 0;
  for (Ref at = tree_.first(fields); at < tree_.end(fields); at = tree_.next(at), ++index) {
    if (!tree_.is_object(at)) continue;
    const PathScope scope(path_, indexed("fields", index));
    find_definitions_at("type", tree_.find(at, "type"), namespace_of(place->first));
  }
}

}  // namespace push_cache::avro
