// What the service tells Prometheus.
#include "app/service.h"

namespace push_cache::app {

std::string Service::metrics_text() const { return ""; }

}  // namespace push_cache::app
