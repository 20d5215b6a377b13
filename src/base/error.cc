#include "base/error.h"

#include <iterator>

namespace push_cache {
namespace {

// clang-format off
constexpr ErrorCodeRow kCodes[] = {
    {ErrorCode::kInvalidArgument, "invalid_argument", 400, "The request does not fit: its syntax, its key, a parameter or its body."},
    {ErrorCode::kNotFound, "not_found", 404, "No record has this key; or no route serves this path, and the answer has a `Link` to `openapi.json`."},
    {ErrorCode::kMethodNotAllowed, "method_not_allowed", 405, "This method is not allowed here; `Allow` names those that are."},
    {ErrorCode::kRequestTimeout, "request_timeout", 408, "The request was not complete in time."},
    {ErrorCode::kConflict, "conflict", 409, "A record with this key exists."},
    {ErrorCode::kOtherTopic, "other_topic", 409, "The record that the route shows is of another topic than the one that the route writes."},
    {ErrorCode::kPreconditionFailed, "precondition_failed", 412, "A condition of the request (`If-Match`, `If-None-Match`, `If-Unmodified-Since`) is not met; nothing was changed."},
    {ErrorCode::kTooLarge, "too_large", 413, "The body, or the key or the record in it, is too large."},
    {ErrorCode::kTargetTooLong, "target_too_long", 414, "The request's target is too long."},
    {ErrorCode::kUnsupportedMedia, "unsupported_media", 415, "The body is of a type that is not taken here."},
    {ErrorCode::kExpectationFailed, "expectation_failed", 417, "An `Expect` that is not known here."},
    {ErrorCode::kHeaderTooLarge, "header_too_large", 431, "The request's header block is too large."},
    {ErrorCode::kMalformed, "malformed", 500, "Stored or received bytes are not what their schema says."},
    {ErrorCode::kBadRecord, "bad_record", 500, "The key's record is at fault and cannot be shown; the log says why."},
    {ErrorCode::kInternal, "internal", 500, "The service itself has failed; the log says why."},
    {ErrorCode::kUnsupported, "unsupported", 501, "What is asked cannot be done here."},
    {ErrorCode::kUnavailable, "unavailable", 503, "Not ready, or something that the answer needs is not there now; try again."},
    {ErrorCode::kSchemaUnknown, "schema_unknown", 503, "A schema that the answer needs is not known here yet; try again."},
    {ErrorCode::kTimeout, "timeout", 504, "Something that the answer needs did not answer in time."},
    {ErrorCode::kHttpVersion, "http_version", 505, "Another version of HTTP than 1.1 and 1.0."},
    {ErrorCode::kFull, "full", 507, "The store has reached its memory limit."},
};
// clang-format on

constexpr bool in_order() {
  for (std::size_t i = 0; i < std::size(kCodes); ++i) {
    if (static_cast<std::size_t>(kCodes[i].code) != i) return false;
    if (i > 0 && kCodes[i].http_status < kCodes[i - 1].http_status) return false;
  }
  return std::size(kCodes) == static_cast<std::size_t>(ErrorCode::kFull) + 1;
}
static_assert(in_order());

const ErrorCodeRow& row(ErrorCode code) { return kCodes[static_cast<std::size_t>(code)]; }

}  // namespace

std::span<const ErrorCodeRow> error_codes() { return kCodes; }

std::string_view to_string(ErrorCode code) { return row(code).name; }

int http_status(ErrorCode code) { return row(code).http_status; }

std::string Error::describe() const {
  return detail.empty() ? public_text : public_text + " (" + detail + ")";
}

}  // namespace push_cache
