// Files of the system, with errors as values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "base/buffer.h"
#include "base/error.h"
#include "base/types.h"

namespace push_cache::snapshot {

// A file that is read at any place. Safe from any thread.
class InputFile {
 public:
  // kNotFound or kUnavailable.
  static Result<InputFile> open(const std::filesystem::path& path);
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;
  ~InputFile();

  std::uint64_t bytes() const { return bytes_; }
  // Fills `into` from `offset`; kUnavailable when that fails or there are fewer bytes.
  Status read(std::uint64_t offset, std::span<std::uint8_t> into) const;

 private:
  InputFile(int descriptor, std::uint64_t bytes) : descriptor_(descriptor), bytes_(bytes) {}
  int descriptor_;
  std::uint64_t bytes_;
};

// A file that takes its name when it is complete. Until then it has a temporary name beside it, and
// a lock that tells it from one whose writer was killed. Not safe from several threads.
class OutputFile {
 public:
  static Result<OutputFile> create(const std::filesystem::path& path);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  // Removes the file unless it has its name.
  ~OutputFile();

  std::uint64_t bytes() const { return written_ + waiting_.size(); }
  Status append(Bytes bytes);
  // Writes all to the disk and gives the file its name, in place of one that has it.
  Status commit();

 private:
  OutputFile(int descriptor, std::filesystem::path path, std::string temporary);
  Status flush();

  int descriptor_;
  std::filesystem::path path_;
  std::string temporary_;
  Buffer waiting_;
  std::uint64_t written_ = 0;
};

// Removes what killed writers of `path` have left beside it.
void remove_stale(const std::filesystem::path& path);

}  // namespace push_cache::snapshot
