#include "icecore/engine/verify.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/chunked_array.h>
#include <arrow/compare.h>
#include <arrow/compute/cast.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <set>
#include <thread>
#include <utility>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/base/json_text.h"
#include "icecore/base/suggest.h"
#include "icecore/base/time.h"
#include "icecore/engine/row_files.h"
#include "icecore/engine/served_service.h"
#include "icecore/engine/verify_freshness.h"
#include "icecore/feature/key_column.h"
#include "icecore/feature/service.h"
#include "icecore/feature/training_set.h"
#include "icecore/pipeline/pinned_log.h"
#include "icecore/pipeline/service_binding.h"
#include "icecore/spec/parse.h"

namespace icecore::engine {
namespace {

using base::ErrorCode;
using base::MakeError;
using feature::kEventTimestamp;
using Arrays = std::vector<std::shared_ptr<arrow::Array>>;
using Pins = std::map<std::string, pipeline::LogPin>;

constexpr size_t kMaxExamples = 20;
constexpr int64_t kRowsPerRead = 1000;  // of one online read of a spine
// How long one verification waits for pushed rows to be in the lake.
constexpr int64_t kLandingWaitNanos = int64_t{10} * 1'000'000'000;
constexpr std::chrono::milliseconds kLandingRetry(20);

VerifyCause CauseOfLoss(pipeline::PinLoss loss) {
  switch (loss) {
    case pipeline::PinLoss::kRetention:
      return VerifyCause::kRetention;
    case pipeline::PinLoss::kNotLanded:
      return VerifyCause::kNotLanded;
    case pipeline::PinLoss::kNone:
    case pipeline::PinLoss::kGeneration:
      break;
  }
  return VerifyCause::kGeneration;
}

std::string ShortName(const std::string& service) {
  return service.rfind("service.", 0) == 0 ? service.substr(8) : service;
}

// Records with the same text were answered by the same definitions from the same rows.
std::string GroupKey(const online::ServedVectors& vectors) {
  std::string key =
      vectors.service->definition + "/" + std::to_string(vectors.service->catalog_version);
  for (const online::ServedView& view : vectors.views) {
    const online::ViewPosition& at = view.position;
    key += "/" + view.name + "/" + at.fingerprint + "/" + at.table_generation + "/" +
           std::to_string(at.generation) + "/" + std::to_string(at.seq) + "/" +
           std::to_string(at.applied_until);
  }
  return key;
}

arrow::Result<std::shared_ptr<arrow::Array>> Joined(const Arrays& parts) {
  return parts.size() == 1 ? parts.front() : arrow::Concatenate(parts);
}

arrow::Result<online::ServedVectors> JoinGroup(const std::vector<online::ServedVectors>& parts) {
  online::ServedVectors out;
  out.service = parts.front().service;
  out.views = parts.front().views;
  out.statuses.resize(parts.front().statuses.size());
  for (const online::ServedVectors& part : parts) {
    out.times.insert(out.times.end(), part.times.begin(), part.times.end());
    for (size_t i = 0; i < out.statuses.size(); ++i) {
      out.statuses[i].insert(out.statuses[i].end(), part.statuses[i].begin(),
                             part.statuses[i].end());
    }
  }
  for (Arrays online::ServedVectors::* member :
       {&online::ServedVectors::keys, &online::ServedVectors::request,
        &online::ServedVectors::values}) {
    for (size_t i = 0; i < (parts.front().*member).size(); ++i) {
      Arrays columns;
      for (const online::ServedVectors& part : parts) {
        columns.push_back((part.*member)[i]);
      }
      ARROW_ASSIGN_OR_RAISE(auto joined, Joined(columns));
      (out.*member).push_back(std::move(joined));
    }
  }
  return out;
}

// The column of a spine in the type that the service asks for.
arrow::Result<std::shared_ptr<arrow::Array>> SpineColumn(const arrow::Table& spine,
                                                         const feature::RequestColumn& column,
                                                         bool is_key) {
  const auto chunks = spine.GetColumnByName(column.name);
  if (chunks == nullptr) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "the spine has no column '" + column.name + "' (" +
                         spec::TypeText(*column.type) + ")" +
                         base::DidYouMean(column.name, spine.ColumnNames()));
  }
  std::shared_ptr<arrow::Array> values;
  if (chunks->num_chunks() == 0) {
    ARROW_ASSIGN_OR_RAISE(values, arrow::MakeEmptyArray(chunks->type()));
  } else {
    ARROW_ASSIGN_OR_RAISE(values, Joined(chunks->chunks()));
  }
  if (is_key && !feature::KeyTypesMatch(*values->type(), *column.type)) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "spine column '" + column.name + "' is " + spec::TypeText(*values->type()) +
                         ", the key is " + spec::TypeText(*column.type));
  }
  return is_key ? feature::CastKey(values, column.type)
                : arrow::compute::Cast(*values, column.type);
}

