// Settings for librdkafka.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

struct rd_kafka_conf_s;

namespace push_cache::kafka {

// Names and values as in librdkafka's CONFIGURATION.md.
using Properties = std::map<std::string, std::string>;

struct ConfDelete {
  void operator()(rd_kafka_conf_s* conf) const;
};
using ConfPtr = std::unique_ptr<rd_kafka_conf_s, ConfDelete>;

// A configuration made of `defaults`, then the operator's `properties`, then `forced` (each
// overrides the one before). Its log lines go to the logger "kafka". kInvalidArgument when
// librdkafka does not take a property, named as `kafka.properties.NAME`, or when the operator's
// differs from a forced one.
Result<ConfPtr> make_conf(const Properties& defaults, const Properties& properties,
                          const Properties& forced);

// Writes one of librdkafka's log lines (levels are syslog's) to the logger "kafka": what
// `make_conf` sets as the callback for logs, for those that set one of their own.
void log_line(int level, std::string_view facility, std::string_view text);

}  // namespace push_cache::kafka
