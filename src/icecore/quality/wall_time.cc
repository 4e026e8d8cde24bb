#include "icecore/quality/wall_time_internal.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/compute/api_scalar.h>
#include <arrow/compute/exec.h>
#include <arrow/compute/initialize.h>
#include <arrow/type.h>

#include "icecore/quality/text_conversion.h"

namespace icecore::quality {
namespace {

using arrow::compute::AssumeTimezoneOptions;
using Ambiguous = spec::ColumnContract::Ambiguous;

bool IsUtc(const std::string& zone) {
  return zone == "UTC" || zone == "Etc/UTC" || zone == "Z" || zone.empty();
}

arrow::Result<std::shared_ptr<arrow::TimestampArray>> Assume(
    const std::shared_ptr<arrow::Array>& wall, const std::string& zone, bool latest) {
  AssumeTimezoneOptions options(
      zone,
      latest ? AssumeTimezoneOptions::AMBIGUOUS_LATEST : AssumeTimezoneOptions::AMBIGUOUS_EARLIEST,
      latest ? AssumeTimezoneOptions::NONEXISTENT_LATEST
             : AssumeTimezoneOptions::NONEXISTENT_EARLIEST);
  ARROW_ASSIGN_OR_RAISE(arrow::Datum instants,
                        arrow::compute::CallFunction("assume_timezone", {wall}, &options));
  return std::static_pointer_cast<arrow::TimestampArray>(instants.make_array());
}

arrow::Result<std::shared_ptr<arrow::TimestampArray>> Local(
    const std::shared_ptr<arrow::Array>& instants) {
  ARROW_ASSIGN_OR_RAISE(arrow::Datum wall,
                        arrow::compute::CallFunction("local_timestamp", {instants}));
  return std::static_pointer_cast<arrow::TimestampArray>(wall.make_array());
}

}  // namespace

arrow::Status InitializeCompute() {
  static const arrow::Status status = arrow::compute::Initialize();
  return status;
}

arrow::Status ResolveWallTimes(const std::string& zone, Ambiguous ambiguous,
                               std::vector<int64_t>* micros, std::vector<uint8_t>* bad) {
  bad->assign(micros->size(), 0);
  if (IsUtc(zone) || micros->empty()) {
    return arrow::Status::OK();
  }
  ARROW_RETURN_NOT_OK(InitializeCompute());
  auto wall = std::make_shared<arrow::TimestampArray>(arrow::timestamp(arrow::TimeUnit::MICRO),
                                                      static_cast<int64_t>(micros->size()),
                                                      arrow::Buffer::Wrap(*micros));
  ARROW_ASSIGN_OR_RAISE(auto earliest, Assume(wall, zone, /*latest=*/false));
  ARROW_ASSIGN_OR_RAISE(auto latest, Assume(wall, zone, /*latest=*/true));
  ARROW_ASSIGN_OR_RAISE(auto earliest_wall, Local(earliest));
  ARROW_ASSIGN_OR_RAISE(auto latest_wall, Local(latest));
  for (size_t i = 0; i < micros->size(); ++i) {
    auto row = static_cast<int64_t>(i);
    int64_t early = earliest->Value(row);
    int64_t late = latest->Value(row);
    if (early == late) {
      (*micros)[i] = early;
      continue;
    }
    if (ambiguous == Ambiguous::kError) {
      (*bad)[i] = 1;
      continue;
    }
    if (latest_wall->Value(row) != (*micros)[i]) {
      // In a gap Arrow gives its edges; the offsets on both sides give the instants.
      int64_t offset_before = earliest_wall->Value(row) - early;
      int64_t offset_behind = latest_wall->Value(row) - late;
      early = (*micros)[i] - offset_behind;
      late = (*micros)[i] - offset_before;
    }
    (*micros)[i] = ambiguous == Ambiguous::kEarlier ? early : late;
  }
  return arrow::Status::OK();
}

arrow::Status CheckZone(const std::string& zone) {
  std::vector<int64_t> micros = {0};
  std::vector<uint8_t> bad;
  arrow::Status status = ResolveWallTimes(zone, Ambiguous::kEarlier, &micros, &bad);
  if (status.ok()) {
    return status;
  }
  return base::MakeError(base::ErrorCode::kInvalidDefinition,
                         "unknown time zone '" + zone +
                             "': write an IANA name such as America/New_York (the machine needs "
                             "its time zone database, on Debian the package tzdata)");
}

}  // namespace icecore::quality
