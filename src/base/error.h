// Errors as values. Nothing throws per request or per record (STYLE.md 5).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace push_cache {

// What kind of failure it is: the `code` of an error's body, so that names and statuses stay as
// they are (docs/reference/http-api.md). The one table is in error.cc, in this order.
enum class ErrorCode : std::uint8_t {
  kInvalidArgument,
  kNotFound,
  kMethodNotAllowed,
  kRequestTimeout,
  kConflict,
  kOtherTopic,
  kPreconditionFailed,
  kTooLarge,
  kTargetTooLong,
  kUnsupportedMedia,
  kExpectationFailed,
  kHeaderTooLarge,
  kMalformed,
  kBadRecord,
  kInternal,
  kUnsupported,
  kUnavailable,
  kSchemaUnknown,
  kTimeout,
  kHttpVersion,
  kFull,
};

struct ErrorCodeRow {
  ErrorCode code;
  std::string_view name;  // "not_found"; also for logs and metrics labels
  int http_status;        // always the same for one code
  std::string_view meaning;
};

// All of them, in the order of the enum, which is that of their statuses.
std::span<const ErrorCodeRow> error_codes();

std::string_view to_string(ErrorCode code);
int http_status(ErrorCode code);

struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::kInternal;
  // Says what, where and what to do; may be sent to a client. Holds no secret and no internal
  // address.
  std::string public_text;
  // More for the log only; never sent.
  std::string detail = {};

  // "public_text (detail)".
  std::string describe() const;
};

// A value or an Error. `T` must be movable. Reading the side that is not there is undefined, as
// with std::optional; check `ok()` first.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : data_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
  Result(Error error)
      : data_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit by design

  bool ok() const { return data_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& operator*() & { return *std::get_if<0>(&data_); }
  const T& operator*() const& { return *std::get_if<0>(&data_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&data_)); }
  T* operator->() { return std::get_if<0>(&data_); }
  const T* operator->() const { return std::get_if<0>(&data_); }

  Error& error() & { return *std::get_if<1>(&data_); }
  const Error& error() const& { return *std::get_if<1>(&data_); }
  Error&& error() && { return std::move(*std::get_if<1>(&data_)); }

 private:
  std::variant<T, Error> data_;
};

// Success or an Error.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  Error& error() & { return *error_; }
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

}  // namespace push_cache
