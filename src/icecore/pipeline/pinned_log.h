#pragma once
// A view's log as a store had applied it: what an online answer was computed from.

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "icecore/feature/training_set.h"
#include "icecore/online/store.h"
#include "icecore/pipeline/workspace.h"

namespace icecore::pipeline {

// The table's version that holds all rows a position speaks of, and which of them it had.
struct LogPin {
  std::string table;  // full name of the view's log
  std::shared_ptr<const lake::Snapshot> snapshot;
  int64_t seq_up_to = INT64_MAX;
  int64_t active_until = INT64_MAX;  // rows that become active later are left out
};

// Why there is no such version any more.
enum class PinLoss {
  kNone,
  kGeneration,  // the table was made anew, and its log no longer tells of the generation
  kRetention,   // the version's log entries or files are gone
  kNotLanded,   // pushed rows were served before the lake had them, and it does not have them yet
};

struct PinResult {
  LogPin pin;  // where loss is kNone
  PinLoss loss = PinLoss::kNone;
  std::string reason;  // of a loss, for people
};

// Where the view's log is in the lake now that the store was at `position`. The files themselves
// are not looked at: one that vacuum took is kCorrupt from the scan.
arrow::Result<PinResult> FindPin(const Workspace& workspace, const spec::FeatureView& view,
                                 const online::ViewPosition& position);

// The views' logs at their pins.
class PinnedFeatureLog : public feature::FeatureLog {
 public:
  // `pins`: by name of the view; borrowed, as is `workspace`.
  PinnedFeatureLog(const Workspace& workspace, const std::map<std::string, LogPin>& pins)
      : workspace_(workspace), pins_(pins) {}
  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(
      const feature::BoundView& view) override;

 private:
  const Workspace& workspace_;
  const std::map<std::string, LogPin>& pins_;
};

}  // namespace icecore::pipeline
