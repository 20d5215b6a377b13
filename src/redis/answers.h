// What answers of Redis and of Sentinels say, taken apart. Everything here is untrusted input.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "redis/client.h"

namespace push_cache::redis {

inline constexpr unsigned kSlots = 16384;

// An error that says where or when rather than that the command is wrong.
struct Refusal {
  enum class Kind : std::uint8_t {
    kNone,        // an error of the command itself
    kMoved,       // to `endpoint`, with all of `slot`
    kAsk,         // of `endpoint`, this once
    kTryAgain,    // soon
    kServerAway,  // LOADING, MASTERDOWN, CLUSTERDOWN: this server, for a while
    kReadOnly,    // it is no master any more
    kNoScript,
  };
  Kind kind = Kind::kNone;
  std::uint16_t slot = 0;
  Endpoint endpoint = {};
};
// `text` is that of an answer of type kError. `asked` is who sent it: the host of a redirection
// that names none. A redirection that cannot be read is kTryAgain.
Refusal read_refusal(std::string_view text, const Endpoint& asked);

// The slots from `first` to `last` and their master.
struct SlotRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  Endpoint master = {};
  std::vector<Endpoint> replicas = {};
  bool operator==(const SlotRange&) const = default;
};
// The answer to CLUSTER SLOTS (https://redis.io/commands/cluster-slots/). Ranges whose master has
// no address are left out. kMalformed, or kUnavailable when no slot is served.
Result<std::vector<SlotRange>> read_cluster_slots(const Reply& reply, const Endpoint& asked);

// The answer to SENTINEL GET-MASTER-ADDR-BY-NAME. kUnavailable when the Sentinel does not know it.
Result<Endpoint> read_master_address(const Reply& reply);

// A server's text for logs and pages: printable ASCII, short, without `secret`.
std::string clean_text(std::string_view text, std::string_view secret = {});

// "host:port", with brackets around an IPv6 address.
std::string to_text(const Endpoint& endpoint);

}  // namespace push_cache::redis
