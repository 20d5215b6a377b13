#pragma once

#include <string_view>

namespace push_cache::app {

inline constexpr std::string_view kVersion = PUSH_CACHE_VERSION;

}  // namespace push_cache::app
