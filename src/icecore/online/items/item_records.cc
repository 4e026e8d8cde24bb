#include "icecore/online/items/item_records.h"

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/state/wire.h"

namespace icecore::online {
namespace {

namespace wire = state::wire;

constexpr uint8_t kRecordMagic = 0xD2;  // a record, version 1

std::string Seal(uint64_t revision, std::string_view body) {
  std::string bytes = ItemVersionBytes(revision);
  wire::PutByte(kRecordMagic, &bytes);
  wire::PutFixed64(base::Hash64(body), &bytes);
  bytes.append(body);
  return bytes;
}

arrow::Status DamagedRecord(const std::string& what) {
  return base::MakeError(base::ErrorCode::kCorrupt,
                         "the online store's record of " + what + " is damaged");
}

arrow::Result<std::string_view> Unseal(std::string_view bytes, const std::string& what) {
  if (bytes.size() < 8) return DamagedRecord(what);
  bytes.remove_prefix(8);
  uint8_t magic = 0;
  uint64_t checksum = 0;
  if (!wire::GetByte(&bytes, &magic) || magic != kRecordMagic ||
      !wire::GetFixed64(&bytes, &checksum) || checksum != base::Hash64(bytes)) {
    return DamagedRecord(what);
  }
  return bytes;
}

// Reads one field after another and remembers whether all were there.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}

