// Prints docs/guides/troubleshooting.md, which is made from the table of failures.
#include <cstdio>

#include "app/check_failures.h"

int main() {
  std::fputs(push_cache::app::troubleshooting_page().c_str(), stdout);
  return 0;
}