class Verifier {
 public:
  Verifier(const pipeline::Workspace& workspace, const pipeline::AnalysedProject& tables,
           const VerifyRequest& request)
      : workspace_(workspace), tables_(tables), request_(request) {
    report_.service = ShortName(request.service);
  }

  arrow::Result<VerifyReport> Run(int64_t catalog_version, const OnlineService* online) {
    report_.current_version = catalog_version;
    report_.from_spine = request_.asks_now();
    if (report_.from_spine && request_.since_us) {
      return MakeError(ErrorCode::kInvalidArgument,
                       "since is about the log; with a spine the keys are asked now");
    }
    ARROW_RETURN_NOT_OK(report_.from_spine ? AskNow(catalog_version, *online) : ReadLog());
    std::map<std::string, std::vector<online::ServedVectors>> groups;
    for (online::ServedVectors& record : records_) {
      report_.vectors += record.size();
      report_.vectors_by_version[record.service->catalog_version] += record.size();
      groups[GroupKey(record)].push_back(std::move(record));
    }
    if (report_.vectors == 0 && report_.log.damaged == 0) {
      return MakeError(ErrorCode::kNotFound,
                       report_.from_spine
                           ? "the spine has no rows"
                           : "nothing of service " + report_.service +
                                 " is in the served log: raise `served_log: {fraction: …}` in "
                                 "icecore.yaml, or give keys with --spine FILE");
    }
    for (const auto& [key, parts] : groups) {
      ARROW_ASSIGN_OR_RAISE(const auto group, JoinGroup(parts));
      ARROW_RETURN_NOT_OK(VerifyGroup(group));
    }
    report_.freshness = freshness_.Result();
    return std::move(report_);
  }

 private:
  arrow::Status ReadLog() {
    int64_t kept = 0;
    const auto take = [&](online::ServedVectors vectors) {
      // A record holds one position, and times close to one another: it is taken or left whole.
      const int64_t newest = *std::max_element(vectors.times.begin(), vectors.times.end());
      if (vectors.service->name != report_.service ||
          (request_.since_us && newest < *request_.since_us)) {
        return arrow::Status::OK();
      }
      kept += vectors.size();
      records_.push_back(std::move(vectors));
      while (kept > request_.limit && records_.size() > 1) {
        kept -= records_.front().size();
        report_.passed_over += records_.front().size();
        records_.pop_front();
      }
      return arrow::Status::OK();
    };
    ARROW_ASSIGN_OR_RAISE(report_.log,
                          online::ReadServedLog(ServedLogFolder(*workspace_.project), take));
    return arrow::Status::OK();
  }

  arrow::Status AskNow(int64_t catalog_version, const OnlineService& online) {
    std::shared_ptr<arrow::Table> spine = request_.spine;
    if (spine == nullptr) {
      ARROW_ASSIGN_OR_RAISE(spine, ReadRows(request_.spine_path));
    }
    const feature::BoundService& service = online.service();
    ARROW_ASSIGN_OR_RAISE(const auto served,
                          DescribeServed(*workspace_.project, service, catalog_version));
    Arrays keys;
    Arrays request;
    for (const auto& column : service.key_columns()) {
      ARROW_ASSIGN_OR_RAISE(keys.emplace_back(), SpineColumn(*spine, column, true));
    }
    for (const auto& column : service.request_columns()) {
      ARROW_ASSIGN_OR_RAISE(request.emplace_back(), SpineColumn(*spine, column, false));
    }
    for (int64_t row = 0; row < spine->num_rows(); row += kRowsPerRead) {
      const int64_t rows = std::min(kRowsPerRead, spine->num_rows() - row);
      const auto slice = [&](const Arrays& columns) {
        Arrays out;
        for (const auto& column : columns) {
          out.push_back(column->Slice(row, rows));
        }
        return out;
      };
      const Arrays some_keys = slice(keys);
      const Arrays some_request = slice(request);
      ARROW_ASSIGN_OR_RAISE(const auto vectors,
                            online.Read(some_keys, some_request, workspace_.clock->NowMicros()));
      records_.push_back(AsServed(served, some_keys, some_request, rows, vectors));
    }
    return arrow::Status::OK();
  }

