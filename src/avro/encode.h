// JSON values to Avro bytes. Internal to this folder.
#pragma once

#include <boost/json/value.hpp>

#include "avro/node.h"
#include "base/buffer.h"
#include "base/error.h"

namespace push_cache::avro {

// How bytes and fixed are written as JSON strings.
enum class Text {
  kBase64,   // as plans render them
  kDefault,  // as schemas write their defaults: one letter U+0000 to U+00FF a byte
};

// Appends the datum of `value`. A union takes its first branch that fits; a missing field its
// default. kInvalidArgument with the path of the value at fault; `out` may then hold a part of the
// datum.
Status encode_value(const Node& node, const boost::json::value& value, Text text, Buffer& out);

}  // namespace push_cache::avro
