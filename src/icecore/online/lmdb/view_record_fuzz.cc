// Any bytes as the records that an LMDB store keeps of views and sweeps, as they are and with a
// checksum that is right: an error, or a record that is read back as it was written.

#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "icecore/base/id.h"
#include "icecore/online/lmdb/environment.h"
#include "icecore/online/lmdb/view_record.h"

namespace {

namespace lmdb = icecore::online::lmdb;
using lmdb::Table;

// An environment that nothing is ever written to.
class EmptyStore {
 public:
  EmptyStore() {
    std::string name = (std::filesystem::temp_directory_path() / "icecore-fuzz-XXXXXX").string();
    path_ = mkdtemp(name.data());
    environment_ = lmdb::Environment::Open({path_, 1 << 24}).ValueOrDie();
  }
  ~EmptyStore() {
    environment_.reset();
    std::filesystem::remove_all(path_);
  }
  EmptyStore(const EmptyStore&) = delete;
  EmptyStore& operator=(const EmptyStore&) = delete;
  const std::shared_ptr<lmdb::Environment>& environment() const { return environment_; }

 private:
  std::string path_;
  std::shared_ptr<lmdb::Environment> environment_;
};

std::string Sealed(std::string_view body) {
  std::string out(1, static_cast<char>(0xD1));
  const uint64_t checksum = icecore::base::Hash64(body);
  out.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
  return out.append(body);
}

std::string Stored(const lmdb::Transaction& transaction, std::string_view key) {
  return std::string(transaction.Get(Table::kMeta, key).ValueOrDie().value_or(""));
}

void ReadAsView(lmdb::Transaction* transaction, const std::string& bytes) {
  if (!transaction->Put(Table::kMeta, "v/v", bytes).ok()) return;
  const auto record = lmdb::GetView(*transaction, "v");
  if (lmdb::ListViews(transaction).ok() != record.ok()) std::abort();
  if (!record.ok()) return;
  if (!lmdb::PutView(transaction, "v", **record).ok()) std::abort();
  const std::string written = Stored(*transaction, "v/v");
  const auto again = lmdb::GetView(*transaction, "v");
  if (!again.ok() || !lmdb::PutView(transaction, "v", **again).ok() ||
      Stored(*transaction, "v/v") != written) {
    std::abort();
  }
  lmdb::ViewRecord given_up = **record;
  if (!lmdb::GiveUpLoadInMaking(transaction, &given_up).ok() || given_up.in_making.has_value()) {
    std::abort();
  }
}

void ReadAsSweep(lmdb::Transaction* transaction, const std::string& bytes) {
  const lmdb::CellSpace space{1, 2, 3};
  std::string key = "s/";
  lmdb::AppendBigEndian32(space.view_id, &key);
  if (!transaction->Put(Table::kMeta, key, bytes).ok()) return;
  const auto resume = lmdb::GetResume(*transaction, space);
  if (resume.ok()) {
    if (!lmdb::PutResume(transaction, space, *resume).ok() ||
        lmdb::GetResume(*transaction, space).ValueOrDie() != *resume) {
      std::abort();
    }
  }
  if (!transaction->Put(Table::kMeta, "g/any", bytes).ok()) return;
  const auto garbage = lmdb::FirstGarbage(transaction, std::nullopt);
  if (!garbage.ok()) return;
  if (!transaction->Delete(Table::kMeta, "g/any").ok() ||
      !lmdb::PutGarbage(transaction, **garbage).ok() ||
      lmdb::FirstGarbage(transaction, std::nullopt).ValueOrDie()->resume != (*garbage)->resume) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const EmptyStore store;
  if (size < 1) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data + 1), size - 1);
  for (const std::string& bytes : {std::string(body), Sealed(body)}) {
    auto transaction = lmdb::Transaction::BeginWrite(store.environment()).ValueOrDie();
    if ((data[0] & 1) != 0) {
      ReadAsSweep(transaction.get(), bytes);
    } else {
      ReadAsView(transaction.get(), bytes);
    }
  }
  return 0;
}
