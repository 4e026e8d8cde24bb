#pragma once
// Looks whether one data file holds what the log says.

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "icecore/lake/object_store.h"
#include "icecore/lake/snapshot.h"

namespace icecore::lake {

// A set of _seq values: a bit for each in pages that are made on demand.
class SeqSet {
 public:
  // false: it was there.
  bool Insert(int64_t seq);

 private:
  static constexpr int kPageBits = 1 << 16;
  std::unordered_map<int64_t, std::vector<uint64_t>> pages_;
};

struct FileAuditOptions {
  bool deep = false;
  bool our_statistics = false;  // those in the log must be those we would write
  bool seq_ascends = false;     // within the file
  SeqSet* seqs = nullptr;       // where given, a _seq that is in it already is a finding
};

// What is wrong with the file, in words, each with what was expected; empty: nothing. Errors of the
// store are errors.
struct FileProblem {
  std::string code;  // as Finding::code
  std::string found;
  std::string expected;
};
arrow::Result<std::vector<FileProblem>> AuditFile(ObjectStore& store, const std::string& path,
                                                  const DataFile& file,
                                                  const FileAuditOptions& options);

}  // namespace icecore::lake
