// Prints docs/reference/metrics.md.
#include <cstdio>

#include "metrics/table.h"

int main() {
  std::fputs(push_cache::metrics::reference_page().c_str(), stdout);
  return 0;
}
