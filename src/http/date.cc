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

}  // namespace push_cache::http
