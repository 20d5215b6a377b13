// How a snapshot lies in its file; docs/internals/snapshot-format.md tells it in words.
//
//   header    16 bytes: magic, version
//   blocks    one behind the other, each compressed by itself
//   footer    the directory of the blocks, the description, the schemas
//   trailer   32 bytes: where the footer is, its checksum, magic
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/error.h"
#include "base/types.h"
#include "snapshot/snapshot.h"

namespace push_cache::snapshot {

inline constexpr std::string_view kHeadMagic = "PUSHSNAP";
inline constexpr std::string_view kTailMagic = "PANSHSUP";
inline constexpr std::uint32_t kVersion = 3;
inline constexpr std::size_t kHeaderBytes = 16;
inline constexpr std::size_t kTrailerBytes = 32;
inline constexpr std::size_t kBlockEntryBytes = 24;

// One block, as the directory has it. Its place follows from the sizes of those before it.
struct BlockEntry {
  std::uint32_t compressed_bytes = 0;
  std::uint32_t raw_bytes = 0;
  std::uint32_t records = 0;
  std::uint32_t store = 0;
  std::uint64_t checksum = 0;  // of the compressed bytes
  std::uint64_t offset = 0;    // in the file; not in the directory
};

struct Footer {
  std::vector<BlockEntry> blocks;
  std::uint64_t records = 0;
  Description description;
  std::vector<Schema> schemas;
};

// XXH3 with 64 bits.
std::uint64_t checksum_of(Bytes bytes);

// Little-endian on every machine.
void append_u32(Buffer& out, std::uint32_t value);
void append_u64(Buffer& out, std::uint64_t value);
std::uint32_t read_u32(const std::uint8_t* at);
std::uint64_t read_u64(const std::uint8_t* at);

void append_header(Buffer& out);
// The footer and the trailer behind it; `footer_offset`: how many bytes of the file are before.
void append_end(Buffer& out, const Footer& footer, std::uint64_t footer_offset);

Status check_header(Bytes header);
struct FooterPlace {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t checksum = 0;
};
// `file_bytes`: the size of the whole file.
Result<FooterPlace> parse_trailer(Bytes trailer, std::uint64_t file_bytes);
// Verifies the checksum and that blocks, footer and trailer fill the file.
Result<Footer> parse_footer(Bytes bytes, const FooterPlace& place);

// What every refusal says.
Error damaged(std::string what);

}  // namespace push_cache::snapshot
