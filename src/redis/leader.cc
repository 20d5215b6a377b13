#include "redis/leader.h"

#include <boost/asio/post.hpp>

#include <string_view>
#include <vector>

namespace push_cache::redis {

Leader::Leader(boost::asio::io_context& loop, Client& client, KnownServers& servers)
    : client_(client), servers_(servers) {
  servers_.on_request([this, &loop] { boost::asio::post(loop, [this] { look(); }); });
}

void Leader::look() {
  const std::vector<Endpoint> others = servers_.take_others();
  if (!others.empty()) client_.look_again(others);
  const std::uint64_t asked = servers_.asked();
  if (waits_for_ > 0 || servers_.is_proved(asked)) return;
  const std::vector<Node> masters = client_.masters();
  question_ = asked;
  has_failed_ = false;
  waits_for_ = masters.size();
  const std::string_view ping[] = {"PING"};
  for (const Node& node : masters) client_.send_to(node, ping, *this);
}

// Also an error is an answer of this server.
void Leader::reply(const Reply&) { one_done(); }

void Leader::failed(const Error&) {
  has_failed_ = true;
  one_done();
}

void Leader::one_done() {
  if (--waits_for_ > 0 || has_failed_) return;
  servers_.prove(question_);
  look();  // others may have asked since
}

}  // namespace push_cache::redis
