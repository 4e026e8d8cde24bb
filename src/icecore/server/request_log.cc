#include "icecore/server/request_log.h"

#include <charconv>
#include <utility>

#include "icecore/base/json_text.h"
#include "icecore/base/time.h"

namespace icecore::server {
namespace {

void AppendText(std::string_view name, std::string_view value, std::string* out) {
  out->append(",\"").append(name).append("\":");
  base::AppendJsonString(value, out);
}

void AppendNumber(std::string_view name, int64_t value, std::string* out) {
  out->append(",\"").append(name).append("\":");
  base::AppendJsonInt(value, out);
}

std::string LineOf(const RequestRecord& record) {
  std::string line = "{\"time\":\"" + base::FormatInstant(record.time_us) + "\",\"level\":";
  line += record.status >= 500 ? "\"error\"" : "\"info\"";
  line += ",\"event\":\"request\"";
  AppendText("request_id", record.request_id, &line);
  AppendText("method", record.method, &line);
  AppendText("path", record.path, &line);
  AppendNumber("status", record.status, &line);
  line += ",\"duration_ms\":";
  const int64_t duration_us = record.duration_ns / 1000;
  base::AppendJsonDouble(static_cast<double>(duration_us) / 1000, &line);
  AppendNumber("bytes", record.bytes, &line);
  if (!record.service.empty()) AppendText("service", record.service, &line);
  if (!record.token_id.empty()) AppendText("token", record.token_id, &line);
  if (!record.code.empty()) AppendText("code", record.code, &line);
  if (record.status >= 500 && !record.message.empty()) {
    AppendText("message", record.message, &line);
  }
  line += "}\n";
  return line;
}

}  // namespace

RequestLog::RequestLog(std::FILE* out, size_t max_waiting_bytes)
    : out_(out), max_waiting_bytes_(max_waiting_bytes), thread_([this] { Run(); }) {}

RequestLog::~RequestLog() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void RequestLog::Write(const RequestRecord& record) {
  std::string line = LineOf(record);
  {
    std::lock_guard lock(mutex_);
    if (waiting_.size() + line.size() > max_waiting_bytes_) {
      ++dropped_;
      return;
    }
    if (dropped_ > 0) {
      waiting_ += "{\"time\":\"" + base::FormatInstant(record.time_us) +
                  "\",\"level\":\"warning\",\"event\":\"lines_dropped\",\"lines\":" +
                  std::to_string(std::exchange(dropped_, 0)) + "}\n";
    }
    waiting_ += line;
  }
  wake_.notify_one();
}

void RequestLog::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) {
      return;
    }
    const std::string text = std::exchange(waiting_, {});
    lock.unlock();
    std::fwrite(text.data(), 1, text.size(), out_);
    std::fflush(out_);
    lock.lock();
  }
}

}  // namespace icecore::server
