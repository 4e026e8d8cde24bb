#include "icecore/online/served_log.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/log.h"
#include "icecore/online/key_encoding.h"
#include "icecore/online/served_files_internal.h"
#include "icecore/online/served_record_internal.h"

namespace icecore::online {
namespace {

using Arrays = std::vector<std::shared_ptr<arrow::Array>>;

bool SamePosition(const ViewPosition& a, const ViewPosition& b) {
  return a.seq == b.seq && a.generation == b.generation && a.applied_until == b.applied_until &&
         a.applied_at == b.applied_at && a.fingerprint == b.fingerprint &&
         a.table_generation == b.table_generation;
}

bool MayShareRecord(const ServedVectors& a, const ServedVectors& b) {
  return a.service == b.service &&
         std::equal(a.views.begin(), a.views.end(), b.views.begin(), b.views.end(),
                    [](const ServedView& x, const ServedView& y) {
                      return x.name == y.name && SamePosition(x.position, y.position);
                    });
}

// The rows of the columns, copied: what is kept must not hold a large answer in memory.
arrow::Result<Arrays> PickRows(const Arrays& columns, const std::vector<int64_t>& rows,
                               int64_t total) {
  if (static_cast<int64_t>(rows.size()) == total) {
    return columns;
  }
  Arrays picked;
  for (const auto& column : columns) {
    Arrays parts;
    parts.reserve(rows.size());
    for (const int64_t row : rows) {
      parts.push_back(column->Slice(row, 1));
    }
    ARROW_ASSIGN_OR_RAISE(auto joined, arrow::Concatenate(parts));
    picked.push_back(std::move(joined));
  }
  return picked;
}

// One record's worth: several of the queue as one.
arrow::Result<ServedVectors> Join(const std::vector<ServedVectors>& parts) {
  if (parts.size() == 1) {
    return parts.front();
  }
  ServedVectors out;
  out.service = parts.front().service;
  out.views = parts.front().views;
  out.statuses.resize(parts.front().statuses.size());
  for (const ServedVectors& part : parts) {
    out.times.insert(out.times.end(), part.times.begin(), part.times.end());
    for (size_t i = 0; i < out.statuses.size(); ++i) {
      out.statuses[i].insert(out.statuses[i].end(), part.statuses[i].begin(),
                             part.statuses[i].end());
    }
  }
  for (Arrays ServedVectors::* member :
       {&ServedVectors::keys, &ServedVectors::request, &ServedVectors::values}) {
    for (size_t i = 0; i < (parts.front().*member).size(); ++i) {
      Arrays columns;
      for (const ServedVectors& part : parts) {
        columns.push_back((part.*member)[i]);
      }
      ARROW_ASSIGN_OR_RAISE(auto joined, arrow::Concatenate(columns));
      (out.*member).push_back(std::move(joined));
    }
  }
  return out;
}

class ServedLogImpl final : public ServedLog {
 public:
  explicit ServedLogImpl(const ServedLogOptions& options)
      : options_(options), files_(options.folder, options.max_bytes) {
    writer_ = std::jthread([this](const std::stop_token& stop) { Write(stop); });
  }
  ~ServedLogImpl() override {
    {
      // Under the lock: a writer between its look and its wait would miss the signal.
      const std::lock_guard lock(mutex_);
      writer_.request_stop();
    }
    wake_.notify_all();
    writer_.join();
  }

  arrow::Result<std::vector<int64_t>> Sample(const Arrays& keys, int64_t num_rows) const override {
    std::vector<int64_t> rows;
    if (options_.fraction <= 0) {
      return rows;
    }
    ARROW_ASSIGN_OR_RAISE(const auto encoded, EncodeKeys(keys, num_rows));
    for (int64_t row = 0; row < num_rows; ++row) {
      if (IsSampled(encoded.key(row), options_.fraction)) {
        rows.push_back(row);
      }
    }
    return rows;
  }

  arrow::Status Offer(const ServedVectors& vectors, const std::vector<int64_t>& rows) override {
    if (rows.empty()) {
      return arrow::Status::OK();
    }
    ServedVectors picked;
    picked.service = vectors.service;
    picked.views = vectors.views;
    ARROW_ASSIGN_OR_RAISE(picked.keys, PickRows(vectors.keys, rows, vectors.size()));
    ARROW_ASSIGN_OR_RAISE(picked.request, PickRows(vectors.request, rows, vectors.size()));
    ARROW_ASSIGN_OR_RAISE(picked.values, PickRows(vectors.values, rows, vectors.size()));
    picked.statuses.resize(vectors.statuses.size());
    for (const int64_t row : rows) {
      picked.times.push_back(vectors.times[static_cast<size_t>(row)]);
      for (size_t i = 0; i < picked.statuses.size(); ++i) {
        picked.statuses[i].push_back(vectors.statuses[i][static_cast<size_t>(row)]);
      }
    }
    Push(std::move(picked));
    return arrow::Status::OK();
  }

