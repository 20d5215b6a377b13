// Fuzz body: any bytes as what a client sends over one connection, through the server, the router
// and the API of a small store, whole and in pieces.
#include <boost/json.hpp>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/records.h"
#include "avro/encoder.h"
#include "base/fuzz.h"
#include "http/in_process.h"
#include "http/router.h"
#include "registry/test_sources.h"

namespace {

using namespace push_cache;       // NOLINT: a program of its own
using namespace push_cache::api;  // NOLINT

constexpr SchemaId kUser{1};
constexpr std::string_view kUserSchema = R"({"type":"record","name":"User","fields":[
  {"name":"accountId","type":"string"},{"name":"age","type":"int","default":0},
  {"name":"updatedAt","type":"long","default":7}]})";

class OpenGate final : public Gate {
 public:
  bool ready() const override { return true; }
};

// A map: what the store does is not the question here.
class MapStore final : public store::Store {
 public:
  Result<store::PutOutcome> put(const store::RecordView& record) override {
    const bool is_new = datums_.insert_or_assign(std::string(record.key), copy(record)).second;
    return is_new ? store::PutOutcome::kInserted : store::PutOutcome::kReplaced;
  }
  void insert(const store::RecordView& record, store::InsertSink& sink) override {
    const bool is_new = datums_.emplace(record.key, copy(record)).second;
    is_new ? sink.inserted() : sink.exists();
  }
  Result<bool> erase(const store::RecordView& gone) override {
    return datums_.erase(std::string(gone.key)) != 0;
  }
  void take(std::string_view key, const store::TakeOnly&, store::GetSink& sink) override {
    const auto node = datums_.extract(std::string(key));
    node.empty() ? sink.absent() : sink.found(view(node.key(), node.mapped()));
  }
  void get(std::string_view key, store::GetSink& sink) override {
    const auto found = datums_.find(key);
    found == datums_.end() ? sink.absent() : sink.found(view(found->first, found->second));
  }
  Result<bool> page(PageStart start, std::size_t keys_max, store::KeySink& sink) override {
    auto at = start.from_start ? datums_.begin() : datums_.upper_bound(start.after);
    for (; at != datums_.end() && start.skip > 0; --start.skip) ++at;
    for (; at != datums_.end() && keys_max > 0; --keys_max) {
      if (!sink.key((at++)->first)) break;
    }
    return at != datums_.end();
  }
  Result<std::uint64_t> erase_partition(std::uint32_t, Partition, Offset) override { return 0; }
  store::Counts counts() const override { return {.records = datums_.size()}; }
  Status health() const override { return {}; }
  void clear() { datums_.clear(); }

 private:
  static std::vector<std::uint8_t> copy(const store::RecordView& record) {
    return {record.datum.begin(), record.datum.end()};
  }
  static store::RecordView view(const std::string& key, const std::vector<std::uint8_t>& datum) {
    return {.key = key, .datum = datum, .schema = kUser};
  }
  std::map<std::string, std::vector<std::uint8_t>, std::less<>> datums_;
};

class ByBody final : public http::Handler {
 public:
  explicit ByBody(Records& records) : records_(records) {}
  void handle(http::Exchange& exchange) override { records_.handle_by_body(exchange); }

 private:
  Records& records_;
};

// The service's HTTP side, and the methods of the requests that came to it.
class Service final : public http::Handler {
 public:
  Service() {
    fuzz_require(schemas_.insert(kUser, {std::string(kUserSchema)}).ok());
    fuzz_require(router_.add("/api/users", records_));
    fuzz_require(router_.add("/api/users_by_body", by_body_));
  }

  void handle(http::Exchange& exchange) override {
    const http::Request& request = exchange.request();
    methods.push_back(request.method);
    // Each view can be read.
    std::size_t sum = 0;
    for (const std::string_view text : {request.target, request.path, request.query, request.body,
                                        request.if_none_match, request.content_type}) {
      for (const char c : text) sum += static_cast<unsigned char>(c);
    }
    read_ = sum;
    fuzz_require(request.body.size() <= options().body_bytes_max);
    fuzz_require(request.target.size() <= options().target_bytes_max);
    router_.handle(exchange);
  }

  http::InProcess::Served serve(std::span<const std::string_view> pieces) {
    methods.clear();
    store_.clear();
    // Lists tell of them: the same input has to find the same.
    std::destroy_at(&local_writes_);
    std::construct_at(&local_writes_);
    const avro::Encoder encoder(schemas_.find(kUser)->schema);
    for (const std::string_view key : {"a1", "b/2", "\xc3\xa9"}) {
      Buffer json;
      json.append(R"({"accountId":")");
      json.append(key);
      json.append("\"}");
      Buffer datum;
      fuzz_require(encoder.from_json(json.view(), datum).ok());
      fuzz_require(store_.put({.key = key, .datum = datum.bytes(), .schema = kUser}).ok());
    }
    return server_.serve(pieces);
  }

  std::vector<http::Method> methods;

 private:
  static http::ServerOptions options() {
    http::ServerOptions options;
    options.target_bytes_max = 200;
    options.header_bytes_max = 1000;
    options.body_bytes_max = 500;
    return options;
  }
  RecordsOptions records_options() {
    RecordsOptions options;
    options.path = "/api/users";
    options.store = &store_;
    options.local_writes = &local_writes_;
    options.schemas = &schemas_;
    options.gate = &gate_;
    options.logs = &logs_;
    options.writable = [] { return std::vector<SchemaId>{kUser}; };
    options.key_field = [](SchemaId) { return std::optional<std::string>("accountId"); };
    return options;
  }

