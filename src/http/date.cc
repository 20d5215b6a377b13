#include "http/date.h"

#include <algorithm>
#include <cstring>

namespace push_cache::http {
namespace {

constexpr std::int64_t kDaySeconds = 86'400;
constexpr std::int64_t kFirst = -62'167'219'200;  // 0000-01-01T00:00:00Z
constexpr std::int64_t kLast = 253'402'300'799;   // 9999-12-31T23:59:59Z

void put_two(char* at, std::int64_t value) {
  at[0] = static_cast<char>('0' + value / 10);
  at[1] = static_cast<char>('0' + value % 10);
}

}  // namespace

HttpDate::HttpDate(std::int64_t seconds_since_1970) {
  const std::int64_t time = std::clamp(seconds_since_1970, kFirst, kLast) - kFirst;
  const std::int64_t days = time / kDaySeconds;
  const std::int64_t second = time % kDaySeconds;
  // A date from a count of days, with years that begin in March so that the day that varies is the
  // last one: "chrono-Compatible Low-Level Date Algorithms" (H. Hinnant), civil_from_days. Here the
  // count begins at 0000-01-01, 60 days before an era of 400 years begins.
  const std::int64_t shifted = days - 60 + 146'097;
  const std::int64_t era = shifted / 146'097 - 1;
  const std::int64_t day_of_era = shifted % 146'097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t march_month = (5 * day_of_year + 2) / 153;
  const std::int64_t day = day_of_year - (153 * march_month + 2) / 5 + 1;
  const std::int64_t month = march_month < 10 ? march_month + 2 : march_month - 10;  // 0 = January
  const std::int64_t year = year_of_era + era * 400 + (month <= 1 ? 1 : 0);

  char* const at = text_.data();
  std::memcpy(at, "Sat, 00 Jan 0000 00:00:00 GMT", text_.size());
  std::memcpy(at, &"SatSunMonTueWedThuFri"[3 * (days % 7)], 3);  // 0000-01-01 is a Saturday
  put_two(at + 5, day);
  std::memcpy(at + 8, &"JanFebMarAprMayJunJulAugSepOctNovDec"[3 * month], 3);
  put_two(at + 12, year / 100);
  put_two(at + 14, year % 100);
  put_two(at + 17, second / 3600);
  put_two(at + 20, second / 60 % 60);
  put_two(at + 23, second % 60);
}

}  // namespace push_cache::http