  uint64_t Number() {
    uint64_t value = 0;
    good_ = good_ && wire::GetVarint(&rest_, &value);
    return good_ ? value : 0;
  }
  uint32_t Id() {
    const uint64_t value = Number();
    good_ = good_ && value <= UINT32_MAX;
    return good_ ? static_cast<uint32_t>(value) : 0;
  }
  int64_t Int() {
    int64_t value = 0;
    good_ = good_ && wire::GetInt64(&rest_, &value);
    return good_ ? value : 0;
  }
  std::string Text() {
    std::string_view text;
    good_ = good_ && wire::GetBytes(&rest_, &text);
    return good_ ? std::string(text) : std::string();
  }
  // Of a list; every element has a byte at least.
  size_t Count() {
    const uint64_t count = Number();
    good_ = good_ && count <= rest_.size();
    return good_ ? count : 0;
  }
  // Records of earlier versions end sooner.
  bool at_end() const { return rest_.empty(); }
  bool all_good() const { return good_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

void PutNames(const std::map<std::string, uint32_t>& names, std::string* out) {
  wire::PutVarint(names.size(), out);
  for (const auto& [name, id] : names) {
    wire::PutBytes(name, out);
    wire::PutVarint(id, out);
  }
}

std::map<std::string, uint32_t> GetNames(Fields* fields) {
  std::map<std::string, uint32_t> names;
  for (size_t left = fields->Count(); left > 0; --left) {
    std::string name = fields->Text();
    names[std::move(name)] = fields->Id();
  }
  return names;
}

void PutEndOfPosition(const ViewPosition& position, std::string* out) {
  wire::PutInt64(position.waiting_from, out);
  wire::PutBytes(position.cells, out);
}

void PutPosition(const ViewPosition& position, std::string* out) {
  wire::PutBytes(position.fingerprint, out);
  wire::PutBytes(position.table_generation, out);
  for (const int64_t number : {position.generation, position.seq, position.applied_until,
                               position.applied_at, position.latest_activation}) {
    wire::PutInt64(number, out);
  }
}

ViewPosition GetPosition(Fields* fields) {
  ViewPosition position;
  position.fingerprint = fields->Text();
  position.table_generation = fields->Text();
  for (int64_t* number : {&position.generation, &position.seq, &position.applied_until,
                          &position.applied_at, &position.latest_activation}) {
    *number = fields->Int();
  }
  return position;
}

}  // namespace

bool ItemViewRecord::IsCommitted(LoadNumber load) const {
  return load <= committed && !std::binary_search(abandoned.begin(), abandoned.end(), load);
}

std::optional<std::vector<state::Cell>> ItemViewRecord::CellsOf(const KeyItem& item) const {
  if (IsCommitted(item.load)) return item.cells;
  if (item.base_load <= committed) return UndoneCells(item);
  return std::nullopt;
}

void ItemViewRecord::EndLease() {
  if (!lease.has_value()) return;
  if (lease->generation != 0) {
    const bool may_go_on = unfinished && unfinished->generation == lease->generation;
    if (lease->writing && !may_go_on) swept.push_back({lease->generation, ""});
  } else if (lease->writing) {
    abandoned.push_back(lease->load);
  }
  lease.reset();
}

void ItemViewRecord::GiveUpUnfinished() {
  if (!unfinished.has_value()) return;
  swept.push_back({unfinished->generation, ""});
  unfinished.reset();
}

ItemKey IndexKey() { return {"index", ""}; }
ItemKey ViewRecordKey(const std::string& view) { return {"view:" + view, ""}; }

std::string EncodeIndex(const ItemIndex& index) {
  std::string body;
  wire::PutVarint(index.last_view_id, &body);
  wire::PutVarint(index.last_entity_id, &body);
  PutNames(index.views, &body);
  PutNames(index.entities, &body);
  return Seal(index.revision, body);
}

arrow::Result<ItemIndex> DecodeIndex(std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(const std::string_view body, Unseal(bytes, "its views"));
  Fields fields(body);
  ItemIndex index;
  index.revision = ItemVersion(bytes);
  index.last_view_id = fields.Id();
  index.last_entity_id = fields.Id();
  index.views = GetNames(&fields);
  index.entities = GetNames(&fields);
  if (!fields.all_good()) return DamagedRecord("its views");
  return index;
}

std::string EncodeViewRecord(const ItemViewRecord& record) {
  std::string body;
  for (const uint64_t number :
       {uint64_t{record.view_id}, uint64_t{record.entity_id}, uint64_t{record.last_generation},
        uint64_t{record.loaded ? 1u : 0u}, record.committed, record.last_load}) {
    wire::PutVarint(number, &body);
  }
  PutPosition(record.position, &body);
  wire::PutInt64(record.keys, &body);
  wire::PutInt64(record.bytes, &body);
  wire::PutVarint(record.abandoned.size(), &body);
  for (const LoadNumber load : record.abandoned) wire::PutVarint(load, &body);
  wire::PutVarint(record.swept.size(), &body);
  for (const SweptGeneration& swept : record.swept) {
    wire::PutVarint(swept.generation, &body);
    wire::PutBytes(swept.from, &body);
  }
  wire::PutVarint(record.lease.has_value() ? 1 : 0, &body);
  if (record.lease.has_value()) {
    wire::PutVarint(record.lease->load, &body);
    wire::PutBytes(record.lease->holder, &body);
    wire::PutInt64(record.lease->until_us, &body);
    wire::PutVarint(record.lease->writing ? 1 : 0, &body);
    wire::PutVarint(record.lease->generation, &body);
  }
  PutEndOfPosition(record.position, &body);
  if (record.unfinished.has_value()) {
    wire::PutVarint(record.unfinished->generation, &body);
    PutPosition(record.unfinished->position, &body);
    PutEndOfPosition(record.unfinished->position, &body);
    wire::PutBytes(record.unfinished->from, &body);
    wire::PutInt64(record.unfinished->keys, &body);
    wire::PutInt64(record.unfinished->bytes, &body);
  }
  return Seal(record.revision, body);
}

arrow::Result<ItemViewRecord> DecodeViewRecord(std::string_view bytes, const std::string& view) {
  ARROW_ASSIGN_OR_RAISE(const std::string_view body, Unseal(bytes, "view " + view));
  Fields fields(body);
  ItemViewRecord record;
  record.revision = ItemVersion(bytes);
  record.view_id = fields.Id();
  record.entity_id = fields.Id();
  record.last_generation = fields.Id();
  record.loaded = fields.Number() != 0;
  record.committed = fields.Number();
  record.last_load = fields.Number();
  record.position = GetPosition(&fields);
  record.keys = fields.Int();
  record.bytes = fields.Int();
  record.abandoned.resize(fields.Count());
  for (LoadNumber& load : record.abandoned) load = fields.Number();
  record.swept.resize(fields.Count());
  for (SweptGeneration& swept : record.swept) {
    swept.generation = fields.Id();
    swept.from = fields.Text();
  }
  if (fields.Number() != 0) {
    record.lease.emplace();
    record.lease->load = fields.Number();
    record.lease->holder = fields.Text();
    record.lease->until_us = fields.Int();
    record.lease->writing = fields.Number() != 0;
    record.lease->generation = fields.Id();
  }
  if (!fields.at_end()) record.position.waiting_from = fields.Int();
  if (!fields.at_end()) record.position.cells = fields.Text();
  if (!fields.at_end()) {
    UnfinishedLoad& unfinished = record.unfinished.emplace();
    unfinished.generation = fields.Id();
    unfinished.position = GetPosition(&fields);
    unfinished.position.waiting_from = fields.Int();
    unfinished.position.cells = fields.Text();
    unfinished.from = fields.Text();
    unfinished.keys = fields.Int();
    unfinished.bytes = fields.Int();
  }
  if (!fields.all_good()) return DamagedRecord("view " + view);
  return record;
}

}  // namespace icecore::online