  // The definitions that answered the group; null with a reason where they cannot be had.
  arrow::Result<std::shared_ptr<const spec::Project>> DefinitionsOf(
      const online::ServedService& served, std::string* reason) {
    const auto is_it = [&](const spec::Project& project) -> arrow::Result<bool> {
      const spec::FeatureService* service = project.FindService(served.name);
      if (service == nullptr) {
        return false;
      }
      ARROW_ASSIGN_OR_RAISE(const auto definition, pipeline::ServiceDefinition(project, *service));
      return definition == served.definition;
    };
    auto current =
        std::shared_ptr<const spec::Project>(std::shared_ptr<void>(), workspace_.project);
    ARROW_ASSIGN_OR_RAISE(const bool is_current, is_it(*current));
    if (is_current) {
      return current;
    }
    auto past = pipeline::DefinitionsAt(workspace_, served.catalog_version);
    if (!past.ok()) {
      *reason = past.status().message();
      return nullptr;
    }
    auto held = std::make_shared<const spec::Project>(*std::move(past));
    const auto was = is_it(*held);
    if (was.ok() && *was) {
      return held;
    }
    *reason = "service " + served.name + " of version " + std::to_string(served.catalog_version) +
              " is not what the catalog has of it";
    return nullptr;
  }

  arrow::Status VerifyGroup(const online::ServedVectors& group) {
    report_.values += group.size() * static_cast<int64_t>(group.values.size());
    std::string reason;
    ARROW_ASSIGN_OR_RAISE(const auto definitions, DefinitionsOf(*group.service, &reason));
    if (definitions == nullptr) {
      Unverified(group.size() * static_cast<int64_t>(group.values.size()), VerifyCause::kDefinition,
                 reason);
      return arrow::Status::OK();
    }
    pipeline::Workspace then = workspace_;
    then.project = definitions.get();
    Pins pins;
    std::map<std::string, VerifyCause> lost;
    ARROW_RETURN_NOT_OK(FindPins(then, group, &pins, &lost, &reason));
    const spec::FeatureService* whole = definitions->FindService(group.service->name);
    int64_t features_lost = 0;
    VerifyCause cause = VerifyCause::kGeneration;
    auto narrow = pipeline::NarrowService(*definitions, *whole, [&](const auto& feature) {
      for (const std::string& view : pipeline::ViewsBehind(feature)) {
        if (const auto found = lost.find(view); found != lost.end()) {
          ++features_lost;
          cause = found->second;
          return false;
        }
      }
      return true;
    });
    if (features_lost > 0) {
      Unverified(group.size() * features_lost, cause, reason);
    }
    if (!narrow.ok()) {
      return features_lost > 0 ? arrow::Status::OK() : narrow.status();
    }
    const auto bound = pipeline::BindService(*definitions, tables_, *narrow);
    if (!bound.ok()) {
      Unverified(
          group.size() * static_cast<int64_t>(group.values.size()) - group.size() * features_lost,
          VerifyCause::kDefinition, bound.status().message());
      return arrow::Status::OK();
    }
    return CompareGroup(then, *narrow, **bound, group, pins);
  }

