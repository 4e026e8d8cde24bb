#include "icecore/lake/faulty_object_store.h"

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

#include <utility>

#include "icecore/base/error.h"

namespace icecore::lake {
namespace {

// Runs `operation` as the verdict says.
template <typename Operation>
auto Apply(FaultyObjectStore* store, const std::string& what, Operation operation)
    -> decltype(operation()) {
  const auto verdict = store->Count(what);
  if (verdict == FaultyObjectStore::Verdict::kFailBefore) {
    return FaultyObjectStore::Failure(what);
  }
  auto result = operation();
  if (verdict == FaultyObjectStore::Verdict::kFailAfter && result.ok()) {
    return FaultyObjectStore::Failure(what);
  }
  return result;
}

class FaultyOutput : public arrow::io::OutputStream {
 public:
  FaultyOutput(FaultyObjectStore* store, std::shared_ptr<arrow::io::OutputStream> inner)
      : store_(store), inner_(std::move(inner)) {}
  // As the inner stream: without Close nothing stays.
  ~FaultyOutput() override { static_cast<void>(inner_->Abort()); }

  arrow::Status Close() override {
    return Apply(store_, "close", [&] { return inner_->Close(); });
  }
  arrow::Status Abort() override { return inner_->Abort(); }
  bool closed() const override { return inner_->closed(); }
  arrow::Result<int64_t> Tell() const override { return inner_->Tell(); }
  using arrow::io::OutputStream::Write;
  arrow::Status Write(const void* data, int64_t bytes) override {
    return Apply(store_, "write", [&] { return inner_->Write(data, bytes); });
  }

 private:
  FaultyObjectStore* const store_;
  const std::shared_ptr<arrow::io::OutputStream> inner_;
};

}  // namespace

int64_t FaultyObjectStore::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

bool FaultyObjectStore::failed() const {
  const std::lock_guard lock(mutex_);
  return failed_;
}

FaultyObjectStore::Verdict FaultyObjectStore::Count(const std::string& what) {
  const std::lock_guard lock(mutex_);
  if (what.find(plan_.only) == std::string::npos) {
    return Verdict::kPass;
  }
  ++operations_;
  const bool fails = plan_.fail_at > 0 && (operations_ == plan_.fail_at ||
                                           (plan_.sticky && operations_ > plan_.fail_at));
  if (!fails) {
    return Verdict::kPass;
  }
  failed_ = true;
  return plan_.when == FaultPlan::When::kBefore ? Verdict::kFailBefore : Verdict::kFailAfter;
}

arrow::Status FaultyObjectStore::Failure(const std::string& what) {
  return base::MakeError(base::ErrorCode::kUnavailable, "planned fault: " + what);
}

arrow::Status FaultyObjectStore::Put(const std::string& path, std::string_view bytes) {
  return Apply(this, "put " + path, [&] { return inner_->Put(path, bytes); });
}
arrow::Result<bool> FaultyObjectStore::PutIfAbsent(const std::string& path,
                                                   std::string_view bytes) {
  return Apply(this, "put if absent " + path, [&] { return inner_->PutIfAbsent(path, bytes); });
}
arrow::Result<std::string> FaultyObjectStore::Get(const std::string& path) {
  return Apply(this, "get " + path, [&] { return inner_->Get(path); });
}
arrow::Result<std::string> FaultyObjectStore::GetRange(const std::string& path, int64_t offset,
                                                       int64_t length) {
  return Apply(this, "get range of " + path,
               [&] { return inner_->GetRange(path, offset, length); });
}
arrow::Result<std::vector<std::string>> FaultyObjectStore::List(const std::string& prefix,
                                                                const std::string& start_after) {
  return Apply(this, "list " + prefix, [&] { return inner_->List(prefix, start_after); });
}
arrow::Result<std::vector<ObjectEntry>> FaultyObjectStore::ListEntries(const std::string& prefix) {
  return Apply(this, "list " + prefix, [&] { return inner_->ListEntries(prefix); });
}

arrow::Result<std::vector<ObjectEntry>> FaultyObjectStore::Unfinished(const std::string& prefix,
                                                                      int64_t modified_before_us,
                                                                      bool remove) {
  return Apply(this, "sweep " + prefix,
               [&] { return inner_->Unfinished(prefix, modified_before_us, remove); });
}

arrow::Result<ObjectInfo> FaultyObjectStore::Stat(const std::string& path) {
  return Apply(this, "stat " + path, [&] { return inner_->Stat(path); });
}
arrow::Result<bool> FaultyObjectStore::Exists(const std::string& path) {
  return Apply(this, "exists " + path, [&] { return inner_->Exists(path); });
}
arrow::Status FaultyObjectStore::Delete(const std::string& path) {
  return Apply(this, "delete " + path, [&] { return inner_->Delete(path); });
}

arrow::Result<std::shared_ptr<arrow::io::OutputStream>> FaultyObjectStore::OpenOutput(
    const std::string& path) {
  return Apply(this, "open output " + path,
               [&]() -> arrow::Result<std::shared_ptr<arrow::io::OutputStream>> {
                 ARROW_ASSIGN_OR_RAISE(auto inner, inner_->OpenOutput(path));
                 return std::make_shared<FaultyOutput>(this, std::move(inner));
               });
}

arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> FaultyObjectStore::OpenInput(
    const std::string& path) {
  return Apply(this, "open input " + path, [&] { return inner_->OpenInput(path); });
}

std::optional<std::string> FaultyObjectStore::LocalPath(const std::string& path) const {
  return inner_->LocalPath(path);
}

}  // namespace icecore::lake
