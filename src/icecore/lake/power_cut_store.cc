#include "icecore/lake/power_cut_store.h"

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

#include <utility>

namespace icecore::lake {
namespace {

class UnsyncedOutput : public arrow::io::OutputStream {
 public:
  UnsyncedOutput(PowerCutStore* store, std::string path,
                 std::shared_ptr<arrow::io::OutputStream> inner)
      : store_(store), path_(std::move(path)), inner_(std::move(inner)) {}
  ~UnsyncedOutput() override { static_cast<void>(inner_->Abort()); }

  arrow::Status Close() override {
    if (!inner_->closed()) {
      ARROW_RETURN_NOT_OK(inner_->Close());
      store_->NoteUnsynced(path_);
    }
    return arrow::Status::OK();
  }
  arrow::Status Abort() override { return inner_->Abort(); }
  bool closed() const override { return inner_->closed(); }
  arrow::Result<int64_t> Tell() const override { return inner_->Tell(); }
  using arrow::io::OutputStream::Write;
  arrow::Status Write(const void* data, int64_t bytes) override {
    return inner_->Write(data, bytes);
  }

 private:
  PowerCutStore* const store_;
  const std::string path_;
  const std::shared_ptr<arrow::io::OutputStream> inner_;
};

}  // namespace

void PowerCutStore::CutPower(base::Random* random) {
  const std::lock_guard lock(mutex_);
  for (const std::string& path : unsynced_) {
    const uint64_t fate = random->Next() % 4;
    const auto bytes = inner_->Get(path);
    if (!bytes.ok() || fate == 0) {
      continue;  // gone already, or saved by luck
    }
    static_cast<void>(inner_->Delete(path));
    if (fate > 1) {
      static_cast<void>(
          inner_->Put(path, fate == 2 ? std::string_view()
                                      : std::string_view(*bytes).substr(0, bytes->size() / 2)));
    }
  }
  unsynced_.clear();
}

std::vector<std::string> PowerCutStore::unsynced() const {
  const std::lock_guard lock(mutex_);
  return unsynced_;
}

void PowerCutStore::NoteUnsynced(const std::string& path) {
  const std::lock_guard lock(mutex_);
  unsynced_.push_back(path);
}

void PowerCutStore::NoteSynced() {
  const std::lock_guard lock(mutex_);
  unsynced_.clear();
}

arrow::Status PowerCutStore::Put(const std::string& path, std::string_view bytes) {
  ARROW_RETURN_NOT_OK(inner_->Put(path, bytes));
  NoteSynced();
  return arrow::Status::OK();
}

arrow::Result<bool> PowerCutStore::PutIfAbsent(const std::string& path, std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(const bool put, inner_->PutIfAbsent(path, bytes));
  NoteSynced();
  return put;
}

arrow::Status PowerCutStore::Delete(const std::string& path) {
  ARROW_RETURN_NOT_OK(inner_->Delete(path));
  const std::lock_guard lock(mutex_);
  std::erase(unsynced_, path);
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::io::OutputStream>> PowerCutStore::OpenOutput(
    const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(auto inner, inner_->OpenOutput(path));
  return std::make_shared<UnsyncedOutput>(this, path, std::move(inner));
}

}  // namespace icecore::lake
