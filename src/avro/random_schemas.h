// Schemas and data made from the bytes of an input. Only for fuzzing.
#pragma once

#include <string>

#include "avro/node.h"
#include "base/buffer.h"
#include "base/fuzz.h"

namespace push_cache::avro {

struct SchemaTexts {
  std::string writer;
  std::string reader;
};

// A schema and a changed one: fields reordered, renamed with an alias, added, left out; types
// promoted; unions around either; now and then something that does not resolve. The writer's is
// always a schema; the reader's may name a type that it has lost.
SchemaTexts random_schemas(FuzzChoices& choices);

// Appends a datum of `node`, in blocks of both kinds. False when the choices led too deep.
bool random_datum(const Node& node, FuzzChoices& choices, Buffer& out, int depth = 0);

}  // namespace push_cache::avro
