#include "http/date.h"

#include <algorithm>
#include <cstring>

#include "base/civil_date.h"

namespace push_cache::http {
namespace {

constexpr std::int64_t kDaySeconds = 86'400;
constexpr std::int64_t kFirst = kFirstCivilDay * kDaySeconds;
constexpr std::int64_t kLast = (kLastCivilDay + 1) * kDaySeconds - 1;

void put_two(char* at, std::int64_t value) {
  at[0] = static_cast<char>('0' + value / 10);
  at[1] = static_cast<char>('0' + value % 10);
}

}  // namespace

HttpDate::HttpDate(std::int64_t seconds_since_1970) {
  const std::int64_t time = std::clamp(seconds_since_1970, kFirst, kLast) - kFirst;
  const std::int64_t days = time / kDaySeconds;  // since 0000-01-01, a Saturday
  const std::int64_t second = time % kDaySeconds;
  const CivilDate date = civil_date(days + kFirstCivilDay);

  char* const at = text_.data();
  std::memcpy(at, "Sat, 00 Jan 0000 00:00:00 GMT", text_.size());
  std::memcpy(at, &"SatSunMonTueWedThuFri"[3 * (days % 7)], 3);
  put_two(at + 5, date.day);
  std::memcpy(at + 8, &"JanFebMarAprMayJunJulAugSepOctNovDec"[3 * (date.month - 1)], 3);
  put_two(at + 12, date.year / 100);
  put_two(at + 14, date.year % 100);
  put_two(at + 17, second / 3600);
  put_two(at + 20, second / 60 % 60);
  put_two(at + 23, second % 60);
}

namespace {

constexpr std::string_view kDays[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                      "Friday", "Saturday", "Sunday"};
constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";

// Takes a date apart from its beginning; after the first thing that is not there all is failed.
class DateReader {
 public:
  explicit DateReader(std::string_view text) : text_(text) {}

  bool failed() const { return failed_; }
  bool at_end() const { return !failed_ && text_.empty(); }
  bool starts_with(std::string_view what) const { return text_.starts_with(what); }

  void expect(std::string_view what) {
    if (!text_.starts_with(what)) return fail();
    text_.remove_prefix(what.size());
  }
  // A number of exactly so many digits.
  std::int64_t number(std::size_t digits) {
    std::int64_t out = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (i >= text_.size() || text_[i] < '0' || text_[i] > '9') {
        fail();
        return 0;
      }
      out = 10 * out + (text_[i] - '0');
    }
    text_.remove_prefix(digits);
    return out;
  }
  // Whether it is the whole name, rather than its first three letters.
  bool weekday() {
    for (const std::string_view day : kDays) {
      if (text_.starts_with(day)) {
        text_.remove_prefix(day.size());
        return true;
      }
      if (text_.starts_with(day.substr(0, 3))) {
        text_.remove_prefix(3);
        return false;
      }
    }
    fail();
    return false;
  }
  std::uint32_t month() {
    const std::size_t at = text_.size() < 3 ? kMonths.npos : kMonths.find(text_.substr(0, 3));
    if (at == kMonths.npos || at % 3 != 0) {
      fail();
      return 1;
    }
    text_.remove_prefix(3);
    return static_cast<std::uint32_t>(at / 3 + 1);
  }
  // The second of the day; 60 is a leap second.
  std::int64_t time() {
    const std::int64_t hour = number(2);
    expect(":");
    const std::int64_t minute = number(2);
    expect(":");
    const std::int64_t second = number(2);
    if (hour > 23 || minute > 59 || second > 60) fail();
    return hour * 3600 + minute * 60 + second;
  }
  void fail() {
    failed_ = true;
    text_ = {};
  }

 private:
  std::string_view text_;
  bool failed_ = false;
};

// Of two digits: not more than 50 years in the future.
std::int64_t whole_year(std::int64_t two_digits, std::int64_t now_s) {
  const std::int64_t now = std::clamp(now_s, kFirst, kLast) / kDaySeconds;
  const std::int64_t this_year = civil_date(now).year;
  const std::int64_t year = this_year / 100 * 100 + two_digits;
  return year > this_year + 50 ? year - 100 : year;
}

std::int64_t days_of(std::int64_t year, std::uint32_t month) {
  const std::int64_t next_year = month == 12 ? year + 1 : year;
  return civil_day({next_year, month % 12 + 1, 1}) - civil_day({year, month, 1});
}

}  // namespace

std::optional<std::int64_t> parse_http_date(std::string_view text, std::int64_t now_s) {
  DateReader reader(text);
  const bool whole_name = reader.weekday();
  CivilDate date{.year = 0, .month = 1, .day = 0};
  std::int64_t second = 0;
  if (!whole_name && reader.starts_with(" ")) {  // asctime: Sun Nov  6 08:49:37 1994
    reader.expect(" ");
    date.month = reader.month();
    reader.expect(" ");
    const bool one_digit = reader.starts_with(" ");
    if (one_digit) reader.expect(" ");
    date.day = static_cast<std::uint32_t>(reader.number(one_digit ? 1 : 2));
    reader.expect(" ");
    second = reader.time();
    reader.expect(" ");
    date.year = reader.number(4);
  } else {  // Sun, 06 Nov 1994 08:49:37 GMT, or Sunday, 06-Nov-94 08:49:37 GMT
    const std::string_view between = whole_name ? "-" : " ";
    reader.expect(", ");
    date.day = static_cast<std::uint32_t>(reader.number(2));
    reader.expect(between);
    date.month = reader.month();
    reader.expect(between);
    date.year = whole_name ? whole_year(reader.number(2), now_s) : reader.number(4);
    reader.expect(" ");
    second = reader.time();
    reader.expect(" GMT");
  }
  if (!reader.at_end() || date.day < 1 || date.day > days_of(date.year, date.month)) {
    return std::nullopt;
  }
  return civil_day(date) * kDaySeconds + second;
}

}  // namespace push_cache::http
