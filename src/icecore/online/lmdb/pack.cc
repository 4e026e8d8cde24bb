#include "icecore/online/lmdb/pack.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/online/lmdb/file_lock.h"

namespace icecore::online::lmdb {
namespace {

constexpr char kPackLock[] = "/pack.lock";

// One packing of a folder at a time.
arrow::Result<std::unique_ptr<FileLock>> TakePackLock(const std::string& directory) {
  ARROW_ASSIGN_OR_RAISE(auto lock, FileLock::Open(directory + kPackLock));
  ARROW_ASSIGN_OR_RAISE(const bool taken, lock->TryTake());
  if (!taken) {
    return base::MakeError(
        base::ErrorCode::kConflict,
        "the online store at " + directory + " is being packed by somebody else; try again later");
  }
  return lock;
}

arrow::Status RemoveFiles(const std::string& directory) {
  for (const char* name : {"/data.mdb", "/lock.mdb"}) {
    const std::string path = directory + name;
    if (unlink(path.c_str()) != 0 && errno != ENOENT) {
      return FileError("cannot remove", path, errno);
    }
  }
  return arrow::Status::OK();
}

arrow::Status RemovePack(const std::string& directory) {
  ARROW_RETURN_NOT_OK(RemoveFiles(directory));
  if (rmdir(directory.c_str()) != 0 && errno != ENOENT) {
    return FileError("cannot remove", directory, errno);
  }
  return arrow::Status::OK();
}

// What lies beside the environment that counts: those before it, and copies that never counted.
// Nobody opens them any more once `current` names this one; who still has them open keeps them.
arrow::Status RemoveOthers(const StoreFolder& folder, const std::string& pack) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder.directory(), error), end;
       !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (PackNumber(name) > 0 && name != pack) {
      names.push_back(name);
    }
  }
  if (error) {
    return base::MakeError(base::ErrorCode::kUnavailable,
                           "cannot list " + folder.directory() + ": " + error.message());
  }
  for (const std::string& name : names) {
    ARROW_RETURN_NOT_OK(RemovePack(folder.directory() + "/" + name));
  }
  if (!pack.empty()) {
    ARROW_RETURN_NOT_OK(RemoveFiles(folder.directory()));
  }
  return SyncFolder(folder.directory());
}

// A packing that died may have marked its copy and not linked it, and left files.
arrow::Status FinishEarlierPack(StoreFolder* folder) {
  // Goes over to where the mark leads. As a writer: readers do not see a commit whose writer died
  // just behind it, until the next writer has come.
  ARROW_RETURN_NOT_OK(folder->BeginWrite().status());
  const std::string pack = folder->place().pack;
  ARROW_ASSIGN_OR_RAISE(const std::string linked, CurrentPack(folder->directory()));
  if (pack != linked) {
    ARROW_ASSIGN_OR_RAISE(const auto lock, TakeSwitchLock(folder->directory()));
    ARROW_RETURN_NOT_OK(SetCurrentPack(folder->directory(), pack));
  }
  return RemoveOthers(*folder, pack);
}

constexpr Table kTables[] = {Table::kMeta, Table::kCells};

// What the records of a table take in pages that are full, nearly exactly: LMDB's pages and records
// have headers, a record is padded to an even length, and a large one has pages of its own.
arrow::Result<int64_t> PackedBytes(Transaction* reader, Table table) {
  constexpr int64_t kPageHeader = 16;
  constexpr int64_t kRecordHeader = 8 + 2;
  const int64_t page = reader->environment().page_bytes();
  const int64_t room = page - kPageHeader;
  int64_t in_leaves = 0;
  int64_t own_pages = 0;
  int64_t keys = 0;
  int64_t records = 0;
  ARROW_ASSIGN_OR_RAISE(auto cursor, Cursor::Open(reader, table));
  ARROW_ASSIGN_OR_RAISE(bool found, cursor->Seek(""));
  while (found) {
    const auto key = static_cast<int64_t>(cursor->key().size());
    const auto value = static_cast<int64_t>(cursor->value().size());
    const int64_t whole = kRecordHeader + (key + value + 1) / 2 * 2;
    const bool large = whole > room / 2;
    own_pages += large ? (kPageHeader + value + page - 1) / page : 0;
    in_leaves += large ? kRecordHeader + key + static_cast<int64_t>(sizeof(uint64_t)) : whole;
    keys += key + kRecordHeader;
    ++records;
    ARROW_ASSIGN_OR_RAISE(found, cursor->Next());
  }
  const int64_t leaves = in_leaves / room + 1;
  // The pages above hold a key of each leaf.
  const int64_t above = records == 0 ? 0 : leaves * (keys / records) / room + 1;
  return (leaves + above + own_pages) * page;
}

arrow::Result<PackReport> Measure(StoreFolder* folder) {
  ARROW_ASSIGN_OR_RAISE(const auto reader, folder->BeginRead());
  PackReport report;
  report.kind = "lmdb";
  report.bytes_before = reader->environment().used_bytes();
  report.bytes_after = report.bytes_before;
  int64_t packed = 0;
  for (const Table table : kTables) {
    ARROW_ASSIGN_OR_RAISE(const int64_t bytes, PackedBytes(reader.get(), table));
    packed += bytes;
  }
  report.free_bytes = std::max<int64_t>(report.bytes_before - packed, 0);
  return report;
}

