// Prints docs/reference/configuration.md.
#include <cstdio>

#include "config/options.h"

int main() {
  std::fputs(push_cache::config::reference_page().c_str(), stdout);
  return 0;
}
