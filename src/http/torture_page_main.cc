// Prints docs/internals/http-torture.md.
#include <cstdio>

#include "http/torture_table.h"

int main() {
  std::fputs(push_cache::http::torture_page().c_str(), stdout);
  return 0;
}
