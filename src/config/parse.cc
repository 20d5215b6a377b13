#include "config/parse.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

namespace push_cache::config {
namespace {

Error bad(std::string text) { return Error{ErrorCode::kInvalidArgument, std::move(text)}; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' ||
         c == '-';
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool is_port(std::string_view text, int lowest) {
  int port = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
  return code == std::errc() && end == text.data() + text.size() && !text.empty() &&
         is_digit(text.front()) && port >= lowest && port <= 65535;
}

bool is_ip(int family, std::string_view text) {
  std::array<unsigned char, 16> binary{};
  return inet_pton(family, std::string(text).c_str(), binary.data()) == 1;
}

struct Unit {
  std::string_view name;
  double nanoseconds;
};
constexpr double kSecond = 1e9;
constexpr Unit kUnits[] = {
    {"", kSecond},
    {"ns", 1},
    {"us", 1e3},
    {"ms", 1e6},
    {"millis", 1e6},
    {"s", kSecond},
    {"sec", kSecond},
    {"secs", kSecond},
    {"second", kSecond},
    {"seconds", kSecond},
    {"m", 60 * kSecond},
    {"min", 60 * kSecond},
    {"mins", 60 * kSecond},
    {"minute", 60 * kSecond},
    {"minutes", 60 * kSecond},
    {"h", 3600 * kSecond},
    {"hr", 3600 * kSecond},
    {"hrs", 3600 * kSecond},
    {"hour", 3600 * kSecond},
    {"hours", 3600 * kSecond},
    {"d", 86400 * kSecond},
    {"day", 86400 * kSecond},
    {"days", 86400 * kSecond},
};

}  // namespace

Result<bool> parse_bool(std::string_view text) {
  const std::string word = lower(text);
  if (word == "true" || word == "on") return true;
  if (word == "false" || word == "off") return false;
  return bad("not true (on) or false (off)");
}

Result<std::int64_t> parse_whole(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size()) return bad("not a whole number");
  return number;
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  const Error error = bad("not a number of bytes, such as 1500000, 512MiB or 2GB");
  text = trim(text);
  std::uint64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc()) return error;
  const std::string_view unit =
      trim({end, static_cast<std::size_t>(text.data() + text.size() - end)});
  if (unit.empty() || unit == "B") return number;
  constexpr std::string_view kPrefixes = "KMGT";
  std::string_view rest = unit.substr(1);
  const std::size_t power = kPrefixes.find(unit[0] == 'k' ? 'K' : unit[0]);
  const std::uint64_t base = rest.starts_with('i') ? 1024 : 1000;
  if (base == 1024) rest.remove_prefix(1);
  if (power == std::string_view::npos || (!rest.empty() && rest != "B")) return error;
  for (std::size_t i = 0; i <= power; ++i) {
    if (number > std::numeric_limits<std::uint64_t>::max() / base) return bad("too many bytes");
    number *= base;
  }
  return number;
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::string_view kNames[] = {"", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < std::size(kNames)) {
    bytes /= 1024;
    ++unit;
  }
  return fmt::format("{}{}", bytes, kNames[unit]);
}

Result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  const Error error = bad("not a duration, such as 5, 500ms, 5s or 1m");
  constexpr double kLongest = 100.0 * 365 * 86400 * kSecond;
  double sum = 0;
  bool first = true;
  text = trim(text);
  if (text.empty()) return error;
  while (!text.empty()) {
    std::size_t digits = 0;
    while (digits < text.size() && (is_digit(text[digits]) || text[digits] == '.')) ++digits;
    double number = 0;
    const auto [end, code] =
        std::from_chars(text.data(), text.data() + digits, number, std::chars_format::fixed);
    if (digits == 0 || code != std::errc() || end != text.data() + digits) return error;
    text = trim(text.substr(digits));
    std::size_t letters = 0;
    while (letters < text.size() && std::isalpha(static_cast<unsigned char>(text[letters])) != 0) {
      ++letters;
    }
    const std::string_view name = text.substr(0, letters);
    text = trim(text.substr(letters));
    const Unit* unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                    [name](const Unit& u) { return u.name == name; });
    // Only a lone number has no unit: "1m 30" could mean anything.
    if (unit == std::end(kUnits) || (name.empty() && (!first || !text.empty()))) return error;
    sum += number * unit->nanoseconds;
    if (!(sum <= kLongest)) return bad("a duration of more than 100 years");
    first = false;
  }
  return std::chrono::nanoseconds(std::llround(sum));
}

std::string duration_text(std::chrono::milliseconds duration) {
  const std::int64_t ms = duration.count();
  return ms % 1000 == 0 ? fmt::format("{}s", ms / 1000) : fmt::format("{}ms", ms);
}

