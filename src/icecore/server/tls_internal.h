#pragma once
// The server's side of TLS.

#include <arrow/result.h>

#include <memory>
#include <string>

#include "icecore/server/client_stream_internal.h"

namespace icecore::server {

// TLS 1.2 and 1.3 with the certificate chain and key of two PEM files. kInvalidArgument names the
// file and what is wrong with it; a key that belongs to another certificate, too.
arrow::Result<std::shared_ptr<ClientStream::TlsContext>> LoadTls(
    const std::string& certificate_path, const std::string& key_path);

}  // namespace icecore::server
