#include "icecore/lake/snapshot.h"

#include <nlohmann/json.hpp>

#include "icecore/lake/envelope.h"

namespace icecore::lake {
namespace {

std::string KeyOf(const std::string& path, const std::optional<DeletionVector>& vector) {
  // A path has no zero byte.
  return vector.has_value() ? path + '\0' + vector->UniqueId() : path;
}

}  // namespace

std::string DeletionVector::UniqueId() const {
  std::string id = storage_type + path_or_inline_dv;
  if (offset.has_value()) {
    id += "@" + std::to_string(*offset);
  }
  return id;
}

std::string DataFile::Key() const { return KeyOf(path, deletion_vector); }
std::string RemovedFile::Key() const { return KeyOf(path, deletion_vector); }

std::optional<DataFile::Range> DataFile::IntRange(std::string_view column) const {
  if (stats_json.empty()) {
    return std::nullopt;
  }
  const auto stats = nlohmann::json::parse(stats_json, nullptr, false);
  const auto bound = [&](const char* which) -> std::optional<int64_t> {
    const auto values = stats.find(which);
    if (values == stats.end() || !values->is_object()) {
      return std::nullopt;
    }
    const auto value = values->find(column);
    return value != values->end() && value->is_number_integer()
               ? std::optional(value->get<int64_t>())
               : std::nullopt;
  };
  if (!stats.is_object()) {
    return std::nullopt;
  }
  const auto min = bound("minValues");
  const auto max = bound("maxValues");
  if (!min.has_value() || !max.has_value()) {
    return std::nullopt;
  }
  return Range{.min = *min, .max = *max};
}

std::optional<int64_t> Snapshot::row_count() const {
  int64_t rows = 0;
  for (const DataFile& file : files) {
    if (!file.num_records.has_value()) {
      return std::nullopt;
    }
    rows += *file.num_records;
    rows -= file.deletion_vector.has_value() ? file.deletion_vector->cardinality : 0;
  }
  return rows;
}

int64_t Snapshot::byte_count() const {
  int64_t bytes = 0;
  for (const DataFile& file : files) {
    bytes += file.size;
  }
  return bytes;
}

std::optional<int64_t> Snapshot::Transaction(std::string_view app_id) const {
  const auto found = transactions.find(std::string(app_id));
  return found == transactions.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::string> Snapshot::Domain(std::string_view domain) const {
  const auto found = domains.find(std::string(domain));
  return found == domains.end() ? std::nullopt : std::optional(found->second);
}

int64_t Snapshot::last_seq() const { return Transaction(kSeqTransaction).value_or(0); }

}  // namespace icecore::lake
