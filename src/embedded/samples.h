// The four record types of the examples, tests and tools, and made-up records of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/buffer.h"

namespace push_cache::embedded {

enum class SampleType { kCustomer, kBill, kUsage, kTicket };

struct SampleInfo {
  SampleType type;
  std::string_view name;       // "customer", as tools call it
  std::string_view full_name;  // "com.polecatworks.billing.Customer"
  std::string_view schema;     // Avro, JSON text
  std::string_view key_field;  // the field that is the record's key
  std::string_view key_prefix;
  std::string_view topic;  // where the demo keeps them: "customers"
  std::size_t bytes_max;   // upper bound of a datum (without the 5 bytes of the wire format)
};

// All four, in the order of the enumerators.
std::span<const SampleInfo> sample_infos();
const SampleInfo& sample_info(SampleType type);
std::optional<SampleType> sample_type(std::string_view name);

// The key of record `index`: "ACC-000000042", "TKT-000000042". Two types with the key accountId
// have the same keys, so they tell of the same accounts.
void append_sample_key(SampleType type, std::uint64_t index, Buffer& out);

// Appends the Avro datum of record `index`, which depends on `type`, `seed` and `index` alone.
// Another seed makes other values for the same key, with another updatedAt. Some hundred ns a
// record.
void append_sample(SampleType type, std::uint64_t seed, std::uint64_t index, Buffer& out);

}  // namespace push_cache::embedded
