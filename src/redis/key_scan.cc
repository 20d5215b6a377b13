#include "redis/key_scan.h"

#include <charconv>
#include <utility>
#include <vector>

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

struct RedisKeyScan::Ends {
  struct One final : ReplySink {
    std::shared_ptr<Ends> all;  // until it is answered
    std::string key;
    bool named = false;

    void reply(const Reply& reply) override {
      const std::shared_ptr<Ends> alive = std::move(all);
      // An error: what is there now is no string, so no record.
      named = reply.type == Reply::Type::kString && alive->scan != nullptr &&
              alive->scan->options_.names(reply.text);
      alive->one_done();
    }
    void failed(const Error& error) override {
      const std::shared_ptr<Ends> alive = std::move(all);
      if (alive->status.ok()) alive->status = error;
      alive->one_done();
    }
  };

  void one_done() {
    if (--waits_for > 0 || scan == nullptr) return;
    if (status.ok() && scan->options_.check) status = scan->options_.check();
    if (!status.ok()) return sink->failed(status.error());
    const std::size_t own = key_start(scan->options_.prefix).size();
    for (const One& one : keys) {
      if (one.named) sink->key(std::string_view(one.key).substr(own));
    }
    sink->end(more);  // the scan may be gone now
  }

  RedisKeyScan* scan = nullptr;  // null: the scan has gone
  Sink* sink = nullptr;
  bool more = false;
  std::vector<One> keys;
  std::size_t waits_for = 0;
  Status status;
};

RedisKeyScan::RedisKeyScan(Client& client, ScanOptions options)
    : client_(client),
      options_(std::move(options)),
      pattern_(key_pattern(options_.prefix)),
      step_(std::make_shared<Step>()) {
  step_->scan = this;
}

RedisKeyScan::~RedisKeyScan() {
  step_->scan = nullptr;
  if (ends_ != nullptr) ends_->scan = nullptr;
}

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
  take_keys(reply.elements[1].elements, sink, !nodes_.empty());
}

void RedisKeyScan::take_keys(std::span<const Reply> keys, Sink& sink, bool more) {
  const std::size_t own = key_start(options_.prefix).size();
  const auto is_ours = [own](std::string_view key) {
    return key.size() >= own && is_utf8(key.substr(own));
  };
  if (!options_.names) {
    for (const Reply& key : keys) {
      if (is_ours(key.text)) sink.key(key.text.substr(own));
    }
    return sink.end(more);  // this may be gone now
  }
  ends_ = std::make_shared<Ends>();
  ends_->scan = this;
  ends_->sink = &sink;
  ends_->more = more;
  for (const Reply& key : keys) {
    if (is_ours(key.text)) ends_->keys.emplace_back().key = key.text;
  }
  const std::shared_ptr<Ends> ends = ends_;
  ends->waits_for = ends->keys.size() + 1;
  const std::string from = std::to_string(-static_cast<int>(kTopicBytes));
  for (Ends::One& one : ends->keys) {
    one.all = ends;
    const std::string_view args[] = {"GETRANGE", one.key, from, "-1"};
    client_.send(one.key, args, one, {.line = Line::kBulk});
  }
  ends->one_done();
}

}  // namespace push_cache::redis
