#include <arrow/c/abi.h>
#include <arrow/table.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/capi/project_internal.h"
#include "icecore/capi/text_call_internal.h"
#include "icecore/engine/evidence_documents.h"

namespace icecore::capi {
namespace {

using Text = arrow::Result<std::string>;

// Rows given, read before the project's lock is taken: they may be computed by the same project.
// Null where there are none.
arrow::Result<std::shared_ptr<arrow::Table>> TakeTable(ArrowArrayStream* rows) {
  if (rows == nullptr) {
    return nullptr;
  }
  ARROW_ASSIGN_OR_RAISE(const auto reader, TakeStream(rows));
  return reader->ToTable();
}

// As TextCall, with a spine that may be NULL.
template <typename Body>
int32_t SpineCall(icecore_project* project, ArrowArrayStream* spine, bool reload, char** json,
                  icecore_error** error, const Body& body) noexcept {
  std::shared_ptr<arrow::Table> rows;
  const int32_t code = Call(error, [&] { return TakeTable(spine).Value(&rows); });
  return code != ICECORE_OK ? code
                            : TextCall(project, reload, json, error, [&](engine::Engine* engine) {
                                return body(engine, std::move(rows));
                              });
}

arrow::Status AtLeast(int64_t least, const char* argument, int64_t value) {
  return value >= least
             ? arrow::Status::OK()
             : base::MakeError(base::ErrorCode::kInvalidArgument,
                               std::string(argument) + " takes a number from " +
                                   std::to_string(least) + " on; got " + std::to_string(value));
}

arrow::Result<engine::NamedTexts> NamedTextsOf(const icecore_named_text* texts, int64_t count,
                                               const char* argument) {
  engine::NamedTexts named;
  for (int64_t i = 0; i < count; ++i) {
    if (texts == nullptr || texts[i].name == nullptr || texts[i].value == nullptr) {
      return Missing(argument);
    }
    named.emplace_back(texts[i].name, texts[i].value);
  }
  return named;
}

}  // namespace
}  // namespace icecore::capi

using icecore::capi::Missing;
using icecore::capi::Text;

int32_t icecore_verify(icecore_project* project, const char* service, const char* since,
                       int64_t limit, ArrowArrayStream* spine, char** json, icecore_error** error) {
  return icecore::capi::SpineCall(
      project, spine, false, json, error,
      [&](icecore::engine::Engine* engine, std::shared_ptr<arrow::Table> rows) -> Text {
        if (service == nullptr) {
          return Missing("service");
        }
        icecore::engine::VerifyRequest request;
        request.service = service;
        request.spine = std::move(rows);
        request.limit = limit;
        ARROW_RETURN_NOT_OK(icecore::capi::AtLeast(1, "limit", limit));
        if (since != nullptr) {
          ARROW_ASSIGN_OR_RAISE(request.since_us,
                                icecore::engine::ParseSince(since, engine->clock().NowMicros()));
        }
        ARROW_ASSIGN_OR_RAISE(const auto report, engine->Verify(request));
        return icecore::engine::VerifyDocument(report);
      });
}

int32_t icecore_explain(icecore_project* project, const char* service, const char* feature,
                        const icecore_named_text* keys, int64_t key_count,
                        const icecore_named_text* request, int64_t request_count,
                        const int64_t* at_us, int64_t rows, char** json, icecore_error** error) {
  return icecore::capi::TextCall(
      project, false, json, error, [&](icecore::engine::Engine* engine) -> Text {
        if (service == nullptr || feature == nullptr) {
          return Missing(service == nullptr ? "service" : "feature");
        }
        icecore::engine::ExplainRequest asked;
        asked.service = service;
        asked.feature = feature;
        ARROW_RETURN_NOT_OK(icecore::capi::AtLeast(0, "rows", rows));
        ARROW_ASSIGN_OR_RAISE(asked.keys, icecore::capi::NamedTextsOf(keys, key_count, "keys"));
        ARROW_ASSIGN_OR_RAISE(asked.request,
                              icecore::capi::NamedTextsOf(request, request_count, "request"));
        if (at_us != nullptr) {
          asked.at_us = *at_us;
        }
        ARROW_ASSIGN_OR_RAISE(const auto explanation, engine->Explain(asked));
        return icecore::engine::ExplanationDocument(explanation, rows);
      });
}

int32_t icecore_compare(icecore_project* project, const char* view, int64_t version,
                        ArrowArrayStream* spine, int64_t examples, char** json,
                        icecore_error** error) {
  return icecore::capi::SpineCall(
      project, spine, true, json, error,
      [&](icecore::engine::Engine* engine, std::shared_ptr<arrow::Table> rows) -> Text {
        if (view == nullptr || rows == nullptr) {
          return Missing(view == nullptr ? "view" : "spine");
        }
        icecore::engine::CompareRequest request;
        request.view = view;
        request.version = version;
        request.spine = std::move(rows);
        request.examples = examples;
        ARROW_RETURN_NOT_OK(icecore::capi::AtLeast(1, "version", version));
        ARROW_RETURN_NOT_OK(icecore::capi::AtLeast(0, "examples", examples));
        ARROW_ASSIGN_OR_RAISE(const auto report, engine->Compare(request));
        return icecore::engine::CompareDocument(report);
      });
}

int32_t icecore_test(icecore_project* project, const char* const* names, int64_t count, char** json,
                     icecore_error** error) {
  return icecore::capi::TextCall(project, true, json, error,
                                 [&](icecore::engine::Engine* engine) -> Text {
                                   std::vector<std::string> wanted;
                                   for (int64_t i = 0; i < count; ++i) {
                                     if (names == nullptr || names[i] == nullptr) {
                                       return Missing("names");
                                     }
                                     wanted.emplace_back(names[i]);
                                   }
                                   ARROW_ASSIGN_OR_RAISE(const auto outcomes, engine->Test(wanted));
                                   return icecore::engine::TestsDocument(outcomes);
                                 });
}
