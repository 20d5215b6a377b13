#include "redis/key_scan.h"

#include <charconv>
#include <utility>

#include "base/utf8.h"
#include "redis/calls.h"
#include "redis/layout.h"

namespace push_cache::redis {

struct RedisKeyScan::Step final : ReplySink {
  RedisKeyScan* scan = nullptr;  // null: the scan has gone
  Sink* sink = nullptr;
  std::shared_ptr<Step> self;  // while a command is under way

  void reply(const Reply& reply) override {
    const std::shared_ptr<Step> alive = std::move(self);
    if (scan != nullptr) scan->take(reply, *sink);
  }
  void failed(const Error& error) override {
    const std::shared_ptr<Step> alive = std::move(self);
    if (scan != nullptr) sink->failed(error);
  }
};

RedisKeyScan::RedisKeyScan(Client& client, ScanOptions options)
    : client_(client),
      options_(std::move(options)),
      pattern_(key_pattern(options_.prefix)),
      step_(std::make_shared<Step>()) {
  step_->scan = this;
}

RedisKeyScan::~RedisKeyScan() { step_->scan = nullptr; }

void RedisKeyScan::next(Sink& sink) {
  step_->sink = &sink;
  step_->self = step_;
  if (!begun_) {
    // Whoever answers: the servers are known then.
    const std::string_view ping[] = {"PING"};
    return client_.send("", ping, *step_, {.line = Line::kPoint});
  }
  const std::string count = std::to_string(options_.count);
  std::vector<std::string_view> args = {"SCAN", cursor_, "MATCH", pattern_, "COUNT", count};
  if (!options_.deleted) args.insert(args.end(), {"TYPE", "string"});
  client_.send_to(nodes_.back(), args, *step_, {.line = Line::kBulk});
}

void RedisKeyScan::take(const Reply& reply, Sink& sink) {
  if (const Status well = options_.check ? options_.check() : Status(); !well.ok()) {
    return sink.failed(well.error());
  }
  if (!std::exchange(begun_, true)) {
    nodes_ = client_.masters();
    return nodes_.empty() ? sink.failed(error_of(reply)) : next(sink);
  }
  if (reply.type != Reply::Type::kArray || reply.elements.size() != 2 ||
      reply.elements[1].type != Reply::Type::kArray) {
    return sink.failed(error_of(reply));
  }
  cursor_.assign(reply.elements[0].text);
  if (cursor_ == "0") nodes_.pop_back();
  const bool more = !nodes_.empty();
  take_keys(reply.elements[1].elements, sink);
  sink.end(more);  // this may be gone now
}

void RedisKeyScan::take_keys(std::span<const Reply> keys, Sink& sink) const {
  const std::size_t own = options_.prefix.empty() ? 0 : options_.prefix.size() + 1;
  for (const Reply& key : keys) {
    if (key.text.size() < own) continue;
    const std::string_view text = key.text.substr(own);
    if (is_utf8(text)) sink.key(text);  // no other key is ours
  }
}

}  // namespace push_cache::redis
