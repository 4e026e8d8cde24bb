#pragma once
// An object store that loses what was not synced when the power goes, for tests.

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "icecore/base/id.h"
#include "icecore/lake/object_store.h"

namespace icecore::lake {

// Passes everything to `inner`, which must outlive it. Streams are unsynced until a later Put or
// PutIfAbsent, as ObjectStore says. Thread safe.
class PowerCutStore : public ObjectStore {
 public:
  explicit PowerCutStore(ObjectStore* inner) : inner_(inner) {}

  // Every unsynced object is gone, empty, cut short or whole, as `random` wants. Where the write
  // that would have synced them was under way and failed, they are still unsynced.
  void CutPower(base::Random* random);
  // Unsynced objects.
  std::vector<std::string> unsynced() const;

  arrow::Status Put(const std::string& path, std::string_view bytes) override;
  arrow::Result<bool> PutIfAbsent(const std::string& path, std::string_view bytes) override;
  arrow::Result<std::string> Get(const std::string& path) override { return inner_->Get(path); }
  arrow::Result<std::string> GetRange(const std::string& path, int64_t offset,
                                      int64_t length) override {
    return inner_->GetRange(path, offset, length);
  }
  arrow::Result<std::vector<std::string>> List(const std::string& prefix,
                                               const std::string& start_after) override {
    return inner_->List(prefix, start_after);
  }
  arrow::Result<ObjectInfo> Stat(const std::string& path) override { return inner_->Stat(path); }
  arrow::Result<bool> Exists(const std::string& path) override { return inner_->Exists(path); }
  arrow::Status Delete(const std::string& path) override;
  arrow::Result<std::shared_ptr<arrow::io::OutputStream>> OpenOutput(
      const std::string& path) override;
  arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(
      const std::string& path) override {
    return inner_->OpenInput(path);
  }
  std::optional<std::string> LocalPath(const std::string& path) const override {
    return inner_->LocalPath(path);
  }

  // The stream of `path` was closed.
  void NoteUnsynced(const std::string& path);

 private:
  void NoteSynced();

  ObjectStore* const inner_;
  mutable std::mutex mutex_;
  std::vector<std::string> unsynced_;
};

}  // namespace icecore::lake
