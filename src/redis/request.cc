#include "redis/request.h"

#include <utility>

namespace push_cache::redis {

void RequestList::push_back(Request& request) {
  request.list = this;
  request.before = last_;
  request.behind = nullptr;
  (last_ == nullptr ? first_ : last_->behind) = &request;
  last_ = &request;
  ++size_;
  if (load_ != nullptr) {
    ++load_->count;
    load_->bytes += request.size();
  }
}

void RequestList::remove(Request& request) {
  (request.before == nullptr ? first_ : request.before->behind) = request.behind;
  (request.behind == nullptr ? last_ : request.behind->before) = request.before;
  request.list = nullptr;
  --size_;
  if (load_ != nullptr) {
    --load_->count;
    load_->bytes -= request.size();
  }
}

void RequestList::take_all(RequestList& other) {
  while (Request* const request = other.first()) {
    other.remove(*request);
    push_back(*request);
  }
}

void DeadlineList::push_back(Request& request) {
  request.timed = true;
  request.earlier = last_;
  request.later = nullptr;
  (last_ == nullptr ? first_ : last_->later) = &request;
  last_ = &request;
}

void DeadlineList::remove(Request& request) {
  if (!request.timed) return;
  (request.earlier == nullptr ? first_ : request.earlier->later) = request.later;
  (request.later == nullptr ? last_ : request.later->earlier) = request.earlier;
  request.timed = false;
}

Request& RequestPool::take() {
  Request* const request = free_.first();
  if (request == nullptr) return all_.emplace_back();
  free_.remove(*request);
  return *request;
}

void RequestPool::give_back(Request& request) {
  request = Request();
  free_.push_back(request);
}

}  // namespace push_cache::redis