Result<std::string> parse_address(std::string_view text) {
  const Error error = bad("not an IP address and port, such as 0.0.0.0:8080 or [::1]:8080");
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !is_port(text.substr(colon + 1), 0)) return error;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon);
  if (host == "localhost") return fmt::format("127.0.0.1{}", port);
  if (is_ip(AF_INET, host)) return std::string(text);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']' &&
      is_ip(AF_INET6, host.substr(1, host.size() - 2))) {
    return std::string(text);
  }
  return error;
}

Result<std::string> parse_path(std::string_view text) {
  std::string path(text);
  if (path.empty() || path.front() != '/') path.insert(path.begin(), '/');
  while (!path.empty() && path.back() == '/') path.pop_back();
  if (path.find("//") != std::string::npos) return bad("a path with an empty part");
  for (char c : path) {
    if (c != '/' && c != '~' && !is_word(c)) {
      return bad("a path of letters, digits, / . _ ~ and - is needed");
    }
  }
  for (std::string_view dots : {"/./", "/../"}) {
    if ((path + "/").find(dots) != std::string::npos) return bad("a path with . or .. in it");
  }
  return path;
}

Result<std::string> parse_brokers(std::string_view text) {
  // Schemes of the first form are dropped; the others are librdkafka's own (security.protocol).
  constexpr std::string_view kDropped[] = {"kafka://", "tcp://"};
  constexpr std::string_view kKept[] = {"plaintext://", "ssl://", "sasl_plaintext://",
                                        "sasl_ssl://"};
  const Error error = bad("not a list of brokers, such as host:9092 or host1:9092,host2:9092");
  std::string result;
  while (true) {
    const std::size_t comma = text.find(',');
    std::string_view broker = trim(text.substr(0, comma));
    const std::string low = lower(broker);
    std::string_view kept;
    for (std::string_view scheme : kDropped) {
      if (low.starts_with(scheme)) broker.remove_prefix(scheme.size());
    }
    for (std::string_view scheme : kKept) {
      if (!low.starts_with(scheme)) continue;
      kept = broker.substr(0, scheme.size());
      broker.remove_prefix(scheme.size());
    }
    if (broker.ends_with('/')) broker.remove_suffix(1);
    std::string_view host = broker;
    if (broker.starts_with('[')) {
      const std::size_t end = broker.find(']');
      if (end == std::string_view::npos || !is_ip(AF_INET6, broker.substr(1, end - 1))) {
        return error;
      }
      host = broker.substr(end + 1);
      if (!host.empty() && (host.front() != ':' || !is_port(host.substr(1), 1))) return error;
    } else {
      if (const std::size_t colon = host.find(':'); colon != std::string_view::npos) {
        if (!is_port(host.substr(colon + 1), 1)) return error;
        host = host.substr(0, colon);
      }
      if (host.empty() || !std::all_of(host.begin(), host.end(), is_word)) return error;
    }
    if (!result.empty()) result += ',';
    result.append(kept).append(broker);
    if (comma == std::string_view::npos) return result;
    text.remove_prefix(comma + 1);
  }
}

Result<std::string> parse_topic(std::string_view text) {
  if (text.empty() || text.size() > 249 || !std::all_of(text.begin(), text.end(), is_word) ||
      text == "." || text == "..") {
    return bad("not the name of a topic (1 to 249 letters, digits, . _ and -)");
  }
  return std::string(text);
}

Result<ReaderSchema> parse_reader_schema(std::string_view text) {
  using Kind = ReaderSchema::Kind;
  constexpr std::string_view kFile = "file:";
  if (text == "writer") return ReaderSchema{};
  if (text == "latest") return ReaderSchema{.kind = Kind::kLatest};
  if (text.starts_with(kFile)) {
    text.remove_prefix(kFile.size());
    if (text.empty()) return bad("file: needs the path of a file behind it");
    return ReaderSchema{.kind = Kind::kFile, .path = std::string(text)};
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) {
    return bad("not writer, latest, SUBJECT:VERSION, SUBJECT:latest or file:PATH");
  }
  ReaderSchema schema{.kind = Kind::kSubject, .subject = std::string(text.substr(0, colon))};
  const std::string_view version = text.substr(colon + 1);
  if (version == "latest") return schema;
  const Result<std::int64_t> number = parse_whole(version);
  if (!number || *number < 1 || *number > std::numeric_limits<int>::max()) {
    return bad("the version behind the subject is neither latest nor a number from 1 on");
  }
  schema.version = static_cast<int>(*number);
  return schema;
}

}  // namespace push_cache::config
