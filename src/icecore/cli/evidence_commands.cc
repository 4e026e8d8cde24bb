// What is behind values: verify, explain, compare.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "icecore/base/error.h"
#include "icecore/base/json_text.h"
#include "icecore/base/time.h"
#include "icecore/cli/context.h"
#include "icecore/cli/explanation_text.h"
#include "icecore/cli/name_values.h"
#include "icecore/cli/text_table.h"
#include "icecore/engine/compare.h"
#include "icecore/engine/evidence_documents.h"
#include "icecore/engine/explain.h"
#include "icecore/engine/verify.h"

namespace icecore::cli {
namespace {

using base::ErrorCode;
using base::MakeError;

std::string Text(int64_t number) { return std::to_string(number); }

// One document with --json, else what `print` has for people.
template <typename Report>
void Tell(const Context& context, const Report& report, std::string (*document)(const Report&),
          void (*print)(const Report&)) {
  if (context.json) {
    std::fputs(document(report).c_str(), stdout);
  } else {
    print(report);
  }
}

arrow::Status RequireAtLeast(int64_t least, const char* option, int64_t value) {
  return value >= least ? arrow::Status::OK()
                        : MakeError(ErrorCode::kInvalidArgument,
                                    std::string(option) + " takes a number from " + Text(least) +
                                        " on; got " + Text(value));
}

// ---- verify -------------------------------------------------------------------------------------

struct VerifyArguments {
  std::string service;
  std::string since;
  std::string spine;
  int64_t limit = 100'000;
};

void PrintFreshness(const engine::VerifyReport& report) {
  for (const engine::ViewFreshness& one : report.freshness) {
    if (one.rows > 0) {
      std::printf("freshness: view.%s lacked %s rows in %s vectors, the oldest known %s before\n",
                  one.view.c_str(), Grouped(one.rows).c_str(), Grouped(one.vectors).c_str(),
                  Seconds(one.greatest_age_us).c_str());
    }
  }
  if (report.stale_vectors > 0) {
    std::printf("stale: %s vectors were asked for a time that the store was not loaded for\n",
                Grouped(report.stale_vectors).c_str());
  }
}

void PrintLog(const engine::VerifyReport& report) {
  if (report.from_spine) {
    return;
  }
  std::printf("log: %s records in %s files", Grouped(report.log.records).c_str(),
              Grouped(report.log.files).c_str());
  const auto add = [](int64_t number, const char* what) {
    if (number > 0) {
      std::printf("; %s %s", Grouped(number).c_str(), what);
    }
  };
  add(report.log.dropped, "vectors left out, the queue was full");
  add(report.log.torn_bytes, "bytes of records that were cut off");
  add(report.log.damaged, "damaged records");
  add(report.passed_over, "older vectors beyond --limit");
  std::printf("\n");
}

void PrintVerify(const engine::VerifyReport& report) {
  std::printf("%s: %s vectors %s, %s values: %s equal, %s mismatched, %s not to be verified\n",
              report.service.c_str(), Grouped(report.vectors).c_str(),
              report.from_spine ? "asked now" : "served", Grouped(report.values).c_str(),
              Grouped(report.equal).c_str(), Grouped(report.mismatched).c_str(),
              Grouped(report.unverified).c_str());
  for (const auto& [version, vectors] : report.vectors_by_version) {
    std::printf("definitions: version %lld served %s vectors%s\n", static_cast<long long>(version),
                Grouped(vectors).c_str(),
                version == report.current_version ? "" : "; another is applied since");
  }
  if (!report.examples.empty()) {
    TextTable table({"mismatch", "key", "t", "served", "recomputed", "cause"});
    for (const engine::Mismatch& one : report.examples) {
      table.Add({one.feature, one.key, base::FormatInstantShort(one.t_us), one.served,
                 one.recomputed, std::string(engine::VerifyCauseName(one.cause))});
    }
    std::fputs(table.ToString().c_str(), stdout);
  }
  for (const auto& [cause, values] : report.mismatches_by_cause) {
    std::printf("mismatch: %s: %s values\n", cause.c_str(), Grouped(values).c_str());
  }
  for (const auto& [cause, values] : report.unverified_by_cause) {
    std::printf("unverified: %s: %s values\n", cause.c_str(), Grouped(values).c_str());
  }
  for (const std::string& reason : report.unverified_because) {
    std::printf("  %s\n", reason.c_str());
  }
  PrintFreshness(report);
  PrintLog(report);
}

arrow::Status Verify(Context* context, const VerifyArguments& arguments) {
  engine::VerifyRequest request;
  request.service = arguments.service;
  request.spine_path = arguments.spine;
  request.limit = arguments.limit;
  ARROW_RETURN_NOT_OK(RequireAtLeast(1, "--limit", request.limit));
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  if (!arguments.since.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.since_us,
                          engine::ParseSince(arguments.since, engine->clock().NowMicros()));
  }
  ARROW_ASSIGN_OR_RAISE(const auto report, engine->Verify(request));
  Tell(*context, report, engine::VerifyDocument, PrintVerify);
  context->exit_code = report.passed() ? 0 : 1;
  return arrow::Status::OK();
}

// ---- explain ------------------------------------------------------------------------------------

struct ExplainArguments {
  std::string service;
  std::vector<std::string> words;  // NAME=VALUE, and one feature
  std::vector<std::string> request;
  std::string at;
  int64_t rows = 10;
};

arrow::Status Explain(Context* context, const ExplainArguments& arguments) {
  engine::ExplainRequest request;
  request.service = arguments.service;
  std::vector<std::string> keys;
  for (const std::string& word : arguments.words) {
    if (word.find('=') != std::string::npos) {
      keys.push_back(word);
    } else if (request.feature.empty()) {
      request.feature = word;
    } else {
      return MakeError(ErrorCode::kInvalidArgument,
                       "one feature at a time: '" + request.feature + "' or '" + word + "'?");
    }
  }
  if (request.feature.empty()) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "say which feature: icecore explain " + arguments.service +
                         " NAME=VALUE… FEATURE; `icecore show service." + arguments.service +
                         "` lists them");
  }
  ARROW_RETURN_NOT_OK(RequireAtLeast(0, "--rows", arguments.rows));
  ARROW_ASSIGN_OR_RAISE(request.keys, SplitNameValues(keys));
  ARROW_ASSIGN_OR_RAISE(request.request, SplitNameValues(arguments.request));
  if (!arguments.at.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.at_us, base::ParseInstant(arguments.at));
  }
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  ARROW_ASSIGN_OR_RAISE(const auto explanation, engine->Explain(request));
  ARROW_ASSIGN_OR_RAISE(const std::string text,
                        context->json ? engine::ExplanationDocument(explanation, arguments.rows)
                                      : ExplanationText(explanation, arguments.rows));
  std::fputs(text.c_str(), stdout);
  return arrow::Status::OK();
}

