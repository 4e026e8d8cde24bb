#pragma once

#include <curl/curl.h>

#include <memory>

namespace icecore::net {

struct CurlHandleDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using CurlHandle = std::unique_ptr<CURL, CurlHandleDeleter>;

}  // namespace icecore::net
