#include "icecore/online/lmdb/view_record.h"

#include <cstring>
#include <mutex>

#include "icecore/base/error.h"
#include "icecore/base/id.h"

namespace icecore::online::lmdb {
namespace {

constexpr std::string_view kFormatKey = "format";
constexpr std::string_view kFormat = "icecore-online 1";
constexpr std::string_view kLastEntity = "last_entity_id";
constexpr std::string_view kLastView = "last_view_id";
// First byte of the keys of each kind of record; names and ids follow.
constexpr std::string_view kEntityPrefix = "e/";
constexpr std::string_view kViewPrefix = "v/";
constexpr std::string_view kGarbagePrefix = "g/";
constexpr std::string_view kSweepPrefix = "s/";
constexpr char kRecordMagic = static_cast<char>(0xD1);  // record, version 1
// LMDB takes keys of 511 bytes.
constexpr size_t kMaxNameBytes = 500;

class RecordWriter {
 public:
  void Int(int64_t value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void Text(std::string_view text) {
    Int(static_cast<int64_t>(text.size()));
    bytes_.append(text);
  }
  // Magic, checksum, fields.
  std::string Finish() const {
    std::string out(1, kRecordMagic);
    const uint64_t checksum = base::Hash64(bytes_);
    out.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
    return out + bytes_;
  }

 private:
  std::string bytes_;
};

class RecordReader {
 public:
  static arrow::Result<RecordReader> Open(std::string_view record, std::string_view what) {
    uint64_t checksum = 0;
    if (record.size() < 1 + sizeof checksum || record[0] != kRecordMagic) {
      return Damaged(what);
    }
    std::memcpy(&checksum, record.data() + 1, sizeof checksum);
    record.remove_prefix(1 + sizeof checksum);
    if (base::Hash64(record) != checksum) {
      return Damaged(what);
    }
    return RecordReader(record);
  }
  int64_t Int() {
    int64_t value = 0;
    if (rest_.size() < sizeof value) {
      good_ = false;
      return 0;
    }
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return value;
  }
  std::string Text() {
    const int64_t size = Int();
    if (size < 0 || static_cast<uint64_t>(size) > rest_.size()) {
      good_ = false;
      return "";
    }
    std::string text(rest_.substr(0, static_cast<size_t>(size)));
    rest_.remove_prefix(static_cast<size_t>(size));
    return text;
  }
  // Records of earlier versions end sooner.
  bool at_end() const { return rest_.empty(); }
  arrow::Status Finish(std::string_view what) const {
    return good_ && rest_.empty() ? arrow::Status::OK() : Damaged(what);
  }
  static arrow::Status Damaged(std::string_view what) {
    return base::MakeError(base::ErrorCode::kCorrupt,
                           "the online store's record of " + std::string(what) + " is damaged");
  }

