#include <boost/asio/ssl/context.hpp>

#include "icecore/base/error.h"
#include "icecore/server/tls_internal.h"

namespace icecore::server {
namespace {

namespace ssl = boost::asio::ssl;

arrow::Status Wrong(const std::string& what, const std::string& path,
                    const boost::system::error_code& error) {
  return base::MakeError(base::ErrorCode::kInvalidArgument,
                         what + " " + path + ": " + error.message());
}

}  // namespace

arrow::Result<std::shared_ptr<ClientStream::TlsContext>> LoadTls(
    const std::string& certificate_path, const std::string& key_path) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  boost::system::error_code error;
  context->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                           ssl::context::no_sslv3 | ssl::context::no_tlsv1 |
                           ssl::context::no_tlsv1_1 | ssl::context::no_compression,
                       error);
  if (error) {
    return base::MakeError(base::ErrorCode::kInternal, "TLS: " + error.message());
  }
  // A key with a passphrase is an error: nobody is there to be asked for it.
  context->set_password_callback(
      [](std::size_t, ssl::context::password_purpose) { return std::string(); }, error);
  if (!error) context->use_certificate_chain_file(certificate_path, error);
  if (error) {
    return Wrong("the certificate", certificate_path, error);
  }
  context->use_private_key_file(key_path, ssl::context::pem, error);
  if (error) {
    return Wrong("the private key", key_path, error);
  }
  return context;
}

}  // namespace icecore::server
