// The hint where the newest checkpoint is, and its checksum. Delta protocol, "Last Checkpoint
// File", "JSON checksum".
#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/lake/checkpoint_internal.h"
#include "icecore/lake/md5_internal.h"

namespace icecore::lake {
namespace {

using nlohmann::json;

// As the checksum wants it: in quotes, all but letters, digits and -._~ as %XX.
std::string CanonicalText(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string canonical = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && (std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~')) {
      canonical += c;
    } else {
      canonical += '%';
      canonical += kHex[byte >> 4];
      canonical += kHex[byte & 15];
    }
  }
  return canonical + "\"";
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

void AddLeaves(const json& value, const std::string& path, Pairs* pairs) {
  const std::string prefix = path.empty() ? "" : path + "+";
  if (value.is_object()) {
    for (const auto& [key, member] : value.items()) {
      if (!path.empty() || key != "checksum") {
        AddLeaves(member, prefix + CanonicalText(key), pairs);
      }
    }
  } else if (value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i) {
      AddLeaves(value[i], prefix + std::to_string(i), pairs);
    }
  } else {
    pairs->emplace_back(path, value.is_string() ? CanonicalText(value.get_ref<const std::string&>())
                                                : value.dump());
  }
}

}  // namespace

std::string LastCheckpointChecksum(std::string_view document) {
  const json hint = json::parse(document, nullptr, false);
  Pairs pairs;
  AddLeaves(hint, "", &pairs);
  std::sort(pairs.begin(), pairs.end());
  std::string canonical;
  for (const auto& [path, value] : pairs) {
    canonical += (canonical.empty() ? "" : ",") + path + "=" + value;
  }
  return Md5Hex(canonical);
}

arrow::Result<int64_t> ReadLastCheckpoint(ObjectStore& store, const std::string& table_path) {
  const auto bytes = store.Get(LastCheckpointPath(table_path));
  if (!bytes.ok()) {
    if (base::CodeOf(bytes.status()) == base::ErrorCode::kNotFound) {
      return -1;
    }
    return bytes.status();
  }
  const auto hint = json::parse(*bytes, nullptr, false);
  if (!hint.is_object() || !hint.contains("version") || !hint.at("version").is_number_integer()) {
    return -1;
  }
  const auto checksum = hint.find("checksum");
  if (checksum != hint.end() && *checksum != LastCheckpointChecksum(*bytes)) {
    return -1;
  }
  return hint.at("version").get<int64_t>();
}

std::string FormatLastCheckpoint(const Snapshot& snapshot, const CheckpointBytes& checkpoint) {
  nlohmann::ordered_json hint = {{"version", snapshot.version},
                                 {"size", checkpoint.actions},
                                 {"sizeInBytes", checkpoint.bytes.size()},
                                 {"numOfAddFiles", snapshot.files.size()}};
  hint["checksum"] = LastCheckpointChecksum(hint.dump());
  return hint.dump();
}

}  // namespace icecore::lake
