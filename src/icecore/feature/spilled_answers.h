#pragma once
// Answers of a view that memory has no room for: blocks in the spine's order in a scratch file,
// read back one by one. The file has no name once it is open, and goes with the object.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "icecore/feature/view_answers.h"

namespace arrow::ipc {
class RecordBatchFileReader;
}  // namespace arrow::ipc

namespace icecore::feature {

// Thread safe.
class SpilledAnswers {
 public:
  // `blocks`: first label and number of labels of each. The file is made in `folder`.
  static arrow::Result<std::unique_ptr<SpilledAnswers>> Write(
      const ViewAnswers& answers, const std::vector<std::pair<int64_t, int64_t>>& blocks,
      const std::string& folder);
  ~SpilledAnswers();

  // As ViewAnswers::Block of blocks[block].
  arrow::Result<UseValues> Block(int block) const;

 private:
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> reader_;
  mutable std::mutex mutex_;
};

}  // namespace icecore::feature
