// Runs a fuzz body without libFuzzer: over each file of a corpus, then over random changes of them.
//
//   NAME_replay CORPUS [CHANGES [SEED]]
//
// The seed is printed first; it repeats a run. Fails when the corpus is empty.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

// In a heap block of exactly its size, so that a sanitizer sees each byte read beyond it.
void run(const std::string& input) {
  const std::unique_ptr<std::uint8_t[]> block(new std::uint8_t[input.size()]);
  std::copy(input.begin(), input.end(), block.get());
  LLVMFuzzerTestOneInput(block.get(), input.size());
}

class Changer {
 public:
  Changer(const std::vector<std::string>& corpus, std::uint64_t seed)
      : corpus_(corpus), random_(seed) {}

  std::string next() {
    std::string input = any();
    for (std::size_t i = 1 + below(4); i > 0; --i) change(input);
    return input;
  }

 private:
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : random_() % bound; }
  const std::string& any() { return corpus_[below(corpus_.size())]; }

  void change(std::string& input) {
    const std::size_t at = below(input.size());
    switch (below(6)) {
      case 0:
        if (!input.empty()) input[at] = static_cast<char>(random_());
        break;
      case 1:
        if (!input.empty()) input[at] = static_cast<char>(input[at] ^ 1 << below(8));
        break;
      case 2:
        input.insert(at, 1, static_cast<char>(random_()));
        break;
      case 3:
        input.erase(at, 1 + below(8));
        break;
      case 4: {  // a piece of another one
        const std::string& other = any();
        const std::size_t from = below(other.size());
        input.insert(at, other, from, below(24));
        break;
      }
      default: {  // a piece of its own, again
        const std::string piece = input.substr(below(input.size()), below(24));
        input.insert(at, piece);
      }
    }
  }

  const std::vector<std::string>& corpus_;
  std::mt19937_64 random_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fputs("usage: replay CORPUS [CHANGES [SEED]]\n", stderr), 2;
  const std::uint64_t changes = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0;
  const std::uint64_t seed =
      argc > 3 ? std::strtoull(argv[3], nullptr, 10) : std::random_device{}();
  std::printf("%s %s %llu %llu\n", argv[0], argv[1], static_cast<unsigned long long>(changes),
              static_cast<unsigned long long>(seed));
  std::fflush(stdout);

  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> corpus;
  for (const std::filesystem::path& file : files) {
    std::ifstream in(file, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    run(corpus.back());
  }
  if (corpus.empty()) return std::fputs("replay: the corpus is empty\n", stderr), 1;
  Changer changer(corpus, seed);
  for (std::uint64_t i = 0; i < changes; ++i) run(changer.next());
  std::printf("replayed %zu files and %llu changes\n", corpus.size(),
              static_cast<unsigned long long>(changes));
  return 0;
}
