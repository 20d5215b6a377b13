// The HTTP API in one table: what is asked, what is answered. openapi.json and the tables of
// docs/reference/http-api.md are made from it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "http/http.h"

namespace push_cache::api {

// With P = webservice.prefix and the path of a route.
enum class Place : std::uint8_t {
  kItem,        // P/{id}
  kCollection,  // P
  kByBody,      // P_by_body, of routes with key_from_body
  kDocument,    // openapi.json below webservice.prefix
};

enum class Content : std::uint8_t { kNone, kError, kRecord, kKeys, kOpenApi };

struct Header {
  std::string_view name;
  std::string_view meaning;
  bool of_position = false;  // only with webservice.position_headers
};

struct Answer {
  unsigned status;
  std::string_view when;  // a sentence without its dot
  Content content = Content::kError;
  std::span<const Header* const> headers = {};
};

struct Parameter {
  std::string_view name;
  std::string_view in;    // "query", "header" or "path"
  std::string_view type;  // "string" or "integer"
  std::string_view meaning;
};

struct Operation {
  Place place;
  http::Method method;
  std::string_view request;  // "GET P/{id}", for people
  std::string_view id;       // first part of openapi.json's operationId; "" = not there
  std::string_view summary;
  std::string_view note;  // for people, behind the answers; "" = none
  std::span<const Parameter> parameters;
  std::span<const Answer> answers;  // its own; those of `common_answers` come with it
};

std::span<const Operation> operations();
// What any request may be answered with, by status.
std::span<const Answer> common_answers();
std::span<const Header* const> headers();

// `page` (docs/reference/http-api.md) with the tables between its two marker lines made anew; as it
// is when it has no such lines.
std::string with_reference_tables(std::string_view page);

}  // namespace push_cache::api
