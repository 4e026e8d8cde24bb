#include "icecore/server/response_json.h"

#include <arrow/array.h>

#include <algorithm>
#include <array>
#include <bit>
#include <set>

#include "icecore/base/error.h"
#include "icecore/base/instant_text.h"
#include "icecore/base/json_text.h"

namespace icecore::server {
namespace {

void AppendName(std::string_view name, std::string* out) {
  base::AppendJsonString(name, out);
  out->push_back(':');
}

void AppendInstant(int64_t micros, std::string* out) {
  out->push_back('"');
  base::AppendInstant(micros, out);
  out->push_back('"');
}

// Numbers that the slots hold, by what writes one; in pieces, so that the answer grows seldom.
template <typename WriteOne>
void AppendNumbers(const state::FeatureAnswers& answers, std::string* out,
                   const WriteOne& write_one) {
  constexpr std::string_view kNull = "null";
  std::array<char, 4096> piece;
  char* const full = piece.data() + piece.size() - base::kMaxJsonNumberBytes - 1;
  char* end = piece.data();
  for (int64_t row = 0; row < answers.num_rows(); ++row) {
    const state::AnswerSlot& slot = answers.slot(row);
    if (row > 0) *end++ = ',';
    end = slot.is_valid ? write_one(slot.word, end) : std::copy_n(kNull.data(), kNull.size(), end);
    if (end < full) continue;
    out->append(piece.data(), end);
    end = piece.data();
  }
  out->append(piece.data(), end);
}

arrow::Status AppendValues(const state::FeatureAnswers& answers, std::string* out) {
  switch (answers.type().id()) {
    case arrow::Type::DOUBLE:
      AppendNumbers(answers, out, [](uint64_t word, char* end) {
        return base::WriteJsonDouble(std::bit_cast<double>(word), end);
      });
      return arrow::Status::OK();
    case arrow::Type::FLOAT:
      AppendNumbers(answers, out, [](uint64_t word, char* end) {
        return base::WriteJsonFloat(std::bit_cast<float>(static_cast<uint32_t>(word)), end);
      });
      return arrow::Status::OK();
    case arrow::Type::INT32:
      AppendNumbers(answers, out, [](uint64_t word, char* end) {
        return base::WriteJsonInt(static_cast<int32_t>(word), end);
      });
      return arrow::Status::OK();
    case arrow::Type::INT64:
      AppendNumbers(answers, out, [](uint64_t word, char* end) {
        return base::WriteJsonInt(static_cast<int64_t>(word), end);
      });
      return arrow::Status::OK();
    default:
      break;
  }
  const auto array = answers.ToArray();
  for (int64_t row = 0; row < answers.num_rows(); ++row) {
    if (row > 0) out->push_back(',');
    ARROW_RETURN_NOT_OK(base::AppendJsonValue(*array, row, out));
  }
  return arrow::Status::OK();
}

bool IsSameWhy(const state::FeatureAnswers& a, const state::FeatureAnswers& b) {
  for (int64_t row = 0; row < a.num_rows(); ++row) {
    const state::AnswerSlot& one = a.slot(row);
    const state::AnswerSlot& other = b.slot(row);
    if (one.status != other.status || one.has_time != other.has_time ||
        (one.has_time && one.event_time != other.event_time)) {
      return false;
    }
  }
  return true;
}

// ,"statuses":[…], and "event_times" where one has a time, to the end of the feature.
void AppendWhy(const state::FeatureAnswers& answers, std::string* out) {
  out->append(",\"statuses\":[");
  bool any = false;
  for (int64_t row = 0; row < answers.num_rows(); ++row) {
    const state::AnswerSlot& slot = answers.slot(row);
    out->append(row > 0 ? ",\"" : "\"");
    out->append(state::ValueStatusName(slot.status));
    out->push_back('"');
    any = any || slot.has_time;
  }
  out->push_back(']');
  if (any) {
    out->append(",\"event_times\":[");
    for (int64_t row = 0; row < answers.num_rows(); ++row) {
      const state::AnswerSlot& slot = answers.slot(row);
      if (row > 0) out->push_back(',');
      if (slot.has_time) {
        AppendInstant(slot.event_time, out);
      } else {
        out->append("null");
      }
    }
    out->push_back(']');
  }
  out->push_back('}');
}

// Features one after the other. What stands behind the values of one is nearly always what stood
// behind those of the one before: features of a view are chosen by one row. It is copied then.
class FeatureWriter {
 public:
  FeatureWriter(int64_t num_rows, std::string* out) : num_rows_(num_rows), out_(out) {}

  arrow::Status Append(const FeatureValues& feature) {
    const state::FeatureAnswers& answers = feature.answers;
    if (answers.num_rows() != num_rows_) {
      return base::MakeError(
          base::ErrorCode::kInternal,
          "feature " + std::string(feature.name) + " does not have one value for each row");
    }
    if (last_ != nullptr) out_->push_back(',');
    AppendName(feature.name, out_);
    out_->append("{\"values\":[");
    ARROW_RETURN_NOT_OK(AppendValues(answers, out_));
    out_->push_back(']');
    const size_t begin = out_->size();
    if (last_ != nullptr && IsSameWhy(*last_, answers)) {
      out_->append(*out_, why_begin_, why_bytes_);
    } else {
      AppendWhy(answers, out_);
    }
    why_begin_ = begin;
    why_bytes_ = out_->size() - begin;
    last_ = &answers;
    return arrow::Status::OK();
  }