  // As FindPin; rows that were pushed just now, which a server lands beside, are waited for.
  arrow::Result<pipeline::PinResult> FindLanded(const pipeline::Workspace& then,
                                                const spec::FeatureView& view,
                                                const online::ViewPosition& position) {
    while (true) {
      auto found = pipeline::FindPin(then, view, position);
      if (!found.ok() || found->loss != pipeline::PinLoss::kNotLanded) return found;
      if (!landed_by_ns_) landed_by_ns_ = base::MonotonicNanos() + kLandingWaitNanos;
      if (base::MonotonicNanos() >= *landed_by_ns_) return found;
      std::this_thread::sleep_for(kLandingRetry);
    }
  }

  arrow::Status FindPins(const pipeline::Workspace& then, const online::ServedVectors& group,
                         Pins* pins, std::map<std::string, VerifyCause>* lost,
                         std::string* reason) {
    const int64_t latest = *std::max_element(group.times.begin(), group.times.end());
    for (const online::ServedView& view : group.views) {
      const spec::FeatureView* defined = then.project->FindView(view.name);
      if (defined == nullptr) {
        return MakeError(ErrorCode::kInternal, "a served view is not in its definitions");
      }
      ARROW_ASSIGN_OR_RAISE(auto found, FindLanded(then, *defined, view.position));
      if (found.loss != pipeline::PinLoss::kNone) {
        (*lost)[view.name] = CauseOfLoss(found.loss);
        *reason = found.reason;
        continue;
      }
      if (latest > view.position.applied_until) {
        // What becomes active later waits in the log; an answer then is stale, not wrong.
        found.pin.active_until = view.position.applied_until;
      }
      (*pins)[view.name] = std::move(found.pin);
    }
    for (const int64_t t : group.times) {
      report_.stale_vectors += std::ranges::any_of(
          group.views, [&](const auto& view) { return t > view.position.applied_until; });
    }
    return arrow::Status::OK();
  }

