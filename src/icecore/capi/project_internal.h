#pragma once
// What lies behind the handles: a project and who may be using it.

#include <arrow/record_batch.h>
#include <arrow/result.h>

#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "icecore/capi/icecore.h"
#include "icecore/engine/engine.h"

namespace icecore::capi {

// Shared by its handle, its services and its streams, so that each may be freed first.
struct Project {
  engine::OpenOptions options;
  // The engine takes one thread at a time. A set's spine may be a stream of the same project.
  std::recursive_mutex mutex;
  std::shared_ptr<engine::Engine> engine;
  std::mutex stop_mutex;
  std::stop_source stop;  // of the run that is under way

  // Reads the definitions anew; the engine stays as it is where they are wrong. Holds no lock.
  arrow::Status Open();
};

// Rows that are still computed by the project's engine: reads hold its lock, and the reader keeps
// the engine alive.
std::shared_ptr<arrow::RecordBatchReader> Hold(std::shared_ptr<Project> project,
                                               std::shared_ptr<arrow::RecordBatchReader> rows);

// Takes the stream over, also when that fails: the caller has nothing to release.
arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> TakeStream(ArrowArrayStream* stream);

}  // namespace icecore::capi

struct icecore_project {
  std::shared_ptr<icecore::capi::Project> project;
};
