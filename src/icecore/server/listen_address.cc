#include "icecore/server/listen_address.h"

#include <utility>  // Asio 1.74 needs std::exchange and does not include it.

#include <boost/asio/ip/address.hpp>

#include <charconv>

#include "icecore/base/error.h"

namespace icecore::server {

std::string ListenAddress::WithPort(uint16_t port) const {
  return (is_v6 ? "[" + ip + "]" : ip) + ":" + std::to_string(port);
}

arrow::Result<ListenAddress> CheckListenAddress(const std::string& text,
                                                const Protection& protection) {
  boost::system::error_code error;
  const auto address =
      boost::asio::ip::make_address(text == "localhost" ? "127.0.0.1" : text, error);
  if (error) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           "'" + text +
                               "' is no address to listen on; expected an IP address, e.g. "
                               "127.0.0.1, or localhost");
  }
  if (!address.is_loopback() && !protection.insecure) {
    std::string missing = protection.tls ? "" : "TLS (--tls-cert and --tls-key)";
    if (protection.access == nullptr || !protection.access->enforced()) {
      missing += (missing.empty() ? "" : " and ") +
                 std::string("access tokens (`icecore token new --scope read`)");
    }
    if (!missing.empty()) {
      return base::MakeError(base::ErrorCode::kDenied,
                             "will not listen on " + text + " without " + missing +
                                 ": everybody who can reach the address could read every feature; "
                                 "--insecure listens all the same");
    }
  }
  return ListenAddress{address.to_string(), address.is_loopback(), address.is_v6()};
}

arrow::Status SplitAddress(const std::string& text, const std::string& option, std::string* address,
                           uint16_t* port) {
  const size_t colon = text.rfind(':');
  const std::string number = colon == std::string::npos ? text : text.substr(colon + 1);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), *port);
  if (number.empty() || error != std::errc() || end != number.data() + number.size()) {
    return base::MakeError(base::ErrorCode::kInvalidArgument,
                           option + " takes ADDRESS:PORT, e.g. 127.0.0.1:8080; got '" + text + "'");
  }
  if (colon != std::string::npos && colon > 0) {
    *address = text.substr(0, colon);
    if (address->starts_with('[') && address->ends_with(']')) {
      *address = address->substr(1, address->size() - 2);
    }
  }
  return arrow::Status::OK();
}

}  // namespace icecore::server
