#include "avro/encoder.h"

#include <utility>

#include "avro/datum_writer.h"
#include "avro/json_tree.h"
#include "avro/node.h"
#include "base/limits.h"

namespace push_cache::avro {
namespace {

// Arrays and objects of the text; what a plan could read again is no deeper.
constexpr std::size_t kJsonDepthMax = limits::kDatumDepthMax + 1;
// Values visited, tries at branches of unions included: some tenths of a second.
constexpr std::size_t kStepsMin = 1'000'000;
constexpr std::size_t kStepsPerToken = 4;

}  // namespace

Encoder::Encoder(Schema schema) : schema_(std::move(schema)) {}

Status Encoder::from_json(std::string_view json, Buffer& out) const {
  const Result<JsonTree> tree = JsonTree::parse(json, kJsonDepthMax, JsonTree::Dialect::kStrict);
  if (!tree) return tree.error();
  const std::size_t start = out.size();
  DatumWriter writer(*tree, DatumWriter::Mode::kRecords, start + limits::kValueBytesMax,
                     kStepsMin + kStepsPerToken * tree->size());
  if (writer.write(schema_.root(), JsonTree::kRoot, out)) return {};
  out.truncate(start);
  return Error{ErrorCode::kInvalidArgument, writer.fault()};
}

}  // namespace push_cache::avro
