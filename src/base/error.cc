#include "base/error.h"

namespace push_cache {
namespace {

struct CodeRow {
  ErrorCode code;
  std::string_view name;
  int http_status;
};

constexpr CodeRow kCodes[] = {
    {ErrorCode::kInvalidArgument, "invalid_argument", 400},
    {ErrorCode::kNotFound, "not_found", 404},
    {ErrorCode::kMethodNotAllowed, "method_not_allowed", 405},
    {ErrorCode::kConflict, "conflict", 409},
    {ErrorCode::kTooLarge, "too_large", 413},
    {ErrorCode::kUnsupportedMedia, "unsupported_media", 415},
    {ErrorCode::kMalformed, "malformed", 500},
    {ErrorCode::kInternal, "internal", 500},
    {ErrorCode::kUnavailable, "unavailable", 503},
    {ErrorCode::kTimeout, "timeout", 504},
    {ErrorCode::kUnsupported, "unsupported", 501},
    {ErrorCode::kFull, "full", 507},
};

const CodeRow& row(ErrorCode code) {
  for (const CodeRow& candidate : kCodes) {
    if (candidate.code == code) return candidate;
  }
  return kCodes[7];
}

}  // namespace

std::string_view to_string(ErrorCode code) { return row(code).name; }

int http_status(ErrorCode code) { return row(code).http_status; }

std::string Error::describe() const {
  return detail.empty() ? public_text : public_text + " (" + detail + ")";
}

}  // namespace push_cache
