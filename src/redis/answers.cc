#include "redis/answers.h"

#include <charconv>
#include <limits>
#include <optional>

namespace push_cache::redis {
namespace {

constexpr std::size_t kCleanBytesMax = 200;
constexpr std::size_t kHostBytesMax = 255;  // a DNS name

template <typename Number>
std::optional<Number> number(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

// "host:port"; the host may hold colons (IPv6, without brackets) or be empty.
std::optional<Endpoint> read_endpoint(std::string_view text, const Endpoint& asked) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon > kHostBytesMax) return std::nullopt;
  const auto port = number<std::uint16_t>(text.substr(colon + 1));
  if (!port.has_value() || *port == 0) return std::nullopt;
  return Endpoint{colon == 0 ? asked.host : std::string(text.substr(0, colon)), *port};
}

Refusal redirection(Refusal::Kind kind, std::string_view text, const Endpoint& asked) {
  const auto slot = number<std::uint16_t>(take_word(text));
  const auto endpoint = read_endpoint(take_word(text), asked);
  if (!slot.has_value() || *slot >= kSlots || !endpoint.has_value()) {
    return {Refusal::Kind::kTryAgain};
  }
  return {kind, *slot, *endpoint};
}

Error malformed(std::string_view what) {
  return {ErrorCode::kMalformed, "Redis answered with what this version does not understand",
          std::string(what)};
}

bool in_range(const Reply& reply, std::int64_t most) {
  return reply.type == Reply::Type::kInteger && reply.integer >= 0 && reply.integer <= most;
}

// [host, port, ...]. Absent: malformed. An empty host in it: a node without an address.
std::optional<Endpoint> read_node(const Reply& reply, const Endpoint& asked) {
  constexpr std::int64_t kPortMax = std::numeric_limits<std::uint16_t>::max();
  if (reply.type != Reply::Type::kArray || reply.elements.size() < 2) return std::nullopt;
  const Reply& host = reply.elements[0];
  if (host.type != Reply::Type::kString && host.type != Reply::Type::kNil) return std::nullopt;
  if (host.text.size() > kHostBytesMax || !in_range(reply.elements[1], kPortMax)) {
    return std::nullopt;
  }
  const auto port = static_cast<std::uint16_t>(reply.elements[1].integer);
  // "?": told to name itself by a host name that it was not given.
  if (host.text == "?" || port == 0) return Endpoint{"", 0};
  return Endpoint{host.text.empty() ? asked.host : std::string(host.text), port};
}

}  // namespace

Refusal read_refusal(std::string_view text, const Endpoint& asked) {
  using Kind = Refusal::Kind;
  const std::string_view word = take_word(text);
  if (word == "MOVED") return redirection(Kind::kMoved, text, asked);
  if (word == "ASK") return redirection(Kind::kAsk, text, asked);
  if (word == "TRYAGAIN") return {Kind::kTryAgain};
  if (word == "LOADING" || word == "MASTERDOWN" || word == "CLUSTERDOWN") {
    return {Kind::kServerAway};
  }
  if (word == "READONLY") return {Kind::kReadOnly};
  if (word == "NOSCRIPT") return {Kind::kNoScript};
  return {};
}

Result<std::vector<SlotRange>> read_cluster_slots(const Reply& reply, const Endpoint& asked) {
  if (reply.type == Reply::Type::kError) {
    return Error{ErrorCode::kUnavailable, "Redis refused to say which node has which keys",
                 clean_text(reply.text)};
  }
  if (reply.type != Reply::Type::kArray) return malformed("CLUSTER SLOTS: no array");
  std::vector<SlotRange> ranges;
  for (const Reply& element : reply.elements) {
    const std::span<const Reply> parts = element.elements;
    if (element.type != Reply::Type::kArray || parts.size() < 2 ||
        !in_range(parts[0], kSlots - 1) || !in_range(parts[1], kSlots - 1) ||
        parts[0].integer > parts[1].integer) {
      return malformed("CLUSTER SLOTS: a range that is none");
    }
    SlotRange range{static_cast<std::uint16_t>(parts[0].integer),
                    static_cast<std::uint16_t>(parts[1].integer), Endpoint{"", 0}};
    for (const Reply& part : parts.subspan(2)) {
      const std::optional<Endpoint> node = read_node(part, asked);
      if (!node.has_value()) return malformed("CLUSTER SLOTS: a node that is none");
      if (&part == &parts[2]) {
        range.master = *node;
      } else if (node->port != 0) {
        range.replicas.push_back(*node);
      }
    }
    if (range.master.port != 0) ranges.push_back(std::move(range));
  }
  if (ranges.empty()) {
    return Error{ErrorCode::kUnavailable, "no node of the Redis Cluster serves any keys"};
  }
  return ranges;
}

Result<Endpoint> read_master_address(const Reply& reply) {
  if (reply.type == Reply::Type::kNil) {
    return Error{ErrorCode::kUnavailable, "the Sentinel does not know a master of this name"};
  }
  if (reply.type == Reply::Type::kError) {
    return Error{ErrorCode::kUnavailable, "the Sentinel refused to name the master",
                 clean_text(reply.text)};
  }
  if (reply.type != Reply::Type::kArray || reply.elements.size() != 2) {
    return malformed("the Sentinel names no host and port");
  }
  const Reply& host = reply.elements[0];
  const Reply& port_text = reply.elements[1];
  const auto port = number<std::uint16_t>(port_text.text);
  if (host.type != Reply::Type::kString || host.text.empty() || host.text.size() > kHostBytesMax ||
      !port.has_value() || *port == 0) {
    return malformed("the Sentinel names no host and port");
  }
  return Endpoint{std::string(host.text), *port};
}

std::string clean_text(std::string_view text, std::string_view secret) {
  std::string whole(text);
  if (!secret.empty()) {
    for (std::size_t at = whole.find(secret); at != std::string::npos;
         at = whole.find(secret, at)) {
      whole.replace(at, secret.size(), 1, '*');
    }
  }
  if (whole.size() > kCleanBytesMax) whole.resize(kCleanBytesMax);
  for (char& c : whole) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return whole;
}

std::string to_text(const Endpoint& endpoint) {
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return (v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

}  // namespace push_cache::redis
