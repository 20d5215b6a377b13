// Which data of a writer's schema can be read with a reader's ("Schema Resolution").
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "avro/node.h"
#include "base/error.h"

namespace push_cache::avro {

// For each field of the reader's record the writer's field that holds it, or nothing. An alias
// never takes a field that another of the reader's fields is named for, nor one that is taken.
std::vector<std::optional<std::size_t>> match_fields(const Node& writer, const Node& reader);

// Answers are remembered: one resolver for one pair of schemas, in one thread.
class Resolver {
 public:
  // kInvalidArgument with the path of the first place where no datum of `writer` resolves. An array
  // or map resolves when its items do (an empty one could always be read, but is no use alone), a
  // writer's union when one of its branches does.
  Status check(const Node& writer, const Node& reader);

  // The same as a yes or no.
  bool resolves(const Node& writer, const Node& reader);

  // A bound on depth or work was hit: no answer since then is worth anything.
  bool entangled() const { return entangled_; }

  // The branch of the reader's union that takes data of `writer` (no union), or nullptr: that of
  // the same full name, else the first of the same type, else the first that it can be promoted to.
  // (The specification has the first that matches at all, which makes a string that goes to
  // ["bytes", "string"] bytes; Apache Avro for Java chooses as here.)
  const Node* branch(const Node& writer, const Node& reader_union);

 private:
  using Pair = std::pair<const Node*, const Node*>;

  bool match(const Node& writer, const Node& reader);
  const Node* find_branch(const Node& writer, const Node& reader_union);
  bool match_record(const Node& writer, const Node& reader);
  bool match_record_fields(const Node& writer, const Node& reader);
  bool match_enum(const Node& writer, const Node& reader);
  bool match_writer_union(const Node& writer, const Node& reader);
  bool fail(std::string what);
  bool within(std::string segment);

  std::map<Pair, bool> known_;  // records; a pair being looked at counts as matching
  std::vector<Pair> order_;     // in which they were added
  std::size_t depth_ = 0;
  std::size_t steps_ = 0;
  bool entangled_ = false;
  std::string fault_;
  std::vector<std::string> fault_path_;  // innermost first
};

// Whether writer's and reader's types may be read as one another without regard to what is inside.
bool is_promotion(Type writer, Type reader);
bool names_match(const Node& writer, const Node& reader);

// Why an enum has no default for a symbol that it does not know: "which has no default".
std::string without_default(const Node& reader_enum);

}  // namespace push_cache::avro
