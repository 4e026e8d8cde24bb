#pragma once
// Which files a source has landed: the position of a `files` source. Format:
// docs/formats/manifest.md.
//
// The pipeline writes the manifest as an immutable object below the landing table
// (_files/manifests/) and commits batch number, path and digest of it (ManifestRef) in the table's
// domain `icecore.position`, together with the rows.

#include <arrow/result.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace icecore::lake {
class ObjectStore;
}  // namespace icecore::lake

namespace icecore::ingest {

// One landing of one file. A file that lands again, or goes on, has a further entry.
struct KnownFile {
  std::string path;  // relative to the project where it lies below it, else absolute
  int64_t size = 0;  // stored bytes
  int64_t mtime_ns = 0;
  int64_t inode = 0;
  std::string digest;     // SHA-256 of all stored bytes, hex; names the original `_files/<digest>`
  int64_t from_row = 0;   // rows of the file that an earlier entry brought (on_change: continue)
  int64_t rows = 0;       // rows that this landing brought
  int64_t first_seq = 0;  // _seq of the first of them; 0 where there are none or nobody said
  int64_t batch = 0;      // the commit that brought it, from 1
};

// Value type; not thread safe.
class Manifest {
 public:
  int64_t batch() const { return batch_; }
  const std::vector<KnownFile>& files() const { return files_; }

  // The newest entry of the path, or nullptr. Valid until the next change.
  const KnownFile* Find(const std::string& path) const;
  // The newest entry with these bytes, or nullptr. Valid until the next change.
  const KnownFile* FindDigest(const std::string& digest) const;

  // Begins the next batch: files added from now on carry its number.
  void BeginBatch() { ++batch_; }
  // Sets the entry's batch. BeginBatch must have been called.
  void Add(KnownFile file);
  // The path's newest entry has the same bytes but was touched or copied: remember its new looks.
  void Refresh(const std::string& path, int64_t mtime_ns, int64_t inode);

  // Deterministic; Parse(Serialize()) is equal.
  std::string Serialize() const;
  // "" is the empty manifest. Broken or cut-off bytes are kCorrupt, a newer version kUnsupported.
  static arrow::Result<Manifest> Parse(std::string_view bytes);

 private:
  int64_t batch_ = 0;
  std::vector<KnownFile> files_;
  std::unordered_map<std::string, size_t> newest_;     // path -> index
  std::unordered_map<std::string, size_t> by_digest_;  // digest -> index
};

// What the landing table's domain `icecore.position` holds.
struct ManifestRef {
  int64_t batch = 0;
  std::string path;    // relative to the landing table: "_files/manifests/…"
  std::string digest;  // SHA-256 of the object's bytes, hex

  // One line of JSON.
  std::string Serialize() const;
  // kCorrupt when it is not one.
  static arrow::Result<ManifestRef> Parse(std::string_view json);
};

// Writes the manifest below `table_path` (relative to the store's root). Writing the same manifest
// twice is fine.
arrow::Result<ManifestRef> WriteManifest(lake::ObjectStore& store, const std::string& table_path,
                                         const Manifest& manifest);
// The manifest, or kCorrupt when it is missing or has other bytes than were written.
arrow::Result<Manifest> ReadManifest(lake::ObjectStore& store, const std::string& table_path,
                                     const ManifestRef& ref);

}  // namespace icecore::ingest