  // The group's keys, request data and times as a spine.
  static arrow::Result<std::shared_ptr<arrow::Table>> SpineOf(const online::ServedVectors& group) {
    arrow::FieldVector fields;
    Arrays columns;
    const auto add = [&](const std::string& name, std::shared_ptr<arrow::Array> column) {
      fields.push_back(arrow::field(name, column->type()));
      columns.push_back(std::move(column));
    };
    for (size_t i = 0; i < group.keys.size(); ++i) {
      add(group.service->key_names[i], group.keys[i]);
    }
    for (size_t i = 0; i < group.request.size(); ++i) {
      add(group.service->request_names[i], group.request[i]);
    }
    arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                  arrow::default_memory_pool());
    ARROW_RETURN_NOT_OK(times.AppendValues(group.times));
    ARROW_ASSIGN_OR_RAISE(auto column, times.Finish());
    add(kEventTimestamp, std::move(column));
    return arrow::Table::Make(arrow::schema(fields), columns, group.size());
  }

  // A feature's answers to a group's vectors, by its name.
  using Answers = std::map<std::string, state::VectorSink::Column>;

  static arrow::Result<Answers> Recompute(const pipeline::Workspace& then,
                                          const feature::BoundService& service,
                                          const online::ServedVectors& group, const Pins& pins) {
    pipeline::PinnedFeatureLog log(then, pins);
    ARROW_ASSIGN_OR_RAISE(const auto spine, SpineOf(group));
    ARROW_ASSIGN_OR_RAISE(auto built, feature::BuildTrainingSet(service, spine, {}, &log));
    Answers answers;
    for (size_t i = 0; i < service.outputs().size(); ++i) {
      const std::string& name = service.outputs()[i].name;
      const auto column = built.table->GetColumnByName(name);
      state::VectorSink::Column& of_feature = answers[name];
      of_feature.statuses = std::move(built.statuses[i]);
      if (column->num_chunks() == 0) {
        ARROW_ASSIGN_OR_RAISE(of_feature.values, arrow::MakeEmptyArray(column->type()));
      } else {
        ARROW_ASSIGN_OR_RAISE(of_feature.values, Joined(column->chunks()));
      }
    }
    return answers;
  }

  struct Difference {
    const feature::OutputFeature* output = nullptr;
    size_t column = 0;  // of the group
    int64_t row = 0;
  };

  arrow::Status CompareGroup(const pipeline::Workspace& then, const spec::FeatureService& narrow,
                             const feature::BoundService& service,
                             const online::ServedVectors& group, const Pins& pins) {
    const auto recomputed = Recompute(then, service, group, pins);
    if (!recomputed.ok()) {
      const ErrorCode code = base::CodeOf(recomputed.status());
      if (code != ErrorCode::kCorrupt && code != ErrorCode::kNotFound) {
        return recomputed.status();
      }
      // The log names files that are no longer there.
      Unverified(group.size() * static_cast<int64_t>(service.outputs().size()),
                 VerifyCause::kRetention, recomputed.status().message());
      return arrow::Status::OK();
    }
    std::vector<Difference> differences;
    for (const feature::OutputFeature& output : service.outputs()) {
      const auto& names = group.service->feature_names;
      const auto at = std::find(names.begin(), names.end(), output.name);
      if (at == names.end()) {
        return MakeError(ErrorCode::kInternal, "no served feature " + output.name);
      }
      const auto column = static_cast<size_t>(at - names.begin());
      for (int64_t row = 0; row < group.size(); ++row) {
        const Answer served = ServedAt(group, column, row);
        if (served.status == state::ValueStatus::kError) {
          Unverified(1, VerifyCause::kDamaged,
                     "view " + output.view + " was answered with errors, since what the online " +
                         "store held of keys was damaged; `icecore materialize --full` writes it " +
                         "anew");
        } else if (Same(served, At(recomputed->at(output.name), row))) {
          ++report_.equal;
        } else {
          differences.push_back({&output, column, row});
        }
      }
    }
    if (!differences.empty()) {
      ARROW_RETURN_NOT_OK(Explain(then, narrow, service, group, pins, *recomputed, differences));
    }
    return freshness_.Add(then, service, group, pins);
  }

  // One feature's answer to one vector.
  struct Answer {
    const arrow::Array* values = nullptr;
    int64_t row = 0;
    state::ValueStatus status = state::ValueStatus::kPresent;
  };
  static Answer At(const state::VectorSink::Column& column, int64_t row) {
    return {column.values.get(), row, column.statuses[static_cast<size_t>(row)]};
  }
  static Answer ServedAt(const online::ServedVectors& group, size_t column, int64_t row) {
    return {group.values[column].get(), row, group.statuses[column][static_cast<size_t>(row)]};
  }

  static bool SameValue(const Answer& a, const Answer& b) {
    return a.values->type()->Equals(*b.values->type()) &&
           a.values->RangeEquals(
               *b.values, a.row, a.row + 1, b.row,
               arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(false));
  }
  // A null and a default do not tell why they were given: the status does.
  static bool Same(const Answer& a, const Answer& b) {
    return a.status == b.status && SameValue(a, b);
  }

  // Would later rows, or no ttl, give what was served?
  static VerifyCause CauseOf(const Answer& served, const Answer& recomputed,
                             const Answer& with_later_rows, const Answer& never_expired) {
    if (Same(served, with_later_rows)) return VerifyCause::kPosition;
    if (Same(served, never_expired)) return VerifyCause::kExpired;
    const bool only_called_expired = served.status == state::ValueStatus::kExpired &&
                                     recomputed.status != state::ValueStatus::kNotFound &&
                                     SameValue(served, recomputed);
    return only_called_expired ? VerifyCause::kExpired : VerifyCause::kBug;
  }

  // Names the cause of every difference.
  arrow::Status Explain(const pipeline::Workspace& then, const spec::FeatureService& narrow,
                        const feature::BoundService& service, const online::ServedVectors& group,
                        const Pins& pins, const Answers& recomputed,
                        const std::vector<Difference>& differences) {
    Pins open = pins;
    for (auto& [view, pin] : open) {
      pin.seq_up_to = INT64_MAX;
      pin.active_until = INT64_MAX;
    }
    ARROW_ASSIGN_OR_RAISE(const auto with_later_rows, Recompute(then, service, group, open));
    spec::Project timeless = *then.project;
    for (spec::FeatureView& view : timeless.views) {
      view.ttl_us.reset();
    }
    pipeline::Workspace without_ttl = then;
    without_ttl.project = &timeless;
    ARROW_ASSIGN_OR_RAISE(const auto unexpiring, pipeline::BindService(timeless, tables_, narrow));
    ARROW_ASSIGN_OR_RAISE(const auto never_expired,
                          Recompute(without_ttl, *unexpiring, group, pins));
    for (const Difference& difference : differences) {
      const std::string& name = difference.output->name;
      const int64_t row = difference.row;
      const Answer answer = At(recomputed.at(name), row);
      const VerifyCause cause =
          CauseOf(ServedAt(group, difference.column, row), answer,
                  At(with_later_rows.at(name), row), At(never_expired.at(name), row));
      ++report_.mismatched;
      ++report_.mismatches_by_cause[std::string(VerifyCauseName(cause))];
      if (report_.examples.size() < kMaxExamples) {
        ARROW_RETURN_NOT_OK(AddExample(group, difference, cause, answer));
      }
    }
    return arrow::Status::OK();
  }

  static arrow::Result<std::string> TextOf(const Answer& answer, bool with_status) {
    ARROW_ASSIGN_OR_RAISE(std::string text, base::ValueText(*answer.values, answer.row));
    if (with_status) text += " (" + std::string(state::ValueStatusName(answer.status)) + ")";
    return text;
  }

  arrow::Status AddExample(const online::ServedVectors& group, const Difference& difference,
                           VerifyCause cause, const Answer& recomputed) {
    Mismatch example;
    example.feature = difference.output->name;
    example.view = difference.output->view;
    example.t_us = group.times[static_cast<size_t>(difference.row)];
    example.cause = cause;
    for (size_t i = 0; i < group.keys.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(const auto text, base::ValueText(*group.keys[i], difference.row));
      example.key += (i == 0 ? "" : " ") + group.service->key_names[i] + "=" + text;
    }
    const Answer served = ServedAt(group, difference.column, difference.row);
    const bool only_status = SameValue(served, recomputed);
    ARROW_ASSIGN_OR_RAISE(example.served, TextOf(served, only_status));
    ARROW_ASSIGN_OR_RAISE(example.recomputed, TextOf(recomputed, only_status));
    report_.examples.push_back(std::move(example));
    return arrow::Status::OK();
  }

  void Unverified(int64_t values, VerifyCause cause, const std::string& reason) {
    report_.unverified += values;
    report_.unverified_by_cause[std::string(VerifyCauseName(cause))] += values;
    auto& reasons = report_.unverified_because;
    if (reasons.size() < kMaxExamples &&
        std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) {
      reasons.push_back(reason);
    }
  }

  const pipeline::Workspace& workspace_;
  const pipeline::AnalysedProject& tables_;
  const VerifyRequest& request_;
  std::deque<online::ServedVectors> records_;
  FreshnessCounter freshness_;
  std::optional<int64_t> landed_by_ns_;  // once something was waited for
  VerifyReport report_;
};

}  // namespace

