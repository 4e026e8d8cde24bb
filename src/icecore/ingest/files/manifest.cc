#include "icecore/ingest/files/manifest.h"

#include <charconv>
#include <cstdio>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/json_text.h"
#include "icecore/ingest/files/json_object.h"
#include "icecore/lake/object_store.h"

namespace icecore::ingest {
namespace {

using base::ErrorCode;
using base::MakeError;

// docs/formats/manifest.md
constexpr std::string_view kMagic = "icecore files manifest";
constexpr int64_t kVersion = 1;

void AppendText(std::string_view key, std::string_view value, std::string* out) {
  *out += out->empty() || out->back() == '\n' ? '{' : ',';
  *out += "\"" + std::string(key) + "\":";
  base::AppendJsonString(value, out);
}

void AppendInt(std::string_view key, int64_t value, std::string* out) {
  *out += out->empty() || out->back() == '\n' ? '{' : ',';
  *out += "\"" + std::string(key) + "\":" + std::to_string(value);
}

// Paths are bytes; JSON is UTF-8. Bytes above 127 and '%' are percent-encoded, so that any path
// comes back as it was.
std::string EncodePath(std::string_view path) {
  std::string out;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || c == '%') {
      char hex[4];
      std::snprintf(hex, sizeof(hex), "%%%02X", static_cast<unsigned>(byte));
      out += hex;
    } else {
      out += c;
    }
  }
  return out;
}

bool DecodePath(std::string_view encoded, std::string* out) {
  out->clear();
  for (size_t i = 0; i < encoded.size(); ++i) {
    if (encoded[i] != '%') {
      *out += encoded[i];
      continue;
    }
    unsigned byte = 0;
    const std::string_view hex = encoded.substr(i + 1, 2);
    const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), byte, 16);
    if (hex.size() != 2 || error != std::errc() || end != hex.data() + 2) {
      return false;
    }
    *out += static_cast<char>(byte);
    i += 2;
  }
  return true;
}

// The members of one line by name.
class Line {
 public:
  bool Read(std::string_view text) { return SplitJsonObject(text, &members_).empty(); }

  bool Text(std::string_view key, std::string* out) const {
    const JsonMember* member = Find(key);
    if (member == nullptr || member->kind != JsonMember::Kind::kString) {
      return false;
    }
    DecodeJsonString(member->text, out);
    return true;
  }

  bool Int(std::string_view key, int64_t* out) const {
    const JsonMember* member = Find(key);
    if (member == nullptr || member->kind != JsonMember::Kind::kNumber) {
      return false;
    }
    const std::string_view text = member->text;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
    return error == std::errc() && stop == end && *out >= 0;
  }

 private:
  const JsonMember* Find(std::string_view key) const {
    for (const JsonMember& member : members_) {
      if (member.key == key) {
        return &member;
      }
    }
    return nullptr;
  }

  std::vector<JsonMember> members_;
};

void AppendFile(const KnownFile& file, std::string* out) {
  AppendText("path", EncodePath(file.path), out);
  AppendInt("size", file.size, out);
  AppendInt("mtime_ns", file.mtime_ns, out);
  AppendInt("inode", file.inode, out);
  AppendText("digest", file.digest, out);
  AppendInt("from_row", file.from_row, out);
  AppendInt("rows", file.rows, out);
  AppendInt("first_seq", file.first_seq, out);
  AppendInt("batch", file.batch, out);
  *out += "}\n";
}

bool ReadFile(const Line& line, KnownFile* file) {
  std::string path;
  return line.Text("path", &path) && DecodePath(path, &file->path) && !file->path.empty() &&
         line.Int("size", &file->size) && line.Int("mtime_ns", &file->mtime_ns) &&
         line.Int("inode", &file->inode) && line.Text("digest", &file->digest) &&
         line.Int("from_row", &file->from_row) && line.Int("rows", &file->rows) &&
         line.Int("first_seq", &file->first_seq) && line.Int("batch", &file->batch);
}

arrow::Status Corrupt(std::string_view why) {
  return MakeError(ErrorCode::kCorrupt, "manifest of landed files: " + std::string(why));
}

std::string Under(const std::string& table_path, const std::string& path) {
  return table_path.empty() ? path : table_path + "/" + path;
}

}  // namespace

const KnownFile* Manifest::Find(const std::string& path) const {
  const auto found = newest_.find(path);
  return found == newest_.end() ? nullptr : &files_[found->second];
}

const KnownFile* Manifest::FindDigest(const std::string& digest) const {
  const auto found = by_digest_.find(digest);
  return found == by_digest_.end() ? nullptr : &files_[found->second];
}

void Manifest::Add(KnownFile file) {
  file.batch = batch_;
  newest_[file.path] = files_.size();
  by_digest_[file.digest] = files_.size();
  files_.push_back(std::move(file));
}

void Manifest::Refresh(const std::string& path, int64_t mtime_ns, int64_t inode) {
  const auto found = newest_.find(path);
  if (found != newest_.end()) {
    files_[found->second].mtime_ns = mtime_ns;
    files_[found->second].inode = inode;
  }
}