// ---- compare ------------------------------------------------------------------------------------

struct CompareArguments {
  std::string view;
  int64_t version = 0;
  std::string spine;
  int64_t examples = 3;
};

std::string NumberText(double value) {
  std::string text;
  base::AppendJsonDouble(value, &text);
  return text;
}

void PrintCompare(const engine::CompareReport& report) {
  std::printf("view.%s as it is now and as it was in version %lld, over %s rows%s\n",
              report.view.c_str(), static_cast<long long>(report.version),
              Grouped(report.rows).c_str(), report.same_definition ? ": the same definition" : "");
  TextTable table({"feature", "different", "null before", "null now", "greatest", "mean"});
  for (const engine::FeatureDifference& one : report.features) {
    using Kind = engine::FeatureDifference::Kind;
    if (one.kind == Kind::kOtherType) {
      table.Add({one.feature, one.before_type + " before, now " + one.now_type, "", "", "", ""});
    } else if (one.kind != Kind::kBoth) {
      table.Add({one.feature, one.kind == Kind::kAdded ? "new" : "gone", "", "", "", ""});
    } else {
      const bool measured = one.is_number && one.different > 0;
      table.Add({one.feature, Text(one.different), Text(one.null_before), Text(one.null_now),
                 measured ? NumberText(one.max_difference) : "",
                 measured ? NumberText(one.mean_difference) : ""});
    }
  }
  std::fputs(table.ToString().c_str(), stdout);
  TextTable examples({"feature", "key", "event_timestamp", "before", "now"});
  for (const engine::FeatureDifference& one : report.features) {
    for (const engine::ValueExample& example : one.examples) {
      examples.Add({one.feature, example.key, example.time, example.before, example.now});
    }
  }
  if (!examples.empty()) {
    std::printf("\n%s", examples.ToString().c_str());
  }
}

arrow::Status Compare(Context* context, const CompareArguments& arguments) {
  engine::CompareRequest request;
  request.view = arguments.view;
  request.version = arguments.version;
  request.spine_path = arguments.spine;
  request.examples = arguments.examples;
  ARROW_RETURN_NOT_OK(RequireAtLeast(1, "--with", request.version));
  ARROW_RETURN_NOT_OK(RequireAtLeast(0, "--examples", request.examples));
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  ARROW_ASSIGN_OR_RAISE(const auto report, engine->Compare(request));
  Tell(*context, report, engine::CompareDocument, PrintCompare);
  return arrow::Status::OK();
}