std::string_view VerifyCauseName(VerifyCause cause) {
  switch (cause) {
    case VerifyCause::kDefinition:
      return "definition";
    case VerifyCause::kGeneration:
      return "generation";
    case VerifyCause::kRetention:
      return "retention";
    case VerifyCause::kNotLanded:
      return "not_landed";
    case VerifyCause::kExpired:
      return "expired";
    case VerifyCause::kPosition:
      return "position";
    case VerifyCause::kDamaged:
      return "damaged";
    case VerifyCause::kBug:
      return "bug";
  }
  return "";
}

arrow::Result<int64_t> ParseSince(const std::string& text, int64_t now_us) {
  if (const auto duration = base::ParseDuration(text); duration.ok()) {
    return now_us - *duration;
  }
  const auto time = base::ParseInstant(text);
  if (!time.ok()) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "since takes a time such as 2013-12-01T12:00:00Z, or a duration such as 24h; "
                     "got '" +
                         text + "'");
  }
  return *time;
}

arrow::Result<VerifyReport> VerifyService(const pipeline::Workspace& workspace,
                                          const pipeline::AnalysedProject& project,
                                          int64_t catalog_version, const OnlineService* online,
                                          const VerifyRequest& request) {
  return Verifier(workspace, project, request).Run(catalog_version, online);
}

}  // namespace icecore::engine
