// What tests and fuzz targets have instead of a registry.
#pragma once

#include <mutex>
#include <string>
#include <utility>

#include "registry/schema_source.h"

namespace push_cache::registry {

// Knows no schema.
class NoSource final : public SchemaSource {
 public:
  Result<SchemaText> fetch(SchemaId, std::stop_token) override {
    return Error{ErrorCode::kNotFound, "no schema"};
  }
};

// Gives the version of one subject that it was told last; away before that.
class FakeSubjects final : public SubjectSource {
 public:
  // The next version; its schema's id is 100 more than its number, which is returned.
  int set(std::string schema) {
    const std::lock_guard lock(mutex_);
    schema_ = std::move(schema);
    return ++version_;
  }
  Result<SubjectVersion> fetch_version(std::string_view, int, std::stop_token) override {
    const std::lock_guard lock(mutex_);
    if (version_ == 0) return Error{ErrorCode::kUnavailable, "the registry is away"};
    return SubjectVersion{SchemaId(100 + version_), version_, {schema_}};
  }

 private:
  std::mutex mutex_;
  int version_ = 0;
  std::string schema_;
};

}  // namespace push_cache::registry