void AddVerify(CLI::App* app, Context* context) {
  auto* verify =
      app->add_subcommand("verify", "Recompute what was served, and compare it bit for bit");
  verify->footer(
      "Answers of sampled keys are logged (`served_log:` of icecore.yaml; 1 % of keys by default). "
      "Each\n"
      "names its time and how far each view had been applied; verify computes the same from the "
      "lake and\n"
      "names the cause of any difference. Rows that the store did not hold yet are freshness, not "
      "mismatches.\n"
      "Examples:\n"
      "  icecore verify delay_model --since 24h\n"
      "  icecore verify delay_model --spine keys.parquet     asks these keys now, without a log\n"
      "Exit code 1: a value differs, or cannot be verified.");
  auto arguments = std::make_shared<VerifyArguments>();
  verify->add_option("SERVICE", arguments->service, "The feature service")->required();
  verify
      ->add_option(
          "--since", arguments->since,
          "Only vectors served for this time or later: a TIME, or a DURATION back from now")
      ->type_name("WHEN");
  verify
      ->add_option("--spine,--keys", arguments->spine,
                   "Ask the keys of this .parquet, .csv or .arrow file now, instead of the log")
      ->type_name("FILE");
  verify
      ->add_option("--limit", arguments->limit,
                   "Vectors of the log at most, the newest (default 100000)")
      ->type_name("N");
  verify->callback([=] { Guard(context, [&] { return Verify(context, *arguments); }); });
}

void AddExplain(CLI::App* app, Context* context) {
  auto* explain =
      app->add_subcommand("explain", "The rows, versions and definition behind one value");
  explain->footer(
      "The value is the one that a training set has for this key and time: every row of the key is "
      "told\n"
      "with why it counts or does not (known later, superseded, filtered, expired, …).\n"
      "Examples:\n"
      "  icecore explain delay_model origin=JFK origin_temp --at 2013-07-01T12:00:00Z\n"
      "  icecore explain delay_model carrier=UA delays_by_carrier.late_7d --rows 3\n"
      "  icecore explain delay_model carrier=UA delay_per_100_miles --request distance_mi=1400 "
      "--request scheduled_min=230");
  auto arguments = std::make_shared<ExplainArguments>();
  explain->add_option("SERVICE", arguments->service, "The feature service")->required();
  explain
      ->add_option(
          "KEY FEATURE", arguments->words,
          "Key columns as NAME=VALUE, those that the feature needs, and the feature's name "
          "in the service, or VIEW.FEATURE")
      ->type_name("NAME=VALUE FEATURE");
  explain->add_option("--request", arguments->request, "Request data, as name=value (repeatable)")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  explain->add_option("--at", arguments->at, "The time asked for; default: now")->type_name("TIME");
  explain->add_option("--rows", arguments->rows, "Rows and tiles to list (default 10)")
      ->type_name("N");
  explain->callback([=] { Guard(context, [&] { return Explain(context, *arguments); }); });
}

void AddCompare(CLI::App* app, Context* context) {
  auto* compare = app->add_subcommand(
      "compare", "A view as it is now against an older version, over one spine");
  compare->footer(
      "Says per feature how many values differ and by how much. The definitions of the files "
      "count, "
      "applied\n"
      "or not, so a change can be looked at before `icecore apply`.\n"
      "Example:\n"
      "  icecore compare airport_weather --with 3 --spine spine.parquet\n"
      "`icecore apply` prints the version it made.");
  auto arguments = std::make_shared<CompareArguments>();
  compare->add_option("VIEW", arguments->view, "The feature view")->required();
  compare->add_option("--with", arguments->version, "A version of the catalog")
      ->required()
      ->type_name("VERSION");
  compare
      ->add_option("--spine", arguments->spine,
                   "A .parquet, .csv or .arrow file with the entity's keys and event_timestamp")
      ->required()
      ->type_name("FILE");
  compare->add_option("--examples", arguments->examples, "Of each feature (default 3)")
      ->type_name("N");
  compare->callback([=] { Guard(context, [&] { return Compare(context, *arguments); }); });
}

}  // namespace

void AddEvidenceCommands(CLI::App* app, Context* context) {
  AddVerify(app, context);
  AddExplain(app, context);
  AddCompare(app, context);
}

}  // namespace icecore::cli
