// Fuzz body: any bytes as a header block and a chunked body behind it: what must hold for any
// bytes.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/fuzz.h"
#include "http/parser.h"

namespace push_cache::http {
namespace {

struct FuzzedBody {
  unsigned status = 0;
  bool done = false;
  std::string body;
};

FuzzedBody fuzz_chunks(std::string_view raw, std::size_t piece) {
  ChunkedBody chunks("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 1000);
  FuzzedBody out;
  std::string waiting;
  while (!out.done && out.status == 0) {
    const std::size_t bytes = std::min(piece, raw.size());
    waiting.append(raw.substr(0, bytes));
    raw.remove_prefix(bytes);
    ExactBlock exact(waiting);
    const ChunkedBody::Progress progress = chunks.take(exact.view(), exact.data());
    fuzz_require(progress.taken <= waiting.size() && progress.decoded <= progress.taken);
    out.body.append(exact.data(), progress.decoded);
    waiting.erase(0, progress.taken);
    out.status = progress.fault.status();
    out.done = progress.done;
    if (raw.empty()) break;
  }
  fuzz_require(out.body.size() <= 1000);
  return out;
}

// A header block followed by a chunked body, both of any bytes: no crash, no view beyond the block,
// and the same outcome in whatever pieces they come.
void fuzz_parser(std::string_view bytes) {
  constexpr HeaderScan::Limits kLimits{200, 2000};
  HeaderScan whole;
  const HeaderScan::Outcome outcome = whole.scan(bytes, kLimits);
  HeaderScan pieces;
  HeaderScan::Outcome last = HeaderScan::Outcome::kIncomplete;
  for (std::size_t size = 1; size <= bytes.size() && last == HeaderScan::Outcome::kIncomplete;
       ++size) {
    last = pieces.scan(bytes.substr(0, size), kLimits);
  }
  fuzz_require(last == outcome && whole.fault().status() == pieces.fault().status());
  std::string_view raw = bytes;
  if (outcome == HeaderScan::Outcome::kComplete) {
    fuzz_require(whole.header_bytes() == pieces.header_bytes());
    const ExactBlock header(bytes.substr(0, whole.header_bytes()));
    raw.remove_prefix(whole.header_bytes());
    ParsedHeader out;
    std::unique_ptr<JoinedValues> joined;
    const Fault fault = parse_header(header.view(), kLimits.target_bytes_max, out, joined);
    if (!fault) {
      const auto inside = [&](std::string_view view) {
        const std::less_equal<const char*> no_later;
        fuzz_require(
            view.empty() ||
            (no_later(header.view().data(), view.data()) &&
             no_later(view.data() + view.size(), header.view().data() + header.view().size())) ||
            joined != nullptr);
      };
      inside(out.request.target);
      inside(out.request.query);
      inside(out.request.if_match.value_or(std::string_view()));
      inside(out.request.if_none_match);
      inside(out.request.if_unmodified_since);
      inside(out.request.content_type);
      inside(out.request.accept);
      inside(out.request.correlation.request_id);
      inside(out.request.correlation.traceparent);
      fuzz_require(out.request.path.empty() || out.request.path[0] == '/' ||
                   out.request.path == "*");
      fuzz_require(!out.chunked || out.content_length == 0);
    } else {
      fuzz_require(fault.status() >= 400 && fault.status() < 600 && !fault.message.empty());
    }
  }
  const FuzzedBody at_once = fuzz_chunks(raw, raw.size() + 1);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}}) {
    const FuzzedBody body = fuzz_chunks(raw, piece);
    // When a body is refused depends on the pieces (of less than 5 bytes ChunkedBody waits for
    // more, and Beast waits for the end of a quoted extension): whether it is taken must not.
    fuzz_require(body.done == at_once.done);
    fuzz_require(!body.done || body.body == at_once.body);
  }
}

}  // namespace
}  // namespace push_cache::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  push_cache::http::fuzz_parser({reinterpret_cast<const char*>(data), size});
  return 0;
}
