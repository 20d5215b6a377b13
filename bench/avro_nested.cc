#include "bench/avro_nested.h"

#include <array>
#include <random>
#include <string>

#include "avro/wire.h"

namespace push_cache::bench {
namespace {

constexpr std::string_view kSchema = R"({"type":"record","name":"Order","fields":[
  {"name":"id","type":{"type":"string","logicalType":"uuid"}},
  {"name":"placedAt","type":{"type":"long","logicalType":"timestamp-millis"}},
  {"name":"dueOn","type":["null",{"type":"int","logicalType":"date"}]},
  {"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","PAID","SENT","DONE"]}},
  {"name":"contact","type":["null","string",{"type":"record","name":"Contact","fields":[
    {"name":"name","type":"string"},{"name":"email","type":["null","string"]}]}]},
  {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
    {"name":"sku","type":"string"},
    {"name":"quantity","type":"int"},
    {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}},
    {"name":"discount","type":["null","double"]},
    {"name":"gift","type":"boolean"}]}}},
  {"name":"labels","type":{"type":"map","values":"string"}},
  {"name":"measures","type":{"type":"map","values":{"type":"array","items":"long"}}}]})";

class Writer {
 public:
  Writer(std::uint64_t index, Buffer& out) : random_(index), out_(out) {}

  void order() {
    text("6f1c2d3e-4b5a-4c6d-8e7f-" + digits(12));
    number(1'700'000'000'000 + below(100'000'000'000));
    if (optional()) number(19'000 + below(3'000));
    number(below(4));
    contact();
    number(6);
    for (int i = 0; i < 6; ++i) line();
    number(0);
    number(4);
    for (int i = 0; i < 4; ++i) {
      text("label-" + std::to_string(i));
      text("value " + digits(8));
    }
    number(0);
    number(2);
    for (int i = 0; i < 2; ++i) {
      text("measure-" + std::to_string(i));
      number(8);
      for (int n = 0; n < 8; ++n) number(below(1'000'000'000) >> below(30));
      number(0);
    }
    number(0);
  }

 private:
  void contact() {
    const std::int64_t branch = below(3);
    number(branch);
    if (branch == 1) text("by post");
    if (branch != 2) return;
    text("Frances Example");
    if (optional()) text("frances@example.org");
  }

  void line() {
    text("SKU-" + digits(9));
    number(1 + below(20));
    const auto price = static_cast<std::uint32_t>(below(10'000'000));
    const std::array<char, 4> bytes = {static_cast<char>(price >> 24),
                                       static_cast<char>(price >> 16),
                                       static_cast<char>(price >> 8), static_cast<char>(price)};
    text({bytes.data(), bytes.size()});
    if (optional()) {
      const double discount = static_cast<double>(below(1000)) / 1000;
      out_.append(std::string_view(reinterpret_cast<const char*>(&discount), sizeof discount));
    }
    out_.append(static_cast<char>(below(2)));
  }

  // Whether the union of null and something is the latter.
  bool optional() {
    const std::int64_t branch = below(2);
    number(branch);
    return branch == 1;
  }
  void number(std::int64_t value) { avro::append_varint(out_, value); }
  void text(std::string_view value) {
    number(static_cast<std::int64_t>(value.size()));
    out_.append(value);
  }
  std::string digits(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += static_cast<char>('0' + below(10));
    return text;
  }
  std::int64_t below(std::uint64_t end) { return static_cast<std::int64_t>(random_() % end); }

  std::mt19937_64 random_;
  Buffer& out_;
};

}  // namespace

std::string_view nested_schema() { return kSchema; }

void append_nested(std::uint64_t index, Buffer& out) { Writer(index, out).order(); }

}  // namespace push_cache::bench
