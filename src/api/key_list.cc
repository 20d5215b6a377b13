#include "api/key_list.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/utf8.h"

namespace push_cache::api {
namespace {

// What one turn may cost its loop: keys looked at, and bytes written.
constexpr std::size_t kKeysPerTurn = 4096;
constexpr std::size_t kBytesPerTurn = 64 * 1024;

// Appends a key that the query wants, and moves the query on. False when it wants no more.
bool append_key(Buffer& out, ListQuery& query, bool& any, std::string_view key) {
  if (!query.filter.empty() && key.find(query.filter) == std::string_view::npos) return true;
  if (query.offset > 0) {
    --query.offset;
    return true;
  }
  if (std::exchange(any, true)) out.append(',');
  append_json_string(out, key);
  return --query.limit > 0;
}

class KeyList final : public http::BodySource {
 public:
  KeyList(store::Store& store, ListQuery query, LogLimiter& repeats)
      : store_(store), query_(std::move(query)), repeats_(repeats) {}

  Result<Next> append_next(Buffer& out) override {
    if (first_turn_) out.append('[');
    first_turn_ = false;
    bool more = query_.limit > 0;
    if (more) {
      Page page(*this, out);
      // Without a filter the store itself finds where the list begins.
      const std::uint64_t skip = query_.filter.empty() ? std::exchange(query_.offset, 0) : 0;
      const auto result = store_.page({.after = after_, .from_start = from_start_, .skip = skip},
                                      kKeysPerTurn, page);
      if (!result.ok()) {
        repeats_.log("list", spdlog::level::warn, "a list ended early: {}",
                     result.error().describe());
        return result.error();
      }
      more = *result && query_.limit > 0;
    }
    if (!more) out.append(']');
    return more ? Next::kMore : Next::kEnd;
  }

 private:
  struct Page final : store::KeySink {
    Page(KeyList& owner, Buffer& buffer) : list(owner), out(buffer), start(buffer.size()) {}
    KeyList& list;
    Buffer& out;
    std::size_t start;

    bool key(std::string_view key) override {
      list.after_.assign(key);
      list.from_start_ = false;
      return append_key(out, list.query_, list.any_, key) && out.size() - start < kBytesPerTurn;
    }
  };

  store::Store& store_;
  ListQuery query_;
  LogLimiter& repeats_;
  std::string after_;
  bool from_start_ = true;
  bool first_turn_ = true;
  bool any_ = false;
};

// The keys of a remote store, in its own order.
class ScannedKeyList final : public http::BodySource, private store::KeyScan::Sink {
 public:
  ScannedKeyList(std::unique_ptr<store::KeyScan> scan, ListQuery query, LogLimiter& repeats)
      : scan_(std::move(scan)), query_(std::move(query)), repeats_(repeats) {
    keys_.append('[');
    more_ = query_.limit > 0;
  }

  Result<Next> append_next(Buffer& out) override {
    // Until there is something to show: a filter may leave out all keys of many steps.
    if (more_ && error_.ok() && !stepped_) {
      under_way_ = true;
      inside_call_ = true;
      scan_->next(*this);
      inside_call_ = false;
      if (under_way_) return Next::kLater;
    }
    stepped_ = false;
    if (!error_.ok()) {
      repeats_.log("list", spdlog::level::warn, "a list ended early: {}",
                   error_.error().describe());
      return error_.error();
    }
    if (!more_) keys_.append(']');
    out.append(keys_.view());
    keys_.clear();
    return more_ ? Next::kMore : Next::kEnd;
  }

 private:
  void key(std::string_view key) override {
    if (query_.limit > 0) (void)append_key(keys_, query_, any_, key);
  }
  void end(bool more) override {
    more_ = more && query_.limit > 0;
    step_ended();
  }
  void failed(const Error& error) override {
    error_ = error;
    step_ended();
  }
  void step_ended() {
    under_way_ = false;
    if (inside_call_) return;
    stepped_ = true;
    wake();
  }

  const std::unique_ptr<store::KeyScan> scan_;
  ListQuery query_;
  LogLimiter& repeats_;
  Buffer keys_;           // of the step that has ended
  bool more_ = true;      // steps to come
  bool any_ = false;      // a key was shown
  bool stepped_ = false;  // a step has ended since `append_next`
  bool under_way_ = false;
  bool inside_call_ = false;
  Status error_;
};

Result<std::uint64_t> parse_count(std::string_view name, std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Error{ErrorCode::kInvalidArgument,
                 std::string(name) + ": a whole number of 0 or more is needed"};
  }
  return value;
}

}  // namespace

Result<ListQuery> ListQuery::parse(std::string_view query) {
  ListQuery out;
  while (!query.empty()) {
    const std::size_t ampersand = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, ampersand);
    query.remove_prefix(std::min(ampersand + 1, query.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view name = pair.substr(0, equals);
    std::string raw(pair.substr(std::min(equals + 1, pair.size())));
    std::replace(raw.begin(), raw.end(), '+', ' ');
    if (name != "limit" && name != "offset" && name != "filter") continue;
    std::optional<std::string> value = percent_decode(raw);
    if (!value || !is_utf8(*value)) {
      return Error{ErrorCode::kInvalidArgument,
                   std::string(name) + ": the value is not percent-encoded UTF-8"};
    }
    if (name == "filter") {
      out.filter = *std::move(value);
      continue;
    }
    const auto number = parse_count(name, *value);
    if (!number.ok()) return number.error();
    (name == "limit" ? out.limit : out.offset) = *number;
  }
  return out;
}

std::unique_ptr<http::BodySource> make_key_list(store::Store& store, ListQuery query,
                                                LogLimiter& repeats) {
  if (auto scan = store.scan_keys()) {
    return std::make_unique<ScannedKeyList>(std::move(scan), std::move(query), repeats);
  }
  return std::make_unique<KeyList>(store, std::move(query), repeats);
}

}  // namespace push_cache::api
