#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>

#include "icecore/base/time.h"
#include "icecore/cli/context.h"
#include "icecore/cli/text_table.h"
#include "icecore/engine/documents.h"
#include "icecore/engine/evidence_documents.h"
#include "icecore/engine/knowledge_cut.h"
#include "icecore/pipeline/training_card.h"

namespace icecore::cli {
namespace {

struct TrainingArguments {
  std::string name;
  std::string spine;
  std::string out;
  std::string known_at = "label";
  std::string card;
};

void PrintCounts(const pipeline::TrainingCard& card) {
  if (card.sampled_out > 0) {
    std::printf("sample   %s of %s rows\n", Grouped(card.rows).c_str(),
                Grouped(card.spine_rows).c_str());
  }
  if (card.labels) {
    std::printf("labels   known %s, missing %s, pending %s\n", Grouped(card.labels->known).c_str(),
                Grouped(card.labels->missing).c_str(), Grouped(card.labels->pending).c_str());
    if (card.labels->known_when_asked > 0) {
      std::printf(
          "warning: %s labels were known when their row was asked about; a feature may hold "
          "the answer\n",
          Grouped(card.labels->known_when_asked).c_str());
    }
  }
  if (!card.split.empty()) {
    std::string text;
    for (const char* part : {"train", "valid", "test", "gap", "outside"}) {
      if (const auto rows = card.split.find(part); rows != card.split.end()) {
        text += (text.empty() ? "" : ", ") + rows->first + " " + Grouped(rows->second);
      }
    }
    std::printf("split    %s\n", text.c_str());
  }
}

// How many features would have held what nobody knew, and the worst of them.
void PrintLeakage(const pipeline::TrainingCard& card) {
  const pipeline::FeatureCard* worst = nullptr;
  int64_t leaking = 0;
  for (const pipeline::FeatureCard& feature : card.features) {
    if (feature.leaked.value_or(0) > 0) {
      ++leaking;
      worst = worst == nullptr || *feature.leaked > *worst->leaked ? &feature : worst;
    }
  }
  if (card.features.empty() || !card.features.front().leaked) {
    return;
  }
  std::printf("leakage  without known_at %lld of %zu features would differ",
              static_cast<long long>(leaking), card.features.size());
  if (worst != nullptr) {
    std::printf(", the most: %s in %s of %s rows", worst->name.c_str(),
                Grouped(*worst->leaked).c_str(), Grouped(worst->rows).c_str());
  }
  std::printf("\n");
}

arrow::Status TrainingSet(Context* context, const TrainingArguments& arguments) {
  engine::TrainingSetRequest request;
  request.name = arguments.name;
  request.spine_path = arguments.spine;
  request.out_path = arguments.out;
  request.card_path = arguments.card;
  ARROW_ASSIGN_OR_RAISE(request.cut, engine::ParseKnowledgeCut(arguments.known_at));
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  ARROW_ASSIGN_OR_RAISE(const auto report, engine->BuildTrainingSet(request));
  if (context->json) {
    std::fputs(engine::TrainingSetDocument(report, arguments.out).c_str(), stdout);
    return arrow::Status::OK();
  }
  const pipeline::TrainingCard& card = report.card;
  std::printf("%s rows, %lld columns to %s in %s\n", Grouped(card.rows).c_str(),
              static_cast<long long>(card.columns), arguments.out.c_str(),
              Seconds(report.duration_us).c_str());
  PrintCounts(card);
  PrintLeakage(card);
  for (const pipeline::CardInput& input : card.inputs) {
    std::printf("read %s@%lld\n", input.table.c_str(), static_cast<long long>(input.version));
  }
  return arrow::Status::OK();
}

void Print(const engine::TestOutcome& outcome) {
  if (outcome.passed()) {
    std::printf("ok    %s  %s\n", outcome.name.c_str(), Seconds(outcome.duration_us).c_str());
    return;
  }
  std::printf("FAIL  %s  (%s)\n", outcome.name.c_str(), outcome.location.c_str());
  if (!outcome.error.empty()) {
    std::printf("      %s\n", outcome.error.c_str());
  }
  if (!outcome.differences.empty()) {
    TextTable table({"feature", "expected", "offline", "online"});
    for (const engine::TestDifference& difference : outcome.differences) {
      table.Add({difference.feature, difference.expected.empty() ? "-" : difference.expected,
                 difference.offline, difference.online});
    }
    std::printf("%s", table.ToString().c_str());
  }
  for (const std::string& note : outcome.notes) {
    std::printf("      %s\n", note.c_str());
  }
}

arrow::Status Test(Context* context, const std::vector<std::string>& names) {
  ARROW_ASSIGN_OR_RAISE(auto engine, context->OpenEngine());
  ARROW_ASSIGN_OR_RAISE(const auto outcomes, engine->Test(names));
  const auto passed = std::count_if(outcomes.begin(), outcomes.end(),
                                    [](const auto& outcome) { return outcome.passed(); });
  const auto failed = static_cast<int64_t>(outcomes.size()) - passed;
  context->exit_code = failed > 0 ? 1 : 0;
  if (context->json) {
    std::fputs(engine::TestsDocument(outcomes).c_str(), stdout);
    return arrow::Status::OK();
  }
  for (const auto& outcome : outcomes) Print(outcome);
  std::printf("%zu tests: %lld passed, %lld failed\n", outcomes.size(),
              static_cast<long long>(passed), static_cast<long long>(failed));
  return arrow::Status::OK();
}

}  // namespace

void AddTrainingCommands(CLI::App* app, Context* context) {
  auto* training = app->add_subcommand(
      "training-set", "Features for every row of a spine, as they were known at its time");
  training->footer(
      "A spine holds the service's key columns, event_timestamp, and any other columns (labels, "
      "request\n"
      "data), which pass through unchanged. Every row comes back, once, in its place. A "
      "training_set brings\n"
      "its own spine, label, sample and split. FILE.card.json beside the set says what it was made "
      "of.");
  auto arguments = std::make_shared<TrainingArguments>();
  training->add_option("NAME", arguments->name, "A training_set, or a feature_service with --spine")
      ->required();
  training->add_option("--spine", arguments->spine, "Of a service: a .parquet, .csv or .arrow file")
      ->type_name("FILE");
  training->add_option("--out", arguments->out, "A .parquet, .csv or .arrow file")
      ->required()
      ->type_name("FILE");
  auto* known_at =
      training
          ->add_option("--known-at", arguments->known_at,
                       "label: what serving could have known at each row's time (default); latest: "
                       "corrected history; or a TIME")
          ->type_name("WHEN");
  training
      ->add_option("--at-version", arguments->card,
                   "The rows of that card again, bit for bit, whatever came or was compacted since")
      ->type_name("CARD")
      ->excludes(known_at);
  training->callback([=] { Guard(context, [&] { return TrainingSet(context, *arguments); }); });

  auto* test = app->add_subcommand("test", "Ask the project's tests, offline and online");
  test->footer(
      "A test gives rows, asks a service and says what it expects. It runs in a folder of its own; "
      "the\n"
      "lake and the online store are not touched. Exit code 1: something differs.");
  auto names = std::make_shared<std::vector<std::string>>();
  test->add_option("NAME", *names, "Tests to run; default: all");
  test->callback([=] { Guard(context, [&] { return Test(context, *names); }); });
}

}  // namespace icecore::cli
