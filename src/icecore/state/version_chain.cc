#include "icecore/state/version_chain.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "icecore/state/cell_bytes.h"
#include "icecore/state/wire.h"

namespace icecore::state {

namespace {

constexpr std::string_view kChainMagic = "ICKC";
constexpr uint8_t kChainVersion = 1;

auto PlaceOf(const Version& version) { return std::tie(version.order, version.seq); }

}  // namespace

void VersionChain::Add(Version version, int64_t row) {
  const bool known = std::any_of(versions_.begin(), versions_.end(), [&](const Entry& entry) {
    return PlaceOf(entry.version) == PlaceOf(version);
  });
  if (!known) versions_.push_back({std::move(version), row, kForever});
}

std::vector<VersionChain::Change> VersionChain::Settle(int64_t now) {
  std::sort(versions_.begin(), versions_.end(),
            [](const Entry& a, const Entry& b) { return PlaceOf(a.version) < PlaceOf(b.version); });
  std::vector<Change> changes;
  std::vector<Entry> kept;  // descending
  int64_t until = kForever;
  for (auto entry = versions_.rbegin(); entry != versions_.rend(); ++entry) {
    const Version& version = entry->version;
    const bool counts = version.activation < until && until > now;
    const bool fresh = entry->row >= 0;
    if (!version.owner.empty() && (fresh ? counts : until < entry->until)) {
      changes.push_back({version.owner, version.order, version.seq, until, entry->row});
    }
    if (counts) kept.push_back({version, -1, until});
    until = std::min(until, version.activation);
  }
  versions_.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
  return changes;
}

std::string VersionChain::Encode() const {
  std::string out = OpenCell(kChainMagic, kChainVersion);
  wire::PutVarint(versions_.size(), &out);
  for (const Entry& entry : versions_) {
    wire::PutBytes(entry.version.order, &out);
    wire::PutInt64(entry.version.seq, &out);
    wire::PutInt64(entry.version.activation, &out);
    wire::PutBytes(entry.version.owner, &out);
  }
  SealCell(&out);
  return out;
}

arrow::Result<VersionChain> VersionChain::Load(std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(std::string_view in, UnsealCell(bytes, kChainMagic, kChainVersion));
  uint64_t count = 0;
  if (!wire::GetVarint(&in, &count)) return CorruptCell("the number of versions");
  VersionChain chain;
  for (uint64_t i = 0; i < count; ++i) {
    Entry entry;
    std::string_view order;
    std::string_view owner;
    if (!wire::GetBytes(&in, &order) || !wire::GetInt64(&in, &entry.version.seq) ||
        !wire::GetInt64(&in, &entry.version.activation) || !wire::GetBytes(&in, &owner)) {
      return CorruptCell("a version");
    }
    entry.version.order = order;
    entry.version.owner = owner;
    if (!chain.versions_.empty()) {
      const Version& before = chain.versions_.back().version;
      if (PlaceOf(entry.version) <= PlaceOf(before) ||
          entry.version.activation <= before.activation) {
        return CorruptCell("the order of versions");
      }
      chain.versions_.back().until = entry.version.activation;
    }
    chain.versions_.push_back(std::move(entry));
  }
  if (!in.empty()) return CorruptCell("bytes behind a table key's versions");
  return chain;
}

void FindEnds(std::vector<VersionMark>* marks) {
  std::sort(marks->begin(), marks->end(), [](const VersionMark& a, const VersionMark& b) {
    return std::tie(a.table_key, a.order, a.seq) < std::tie(b.table_key, b.order, b.seq);
  });
  for (size_t i = marks->size(); i-- > 1;) {
    const VersionMark& greater = (*marks)[i];
    VersionMark& mark = (*marks)[i - 1];
    if (mark.table_key == greater.table_key) {
      mark.until = std::min(greater.until, greater.activation);
    }
  }
}

}  // namespace icecore::state
