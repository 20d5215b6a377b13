// The texts about the options that are made from their table.
#include <fmt/format.h>

#include "config/options.h"

namespace push_cache::config {
namespace {

std::string cell(std::string_view text) {
  std::string result;
  for (char c : text) {
    if (c == '|') result += '\\';
    result += c;
  }
  return result;
}

std::string default_text(const Option& option) {
  if (option.required) return "required";
  return option.fallback.empty() ? std::string() : fmt::format("`{}`", option.fallback);
}

bool is_old(const Option& option) {
  return option.type == Type::kAlias || option.type == Type::kIgnored;
}

constexpr std::string_view kIntroduction = R"(# Configuration

<!-- Made from the table in src/config/options.cc by `cmake --build --preset release --target reference`. -->

`push-cache start --config FILE [--secrets DIR]` reads three layers; each overrides the ones before it:

1. the YAML file;
2. the secrets directory: one file a key, its name the key's path, its content the value;
3. environment variables that begin with `APP_`.

`push-cache config-check --config FILE [--secrets DIR]` checks all of it, starts nothing, and ends with a code other
than 0 when there is a fault; with `--print` it shows the result, without the secrets. Every fault is listed
in one report, with the key's path and the place it was given: unknown keys, wrong types, numbers out of range,
what is missing, routes to a store that is not there, names and paths given twice.

## Keys

`[]` stands for each item of a list.

| key | type | default | meaning |
| --- | --- | --- | --- |
)";

constexpr std::string_view kLayers = R"(
## Values

- A duration is a number of seconds (`5`, `0.5`) or has units: `500ms`, `5s`, `1m 30s`, `1h`. `{secs: 5, nanos: 0}` is
  read too.
- An address is an IP address and a port: `0.0.0.0:8080`, `[::]:8080`. `localhost` is 127.0.0.1. Port 0 takes a free one.
- A path may begin with a slash or not, and a slash at its end is dropped.
- A schema's name in `cache.stores[].schemas` is, without regard to case, its full name
  (`com.polecatworks.billing.CustomerBill`), the last part of that (`CustomerBill`), or its short form: the last word of
  the last part, after a closing word that only says "this is data" (Record, Event, Message, Value, Entry) is left out. So
  `bill` is CustomerBill, `usage` is UsageRecord, `ticket` is SupportTicket, and `customer` is Customer but not
  CustomerBill.
- `kafka.properties` may not hold what the service sets itself: `bootstrap.servers`, `metadata.broker.list`, `group.id`,
  `auto.offset.reset`, `enable.auto.commit`, `enable.auto.offset.store`, `enable.partition.eof`. Maps in it are names with dots:
  `{sasl: {username: me}}` is `sasl.username`.
- A file may have anchors and aliases, but no merge keys (`<<`). A key without a value (`prefix:`) is as if it were not there.

## Secrets directory

`--secrets DIR` reads each file of DIR whose name is a key's path, with dots or with `__` between its parts, and numbers for the
items of a list from 0: `kafka.properties.sasl.password`, `cache.stores.0.url`, `CACHE__STORES__0__URL`. The value is the
content without one line end at its end. A volume of a Kubernetes Secret fits as it is. Left alone are folders, names
that begin with a dot, names of one part (`password`), and names whose first part is no section of the
configuration (`tls.crt`).

In the YAML file, `KEY_file: NAME` takes the value of a single KEY from a file, relative to the secrets directory:
`url_file: redis/url` in a store.

## Environment

`APP_` and the key's path in any case, with `__` between the parts and numbers for the items of a list from 0:

    APP_WEBSERVICE__ADDRESS=127.0.0.1:9000
    APP_KAFKA__TOPIC='[users, bills]'
    APP_KAFKA__GROUP_ID__USE_HOSTNAME=true
    APP_CACHE__STORES__0__URL=redis://cache.internal:6379
    APP_KAFKA__PROPERTIES__SASL_PASSWORD=...

A value is taken as it is, without YAML's own meanings of `#` or `: `; one that is wholly in quotes loses them as in YAML. Where
a list or a map is due, `[...]` and `{...}` are read as YAML; a map is put on top of the one below, a list replaces it. The number
after the last item of a list adds one. Names of librdkafka's properties have dots where a variable's name has
underscores: `SASL_PASSWORD` is `sasl.password`; so it is in the secrets directory. Variables without `__`, such as
`APP_PORT`, are left alone.

## Secrets

Never shown in a log, a report or `config-check --print`: the values of the keys marked *secret*, the user and password in any
URL, and the properties of librdkafka whose names say password, passphrase, secret, token, credential, jaas, ssl.key,
.pem or oauthbearer.config (names that end in .location or .url are shown).

## Keys of the first form

Read so that its files load unchanged; each ignored one gives a warning in the log.

| key | now | was |
| --- | --- | --- |
)";

}  // namespace

std::string help_text() {
  std::string text;
  for (const Option& option : options()) {
    if (is_old(option)) continue;
    text += fmt::format("  {} ({}", option.path, type_text(option));
    if (option.required) text += ", required";
    if (!option.fallback.empty()) text += fmt::format(", default {}", option.fallback);
    if (option.secret) text += ", secret";
    text += fmt::format(")\n      {}\n", option.help);
  }
  return text;
}

std::string reference_page() {
  std::string page(kIntroduction);
  for (const Option& option : options()) {
    if (is_old(option)) continue;
    page += fmt::format("| `{}` | {}{} | {} | {} |\n", option.path, type_text(option),
                        option.secret ? ", *secret*" : "", default_text(option), cell(option.help));
  }
  page += kLayers;
  for (const Option& option : options()) {
    if (!is_old(option)) continue;
    page +=
        fmt::format("| `{}` | {} | {} |\n", option.path,
                    option.type == Type::kAlias ? fmt::format("`{}`", option.fallback) : "ignored",
                    cell(option.help));
  }
  return page;
}

}  // namespace push_cache::config
