#include "app/fetcher.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <utility>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/utf8.h"

namespace push_cache::app {
namespace {

constexpr std::size_t kAtOnce = 16;  // requests of one thread under way
constexpr long kConnectMs = 5'000;
constexpr long kAnswerMs = 30'000;
constexpr long kStalledSeconds = 60;  // a list of which nothing comes for so long is given up
constexpr std::size_t kRefusalBytesMax = 1024;
constexpr std::size_t kKeptBodyBytes = 1024 * 1024;  // what an idle transfer may hold

// A list is read as slowly as its keys are compared. Small buffers on the way see to it that the
// service writes some of it all the time: it cuts who takes nothing for limits::kWriteTimeout.
int set_small_buffer(void*, curl_socket_t socket, curlsocktype) {
  const int bytes = 64 * 1024;
  setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  return CURL_SOCKOPT_OK;
}

std::string header(CURL* easy, const char* name) {
  curl_header* found = nullptr;
  if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &found) != CURLHE_OK) return {};
  return found->value;
}

}  // namespace

struct Fetcher::Transfer {
  registry::Easy easy{curl_easy_init()};
  std::size_t index = 0;
  Buffer body;
  bool too_large = false;
  CURLcode code = CURLE_OK;
  std::array<char, CURL_ERROR_SIZE> why{};

  static std::size_t receive(const char* data, std::size_t, std::size_t bytes, void* user) {
    Transfer& transfer = *static_cast<Transfer*>(user);
    if (bytes > limits::kJsonBytesMax - transfer.body.size()) {
      transfer.too_large = true;
      return 0;  // ends the transfer
    }
    transfer.body.append(std::string_view(data, bytes));
    return bytes;
  }
};

Fetcher::Fetcher() : no_proxy_(registry::no_proxy_list()) {
  registry::prepare_libcurl();
  multi_.reset(curl_multi_init());
  for (std::size_t i = 0; i < kAtOnce; ++i) {
    transfers_.push_back(std::make_unique<Transfer>());
    Transfer& transfer = *transfers_.back();
    CURL* easy = transfer.easy.get();
    registry::set_common_options(easy, no_proxy_);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);  // a key may be ".."
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectMs);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, kAnswerMs);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.why.data());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::receive);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
  }
}

// libcurl wants the easy handles gone first; none is within the multi handle between two calls.
Fetcher::~Fetcher() { transfers_.clear(); }

void Fetcher::begin(Transfer& transfer, const std::string& url) {
  transfer.body.clear();
  transfer.body.shrink(kKeptBodyBytes);
  transfer.too_large = false;
  transfer.why[0] = '\0';
  curl_easy_setopt(transfer.easy.get(), CURLOPT_URL, url.c_str());
  curl_multi_add_handle(multi_.get(), transfer.easy.get());
}

Fetcher::Transfer* Fetcher::wait_for_one(int& running) {
  for (;;) {
    int left = 0;
    if (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      void* owner = nullptr;
      const CURLcode code = message->data.result;
      CURL* easy = message->easy_handle;
      curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
      curl_multi_remove_handle(multi_.get(), easy);
      Transfer* transfer = static_cast<Transfer*>(owner);
      transfer->code = code;
      --running;
      return transfer;
    }
    if (running == 0) return nullptr;
    int active = 0;
    curl_multi_perform(multi_.get(), &active);
    if (active == running) curl_multi_poll(multi_.get(), nullptr, 0, 1000, nullptr);
  }
}

Answer Fetcher::answer_of(const Transfer& transfer) {
  Answer answer;
  CURL* easy = transfer.easy.get();
  if (transfer.code != CURLE_OK) {
    answer.fault = transfer.too_large        ? "the answer is too large"
                   : transfer.why[0] != '\0' ? transfer.why.data()
                                             : curl_easy_strerror(transfer.code);
    return answer;
  }
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer.status);
  answer.body = transfer.body.view();
  answer.etag = header(easy, "ETag");
  answer.position = header(easy, "Push-Cache-Position");
  answer.local_writes = header(easy, "Push-Cache-Local-Writes");
  return answer;
}

void Fetcher::get_all(const std::string& base, std::span<const std::string> keys,
                      const std::function<void(std::size_t)>& asked,
                      const std::function<void(std::size_t, const Answer&)>& answered) {
  std::size_t next = 0;
  int running = 0;
  const auto ask_next = [&](Transfer& transfer) {
    transfer.index = next++;
    asked(transfer.index);
    begin(transfer, base + '/' + percent_encode(keys[transfer.index]));
    ++running;
  };
  for (std::size_t i = 0; i < transfers_.size() && next < keys.size(); ++i)
    ask_next(*transfers_[i]);
  while (Transfer* transfer = wait_for_one(running)) {
    answered(transfer->index, answer_of(*transfer));
    if (next < keys.size()) ask_next(*transfer);
  }
}

void Fetcher::get(const std::string& url, const std::function<void(const Answer&)>& answered) {
  int running = 1;
  begin(*transfers_.front(), url);
  if (const Transfer* transfer = wait_for_one(running)) answered(answer_of(*transfer));
}

ListReader::ListReader(const std::string& url) {
  registry::prepare_libcurl();
  multi_.reset(curl_multi_init());
  easy_.reset(curl_easy_init());
  CURL* easy = easy_.get();
  registry::set_common_options(easy, registry::no_proxy_list());
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectMs);
  curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, &set_small_buffer);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, kStalledSeconds);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &ListReader::receive);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_multi_add_handle(multi_.get(), easy);
}

ListReader::~ListReader() { curl_multi_remove_handle(multi_.get(), easy_.get()); }

std::size_t ListReader::receive(const char* data, std::size_t, std::size_t bytes, void* user) {
  ListReader& reader = *static_cast<ListReader*>(user);
  long status = 0;
  curl_easy_getinfo(reader.easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) {
    reader.refusal_.append(data, std::min(bytes, kRefusalBytesMax - reader.refusal_.size()));
    return bytes;
  }
  reader.fault_ = reader.keys_.feed({data, bytes});
  return reader.fault_.ok() ? bytes : 0;
}

// After the transfer: whether the list was whole.
Status ListReader::end(CURLcode code) {
  if (!fault_.ok()) return fault_;
  if (code != CURLE_OK) {
    return Error{ErrorCode::kUnavailable,
                 std::string("the list broke off: ") + curl_easy_strerror(code)};
  }
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status == 200) return keys_.finish();
  const ErrorCode kind = status == 405   ? ErrorCode::kMethodNotAllowed
                         : status == 404 ? ErrorCode::kNotFound
                         : status == 503 ? ErrorCode::kUnavailable
                                         : ErrorCode::kInternal;
  return Error{kind, fmt::format("the list is answered by {} {}", status, refusal_)};
}

Result<std::optional<std::string>> ListReader::next() {
  while (keys_.empty()) {
    if (ended_) {
      if (!fault_.ok()) return fault_.error();
      return std::optional<std::string>();
    }
    int running = 0;
    curl_multi_perform(multi_.get(), &running);
    if (running == 0) {
      CURLcode code = CURLE_GOT_NOTHING;
      int left = 0;
      while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
        if (message->msg == CURLMSG_DONE) code = message->data.result;
      }
      ended_ = true;
      fault_ = end(code);
    } else if (keys_.empty()) {
      curl_multi_poll(multi_.get(), nullptr, 0, 1000, nullptr);
    }
  }
  return std::optional<std::string>(keys_.take());
}

}  // namespace push_cache::app
