// From schemas to a program. Internal to this folder.
#pragma once

#include "avro/node.h"
#include "avro/plan.h"
#include "avro/program.h"
#include "base/error.h"

namespace push_cache::avro {

// The program for data of `writer`, seen as `reader` (the same node: as they were written).
Result<Program> compile_program(const Node& writer, const Node& reader, LogicalTypes logical_types);

// The reader's field that `writer_field` of a record resolves to: by name, else by the reader's
// aliases; null when the reader has none.
const Field* find_writer_field(const Node& writer, const Field& reader_field);

}  // namespace push_cache::avro
