// A list of keys as it comes: a JSON array of strings, piece by piece.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace push_cache::app {

// Holds the keys that are complete and were not taken yet, whatever the size of the whole.
class KeyStream {
 public:
  KeyStream();
  ~KeyStream();

  // The next piece of the text. kMalformed when it is no array of strings, kTooLarge for a string
  // beyond limits::kKeyBytesMax; after an error nothing more may come.
  Status feed(std::string_view piece);
  // Whether the array has closed, or the error of one that did not.
  Status finish();

  bool empty() const;
  std::size_t size() const;
  std::string take();  // the first one; not when empty

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace push_cache::app
