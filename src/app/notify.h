// What the service tells systemd of itself (Type=notify), by the socket that NOTIFY_SOCKET names.
// Without that variable every call does nothing.
#pragma once

#include <chrono>
#include <string>

namespace push_cache::app {

// For one thread.
class Notifier {
 public:
  // Start-up is over: both ports answer. Loading goes on, which `status` tells and /ready asks.
  static void serving();
  static void stopping();

  // The line that `systemctl status` shows. Call it as often as you like: what is the same as
  // before, or comes within a second of the last line, is not sent.
  void status(const std::string& text);

 private:
  std::string last_;
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace push_cache::app
