#include "avro/plan.h"

#include <utility>

#include "avro/compile.h"
#include "avro/interpreter.h"
#include "avro/node.h"

namespace push_cache::avro {
namespace {

class CompiledPlan final : public Plan {
 public:
  explicit CompiledPlan(Program program) : program_(std::move(program)) {}

  Status to_json(Bytes datum, Buffer& out) const override {
    const std::size_t start = out.size();
    const Outcome outcome = run_to_json(program_, datum, out);
    if (outcome.fault == Fault::kNone) [[likely]]
      return {};
    out.truncate(start);
    return error(outcome, datum);
  }

  Status validate(Bytes datum) const override {
    const Outcome outcome = run_validate(program_, datum);
    if (outcome.fault == Fault::kNone) [[likely]]
      return {};
    if (outcome.fault != Fault::kTooLarge) return error(outcome, datum);
    // What bounds the JSON is too coarse to tell: rare enough to render it.
    Buffer json;
    return to_json(datum, json);
  }

  std::optional<std::int64_t> version(Bytes datum) const override {
    if (program_.version_start == 0) return std::nullopt;
    const Outcome outcome = run_version(program_, datum);
    if (outcome.fault != Fault::kNone || !outcome.has_version) return std::nullopt;
    return outcome.version;
  }

 private:
  Error error(const Outcome& outcome, Bytes datum) const {
    return Error{ErrorCode::kMalformed, describe(outcome, program_, datum)};
  }

  const Program program_;
};

}  // namespace

Result<std::shared_ptr<const Plan>> Plan::compile(const Schema& writer,
                                                  const PlanOptions& options) {
  return compile(writer, writer, options);
}

Result<std::shared_ptr<const Plan>> Plan::compile(const Schema& writer, const Schema& reader,
                                                  const PlanOptions& options) {
  Result<Program> program = compile_program(writer.root(), reader.root(), options);
  if (!program) return std::move(program).error();
  return std::shared_ptr<const Plan>(std::make_shared<CompiledPlan>(std::move(*program)));
}

}  // namespace push_cache::avro
