// The layers below and above the YAML file, each put on top of the tree of values.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/faults.h"
#include "config/value.h"

namespace push_cache::config {

// Turns the spellings that only the first form has into today's, in the tree of the YAML file:
// aliases, ignored keys (each gives one of `notes`), and an address that is a URL with the prefix.
void translate_first_form(Value& root, std::vector<std::string>& notes);

// Replaces each `x_file: name`, where x is a key of a single value, by x with the content of the
// file, which is looked for below `secrets_dir`.
void read_file_keys(Value& root, const std::optional<std::string>& secrets_dir, Faults& faults);

// The files of `dir`, whose names are key paths ("kafka.properties.sasl.password",
// "cache.stores.0.url", or with "__" for the dots). Names without either, names that begin with a
// dot, folders, and names whose first part is no section are no keys and are left alone.
void add_secrets(Value& root, const std::string& dir, Faults& faults);

// The variables APP_a__b. Names without "__" are left alone: Kubernetes itself makes APP_PORT and
// the like for a service called app.
void add_environment(Value& root, const std::map<std::string, std::string>& environment,
                     Faults& faults);

}  // namespace push_cache::config
