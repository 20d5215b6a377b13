// What is told of the calls of a store in Redis, to Prometheus and on /status.
#pragma once

#include <boost/json/object.hpp>

#include <string_view>

#include "metrics/page.h"
#include "redis/stats.h"

namespace push_cache::app {

void add_redis(metrics::Page& page, std::string_view store, const redis::ClientCounts& counts);

boost::json::object redis_json(const redis::ClientCounts& counts);

}  // namespace push_cache::app