 private:
  explicit RecordReader(std::string_view rest) : rest_(rest) {}
  std::string_view rest_;
  bool good_ = true;
};

ViewPosition ReadPosition(RecordReader* reader) {
  ViewPosition position;
  position.generation = reader->Int();
  position.seq = reader->Int();
  position.applied_until = reader->Int();
  position.applied_at = reader->Int();
  position.fingerprint = reader->Text();
  position.latest_activation = reader->Int();
  position.table_generation = reader->Text();
  return position;
}

void WritePosition(const ViewPosition& position, RecordWriter* writer) {
  writer->Int(position.generation);
  writer->Int(position.seq);
  writer->Int(position.applied_until);
  writer->Int(position.applied_at);
  writer->Text(position.fingerprint);
  writer->Int(position.latest_activation);
  writer->Text(position.table_generation);
}

arrow::Result<ViewRecord> DecodeView(std::string_view bytes, std::string_view name) {
  const std::string what = "view " + std::string(name);
  ARROW_ASSIGN_OR_RAISE(RecordReader reader, RecordReader::Open(bytes, what));
  ViewRecord record;
  record.view_id = static_cast<uint32_t>(reader.Int());
  record.entity_id = static_cast<uint32_t>(reader.Int());
  record.last_generation = static_cast<uint32_t>(reader.Int());
  record.loaded = reader.Int() != 0;
  record.position = ReadPosition(&reader);
  if (!reader.at_end()) {
    record.position.waiting_from = reader.Int();
    if (reader.Int() != 0) {
      LoadInMaking& made = record.in_making.emplace();
      made.entity_id = static_cast<uint32_t>(reader.Int());
      made.position = ReadPosition(&reader);
      made.from = reader.Text();
    }
  }
  if (!reader.at_end()) {
    record.position.cells = reader.Text();
    if (record.in_making) record.in_making->position.cells = reader.Text();
  }
  ARROW_RETURN_NOT_OK(reader.Finish(what));
  return record;
}

std::string EncodeView(const ViewRecord& record) {
  RecordWriter writer;
  writer.Int(record.view_id);
  writer.Int(record.entity_id);
  writer.Int(record.last_generation);
  writer.Int(record.loaded ? 1 : 0);
  WritePosition(record.position, &writer);
  writer.Int(record.position.waiting_from);
  writer.Int(record.in_making ? 1 : 0);
  if (record.in_making) {
    writer.Int(record.in_making->entity_id);
    WritePosition(record.in_making->position, &writer);
    writer.Text(record.in_making->from);
  }
  writer.Text(record.position.cells);
  if (record.in_making) writer.Text(record.in_making->position.cells);
  return writer.Finish();
}

arrow::Result<std::string> NamedKey(std::string_view prefix, const std::string& name) {
  if (name.empty() || name.size() > kMaxNameBytes) {
    return base::MakeError(base::ErrorCode::kLimit, "a name in the online store has 1 to " +
                                                        std::to_string(kMaxNameBytes) + " bytes");
  }
  return std::string(prefix) + name;
}

std::string GarbageKey(const CellSpace& space) {
  std::string key(kGarbagePrefix);
  AppendBigEndian32(space.view_id, &key);
  AppendBigEndian32(space.generation, &key);
  AppendBigEndian32(space.entity_id, &key);
  return key;
}

std::string SweepKey(const CellSpace& space) {
  std::string key(kSweepPrefix);
  AppendBigEndian32(space.view_id, &key);
  return key;
}

arrow::Result<int64_t> GetNumber(const Transaction& transaction, std::string_view key) {
  ARROW_ASSIGN_OR_RAISE(auto bytes, transaction.Get(Table::kMeta, key));
  if (!bytes.has_value()) {
    return 0;
  }
  ARROW_ASSIGN_OR_RAISE(RecordReader reader, RecordReader::Open(*bytes, key));
  const int64_t number = reader.Int();
  ARROW_RETURN_NOT_OK(reader.Finish(key));
  return number;
}

arrow::Status PutNumber(Transaction* transaction, std::string_view key, int64_t number) {
  RecordWriter writer;
  writer.Int(number);
  return transaction->Put(Table::kMeta, key, writer.Finish());
}

}  // namespace

arrow::Result<std::optional<ViewRecord>> GetView(const Transaction& transaction,
                                                 const std::string& view) {
  ARROW_ASSIGN_OR_RAISE(const std::string key, NamedKey(kViewPrefix, view));
  ARROW_ASSIGN_OR_RAISE(auto bytes, transaction.Get(Table::kMeta, key));
  if (!bytes.has_value()) {
    return std::nullopt;
  }
  ARROW_ASSIGN_OR_RAISE(ViewRecord record, DecodeView(*bytes, view));
  return record;
}

arrow::Result<std::shared_ptr<const ViewRecord>> ViewRecords::Get(const Transaction& transaction,
                                                                  const std::string& view) {
  ARROW_ASSIGN_OR_RAISE(const std::string key, NamedKey(kViewPrefix, view));
  ARROW_ASSIGN_OR_RAISE(const auto bytes, transaction.Get(Table::kMeta, key));
  if (!bytes.has_value()) {
    return nullptr;
  }
  {
    const std::shared_lock lock(mutex_);
    const auto known = decoded_.find(view);
    if (known != decoded_.end() && known->second.bytes == *bytes) {
      return known->second.record;
    }
  }
  ARROW_ASSIGN_OR_RAISE(ViewRecord decoded, DecodeView(*bytes, view));
  auto record = std::make_shared<const ViewRecord>(std::move(decoded));
  const std::unique_lock lock(mutex_);
  decoded_[view] = {std::string(*bytes), record};
  return record;
}

arrow::Status PutView(Transaction* transaction, const std::string& view, const ViewRecord& record) {
  ARROW_ASSIGN_OR_RAISE(const std::string key, NamedKey(kViewPrefix, view));
  return transaction->Put(Table::kMeta, key, EncodeView(record));
}

arrow::Status RemoveView(Transaction* transaction, const std::string& view) {
  ARROW_ASSIGN_OR_RAISE(const std::string key, NamedKey(kViewPrefix, view));
  return transaction->Delete(Table::kMeta, key);
}

arrow::Result<std::vector<std::pair<std::string, ViewRecord>>> ListViews(Transaction* transaction) {
  std::vector<std::pair<std::string, ViewRecord>> views;
  ARROW_ASSIGN_OR_RAISE(auto cursor, Cursor::Open(transaction, Table::kMeta));
  ARROW_ASSIGN_OR_RAISE(bool found, cursor->Seek(kViewPrefix));
  while (found && cursor->key().starts_with(kViewPrefix)) {
    std::string name(cursor->key().substr(kViewPrefix.size()));
    ARROW_ASSIGN_OR_RAISE(ViewRecord record, DecodeView(cursor->value(), name));
    views.emplace_back(std::move(name), std::move(record));
    ARROW_ASSIGN_OR_RAISE(found, cursor->Next());
  }
  return views;
}

arrow::Result<uint32_t> EntityIdOf(Transaction* transaction, const std::string& entity) {
  ARROW_ASSIGN_OR_RAISE(const std::string key, NamedKey(kEntityPrefix, entity));
  ARROW_ASSIGN_OR_RAISE(const int64_t known, GetNumber(*transaction, key));
  if (known != 0) {
    return static_cast<uint32_t>(known);
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t last, GetNumber(*transaction, kLastEntity));
  if (last >= INT32_MAX) {
    return base::MakeError(base::ErrorCode::kLimit, "too many entities in the online store");
  }
  ARROW_RETURN_NOT_OK(PutNumber(transaction, kLastEntity, last + 1));
  ARROW_RETURN_NOT_OK(PutNumber(transaction, key, last + 1));
  return static_cast<uint32_t>(last + 1);
}

arrow::Result<uint32_t> NewViewId(Transaction* transaction) {
  ARROW_ASSIGN_OR_RAISE(const int64_t last, GetNumber(*transaction, kLastView));
  if (last >= int64_t{kMaxViewId}) {
    return base::MakeError(base::ErrorCode::kLimit,
                           "too many views were made in the online store; remove its folder and "
                           "materialize again");
  }
  ARROW_RETURN_NOT_OK(PutNumber(transaction, kLastView, last + 1));
  return static_cast<uint32_t>(last + 1);
}

arrow::Status PutGarbage(Transaction* transaction, const Garbage& garbage) {
  RecordWriter writer;
  writer.Int(garbage.space.view_id);
  writer.Int(garbage.space.generation);
  writer.Int(garbage.space.entity_id);
  writer.Text(garbage.resume);
  return transaction->Put(Table::kMeta, GarbageKey(garbage.space), writer.Finish());
}

arrow::Status GiveUpLoadInMaking(Transaction* transaction, ViewRecord* record) {
  if (!record->in_making) return arrow::Status::OK();
  // What was to extend the generation that answers lies among its cells: nobody looks for it, and
  // it goes with them.
  if (!record->extends_in_making()) {
    ARROW_RETURN_NOT_OK(PutGarbage(transaction, Garbage{record->space_in_making(), ""}));
  }
  record->in_making.reset();
  return arrow::Status::OK();
}

arrow::Status RemoveGarbage(Transaction* transaction, const CellSpace& space) {
  return transaction->Delete(Table::kMeta, GarbageKey(space));
}

arrow::Result<std::string> GetResume(const Transaction& transaction, const CellSpace& space) {
  ARROW_ASSIGN_OR_RAISE(auto bytes, transaction.Get(Table::kMeta, SweepKey(space)));
  if (!bytes.has_value()) {
    return "";
  }
  ARROW_ASSIGN_OR_RAISE(RecordReader reader, RecordReader::Open(*bytes, "the sweep"));
  const int64_t generation = reader.Int();
  std::string resume = reader.Text();
  ARROW_RETURN_NOT_OK(reader.Finish("the sweep"));
  return generation == int64_t{space.generation} ? resume : "";
}

arrow::Status PutResume(Transaction* transaction, const CellSpace& space,
                        const std::string& resume) {
  if (resume.empty()) {
    return transaction->Delete(Table::kMeta, SweepKey(space));
  }
  RecordWriter writer;
  writer.Int(space.generation);
  writer.Text(resume);
  return transaction->Put(Table::kMeta, SweepKey(space), writer.Finish());
}

arrow::Result<std::optional<Garbage>> FirstGarbage(Transaction* transaction,
                                                   std::optional<uint32_t> view_id) {
  std::string prefix(kGarbagePrefix);
  if (view_id.has_value()) {
    AppendBigEndian32(*view_id, &prefix);
  }
  ARROW_ASSIGN_OR_RAISE(auto cursor, Cursor::Open(transaction, Table::kMeta));
  ARROW_ASSIGN_OR_RAISE(const bool found, cursor->Seek(prefix));
  if (!found || !cursor->key().starts_with(prefix)) {
    return std::nullopt;
  }
  ARROW_ASSIGN_OR_RAISE(RecordReader reader, RecordReader::Open(cursor->value(), "the sweep"));
  Garbage garbage;
  garbage.space.view_id = static_cast<uint32_t>(reader.Int());
  garbage.space.generation = static_cast<uint32_t>(reader.Int());
  garbage.space.entity_id = static_cast<uint32_t>(reader.Int());
  garbage.resume = reader.Text();
  ARROW_RETURN_NOT_OK(reader.Finish("the sweep"));
  return garbage;
}

arrow::Result<bool> CheckFormat(const Transaction& transaction) {
  ARROW_ASSIGN_OR_RAISE(auto format, transaction.Get(Table::kMeta, kFormatKey));
  if (!format.has_value()) {
    return false;
  }
  if (*format != kFormat) {
    return base::MakeError(base::ErrorCode::kUnsupported,
                           "the online store at " + transaction.environment().directory() +
                               " has format '" + std::string(*format) + "', this version reads '" +
                               std::string(kFormat) + "'; remove the folder and materialize again");
  }
  return true;
}

arrow::Status PutFormat(Transaction* transaction) {
  return transaction->Put(Table::kMeta, kFormatKey, kFormat);
}

}  // namespace icecore::online::lmdb
