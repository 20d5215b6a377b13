// Makes the tables of docs/reference/http-api.md anew: http_api_reference FILE
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "api/http_api.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::ifstream in(argv[1]);
  std::ostringstream page;
  page << in.rdbuf();
  const std::string made = push_cache::api::with_reference_tables(page.str());
  std::ofstream out(argv[1]);
  out << made;
  out.close();
  if (in.fail() || out.fail()) {
    std::fprintf(stderr, "http_api_reference: %s cannot be read or written\n", argv[1]);
    return 1;
  }
  return 0;
}
