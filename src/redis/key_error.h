// Errors that name the key of Redis that they are about.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "redis/client.h"

namespace push_cache::redis {

// A key as redis-cli shows it: in quotes, what is no printable ASCII as \xNN; a long one is cut.
std::string key_text(std::string_view key);

// Names the key in `detail`, which goes to the log only.
Error with_key(Error error, std::string_view key);

// Whether an error answer to a command with many keys may be about one of them, so that the rest
// would succeed alone. Not for what holds for a whole server, such as a full one.
bool is_of_one_key(const Reply& reply);

// The scripts answer so when what a key holds was not written by Push Cache.
inline constexpr std::string_view kForeign = "FOREIGN";
Error foreign();

// What an error answer means that concerns one of the store's own keys, such as that of the
// positions. Names the key in `public_text`: an operator has to see to it. `holds`: what it should
// hold, such as "a hash".
Error own_key_error(const Reply& reply, std::string_view key, std::string_view holds);

}  // namespace push_cache::redis
