#include "snapshot/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

namespace push_cache::snapshot {
namespace {

constexpr std::size_t kWriteBytes = 1024 * 1024;
constexpr const char* kTemporary = ".tmp-";

Error failure(std::string what, const std::filesystem::path& path) {
  const int number = errno;
  return {ErrorCode::kUnavailable,
          "the snapshot's file could not be " + std::move(what) + ": " +
              std::generic_category().message(number),
          path.string()};
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : ".";
}

}  // namespace

Result<InputFile> InputFile::open(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno == ENOENT) return Error{ErrorCode::kNotFound, "there is no snapshot", path.string()};
    return failure("opened", path);
  }
  InputFile file(descriptor, 0);
  struct stat state;
  if (::fstat(descriptor, &state) != 0) return failure("examined", path);
  if (!S_ISREG(state.st_mode)) {
    return Error{ErrorCode::kUnavailable, "the snapshot is not a file", path.string()};
  }
  file.bytes_ = static_cast<std::uint64_t>(state.st_size);
  return file;
}

InputFile::InputFile(InputFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), bytes_(other.bytes_) {}

InputFile::~InputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Status InputFile::read(std::uint64_t offset, std::span<std::uint8_t> into) const {
  while (!into.empty()) {
    const ssize_t got = ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure("read", {});
    if (got == 0) {
      return Error{ErrorCode::kUnavailable, "the snapshot's file became shorter while it was read"};
    }
    into = into.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return {};
}

OutputFile::OutputFile(int descriptor, std::filesystem::path path, std::string temporary)
    : descriptor_(descriptor), path_(std::move(path)), temporary_(std::move(temporary)) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      waiting_(std::move(other.waiting_)),
      written_(other.written_) {}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<OutputFile> OutputFile::create(const std::filesystem::path& path) {
  std::string temporary = path.string() + kTemporary + "XXXXXX";
  const int descriptor = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (descriptor < 0) return failure("created", path);
  OutputFile file(descriptor, path, std::move(temporary));
  // Where there are no such locks, others may take it for stale: then this write fails, no more.
  (void)::flock(descriptor, LOCK_EX | LOCK_NB);
  return file;
}

Status OutputFile::append(Bytes bytes) {
  waiting_.append(bytes);
  return waiting_.size() < kWriteBytes ? Status() : flush();
}

Status OutputFile::flush() {
  for (std::size_t at = 0; at < waiting_.size();) {
    const ssize_t put = ::write(descriptor_, waiting_.data() + at, waiting_.size() - at);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return failure("written", temporary_);
    at += static_cast<std::size_t>(put);
  }
  written_ += waiting_.size();
  waiting_.clear();
  return {};
}

Status OutputFile::commit() {
  if (Status flushed = flush(); !flushed) return flushed;
  if (::fsync(descriptor_) != 0) return failure("written to the disk", temporary_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return failure("renamed", temporary_);
  temporary_.clear();
  // The name too must be on the disk.
  const std::filesystem::path folder = folder_of(path_);
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return failure("named on the disk", folder);
  const bool done = ::fsync(descriptor) == 0;
  Status outcome = done ? Status() : failure("named on the disk", folder);
  ::close(descriptor);
  return outcome;
}

void remove_stale(const std::filesystem::path& path) {
  const std::string begin = path.filename().string() + kTemporary;
  std::error_code ignored;
  std::vector<std::filesystem::path> found;
  for (std::filesystem::directory_iterator at(folder_of(path), ignored), end; !ignored && at != end;
       at.increment(ignored)) {
    if (at->path().filename().string().starts_with(begin)) found.push_back(at->path());
  }
  for (const std::filesystem::path& one : found) {
    const int descriptor = ::open(one.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0) continue;
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) ::unlink(one.c_str());
    ::close(descriptor);
  }
}

}  // namespace push_cache::snapshot