arrow::Status CheckRoom(const std::string& directory, int64_t needed) {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(directory, error);
  if (!error && space.available < static_cast<uintmax_t>(needed)) {
    return base::MakeError(base::ErrorCode::kLimit,
                           "the disk of " + directory + " has " + std::to_string(space.available) +
                               " bytes left, a packed copy of the online store needs " +
                               std::to_string(needed));
  }
  return arrow::Status::OK();
}

bool IsWorthIt(const PackReport& report, const PackRule& rule) {
  return report.free_bytes >= rule.free_bytes &&
         report.free_bytes * 100 >= report.bytes_before * rule.free_percent;
}

// Record by record in the order of keys, so that pages are full. (LMDB's own copy leaves out free
// pages only; a generation that was swept leaves its neighbours in pages half full.)
arrow::Status CopyTable(Transaction* writer, const std::shared_ptr<Environment>& copy,
                        Table table) {
  // What one transaction holds in memory.
  constexpr size_t kBytesPerCommit = size_t{32} << 20;
  ARROW_ASSIGN_OR_RAISE(auto from, Cursor::Open(writer, table));
  ARROW_ASSIGN_OR_RAISE(bool found, from->Seek(""));
  while (found) {
    ARROW_ASSIGN_OR_RAISE(auto transaction, Transaction::BeginWrite(copy));
    ARROW_ASSIGN_OR_RAISE(auto to, Cursor::Open(transaction.get(), table));
    for (size_t bytes = 0; found && bytes < kBytesPerCommit;) {
      ARROW_RETURN_NOT_OK(to->Put(from->key(), from->value(), /*at_end=*/true));
      bytes += from->key().size() + from->value().size();
      ARROW_ASSIGN_OR_RAISE(found, from->Next());
    }
    to.reset();
    ARROW_RETURN_NOT_OK(transaction->Commit());
  }
  return arrow::Status::OK();
}

// The packed copy of what the writer sees, whole and durable, in a folder of its own.
arrow::Status MakeCopy(const StoreFolder& folder, Transaction* writer,
                       const std::string& directory) {
  EnvironmentOptions options = folder.options();
  options.directory = directory;
  options.map_bytes = std::max(options.map_bytes, writer->environment().map_bytes());
  ARROW_ASSIGN_OR_RAISE(auto copy, Environment::Open(options));
  for (const Table table : kTables) {
    ARROW_RETURN_NOT_OK(CopyTable(writer, copy, table));
  }
  ARROW_ASSIGN_OR_RAISE(const auto reader, Transaction::BeginRead(copy));
  for (const Table table : kTables) {
    ARROW_ASSIGN_OR_RAISE(const int64_t expected, writer->Count(table));
    ARROW_ASSIGN_OR_RAISE(const int64_t found, reader->Count(table));
    if (found != expected) {
      return base::MakeError(base::ErrorCode::kCorrupt,
                             "the copy at " + directory + " has " + std::to_string(found) +
                                 " records, " + std::to_string(expected) + " were copied");
    }
  }
  ARROW_RETURN_NOT_OK(SyncFolder(directory));
  return SyncFolder(folder.directory());
}

}  // namespace

arrow::Result<PackReport> Pack(StoreFolder* folder, const PackRule& rule,
                               const std::function<void(PackStep)>& after) {
  ARROW_ASSIGN_OR_RAISE(const auto lock, TakePackLock(folder->directory()));
  ARROW_RETURN_NOT_OK(FinishEarlierPack(folder));
  ARROW_ASSIGN_OR_RAISE(PackReport report, Measure(folder));
  if (!IsWorthIt(report, rule)) {
    return report;
  }
  ARROW_RETURN_NOT_OK(CheckRoom(folder->directory(), report.bytes_before - report.free_bytes));
  std::string pack;
  {
    // As long as this writer lives there is no other, so nothing is written behind the copy's back.
    ARROW_ASSIGN_OR_RAISE(auto writer, folder->BeginWrite());
    pack = "pack-" + std::to_string(PackNumber(folder->place().pack) + 1);
    const std::string directory = folder->directory() + "/" + pack;
    const arrow::Status made = MakeCopy(*folder, writer.get(), directory);
    if (!made.ok()) {
      const arrow::Status removed = RemovePack(directory);
      return removed.ok() ? made : base::WithContext(made, removed.message());
    }
    after(PackStep::kCopied);
    // Nobody may be about to open what is left behind and then find it gone.
    ARROW_ASSIGN_OR_RAISE(const auto switching, TakeSwitchLock(folder->directory()));
    ARROW_RETURN_NOT_OK(writer->Put(Table::kMeta, kMovedKey, pack));
    ARROW_RETURN_NOT_OK(writer->Commit());
    report.packed = true;
    after(PackStep::kMarked);
    ARROW_RETURN_NOT_OK(SetCurrentPack(folder->directory(), pack));
  }
  after(PackStep::kLinked);
  ARROW_RETURN_NOT_OK(RemoveOthers(*folder, pack));
  after(PackStep::kRemoved);
  ARROW_ASSIGN_OR_RAISE(const auto reader, folder->BeginRead());
  report.bytes_after = reader->environment().used_bytes();
  return report;
}

}  // namespace icecore::online::lmdb
