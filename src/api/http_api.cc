#include "api/http_api.h"

#include <fmt/format.h>

namespace push_cache::api {
namespace {

using enum Place;
using http::Method;

// clang-format off
constexpr Header kETag = {"ETag", "Names this value of the record, or this text of openapi.json; `If-None-Match` and `If-Match` take it."};
constexpr Header kCacheControl = {"Cache-Control", "`public, max-age=N` on records (`kafka.cache_max_age_seconds`), `no-cache` on lists and on openapi.json, `no-store` on errors and on what DELETE answers."};
constexpr Header kLastModified = {"Last-Modified", "The timestamp of the record in its topic. Not of a record that came by POST.", true};
constexpr Header kPosition = {"Push-Cache-Position", "`topic/partition@offset` of the record. Not of one that came by POST.", true};
constexpr Header kLocalWrites = {"Push-Cache-Local-Writes", "Of a list: what POST and DELETE have changed in its store, as far as this process knows: `added=3, removed=1` since the start, and `in-snapshot` when the snapshot it was loaded from held such changes. Absent without any."};
constexpr Header kLocation = {"Location", "Path of the record that was added."};
constexpr Header kLink = {"Link", "Of the 404 of a path that no route serves: where openapi.json is (`rel=\"service-desc\"`, RFC 8631)."};
constexpr Header kAllow = {"Allow", "The methods of this path."};
constexpr Header kRetryAfter = {"Retry-After", "Seconds until it is worth another try."};

constexpr const Header* kHeaders[] = {&kETag, &kCacheControl, &kLastModified, &kPosition, &kLocalWrites, &kLocation, &kLink, &kAllow, &kRetryAfter};
constexpr const Header* kOfRecord[] = {&kETag, &kCacheControl, &kLastModified, &kPosition};
constexpr const Header* kOfAdded[] = {&kETag, &kLocation};
constexpr const Header* kOfDocument[] = {&kETag, &kCacheControl};
constexpr const Header* kOfList[] = {&kCacheControl, &kLocalWrites};
constexpr const Header* kOfCache[] = {&kCacheControl};
constexpr const Header* kOfAllow[] = {&kAllow};
constexpr const Header* kOfRetry[] = {&kCacheControl, &kRetryAfter};

constexpr Parameter kIfMatch = {"If-Match", "header", "string", "ETags; one of them must be that of the record. `*`: any record. Weak tags match none."};
constexpr Parameter kIfNoneMatch = {"If-None-Match", "header", "string", "ETags that the client has and the record must not have, or `*`."};
constexpr Parameter kIfUnmodifiedSince = {"If-Unmodified-Since", "header", "string", "A date of HTTP that the record must not be later than. Ignored beside `If-Match`, when it is no date, and when the record has no timestamp."};
constexpr Parameter kItemParameters[] = {
    {"id", "path", "string", "The key, percent-encoded; it may hold any UTF-8, slashes included."}, kIfMatch, kIfNoneMatch, kIfUnmodifiedSince};
constexpr Parameter kKeyParameter[] = {kItemParameters[0]};
constexpr Parameter kConditionParameters[] = {kIfMatch, kIfNoneMatch, kIfUnmodifiedSince};
constexpr Parameter kDocumentParameters[] = {kIfMatch, kIfNoneMatch};
constexpr Parameter kListParameters[] = {
    {"limit", "query", "integer", "Most keys to answer; without it all."},
    {"offset", "query", "integer", "How many of them to leave out first; without it none."},
    {"filter", "query", "string", "A text that the keys hold; without it all keys."},
};

constexpr Answer kReadAnswers[] = {
    {200, "the record", Content::kRecord, kOfRecord},
    {304, "`If-None-Match` names its ETag", Content::kNone, kOfRecord},
    {404, "there is no such key", Content::kError, kOfCache},
    {412, "the record does not meet `If-Match` or `If-Unmodified-Since`", Content::kError, kOfCache},
};
constexpr Answer kByBodyAnswers[] = {
    {200, "the record", Content::kRecord, kOfRecord},
    {304, "`If-None-Match` names its ETag", Content::kNone, kOfRecord},
    {400, "the body is no JSON object that has the key's field", Content::kError, kOfCache},
    {404, "there is no such key", Content::kError, kOfCache},
    {412, "the record does not meet `If-Match` or `If-Unmodified-Since`", Content::kError, kOfCache},
    {415, "the body is not `application/json`", Content::kError, kOfCache},
};
constexpr Answer kListAnswers[] = {
    {200, "the keys as an array, in byte order, chunked", Content::kKeys, kOfList},
};
constexpr Answer kAddAnswers[] = {
    {201, "the record", Content::kRecord, kOfAdded},
    {400, "the body does not fit; the field at fault is named", Content::kError, kOfCache},
    {409, "the key exists, if only as a bad record", Content::kError, kOfCache},
    {412, "the record of the key, or that there is none, does not meet a condition; nothing is added", Content::kError, kOfCache},
    {415, "the body is not `application/json`", Content::kError, kOfCache},
    {507, "the store has reached `memory_max_bytes`", Content::kError, kOfCache},
};
constexpr Answer kRemoveAnswers[] = {
    {200, "the record that was removed", Content::kRecord, kOfCache},
    {404, "there is no such key", Content::kError, kOfCache},
    {409, "the record that the route shows is of another topic than its `topic`", Content::kError, kOfCache},
    {412, "the record does not meet a condition, or there is none and `If-Match` was sent; nothing is removed", Content::kError, kOfCache},
};
constexpr Answer kOptionsAnswers[] = {
    {204, "the methods of the path", Content::kNone, kOfAllow},
};
constexpr Answer kDocumentAnswers[] = {
    {200, "the OpenAPI 3.1 document of the configured routes and the schemas known by now; also before ready", Content::kOpenApi, kOfDocument},
    {304, "`If-None-Match` names its ETag", Content::kNone, kOfDocument},
    {412, "`If-Match` does not name its ETag", Content::kError, kOfCache},
};

constexpr Operation kOperations[] = {
    {kItem, Method::kGet, "GET P/{id}", "get", "The record of a key", "", kItemParameters, kReadAnswers},
    {kCollection, Method::kGet, "GET P?limit=&offset=&filter=", "list", "The keys", "Of a store in Redis: in the order of SCAN, and a key may come twice. Not with `list: off` on the route.", kListParameters, kListAnswers},
    {kCollection, Method::kPost, "POST P", "add", "Adds a record", "The body is the JSON of the route's record type. Not with `cache.writes: off`.", kConditionParameters, kAddAnswers},
    {kItem, Method::kDelete, "DELETE P/{id}", "remove", "Removes a record", "Nothing is removed that cannot be shown: 503 while the schema of the key's last record is not known, 500 when the known records of the key are all bad, or when a record in Redis is at fault. Not with `cache.writes: off`.", kItemParameters, kRemoveAnswers},
    {kByBody, Method::kPost, "POST P_by_body", "getByBody", "The record of the key in the body", "The key is the field `key_from_body` of the JSON body. Only on routes that set it.", kConditionParameters, kByBodyAnswers},
    {kByBody, Method::kPost, "GET P_by_body", "", "", "As `POST P_by_body`, with the body in a GET.", {}, {}},
    {kDocument, Method::kGet, "GET PREFIX/openapi.json", "openApi", "This document", "A route of this path goes first.", kDocumentParameters, kDocumentAnswers},
    {kItem, Method::kHead, "HEAD", "", "", "As `GET`, without the body; not of `P_by_body`.", {}, {}},
    {kItem, Method::kOptions, "OPTIONS P/{id}", "itemOptions", "The methods of a record", "", kKeyParameter, kOptionsAnswers},
    {kCollection, Method::kOptions, "OPTIONS P", "options", "The methods of the route", "", {}, kOptionsAnswers},
};

constexpr Answer kCommonAnswers[] = {
    {400, "malformed HTTP, an id that is not percent-encoded UTF-8, a bad query value, a body that does not fit", Content::kError, kOfCache},
    {405, "a method that is not in `Allow`", Content::kError, kOfAllow},
    {408, "a request not complete after 20 s"},
    {413, "a body beyond 8 MiB"},
    {414, "a target beyond 200 KiB"},
    {417, "an `Expect` other than `100-continue`"},
    {431, "a header block beyond 256 KiB, or more than 100 headers"},
    {500, "a key whose known records are all bad, or a stored record that cannot be shown, by its own or by the reader schema; the log says why", Content::kError, kOfCache},
    {501, "a `Transfer-Encoding` other than `chunked`"},
    {503, "not ready, too old, Redis does not answer or takes no writes, a POST before any schema of the store is known, a key that a full store may have refused, a schema (of the key's last record, or the reader's) that is not known here yet, or beyond 16,384 connections", Content::kError, kOfRetry},
    {505, "a version of HTTP other than 1.1 and 1.0"},
};
// clang-format on

constexpr std::string_view kBegin =
    "<!-- Made from the table in src/api/http_api.cc by `cmake --build --preset release --target "
    "reference`. -->\n";
constexpr std::string_view kEnd = "<!-- The end of what is made. -->\n";

std::string sentence(std::string_view text) { return std::string(text) + "."; }

std::string reference_tables() {
  std::string text = "\n| request | answer |\n| --- | --- |\n";
  for (const Operation& operation : kOperations) {
    text += fmt::format("| `{}` |", operation.request);
    for (const Answer& answer : operation.answers) {
      text += fmt::format(" {}: {}", answer.status, sentence(answer.when));
    }
    if (!operation.note.empty()) text += " " + std::string(operation.note);
    text += " |\n";
  }
  text += "\n| parameter | in | meaning |\n| --- | --- | --- |\n";
  const auto row = [&text](const Parameter& parameter) {
    text += fmt::format("| `{}` | {} | {} |\n", parameter.name, parameter.in, parameter.meaning);
  };
  for (const Parameter& parameter : kItemParameters) row(parameter);
  for (const Parameter& parameter : kListParameters) row(parameter);
  text += "\n| header of answers | meaning |\n| --- | --- |\n";
  for (const Header* header : kHeaders) {
    text +=
        fmt::format("| `{}` | {}{} |\n", header->name, header->meaning,
                    header->of_position ? " Not with `webservice.position_headers: false`." : "");
  }
  text +=
      "\nAny request may also be answered by one of these:\n\n| status | when |\n| --- | --- |\n";
  for (const Answer& answer : kCommonAnswers) {
    text += fmt::format("| {} | {} |\n", answer.status, answer.when);
  }
  text +=
      "\nThe `code` of an error's body; its status is always the same:\n\n"
      "| code | status | meaning |\n| --- | --- | --- |\n";
  for (const ErrorCodeRow& code : error_codes()) {
    text += fmt::format("| `{}` | {} | {} |\n", code.name, code.http_status, code.meaning);
  }
  return text + "\n";
}

}  // namespace

std::span<const Operation> operations() { return kOperations; }
std::span<const Answer> common_answers() { return kCommonAnswers; }
std::span<const Header* const> headers() { return kHeaders; }

std::string with_reference_tables(std::string_view page) {
  const std::size_t begin = page.find(kBegin);
  if (begin == std::string_view::npos) return std::string(page);
  const std::size_t end = page.find(kEnd, begin);
  if (end == std::string_view::npos) return std::string(page);
  return std::string(page.substr(0, begin + kBegin.size())) + reference_tables() +
         std::string(page.substr(end));
}

}  // namespace push_cache::api
