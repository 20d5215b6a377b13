#include "avro/plan.h"

#include <utility>
#include <vector>

#include "avro/compile.h"
#include "avro/node.h"
#include "avro/skip.h"

namespace push_cache::avro {
namespace {

bool is_integer(const Node& node) { return node.type == Type::kInt || node.type == Type::kLong; }

// Whether `node` is an integer, or a union of integers and null.
bool is_version(const Node& node) {
  if (node.type != Type::kUnion) return is_integer(node);
  bool any = false;
  for (const Node* branch : node.branches) {
    if (!is_integer(*branch) && branch->type != Type::kNull) return false;
    any = any || is_integer(*branch);
  }
  return any;
}

class PlanImpl final : public Plan {
 public:
  PlanImpl(Schema writer, Program program, const Field* version)
      : writer_(std::move(writer)), program_(std::move(program)), version_(version) {}

  Status to_json(Bytes datum, Buffer& out) const override { return run(program_, datum, &out); }

  Status validate(Bytes datum) const override { return run(program_, datum, nullptr); }

  std::optional<std::int64_t> version(Bytes datum) const override {
    if (version_ == nullptr) return std::nullopt;
    Reader reader(datum);
    for (const Field& field : writer_.root().fields) {
      if (&field == version_) break;
      if (!skip_datum(*field.type, reader)) return std::nullopt;
    }
    const Node* node = version_->type;
    std::int64_t value = 0;
    if (node->type == Type::kUnion) {
      if (!reader.read_long(value) || value < 0 ||
          static_cast<std::uint64_t>(value) >= node->branches.size()) {
        return std::nullopt;
      }
      node = node->branches[static_cast<std::size_t>(value)];
      if (node->type == Type::kNull) return std::nullopt;
    }
    if (!reader.read_long(value)) return std::nullopt;
    return value;
  }

 private:
  Schema writer_;
  Program program_;
  const Field* version_;  // of the writer's root; null = none
};

Result<std::shared_ptr<const Plan>> make(const Schema& writer, const Schema& reader,
                                         const PlanOptions& options) {
  auto program = compile_program(writer.root(), reader.root(), options.logical_types);
  if (!program.ok()) return std::move(program).error();
  const Field* version = nullptr;
  if (!options.version_field.empty() && writer.root().type == Type::kRecord) {
    const Field* wanted = reader.root().find_field(options.version_field);
    if (wanted != nullptr) version = find_writer_field(writer.root(), *wanted);
    if (version != nullptr && !is_version(*version->type)) version = nullptr;
  }
  return std::shared_ptr<const Plan>(
      std::make_shared<PlanImpl>(writer, *std::move(program), version));
}

}  // namespace

Result<std::shared_ptr<const Plan>> Plan::compile(const Schema& writer,
                                                  const PlanOptions& options) {
  return make(writer, writer, options);
}

Result<std::shared_ptr<const Plan>> Plan::compile(const Schema& writer, const Schema& reader,
                                                  const PlanOptions& options) {
  return make(writer, reader, options);
}

}  // namespace push_cache::avro
