// The status page, one HTML file: made by cmake/status_page.cmake of the files in web/.
#pragma once

#include <string_view>

namespace push_cache::health {

std::string_view status_page();

}  // namespace push_cache::health