  registry::NoSource source_;
  registry::SchemaCache schemas_{source_};
  OpenGate gate_;
  store::LogIdentities logs_{{"users"}};
  MapStore store_;
  store::LocalWrites local_writes_;
  Records records_{records_options()};
  ByBody by_body_{records_};
  http::Router router_;
  http::InProcess server_{options(), *this};
  volatile std::size_t read_ = 0;
};

struct Answer {
  unsigned status = 0;
  std::string text;  // without the date
  bool closes = false;
  bool operator==(const Answer&) const = default;
};

// Takes the text up to and with `end` from the front; it must be there.
std::string_view take_until(std::string_view& bytes, std::string_view end) {
  const std::size_t at = bytes.find(end);
  fuzz_require(at != std::string_view::npos);
  const std::string_view taken = bytes.substr(0, at);
  bytes.remove_prefix(at + end.size());
  return taken;
}

std::string_view take(std::string_view& bytes, std::size_t size) {
  fuzz_require(size <= bytes.size());
  const std::string_view taken = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return taken;
}

std::size_t to_number(std::string_view text, int base) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  fuzz_require(error == std::errc() && end == text.data() + text.size());
  return value;
}

// Reads the next answer as a strict client would.
Answer next_answer(std::string_view& bytes, bool to_head) {
  while (bytes.starts_with("HTTP/1.1 100 Continue\r\n\r\n")) take_until(bytes, "\r\n\r\n");
  Answer answer;
  const std::string_view status_line = take_until(bytes, "\r\n");
  fuzz_require(status_line.starts_with("HTTP/1.1 ") && status_line.size() > 13);
  answer.status = static_cast<unsigned>(to_number(status_line.substr(9, 3), 10));
  fuzz_require(answer.status >= 200 && answer.status <= 505);
  answer.text = status_line;
  std::optional<std::size_t> length;
  bool chunked = false;
  for (;;) {
    const std::string_view line = take_until(bytes, "\r\n");
    if (line.empty()) break;
    for (const char c : line) fuzz_require(static_cast<unsigned char>(c) >= 0x20);
    std::string_view value = line;
    const std::string_view name = take_until(value, ": ");
    if (name == "Date") continue;
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    answer.text += '\n' + std::string(line);
    if (name == "Content-Length") length = to_number(value, 10);
    if (name == "Transfer-Encoding") chunked = value == "chunked";
    if (name == "Connection" && value == "close") answer.closes = true;
  }
  std::string body;
  if (to_head || answer.status == 204 || answer.status == 304) {
    fuzz_require(to_head || !length);
  } else if (chunked) {
    fuzz_require(!length);
    for (std::size_t size = 1; size != 0;) {
      size = to_number(take_until(bytes, "\r\n"), 16);
      body += take(bytes, size);
      fuzz_require(take(bytes, 2) == "\r\n");
    }
  } else if (length) {
    body = take(bytes, *length);
  } else {
    fuzz_require(answer.closes);
    body = take(bytes, bytes.size());
  }
  if (!body.empty()) {
    boost::system::error_code fault;
    (void)boost::json::parse(body, fault);
    fuzz_require(!fault);
  }
  answer.text += "\n\n" + body;
  return answer;
}

bool mentions_chunked(std::string_view input) {
  constexpr std::string_view kWord = "chunked";
  return std::search(input.begin(), input.end(), kWord.begin(), kWord.end(), [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(a)) == b;
         }) != input.end();
}

struct Conversation {
  std::vector<Answer> answers;  // of the requests that came to the handler
  unsigned refused = 0;         // status of the server's own answer to what is no request
};

Conversation converse(Service& service, std::string_view input,
                      std::span<const std::string_view> pieces) {
  const http::InProcess::Served served = service.serve(pieces);
  fuzz_require(served.refused <= 1 && served.handled == service.methods.size());
  Conversation out;
  std::string_view bytes = served.bytes;
  bool closed = false;
  for (const http::Method method : service.methods) {
    fuzz_require(!closed);
    out.answers.push_back(next_answer(bytes, method == http::Method::kHead));
    closed = out.answers.back().closes;
  }
  if (served.refused == 1) {
    fuzz_require(!closed);
    const Answer answer = next_answer(bytes, false);
    fuzz_require(answer.closes && answer.status >= 400);
    out.refused = answer.status;
    closed = true;
  }
  while (bytes.starts_with("HTTP/1.1 100 Continue\r\n\r\n")) take_until(bytes, "\r\n\r\n");
  fuzz_require(bytes.empty());
  // A chunk's header that is malformed may be looked at in full only at the end of the stream.
  fuzz_require(served.ended == closed || (out.refused != 0 && mentions_chunked(input)));
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Service& service = *new Service();  // with threads that outlive the last input
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view whole[] = {input};
  const Conversation at_once = converse(service, input, whole);

  // Cut at places that depend on all of it.
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : input) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  std::vector<std::string_view> pieces;
  std::string_view left = input;
  for (int i = 0; i < 4 && !left.empty(); ++i, hash = hash * 0x5851F42D4C957F2D + 1) {
    const std::size_t bytes = 1 + (hash >> 33) % left.size();
    pieces.push_back(left.substr(0, bytes));
    left.remove_prefix(bytes);
  }
  pieces.push_back(left);
  const Conversation in_pieces = converse(service, input, pieces);
  // When a chunked body is refused depends on the pieces (see ChunkedBody): whether it is taken
  // must not.
  fuzz_require(at_once.answers == in_pieces.answers);
  fuzz_require(at_once.refused == in_pieces.refused || mentions_chunked(input));
  return 0;
}
