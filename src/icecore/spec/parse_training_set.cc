#include <algorithm>
#include <utility>

#include "icecore/base/time.h"
#include "icecore/spec/parse_internal.h"

namespace icecore::spec {
namespace {

void ReadSpine(MapReader* reader, ParseContext* context, TrainingSet* set) {
  const YamlValue* value = reader->Take("spine");
  set->spine.location = value ? value->location : reader->location();
  if (!value || value->kind != YamlValue::Kind::kMap) {
    if (auto sql = ReadSql(reader, "spine", context)) {
      set->spine.sql = std::move(sql->text);
      set->spine.sql_location = sql->location;
    }
    return;
  }
  MapReader map(*value, reader->what() + ": 'spine'", context->diagnostics);
  set->spine.file = map.RequireText("file");
  const auto ends = [&](const char* extension) { return set->spine.file.ends_with(extension); };
  if (!set->spine.file.empty() && !ends(".parquet") && !ends(".csv") && !ends(".arrow")) {
    map.ErrorAt("file", "'" + set->spine.file + "' must end in .parquet, .csv or .arrow");
  }
  map.Finish();
}

void ReadLabel(const YamlValue& value, const std::string& what, base::Diagnostics* diagnostics,
               TrainingSet* set) {
  MapReader map(value, what + ": 'label'", diagnostics);
  if (value.kind != YamlValue::Kind::kMap) {
    return;
  }
  LabelColumn label;
  label.location = value.location;
  label.column = map.RequireText("column");
  label.known_at = map.TakeText("known_at");
  label.mature_after_us = map.TakeDuration("mature_after").value_or(0);
  if (label.known_at && *label.known_at == label.column) {
    map.ErrorAt("known_at",
                "'known_at' is the label itself; it must be the column that says when "
                "the label was known");
  }
  map.Finish();
  set->label = std::move(label);
}

void ReadSample(const YamlValue& value, const std::string& what, base::Diagnostics* diagnostics,
                TrainingSet* set) {
  MapReader map(value, what + ": 'sample'", diagnostics);
  if (value.kind != YamlValue::Kind::kMap) {
    return;
  }
  SampleRule sample;
  sample.location = value.location;
  if (!map.Has("fraction")) {
    map.Error(value.location, "'fraction' is missing");
  }
  sample.fraction = map.TakeNumber("fraction").value_or(1);
  if (!(sample.fraction > 0 && sample.fraction <= 1)) {
    map.ErrorAt("fraction", "'fraction' must be above 0 and at most 1");
  }
  sample.by = map.TakeTexts("by");
  if (sample.by.empty()) {
    map.Error(map.LocationOf("by"), "'by' must name the columns that are hashed, e.g. [user_id]");
  }
  sample.seed = map.TakeInt("seed").value_or(0);
  map.Finish();
  set->sample = std::move(sample);
}

// "< 2013-10-01" or "<= 2013-10-01T12:00:00Z"
std::optional<SplitPart> ReadPart(const std::string& name, const std::string& text,
                                  MapReader* map) {
  SplitPart part;
  part.name = name;
  const size_t begin = text.starts_with("<=") ? 2 : text.starts_with('<') ? 1 : 0;
  part.inclusive = begin == 2;
  const size_t time = text.find_first_not_of(' ', begin);
  const auto bound =
      base::ParseInstant(time == std::string::npos ? std::string() : text.substr(time));
  if (begin == 0 || !bound.ok()) {
    map->ErrorAt(name,
                 "'" + name + "' must be a bound such as \"< 2013-10-01\", got '" + text + "'");
    return std::nullopt;
  }
  part.bound_us = *bound;
  return part;
}

void ReadSplit(const YamlValue& value, const std::string& what, base::Diagnostics* diagnostics,
               TrainingSet* set) {
  MapReader map(value, what + ": 'split'", diagnostics);
  if (value.kind != YamlValue::Kind::kMap) {
    return;
  }
  SplitRule split;
  split.location = value.location;
  split.by = map.TakeText("by").value_or("event_timestamp");
  split.gap_us = map.TakeDuration("gap").value_or(0);
  if (!map.Has("train")) {
    map.Error(value.location, "'train' is missing, as in train: \"< 2013-10-01\"");
  }
  for (const char* name : {"train", "valid", "test"}) {
    const auto text = map.TakeText(name);
    auto part = text ? ReadPart(name, *text, &map) : std::nullopt;
    if (!part) {
      continue;
    }
    if (!split.parts.empty() && part->bound_us <= split.parts.back().bound_us) {
      map.ErrorAt(name, "the bound of '" + part->name + "' must be later than that of '" +
                            split.parts.back().name + "'");
    } else if (!split.parts.empty() &&
               part->bound_us <= base::SaturatingAdd(split.parts.back().bound_us, split.gap_us)) {
      map.ErrorAt(name, "'" + part->name + "' lies within the gap after '" +
                            split.parts.back().name + "', so it would hold no row");
    }
    split.parts.push_back(std::move(*part));
  }
  map.Finish();
  set->split = std::move(split);
}

void ReadCut(MapReader* reader, TrainingSet* set) {
  const auto text = reader->TakeText("cut");
  if (!text) {
    return;
  }
  const auto cut = base::ParseInstant(*text);
  if (cut.ok()) {
    set->cut_us = *cut;
  } else {
    reader->ErrorAt("cut",
                    "'cut' must be a time such as 2014-01-02T00:00:00Z, got '" + *text + "'");
  }
}

}  // namespace

void ParseTrainingSet(const YamlDocument& document, ParseContext* context) {
  base::Diagnostics* diagnostics = context->diagnostics;
  const YamlEntry& first = document.root.entries[0];
  TrainingSet set;
  set.location = first.location;
  set.text = document.text;
  MapReader reader(document.root, "training_set '" + first.value.text + "'", diagnostics);
  set.name = reader.RequireText("training_set");
  CheckName(set.name, first.location, "training_set", diagnostics);
  set.service_location = reader.LocationOf("service");
  set.service = reader.RequireText("service");
  ReadSpine(&reader, context, &set);
  ReadCut(&reader, &set);
  if (const YamlValue* label = reader.Take("label")) {
    ReadLabel(*label, reader.what(), diagnostics, &set);
  }
  if (const YamlValue* sample = reader.Take("sample")) {
    ReadSample(*sample, reader.what(), diagnostics, &set);
  }
  if (const YamlValue* split = reader.Take("split")) {
    ReadSplit(*split, reader.what(), diagnostics, &set);
  }
  set.doc = reader.TakeDocumentation(false);
  reader.Finish();
  context->project->training_sets.push_back(std::move(set));
}

}  // namespace icecore::spec
