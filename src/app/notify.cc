#include "app/notify.h"

#include <systemd/sd-daemon.h>

namespace push_cache::app {
namespace {

constexpr std::chrono::seconds kStatusInterval{1};

}  // namespace

// Nothing can be done about a notification that does not arrive: systemd's own time-outs act then.
void Notifier::serving() { sd_notify(0, "READY=1"); }

void Notifier::stopping() { sd_notify(0, "STOPPING=1\nSTATUS=stopping"); }

void Notifier::status(const std::string& text) {
  const auto now = std::chrono::steady_clock::now();
  if (text == last_ || now < next_) return;
  next_ = now + kStatusInterval;
  last_ = text;
  std::string message = "STATUS=" + text;
  for (char& c : message) {
    if (c == '\n') c = ' ';  // begins the next assignment
  }
  sd_notify(0, message.c_str());
}

}  // namespace push_cache::app
