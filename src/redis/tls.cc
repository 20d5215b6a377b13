#include "redis/tls.h"

namespace push_cache::redis {

namespace ssl = boost::asio::ssl;

Result<std::shared_ptr<ssl::context>> make_tls(const ClientOptions& options) {
  if (!options.tls) return std::shared_ptr<ssl::context>();
  auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
  boost::system::error_code ec;
  const auto failure = [&ec](const char* what, const std::string& file) {
    return Error{ErrorCode::kInvalidArgument, std::string(what) + " " + file + ": " + ec.message()};
  };
  context->set_options(ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1, ec);
  context->set_verify_mode(ssl::verify_peer, ec);
  if (options.ca_file.empty()) {
    context->set_default_verify_paths(ec);
    if (ec) return failure("cannot use the authorities of", "the system");
  } else {
    context->load_verify_file(options.ca_file, ec);
    if (ec) return failure("cannot read the authorities in", options.ca_file);
  }
  if (!options.certificate_file.empty()) {
    context->use_certificate_chain_file(options.certificate_file, ec);
    if (ec) return failure("cannot use the certificate in", options.certificate_file);
    context->use_private_key_file(options.key_file, ssl::context::pem, ec);
    if (ec) return failure("cannot use the key in", options.key_file);
  }
  return context;
}

}  // namespace push_cache::redis
