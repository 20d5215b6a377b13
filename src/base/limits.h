// Every cap on untrusted input, with its reason. A length beyond its cap is an error, said before
// anything is allocated for it.
#pragma once

#include <chrono>
#include <cstddef>

namespace push_cache::limits {

// HTTP. A target holds a percent-encoded key (3 bytes for one), a header block what proxies add.
inline constexpr std::size_t kTargetBytesMax = 200 * 1024;
inline constexpr std::size_t kHeaderBytesMax = 256 * 1024;
inline constexpr std::size_t kHeadersMax = 100;
// X-Request-Id: sent back and logged.
inline constexpr std::size_t kRequestIdBytesMax = 128;
// Of a request target in the request log.
inline constexpr std::size_t kLoggedTargetBytesMax = 2048;
inline constexpr std::size_t kBodyBytesMax = 8 * 1024 * 1024;
inline constexpr std::size_t kConnectionsMax = 16 * 1024;
inline constexpr std::chrono::seconds kRequestTimeout{
    20};  // from the first byte of a request to its last
inline constexpr std::chrono::seconds kIdleTimeout{120};  // between requests
inline constexpr std::chrono::seconds kWriteTimeout{60};  // without any progress of a write
inline constexpr std::chrono::seconds kDrainTimeout{20};  // for running requests after SIGTERM
// To take leave of Kafka after that: librdkafka waits for minutes for a coordinator that does not
// answer.
inline constexpr std::chrono::seconds kLeaveTimeout{15};

// Records. Kafka's own default cap of a message is 1 MiB; brokers are seldom set beyond 64 MiB.
inline constexpr std::size_t kKeyBytesMax = 64 * 1024;
inline constexpr std::size_t kValueBytesMax = 64 * 1024 * 1024;

// Records whose schema is not known yet and that their partitions do not wait for.
inline constexpr std::size_t kSetAsideRecordsMax = 10'000;
inline constexpr std::size_t kSetAsideBytesMax = 64 * 1024 * 1024;
// Keys of records that are bad and of which no good value may be known.
inline constexpr std::size_t kBadKeysMax = 100'000;
inline constexpr std::size_t kBadKeysBytesMax = 64 * 1024 * 1024;

// Snapshots. A block ends soon after its 256 KiB, or with a large record that came before that. The
// footer has 24 bytes for each block and the schemas' texts.
inline constexpr std::size_t kSnapshotBlockBytesMax =
    kKeyBytesMax + kValueBytesMax + 2 * 1024 * 1024;
inline constexpr std::size_t kSnapshotFooterBytesMax = 256 * 1024 * 1024;

// Avro schemas and datums.
inline constexpr std::size_t kSchemaTextBytesMax = 4 * 1024 * 1024;
inline constexpr std::size_t kSchemaDepthMax = 64;  // nesting of the schema's own text
inline constexpr std::size_t kDatumDepthMax =
    128;  // nesting of a recursive datum: bounds the stack
inline constexpr std::size_t kSchemaTypesMax = 50'000;
// A type's name with its namespace, which each name within it repeats.
inline constexpr std::size_t kSchemaNameBytesMax = 4096;
// JSON made from one datum. A run of zero-size items (an array of null) costs no bytes on the wire.
inline constexpr std::size_t kJsonBytesMax = 512 * 1024 * 1024;
inline constexpr std::size_t kZeroSizeItemsMax = 100'000;

// Answers of the registry.
inline constexpr std::size_t kRegistryBodyBytesMax = 8 * 1024 * 1024;
inline constexpr std::size_t kSchemaReferencesMax = 500;

// Answers of Redis. A bulk string is at most what servers allow (proto-max-bulk-len, 512 MiB), and
// so are all strings of one array together. A CLUSTER SLOTS in which every slot is a range of its
// own with four nodes has 380,000 elements; no other answer we ask for nests as deep as its four
// levels.
inline constexpr std::size_t kRedisBulkBytesMax = 512 * 1024 * 1024;
inline constexpr std::size_t kRedisElementsMax = 1'000'000;
inline constexpr std::size_t kRedisDepthMax = 7;
inline constexpr std::size_t kRedisLineBytesMax = 64 * 1024;  // a status, an error, an integer
// A command: its arguments together, as a server would refuse a longer one.
inline constexpr std::size_t kRedisCommandBytesMax = 512 * 1024 * 1024;

}  // namespace push_cache::limits
