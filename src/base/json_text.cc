#include "base/json_text.h"

#include <algorithm>
#include <charconv>

namespace push_cache {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// The number of \uXXXX at `at`, or nothing.
std::optional<unsigned> unicode_escape(std::string_view text, std::size_t at) {
  if (text.size() - at < 6 || text[at] != '\\' || text[at + 1] != 'u') return std::nullopt;
  unsigned value = 0;
  const char* const end = text.data() + at + 6;
  const auto result = std::from_chars(text.data() + at + 2, end, value, 16);
  if (result.ec != std::errc{} || result.ptr != end) return std::nullopt;
  return value;
}

bool is_leading(unsigned unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool is_trailing(unsigned unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

class Mender {
 public:
  Mender(std::string_view text, JsonExtras extras)
      : source_(text), comments_(extras == JsonExtras::kSurrogatesAndComments) {}

  std::optional<std::string> mend() {
    if (source_.starts_with(kByteOrderMark)) blank(0, at_ = kByteOrderMark.size());
    bool in_string = false;
    while (at_ < source_.size()) {
      const char c = source_[at_];
      if (in_string) {
        if (c == '"') in_string = false;
        in_string_at(c);
      } else if (c == '/' && comments_) {
        comment();
      } else {
        in_string = c == '"';
        ++at_;
      }
    }
    return std::move(mended_);
  }

 private:
  void in_string_at(char c) {
    if (c == '\\') return escape();
    const auto byte = [this](std::size_t i) {
      return i < source_.size() ? static_cast<unsigned char>(source_[i]) : 0U;
    };
    if (byte(at_) == 0xED && byte(at_ + 1) >= 0xA0 && byte(at_ + 1) <= 0xBF &&
        byte(at_ + 2) >= 0x80 && byte(at_ + 2) <= 0xBF) {
      put(at_, kReplacement);
      at_ += kReplacement.size();
    } else {
      ++at_;
    }
  }

  void escape() {
    const std::optional<unsigned> unit = unicode_escape(source_, at_);
    if (!unit) {
      at_ += 2;
      return;
    }
    if (is_leading(*unit)) {
      const std::optional<unsigned> next =
          unicode_escape(source_, std::min(at_ + 6, source_.size()));
      if (next && is_trailing(*next)) {
        at_ += 12;
        return;
      }
    }
    if (is_leading(*unit) || is_trailing(*unit)) put(at_, "\\uFFFD");
    at_ += 6;
  }

  void comment() {
    const std::string_view rest = source_.substr(at_);
    std::size_t size = 1;
    if (rest.starts_with("//")) {
      size = std::min(rest.find_first_of("\r\n"), rest.size());
      blank(at_, size);
    } else if (rest.starts_with("/*")) {
      const std::size_t close = rest.find("*/", 2);
      size = close == std::string_view::npos ? rest.size() : close + 2;
      if (close != std::string_view::npos) blank(at_, size);  // else it stays as a fault
    }
    at_ += size;
  }

  void blank(std::size_t at, std::size_t size) { std::fill_n(&copy()[at], size, ' '); }
  void put(std::size_t at, std::string_view text) { copy().replace(at, text.size(), text); }
  std::string& copy() {
    if (!mended_) mended_.emplace(source_);
    return *mended_;
  }

  std::string_view source_;
  bool comments_;
  std::size_t at_ = 0;
  std::optional<std::string> mended_;
};

}  // namespace

std::optional<std::string> strict_json(std::string_view text, JsonExtras extras) {
  return Mender(text, extras).mend();
}

}  // namespace push_cache
