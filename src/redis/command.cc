#include "redis/command.h"

#include <hiredis/hiredis.h>

#include <array>
#include <charconv>
#include <new>

namespace push_cache::redis {
namespace {

constexpr std::size_t kArgsOnStack = 16;

// A number behind one type byte, such as "$12\r\n"; leaves what follows.
std::size_t take_number(std::string_view& bytes) {
  const std::size_t end = bytes.find('\r');
  std::size_t number = 0;
  std::from_chars(bytes.data() + 1, bytes.data() + end, number);
  bytes.remove_prefix(end + 2);
  return number;
}

}  // namespace

void Command::Free::operator()(char* bytes) const { redisFreeCommand(bytes); }

Command::Command(std::span<const std::string_view> args) {
  std::array<const char*, kArgsOnStack> few_places;
  std::array<std::size_t, kArgsOnStack> few_sizes;
  std::vector<const char*> many_places;
  std::vector<std::size_t> many_sizes;
  const char** places = few_places.data();
  std::size_t* sizes = few_sizes.data();
  if (args.size() > kArgsOnStack) {
    many_places.resize(args.size());
    many_sizes.resize(args.size());
    places = many_places.data();
    sizes = many_sizes.data();
  }
  for (std::size_t i = 0; i < args.size(); ++i) {
    places[i] = args[i].data();
    sizes[i] = args[i].size();
  }
  char* bytes = nullptr;
  const auto size = redisFormatCommandArgv(&bytes, static_cast<int>(args.size()), places, sizes);
  if (size < 0) throw std::bad_alloc();
  bytes_.reset(bytes);
  size_ = static_cast<std::size_t>(size);
}

std::vector<std::string_view> Command::args() const {
  std::string_view left = view();
  std::vector<std::string_view> args(take_number(left));
  for (std::string_view& arg : args) {
    const std::size_t size = take_number(left);
    arg = left.substr(0, size);
    left.remove_prefix(size + 2);
  }
  return args;
}

}  // namespace push_cache::redis