std::string Manifest::Serialize() const {
  std::string lines;
  for (const KnownFile& file : files_) {
    AppendFile(file, &lines);
  }
  std::string header;
  AppendText("magic", kMagic, &header);
  AppendInt("version", kVersion, &header);
  AppendInt("batch", batch_, &header);
  AppendInt("files", static_cast<int64_t>(files_.size()), &header);
  AppendText("digest", base::Sha256Hex(lines), &header);
  return header + "}\n" + lines;
}

arrow::Result<Manifest> Manifest::Parse(std::string_view bytes) {
  Manifest manifest;
  if (bytes.empty()) {
    return manifest;
  }
  const size_t header_end = bytes.find('\n');
  Line line;
  std::string magic;
  int64_t version = 0;
  if (header_end == std::string_view::npos || !line.Read(bytes.substr(0, header_end)) ||
      !line.Text("magic", &magic) || magic != kMagic || !line.Int("version", &version)) {
    return Corrupt("it does not begin as one");
  }
  if (version != kVersion) {
    return MakeError(ErrorCode::kUnsupported, "manifest of landed files: format version " +
                                                  std::to_string(version) + ", known is 1");
  }
  int64_t files = 0;
  std::string digest;
  if (!line.Int("batch", &manifest.batch_) || !line.Int("files", &files) ||
      !line.Text("digest", &digest)) {
    return Corrupt("its first line is not complete");
  }
  std::string_view rest = bytes.substr(header_end + 1);
  if (base::Sha256Hex(rest) != digest) {
    return Corrupt("its bytes are not those that were written");
  }
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    KnownFile file;
    if (end == std::string_view::npos || !line.Read(rest.substr(0, end)) ||
        !ReadFile(line, &file)) {
      return Corrupt("line " + std::to_string(manifest.files_.size() + 2) + " is not a file's");
    }
    manifest.newest_[file.path] = manifest.files_.size();
    manifest.by_digest_[file.digest] = manifest.files_.size();
    manifest.files_.push_back(std::move(file));
    rest.remove_prefix(end + 1);
  }
  if (static_cast<int64_t>(manifest.files_.size()) != files) {
    return Corrupt("it lists another number of files than it says");
  }
  return manifest;
}

std::string ManifestRef::Serialize() const {
  std::string out;
  AppendInt("batch", batch, &out);
  AppendText("manifest", path, &out);
  AppendText("digest", digest, &out);
  return out + "}";
}

arrow::Result<ManifestRef> ManifestRef::Parse(std::string_view json) {
  ManifestRef ref;
  Line line;
  if (!line.Read(json) || !line.Int("batch", &ref.batch) || !line.Text("manifest", &ref.path) ||
      !line.Text("digest", &ref.digest)) {
    return MakeError(ErrorCode::kCorrupt, "the position of a files source is not one: " +
                                              std::string(json.substr(0, 200)));
  }
  return ref;
}

arrow::Result<ManifestRef> WriteManifest(lake::ObjectStore& store, const std::string& table_path,
                                         const Manifest& manifest) {
  const std::string bytes = manifest.Serialize();
  ManifestRef ref{.batch = manifest.batch(), .path = "", .digest = base::Sha256Hex(bytes)};
  char batch[24];
  std::snprintf(batch, sizeof(batch), "%08lld", static_cast<long long>(ref.batch));
  ref.path = std::string("_files/manifests/") + batch + "-" + ref.digest.substr(0, 16) + ".jsonl";
  const std::string path = Under(table_path, ref.path);
  // The name holds the digest, so what is there already is this manifest; ReadManifest checks it.
  ARROW_ASSIGN_OR_RAISE([[maybe_unused]] const bool created, store.PutIfAbsent(path, bytes));
  return ref;
}

arrow::Result<Manifest> ReadManifest(lake::ObjectStore& store, const std::string& table_path,
                                     const ManifestRef& ref) {
  const std::string path = Under(table_path, ref.path);
  arrow::Result<std::string> bytes = store.Get(path);
  if (!bytes.ok()) {
    return base::CodeOf(bytes.status()) == ErrorCode::kNotFound
               ? MakeError(ErrorCode::kCorrupt,
                           path + ": the manifest that the table's position names is missing")
               : bytes.status();
  }
  if (base::Sha256Hex(*bytes) != ref.digest) {
    return MakeError(ErrorCode::kCorrupt,
                     path + ": the bytes are not those that the table's position names");
  }
  ARROW_ASSIGN_OR_RAISE(Manifest manifest, Manifest::Parse(*bytes));
  if (manifest.batch() != ref.batch) {
    return MakeError(ErrorCode::kCorrupt, path + ": batch " + std::to_string(manifest.batch()) +
                                              " where the table's position says " +
                                              std::to_string(ref.batch));
  }
  return manifest;
}

}  // namespace icecore::ingest
