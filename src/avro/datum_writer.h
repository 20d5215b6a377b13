// From JSON values to Avro bytes: the defaults of a schema and the records that clients send.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "avro/json_tree.h"
#include "avro/node.h"
#include "base/buffer.h"

namespace push_cache::avro {

class DatumWriter {
 public:
  enum class Mode {
    kDefaults,  // bytes and fixed are strings of U+0000..U+00FF, as in a schema's defaults
    kRecords,   // bytes and fixed are base64, as in the JSON of records
  };

  // `tree` is borrowed. At most `bytes_max` are written and `steps_max` values visited in all: what
  // bounds a small text that stands for a large datum, and unions that fit only after many tries.
  DatumWriter(const JsonTree& tree, Mode mode, std::size_t bytes_max, std::size_t steps_max);

  // Appends the datum of `value`. On false `fault()` says why, with the path below `value`, and
  // `out` may hold a part of the datum.
  bool write(const Node& node, JsonTree::Ref value, Buffer& out);

  // "payments[2].amount: a number is needed, not a string".
  std::string fault() const;

 private:
  using Ref = JsonTree::Ref;

  bool write_value(const Node& node, Ref value, Buffer& out);
  bool write_integer(const Node& node, Ref value, Buffer& out);
  bool write_float(const Node& node, Ref value, Buffer& out);
  bool write_bytes(const Node& node, Ref value, Buffer& out);
  bool write_enum(const Node& node, Ref value, Buffer& out);
  bool write_array(const Node& node, Ref value, Buffer& out);
  bool write_map(const Node& node, Ref value, Buffer& out);
  bool write_record(const Node& node, Ref value, Buffer& out);
  bool match_fields(const Node& node, Ref value, std::size_t base);
  bool write_union(const Node& node, Ref value, Buffer& out);
  bool count_items(const Node& items, std::size_t count);

  bool fail(std::string text);
  bool fail_kind(const char* needed, Ref value);
  bool within(std::string segment);  // adds a segment to the fault's path; false

  const JsonTree& tree_;
  Mode mode_;
  std::size_t bytes_max_;
  std::size_t steps_left_;
  std::size_t zero_size_items_ = 0;
  std::size_t depth_ = 0;
  bool exhausted_ = false;    // a cap was hit: no other branch of a union is tried
  std::vector<Ref> matched_;  // values of the open records' fields
  std::string fault_text_;
  std::vector<std::string> fault_path_;  // innermost first
};

}  // namespace push_cache::avro
