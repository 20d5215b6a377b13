#include "http/parser_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  push_cache::http::fuzz_parser({reinterpret_cast<const char*>(data), size});
  return 0;
}
