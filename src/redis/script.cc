#include <openssl/evp.h>

#include <array>

#include "redis/client.h"

namespace push_cache::redis {

Script::Script(std::string text) : text_(std::move(text)) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  (void)EVP_Digest(text_.data(), text_.size(), digest.data(), &size, EVP_sha1(), nullptr);
  constexpr std::string_view kHex = "0123456789abcdef";
  for (unsigned i = 0; i < size; ++i) {
    sha_ += kHex[digest.at(i) >> 4];
    sha_ += kHex[digest.at(i) & 15];
  }
}

}  // namespace push_cache::redis
