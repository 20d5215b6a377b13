#include "redis/setup.h"

#include <string_view>

#include "redis/answers.h"
#include "redis/command.h"

namespace push_cache::redis {

template <typename... Args>
void Setup::add(Step step, const Args&... args) {
  const std::string_view views[] = {args...};
  bytes_ += Command(views).view();
  steps_.push_back(step);
}

Setup::Setup(const SetupOptions& options)
    : password_(options.password), may_need_no_auth_(options.may_need_no_auth) {
  if (!options.password.empty()) {
    // With two arguments it is Redis 6's; older ones know only the password.
    if (options.username.empty()) {
      add(Step::kAuth, "AUTH", options.password);
    } else {
      add(Step::kAuth, "AUTH", options.username, options.password);
    }
  }
  if (options.database != 0) add(Step::kSelect, "SELECT", std::to_string(options.database));
  if (options.name) add(Step::kName, "CLIENT", "SETNAME", "push-cache");
  if (options.master_only) add(Step::kRole, "ROLE");
  if (options.identity) add(Step::kIdentity, "INFO", "replication");
}

Status Setup::take(const Reply& reply) {
  const Step step = steps_[answered_++];
  const auto refused = [](std::string text, std::string detail = {}) {
    return Error{ErrorCode::kUnavailable, std::move(text), std::move(detail)};
  };
  if (reply.type == Reply::Type::kError) {
    const std::string text = clean_text(reply.text, password_);
    // Whatever is asked first is refused with these when the server wants a password, has too many
    // clients or is in protected mode.
    const bool useless = text.starts_with("NOAUTH") || text.starts_with("DENIED") ||
                         text.starts_with("ERR max number of clients");
    if (step == Step::kAuth && may_need_no_auth_) return {};
    if (step == Step::kAuth) return refused("Redis refused the user or password: " + text);
    if (step == Step::kSelect) return refused("Redis refused the database: " + text);
    if (step == Step::kRole) return refused("Redis does not say whether it is a master: " + text);
    // A name is a courtesy, and so is what is told of a server: an ACL may forbid both.
    return useless ? Status(refused("Redis refused the connection: " + text)) : Status();
  }
  if (step == Step::kIdentity) {
    constexpr std::string_view kName = "master_replid:";
    const std::size_t at = reply.text.find(kName);
    if (reply.type != Reply::Type::kString || at == std::string_view::npos) return {};
    const std::string_view rest = reply.text.substr(at + kName.size());
    identity_ = rest.substr(0, rest.find_first_of("\r\n"));
  }
  if (step == Step::kRole) {
    if (reply.type != Reply::Type::kArray || reply.elements.empty() ||
        reply.elements.front().text != "master") {
      return refused("what should be the master is none");
    }
  }
  return {};
}

}  // namespace push_cache::redis
