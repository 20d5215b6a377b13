// A command on its way, and the lists it moves through.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "base/error.h"
#include "redis/alarm.h"
#include "redis/client.h"
#include "redis/command.h"

namespace push_cache::redis {

class Connection;
class RequestList;

struct Request {
  Command command;
  ReplySink* sink = nullptr;       // null: its time is over, its answer is of no use
  const Script* script = nullptr;  // EVALSHA of this one; the client owns it
  Clock::time_point deadline;
  Clock::time_point written_at;
  Clock::time_point wake_at;  // while it waits for another try
  Error error;                // once it has failed
  Endpoint node;              // with `pinned`: the only one that may get it
  std::uint16_t slot = 0;
  CallKind kind = CallKind::kOther;
  Line line = Line::kPoint;
  bool repeatable = true;
  bool pinned = false;
  bool whole_script = false;  // the command has the script itself: EVAL
  bool asking = false;        // ASKING goes before it
  bool asking_answered = false;
  std::uint8_t redirects = 0;
  std::uint8_t retries = 0;

  // Its bytes when it is sent, ASKING aside.
  std::size_t size() const { return command.size(); }

  // Of its list.
  RequestList* list = nullptr;
  Request* before = nullptr;
  Request* behind = nullptr;
  // Of all with a deadline, in its order.
  bool timed = false;
  Request* earlier = nullptr;
  Request* later = nullptr;
};

// What waits for answers at one node.
struct Load {
  std::size_t count = 0;
  std::size_t bytes = 0;
};

// Requests in an order. A request is in one list at most; none owns it. All but the moves of whole
// lists are O(1).
class RequestList {
 public:
  RequestList() = default;
  // Counts what is in it into `load`. `sent_on`: the connection that has sent it and waits for the
  // answers; null for every other list.
  explicit RequestList(Load& load, Connection* sent_on = nullptr)
      : load_(&load), sent_on_(sent_on) {}
  RequestList(const RequestList&) = delete;
  RequestList& operator=(const RequestList&) = delete;

  Connection* sent_on() const { return sent_on_; }
  bool empty() const { return first_ == nullptr; }
  std::size_t size() const { return size_; }
  Request* first() const { return first_; }

  void push_back(Request& request);
  void remove(Request& request);
  // Moves all of `other` behind the end.
  void take_all(RequestList& other);

 private:
  Load* load_ = nullptr;
  Connection* sent_on_ = nullptr;
  Request* first_ = nullptr;
  Request* last_ = nullptr;
  std::size_t size_ = 0;
};

// Requests with a deadline, all of one time-out: the order in which they came is that of the
// deadlines.
class DeadlineList {
 public:
  Request* first() const { return first_; }
  void push_back(Request& request);
  void remove(Request& request);

 private:
  Request* first_ = nullptr;
  Request* last_ = nullptr;
};

// Owns every request, and uses them again.
class RequestPool {
 public:
  Request& take();
  // It must be in no list.
  void give_back(Request& request);

 private:
  std::deque<Request> all_;
  RequestList free_;
};

}  // namespace push_cache::redis