  arrow::Status Flush() override {
    std::unique_lock lock(mutex_);
    const uint64_t until = pushed_;
    flush_ = true;
    wake_.notify_all();
    written_signal_.wait(lock, [&] { return written_ >= until; });
    return std::exchange(failure_, arrow::Status::OK());
  }

  int64_t dropped() const override {
    std::lock_guard lock(mutex_);
    return dropped_;
  }

 private:
  void Push(ServedVectors vectors) {
    {
      std::lock_guard lock(mutex_);
      if (queued_ + vectors.size() > options_.max_queued) {
        dropped_ += vectors.size();
        return;
      }
      queued_ += vectors.size();
      ++pushed_;
      queue_.push_back(std::move(vectors));
    }
    wake_.notify_all();
  }

  void Write(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return !queue_.empty() || stop.stop_requested(); });
      if (queue_.empty()) {
        return;
      }
      wake_.wait_for(lock, std::chrono::milliseconds(options_.gather_ms),
                     [&] { return flush_ || stop.stop_requested(); });
      std::deque<ServedVectors> taken = std::exchange(queue_, {});
      queued_ = 0;
      flush_ = false;
      const auto count = taken.size();
      const int64_t dropped = dropped_ - std::exchange(told_dropped_, dropped_);
      lock.unlock();
      const arrow::Status status = WriteAll(std::move(taken), dropped);
      lock.lock();
      written_ += count;
      if (!status.ok()) {
        failure_ = status;
        base::Log(base::LogLevel::kWarning, "served log: " + status.message());
      }
      written_signal_.notify_all();
    }
  }

  arrow::Status WriteAll(std::deque<ServedVectors> taken, int64_t dropped) {
    std::string bytes;
    while (!taken.empty()) {
      std::vector<ServedVectors> parts;
      int64_t rows = 0;
      do {
        rows += taken.front().size();
        parts.push_back(std::move(taken.front()));
        taken.pop_front();
      } while (!taken.empty() && rows < options_.max_record_rows &&
               MayShareRecord(parts.front(), taken.front()));
      ARROW_ASSIGN_OR_RAISE(const ServedVectors joined, Join(parts));
      ARROW_ASSIGN_OR_RAISE(const std::string record,
                            EncodeServed(joined, std::exchange(dropped, 0)));
      bytes += record;
    }
    return files_.Append(bytes);
  }

  const ServedLogOptions options_;
  ServedFiles files_;  // of the writer's thread
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable written_signal_;
  // Guarded by mutex_.
  std::deque<ServedVectors> queue_;
  int64_t queued_ = 0;  // vectors
  uint64_t pushed_ = 0;
  uint64_t written_ = 0;
  bool flush_ = false;
  int64_t dropped_ = 0;
  int64_t told_dropped_ = 0;
  arrow::Status failure_;
  std::jthread writer_;  // last: it uses all of the above
};

}  // namespace

bool IsSampled(std::string_view encoded_key, double fraction) {
  if (fraction >= 1) {
    return true;
  }
  // The upper 53 bits as a number in [0, 1).
  return static_cast<double>(base::Hash64(encoded_key) >> 11) * 0x1p-53 < fraction;
}

arrow::Result<std::unique_ptr<ServedLog>> ServedLog::Open(const ServedLogOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  if (error) {
    return base::MakeError(
        base::ErrorCode::kUnavailable,
        "the served log cannot make its folder " + options.folder + ": " + error.message());
  }
  return std::make_unique<ServedLogImpl>(options);
}

arrow::Result<ServedLogSummary> ReadServedLog(
    const std::string& folder, const std::function<arrow::Status(ServedVectors)>& visit) {
  ServedLogSummary summary;
  ARROW_ASSIGN_OR_RAISE(const auto files, ServedFiles::List(folder));
  for (const std::string& file : files) {
    std::ifstream in(file, std::ios::binary);
    if (!in.is_open()) {
      if (!std::filesystem::exists(file)) {
        continue;  // rotated away since it was listed
      }
      return base::MakeError(base::ErrorCode::kUnavailable, "cannot read " + file);
    }
    const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    ++summary.files;
    ARROW_RETURN_NOT_OK(ForEachRecord(bytes, &summary, [&](std::string_view payload) {
      int64_t dropped = 0;
      auto vectors = DecodeServed(payload, &dropped);
      if (!vectors.ok()) {
        ++summary.damaged;
        --summary.records;
        return arrow::Status::OK();
      }
      summary.dropped += dropped;
      summary.vectors += vectors->size();
      return visit(*std::move(vectors));
    }));
  }
  return summary;
}

}  // namespace icecore::online
