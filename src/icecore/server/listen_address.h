#pragma once
// Where a server may listen: the same rule for every protocol.

#include <arrow/result.h>

#include <cstdint>
#include <string>

#include "icecore/server/access_control.h"

namespace icecore::server {

struct ListenAddress {
  std::string ip;  // canonical
  bool is_loopback = true;
  bool is_v6 = false;

  // "127.0.0.1:8080", "[::1]:8080"
  std::string WithPort(uint16_t port) const;
};

// What a server has against strangers.
struct Protection {
  bool tls = false;
  const AccessControl* access = nullptr;  // nullptr: everybody may ask for everything
  bool insecure = false;                  // listen all the same
};

// `text`: an IP address or "localhost". kDenied for one outside loopback without TLS and tokens.
arrow::Result<ListenAddress> CheckListenAddress(const std::string& text,
                                                const Protection& protection);

// "127.0.0.1:8080", "[::1]:8080", ":8080" or "8080" in two; *address stays as it is where none is
// named. kInvalidArgument names `option`.
arrow::Status SplitAddress(const std::string& text, const std::string& option, std::string* address,
                           uint16_t* port);

}  // namespace icecore::server
