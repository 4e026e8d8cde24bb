#pragma once
// An object store that breaks on purpose, for tests of what must survive.

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "icecore/lake/object_store.h"

namespace icecore::lake {

// What fails, counted over all calls of the store (each call is one operation; an output stream
// counts its opening, each write and its closing).
struct FaultPlan {
  enum class When {
    kBefore,  // the operation is not done
    kAfter,   // the operation is done and reported as failed: an unknown outcome
  };
  int64_t fail_at = 0;  // the first operation that fails, from 1; 0 = none
  bool sticky = false;  // all later operations fail too
  When when = When::kBefore;
  std::string only = {};  // only operations on paths that contain this count; "" = all
};

// Passes everything to `inner`, which must outlive it, and fails as planned with kUnavailable.
// Thread safe.
class FaultyObjectStore : public ObjectStore {
 public:
  FaultyObjectStore(ObjectStore* inner, FaultPlan plan) : inner_(inner), plan_(std::move(plan)) {}

  int64_t operations() const;
  bool failed() const;

  arrow::Status Put(const std::string& path, std::string_view bytes) override;
  arrow::Result<bool> PutIfAbsent(const std::string& path, std::string_view bytes) override;
  arrow::Result<std::string> Get(const std::string& path) override;
  arrow::Result<std::string> GetRange(const std::string& path, int64_t offset,
                                      int64_t length) override;
  arrow::Result<std::vector<std::string>> List(const std::string& prefix,
                                               const std::string& start_after) override;
  arrow::Result<std::vector<ObjectEntry>> ListEntries(const std::string& prefix) override;
  arrow::Result<std::vector<ObjectEntry>> Unfinished(const std::string& prefix,
                                                     int64_t modified_before_us,
                                                     bool remove) override;
  arrow::Result<ObjectInfo> Stat(const std::string& path) override;
  arrow::Result<bool> Exists(const std::string& path) override;
  arrow::Status Delete(const std::string& path) override;
  arrow::Result<std::shared_ptr<arrow::io::OutputStream>> OpenOutput(
      const std::string& path) override;
  arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(
      const std::string& path) override;
  std::optional<std::string> LocalPath(const std::string& path) const override;

  // Counts one operation and says what to do with it; the wrapped streams call it too.
  enum class Verdict { kPass, kFailBefore, kFailAfter };
  Verdict Count(const std::string& what);
  static arrow::Status Failure(const std::string& what);

 private:
  ObjectStore* const inner_;
  const FaultPlan plan_;
  mutable std::mutex mutex_;
  int64_t operations_ = 0;
  bool failed_ = false;
};

}  // namespace icecore::lake
