// Fuzz body: any bytes as answers of Redis, cut anywhere, and what is read out of them.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fuzz.h"
#include "redis/answers.h"
#include "redis/replies.h"
#include "redis/test_support.h"

namespace {

using namespace push_cache;         // NOLINT: a program of its own
using namespace push_cache::redis;  // NOLINT

void check_endpoint(const Endpoint& endpoint) {
  fuzz_require(endpoint.port != 0 && !endpoint.host.empty() && endpoint.host.size() < 300);
}

void check_meaning(const Reply& reply) {
  const Endpoint asked{"asked", 1};
  if (reply.type == Reply::Type::kError) {
    const Refusal refusal = read_refusal(reply.text, asked);
    fuzz_require(refusal.slot < kSlots);
    if (refusal.kind == Refusal::Kind::kMoved || refusal.kind == Refusal::Kind::kAsk) {
      check_endpoint(refusal.endpoint);
    }
    const std::string text = clean_text(reply.text, "ERR");
    fuzz_require(text.size() <= 200 && text.find("ERR") == std::string::npos);
  }
  if (const auto ranges = read_cluster_slots(reply, asked); ranges.ok()) {
    for (const SlotRange& range : *ranges) {
      fuzz_require(range.first <= range.last && range.last < kSlots);
      check_endpoint(range.master);
      for (const Endpoint& replica : range.replicas) check_endpoint(replica);
    }
  }
  if (const auto master = read_master_address(reply); master.ok()) check_endpoint(*master);
}

struct Collector final : ReplyReader::Handler {
  bool on_reply(const Reply& reply) override {
    check_meaning(reply);
    shown.push_back(show(reply));
    return true;
  }
  std::vector<std::string> shown;
  bool failed = false;
};

Collector read(Bytes bytes, std::size_t piece, const ReplyCaps& caps) {
  Collector collector;
  ReplyReader reader(collector, caps);
  while (!bytes.empty()) {
    const ExactBlock block(bytes.first(std::min(piece, bytes.size())));
    bytes = bytes.subspan(block.view().size());
    const Status status = reader.feed(block.view());
    if (!status.ok()) {
      fuzz_require(status.error().code == ErrorCode::kMalformed);
      fuzz_require(!reader.feed("+OK\r\n").ok());
      collector.failed = true;
      break;
    }
  }
  return collector;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzChoices choices({data, size});
  ReplyCaps caps;
  if (choices.one_in(2)) caps = {.bulk_bytes = 100, .elements = 20, .depth = 3, .line_bytes = 40};
  const std::size_t piece = 1 + choices.byte();
  const Bytes bytes = choices.rest();
  const Collector whole = read(bytes, bytes.size(), caps);
  const Collector cut = read(bytes, piece, caps);
  fuzz_require(whole.shown == cut.shown && whole.failed == cut.failed);
  return 0;
}
