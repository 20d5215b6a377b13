// Dates of the proleptic Gregorian calendar, without a library's time zones and locales.
#pragma once

#include <cstdint>

namespace push_cache {

struct CivilDate {
  std::int64_t year;
  std::uint32_t month;  // 1 to 12
  std::uint32_t day;    // 1 to 31
};

// The days, since 1970-01-01, that four digits of a year can say.
inline constexpr std::int64_t kFirstCivilDay = -719'528;  // 0000-01-01
inline constexpr std::int64_t kLastCivilDay = 2'932'896;  // 9999-12-31

// The date of a day from kFirstCivilDay to kLastCivilDay. Counts in years that begin in March, so
// that the day that comes and goes is the last one of a year ("chrono-Compatible Low-Level Date
// Algorithms", H. Hinnant: civil_from_days).
constexpr CivilDate civil_date(std::int64_t days) {
  const std::int64_t shifted = days - kFirstCivilDay - 60 + 146'097;  // since -0400-03-01
  const std::int64_t era = shifted / 146'097;
  const auto day_of_era = static_cast<std::uint32_t>(shifted % 146'097);
  const std::uint32_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::uint32_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::uint32_t march_month = (5 * day_of_year + 2) / 153;
  const std::uint32_t day = day_of_year - (153 * march_month + 2) / 5 + 1;
  const std::uint32_t month = march_month < 10 ? march_month + 3 : march_month - 9;
  const std::int64_t year = (era - 1) * 400 + year_of_era + (month <= 2 ? 1 : 0);
  return {year, month, day};
}

// The day of a date, since 1970-01-01; the same paper's days_from_civil.
constexpr std::int64_t civil_day(const CivilDate& date) {
  const std::int64_t year = date.year - (date.month <= 2 ? 1 : 0) + 400;  // none is negative
  const std::int64_t era = year / 400;
  const std::int64_t year_of_era = year % 400;
  const std::int64_t march_month = date.month > 2 ? date.month - 3 : date.month + 9;
  const std::int64_t day_of_year = (153 * march_month + 2) / 5 + date.day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return (era - 1) * 146'097 + day_of_era - 719'468;
}

}  // namespace push_cache
