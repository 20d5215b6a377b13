// What compile.cc, compile_values.cc and compile_skip.cc share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "avro/node.h"
#include "avro/plan.h"
#include "avro/program.h"
#include "avro/resolve.h"
#include "base/error.h"

namespace push_cache::avro {

class Compiler {
 public:
  explicit Compiler(const PlanOptions& options) : options_(options) {}

  Result<Program> compile(const Node& writer, const Node& reader);

 private:
  using Pair = std::pair<const Node*, const Node*>;  // the reader's is null when skipping
  struct Call {
    std::uint32_t op;
    Pair pair;
  };

  // Values that are written. Text that comes before a value waits in `pending_` until the next
  // instruction takes it.
  void value(const Node& writer, const Node& reader);
  void plain_value(const Node& writer, const Node& reader);
  bool logical_value(const Node& writer, const Node& reader);
  void enumeration(const Node& writer, const Node& reader);
  void collection(const Node& writer, const Node& reader);
  void writer_union(const Node& writer, const Node& reader);
  void record(const Node& writer, const Node& reader);
  void record_body(const Node& writer, const Node& reader);
  const Node* target_branch(const Node& writer_union, std::size_t index, const Node& reader);
  const std::string& default_json(const Field& field);

  // Values that are passed over.
  void skip(const Node& node);
  void skip_record_body(const Node& node);
  void skip_collection(const Node& node);
  void skip_union(const Node& node);
  void skip_fixed(std::size_t bytes);

  void version_program(const Node& writer, const Node& reader);
  void procedures();
  void finish();

  std::uint32_t emit(OpCode code, std::size_t value_room = 0, std::size_t a = 0, std::size_t b = 0,
                     unsigned flag = 0);  // takes the pending text
  std::uint32_t emit_silent(OpCode code, std::size_t a = 0, std::size_t b = 0, unsigned flag = 0);
  void flush();  // pending text becomes an instruction: before each place that jumps lead to
  void call(Pair pair);
  bool may_inline(Pair pair) const;
  std::uint32_t here();  // a place that is jumped to: nothing is merged over it
  std::size_t add_constant(std::string_view text);
  std::size_t add_message(std::string text);
  bool too_large() const;

  PlanOptions options_;
  Program program_;
  Resolver resolver_;
  std::string pending_;
  std::vector<Pair> open_;                 // records being compiled in line, outermost first
  std::map<Pair, std::uint32_t> entries_;  // compiled procedures
  std::vector<Call> calls_;
  std::map<const Field*, std::string> defaults_;
  std::uint32_t slots_open_ = 0;
  std::uint32_t slots_max_ = 0;
  std::uint32_t barrier_ = 0;  // first instruction that may still be merged with
  std::optional<Error> error_;
};

}  // namespace push_cache::avro
