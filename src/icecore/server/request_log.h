#pragma once
// One JSON line for a request, for whoever collects logs. Never what was asked or answered, and
// never a token's text. docs/http.md.

#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace icecore::server {

struct RequestRecord {
  int64_t time_us = 0;  // the machine's clock, at the end of the answer
  std::string_view request_id;
  std::string_view method;
  std::string_view path;  // one of ours, or "other"
  unsigned status = 0;
  int64_t duration_ns = 0;
  int64_t bytes = 0;          // of the answer's body
  std::string_view service;   // "" where none was asked
  std::string_view token_id;  // "" without a token
  std::string_view code;      // of the error answered, "" for none
  // Of that error. Written where the fault is ours (500 and above) only: others may repeat what was
  // asked.
  std::string_view message;
};

// Thread safe. A thread of its own writes, so that a slow reader of the log holds up no request; of
// what does not fit between, lines are dropped and the next line says how many.
class RequestLog {
 public:
  // `out` is borrowed. At most `max_waiting_bytes` wait to be written.
  RequestLog(std::FILE* out, size_t max_waiting_bytes);
  // Writes what waits.
  ~RequestLog();
  RequestLog(const RequestLog&) = delete;
  RequestLog& operator=(const RequestLog&) = delete;

  void Write(const RequestRecord& record);

 private:
  void Run();

  std::FILE* const out_;
  const size_t max_waiting_bytes_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::string waiting_;
  int64_t dropped_ = 0;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace icecore::server