 private:
  const int64_t num_rows_;
  std::string* const out_;
  const state::FeatureAnswers* last_ = nullptr;
  size_t why_begin_ = 0;  // of `last_`, in *out_
  size_t why_bytes_ = 0;
};

// A view that is used twice stands here once.
void AppendViews(const std::vector<AnsweredView>& views, std::string* out) {
  out->append(",\"views\":{");
  std::set<std::string_view> seen;
  for (const AnsweredView& view : views) {
    if (!seen.insert(view.view).second) {
      continue;
    }
    if (seen.size() > 1) out->push_back(',');
    AppendName(view.view, out);
    out->append("{\"definition\":");
    base::AppendJsonString(view.fingerprint, out);
    out->append(",\"seq\":");
    base::AppendJsonInt(view.seq, out);
    out->append(",\"applied_at\":");
    AppendInstant(view.applied_at, out);
    out->append(view.stale ? ",\"stale\":true}" : ",\"stale\":false}");
  }
  out->push_back('}');
}

// ,"errors":[{"view":…,"features":[…],"rows":[…],"code":"corrupt","message":…}]
void AppendErrors(const std::vector<AnswerError>& errors, std::string* out) {
  out->append(",\"errors\":[");
  for (const AnswerError& error : errors) {
    out->append(&error == errors.data() ? "{\"view\":" : ",{\"view\":");
    base::AppendJsonString(error.view, out);
    out->append(",\"features\":[");
    for (size_t i = 0; i < error.features.size(); ++i) {
      if (i > 0) out->push_back(',');
      base::AppendJsonString(error.features[i], out);
    }
    out->append("],\"rows\":[");
    for (size_t i = 0; i < error.rows.size(); ++i) {
      if (i > 0) out->push_back(',');
      base::AppendJsonInt(error.rows[i], out);
    }
    out->append("],\"code\":\"corrupt\",\"message\":");
    base::AppendJsonString(error.message, out);
    out->push_back('}');
  }
  out->push_back(']');
}

void AppendNamedTypes(std::string_view name, const std::vector<NamedType>& types,
                      std::string* out) {
  out->push_back(',');
  AppendName(name, out);
  out->push_back('[');
  for (size_t i = 0; i < types.size(); ++i) {
    out->append(i > 0 ? ",{\"name\":" : "{\"name\":");
    base::AppendJsonString(types[i].name, out);
    out->append(",\"type\":");
    base::AppendJsonString(types[i].type, out);
    out->push_back('}');
  }
  out->push_back(']');
}

}  // namespace

arrow::Status AppendFeatureResponse(std::string_view service, const FeatureResponse& response,
                                    std::string* out) {
  constexpr size_t kBytesOfValue = 60;  // with status and event time
  constexpr size_t kBytesOfName = 200;  // of a feature or a view, with what belongs to it
  out->reserve(out->size() + kBytesOfName * (response.views.size() + 1) +
               response.features.size() *
                   (kBytesOfName + kBytesOfValue * static_cast<size_t>(response.num_rows)));
  out->append("{\"service\":");
  base::AppendJsonString(service, out);
  out->append(",\"at\":");
  AppendInstant(response.t_us, out);
  out->append(",\"num_rows\":");
  base::AppendJsonInt(response.num_rows, out);
  out->append(",\"features\":{");
  FeatureWriter writer(response.num_rows, out);
  for (const FeatureValues& feature : response.features) {
    ARROW_RETURN_NOT_OK(writer.Append(feature));
  }
  out->push_back('}');
  AppendViews(response.views, out);
  if (!response.errors.empty()) AppendErrors(response.errors, out);
  out->push_back('}');
  return arrow::Status::OK();
}

void AppendService(const ServiceDescription& service, std::string* out) {
  out->append("{\"name\":");
  base::AppendJsonString(service.name, out);
  out->append(",\"description\":");
  base::AppendJsonString(service.description, out);
  AppendNamedTypes("keys", service.keys, out);
  AppendNamedTypes("request", service.request, out);
  AppendNamedTypes("features", service.features, out);
  out->push_back('}');
}

void AppendServices(const std::vector<ServiceDescription>& services, std::string* out) {
  out->append("{\"services\":[");
  for (size_t i = 0; i < services.size(); ++i) {
    if (i > 0) out->push_back(',');
    AppendService(services[i], out);
  }
  out->append("]}");
}

void AppendPushAnswer(const PushAnswer& answer, std::string* out) {
  out->append("{\"source\":");
  base::AppendJsonString(answer.source, out);
  out->append(",\"rows\":");
  base::AppendJsonInt(answer.row_count, out);
  out->append(answer.duplicate ? ",\"duplicate\":true}" : ",\"duplicate\":false}");
}

namespace {

void AppendErrorWith(std::string_view code, std::string_view message, std::string_view detail,
                     std::string_view value, std::string* out) {
  out->append("{\"error\":{\"code\":");
  base::AppendJsonString(code, out);
  out->append(",\"message\":");
  base::AppendJsonString(message, out);
  if (!value.empty()) {
    out->push_back(',');
    AppendName(detail, out);
    base::AppendJsonString(value, out);
  }
  out->append("}}");
}

}  // namespace

void AppendFailedResponse(const FeatureResponse& response, std::string* out) {
  AppendError(base::ErrorCodeName(base::ErrorCode::kCorrupt), ErrorOf(response).message(), "", out);
  out->pop_back();
  AppendErrors(response.errors, out);
  out->push_back('}');
}

void AppendError(std::string_view code, std::string_view message, std::string_view field,
                 std::string* out) {
  AppendErrorWith(code, message, "field", field, out);
}

void AppendAccessError(std::string_view code, std::string_view message, std::string_view scope,
                       std::string* out) {
  AppendErrorWith(code, message, "scope", scope, out);
}

}  // namespace icecore::server
