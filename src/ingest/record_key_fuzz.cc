// Fuzz body: any bytes as a record's key and as the header beside it, in every format.
#include <cstdint>
#include <string>

#include "base/fuzz.h"
#include "base/utf8.h"
#include "ingest/record_key.h"
#include "ingest/wire_format.h"

namespace {

using namespace push_cache;          // NOLINT: a program of its own
using namespace push_cache::ingest;  // NOLINT

bool lies_within(Bytes part, Bytes whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

void check_framed(const Framed& framed, Bytes bytes, Bytes header) {
  fuzz_require((framed.guid == nullptr) == (framed.id.value > 0));
  fuzz_require(lies_within(framed.datum, bytes));
  if (framed.guid != nullptr) fuzz_require(lies_within({framed.guid, 16}, header));
  if (header.data() != nullptr) fuzz_require(framed.datum.size() == bytes.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzChoices choices({data, size});
  const RecordFormats formats{.key = static_cast<KeyFormat>(choices.below(7)),
                              .wire = static_cast<WireFormat>(choices.below(3))};
  const std::size_t header_bytes = choices.below(32);
  const ExactBlock header_block(choices.take(header_bytes));
  const ExactBlock key_block(choices.rest());
  const Bytes key = key_block.bytes();
  const Bytes header = header_bytes == 0 ? Bytes() : header_block.bytes();

  FrameFault fault;
  if (const auto framed = unframe(formats.wire, key, header, fault)) {
    check_framed(*framed, key, header);
  } else {
    fuzz_require(!fault.text.empty() && is_utf8(fault.text));
  }
  std::string scratch;
  const RawKey made = read_key(formats, key, header, scratch);
  const bool plain = is_plain_text(formats, key, header);
  if (made.kind == RawKey::Kind::kDatum) {
    fuzz_require(!plain);
    check_framed(made.framed, key, header);
    return 0;
  }
  fuzz_require(is_utf8(made.text));
  if (plain) fuzz_require(made.kind == RawKey::Kind::kText && made.text == key_block.view());
  if (formats.key == KeyFormat::kBytes) fuzz_require(made.kind == RawKey::Kind::kText);
  return 0;
}
