#pragma once
// Where a lake's bytes rest: whole objects under a root, named by relative paths with '/'.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace arrow::io {
class OutputStream;
class RandomAccessFile;
}  // namespace arrow::io

namespace icecore::lake {

struct ObjectInfo {
  int64_t size = 0;
  int64_t modified_us = 0;
};

// An object as a listing tells it.
struct ObjectEntry {
  std::string path;
  int64_t size = 0;
  int64_t modified_us = 0;  // by the store's own clock
};

// Where a lake is, references resolved. All but the url is for s3:// only, and "" or nullopt where
// the environment and ~/.aws/config decide (docs/object-stores.md).
struct StorePlace {
  std::string url;       // an absolute folder, or s3://BUCKET[/PREFIX]
  std::string endpoint;  // http(s)://HOST[:PORT]
  std::string region;
  std::optional<bool> path_style;
  std::string profile;
};

// Thread safe. Paths are relative to the root, without "..", ".", empty parts or a leading '/';
// others are kInvalidArgument. What does not exist is kNotFound; what the system refuses for now is
// kUnavailable (also a full disk), for good kDenied. An object becomes visible whole or not at all.
// It survives a power cut once Put or PutIfAbsent returned OK; one that was written as a stream,
// once a later Put or PutIfAbsent of the same store returned OK (which fails where it was lost).
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // Objects below the folder `root` of this machine; the folder is made where it is missing.
  static arrow::Result<std::unique_ptr<ObjectStore>> OpenLocal(std::string root);

  // By the url's scheme. gs://, abfs:// and other schemes are kUnsupported. No request is sent.
  static arrow::Result<std::unique_ptr<ObjectStore>> Open(const StorePlace& place);

  // Replaces what is there.
  virtual arrow::Status Put(const std::string& path, std::string_view bytes) = 0;
  // false: something was there already and is untouched. After an error the outcome is unknown: the
  // object may be there.
  virtual arrow::Result<bool> PutIfAbsent(const std::string& path, std::string_view bytes) = 0;
  virtual arrow::Result<std::string> Get(const std::string& path) = 0;
  // Exactly `length` bytes from `offset`, fewer only where the object ends.
  virtual arrow::Result<std::string> GetRange(const std::string& path, int64_t offset,
                                              int64_t length) = 0;
  // All paths that begin with `prefix` and are greater than `start_after` (both whole paths), in
  // byte order. A prefix without objects gives an empty list.
  virtual arrow::Result<std::vector<std::string>> List(const std::string& prefix,
                                                       const std::string& start_after) = 0;
  // As List from the start, with sizes and times. An object that vanishes meanwhile is left out.
  virtual arrow::Result<std::vector<ObjectEntry>> ListEntries(const std::string& prefix);
  // What writers below `prefix` began and never ended (temporary files, multi-part uploads), last
  // touched before `modified_before_us`; no listing of objects shows it. `remove` takes it away.
  virtual arrow::Result<std::vector<ObjectEntry>> Unfinished(const std::string& prefix,
                                                             int64_t modified_before_us,
                                                             bool remove);
  virtual arrow::Result<ObjectInfo> Stat(const std::string& path) = 0;
  virtual arrow::Result<bool> Exists(const std::string& path) = 0;
  // What is not there is deleted already: OK.
  virtual arrow::Status Delete(const std::string& path) = 0;

  // A stream whose object becomes visible when Close returns OK; Abort, or destruction without
  // Close, leaves nothing. The object must not exist yet: Close is kConflict then.
  virtual arrow::Result<std::shared_ptr<arrow::io::OutputStream>> OpenOutput(
      const std::string& path) = 0;
  virtual arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(
      const std::string& path) = 0;

  // The absolute file of this machine that holds the object, for readers that want a file; nullopt
  // where the store is not local. The path is not checked for existence.
  virtual std::optional<std::string> LocalPath(const std::string& path) const = 0;
};

// OK for a path that every store takes, else kInvalidArgument.
arrow::Status CheckObjectPath(std::string_view path);

}  // namespace icecore::lake
