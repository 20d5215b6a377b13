// From schemas to the program of a plan.
#pragma once

#include <string>

#include "avro/node.h"
#include "avro/plan.h"
#include "avro/program.h"
#include "base/error.h"

namespace push_cache::avro {

// `reader` may be `writer` itself: then every datum is rendered as it was written.
Result<Program> compile_program(const Node& writer, const Node& reader, const PlanOptions& options);

}  // namespace push_cache::avro
