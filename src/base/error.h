// Errors as values. Nothing throws per request or per record (STYLE.md 5).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace push_cache {

// What kind of failure it is. Each has one HTTP status, given by `http_status`.
enum class ErrorCode {
  kInvalidArgument,   // 400: the caller's input does not fit
  kNotFound,          // 404
  kMethodNotAllowed,  // 405
  kConflict,          // 409
  kTooLarge,          // 413
  kUnsupportedMedia,  // 415
  kMalformed,         // 500: stored or received bytes are not what their schema says
  kInternal,          // 500
  kUnavailable,       // 503: something this depends on is not there now; worth a retry
  kTimeout,           // 504
  kUnsupported,       // 501: this kind of thing cannot do that
  kFull,              // 507: a cap of memory is reached
};

// The field's usual word for a code, such as "not_found"; for logs and metrics labels.
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
