#include "icecore/spec/parse.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <string_view>
#include <utility>

#include "icecore/base/suggest.h"
#include "icecore/base/time.h"
#include "icecore/spec/parse_internal.h"
#include "icecore/spec/text_file_internal.h"

namespace icecore::spec {
namespace {

constexpr char kProjectFile[] = "icecore.yaml";
constexpr char kDefinitions[] = "definitions";
constexpr int64_t kLeastMemoryBytes = int64_t{64} << 20;

struct KindReader {
  const char* kind;
  void (*parse)(const YamlDocument& document, ParseContext* context);
};
constexpr KindReader kKinds[] = {{"source", ParseSource},
                                 {"table", ParseTable},
                                 {"entity", ParseEntity},
                                 {"feature_view", ParseFeatureView},
                                 {"feature_service", ParseFeatureService},
                                 {"training_set", ParseTrainingSet},
                                 {"test", ParseTestKind}};

// Kinds of the language that this version cannot do.
constexpr const char* kLaterKinds[] = {"policy", "policies", "environment", "monitor", "alert"};

// A scheme that names a store of another kind than the embedded one.
void RefuseScheme(MapReader* reader, const std::string& key, const std::string& value,
                  const std::vector<std::string>& schemes) {
  for (const std::string& scheme : schemes) {
    if (value.starts_with(scheme)) {
      reader->ErrorAt(key, "'" + key + ": " + scheme + "…' is not supported by this version");
    }
  }
}

void ReadVariables(const YamlValue& value, MapReader* reader, ParseContext* context) {
  if (value.kind != YamlValue::Kind::kMap) {
    reader->Error(value.location, "'variables' must be a map such as {late_after_min: 15}");
    return;
  }
  for (const YamlEntry& entry : value.entries) {
    if (entry.value.kind != YamlValue::Kind::kScalar) {
      reader->Error(entry.location, "the variable '" + entry.key + "' must be one value");
      continue;
    }
    CheckName(entry.key, entry.location, "variables", context->diagnostics);
    context->variables[entry.key] = {entry.value.text, entry.value.quoted};
    context->project->variables[entry.key] = entry.value.text;
  }
}

void ReadServeLimits(MapReader* serve, ParseContext* context) {
  const YamlValue* value = serve->Take("limits");
  if (value == nullptr) {
    return;
  }
  MapReader reader(*value, "serve limits", context->diagnostics);
  if (value->kind != YamlValue::Kind::kMap) {
    return;
  }
  ServeLimits* limits = &context->project->serve.limits;
  const auto take_count = [&](const char* key, int64_t most, std::optional<int64_t>* into) {
    *into = reader.TakeInt(key);
    if (*into && (**into < 1 || **into > most)) {
      reader.ErrorAt(key, "'" + std::string(key) + "' is a number from 1 to " +
                              std::to_string(most) + ", got " + std::to_string(**into));
    }
  };
  const auto take_time = [&](const char* key, std::optional<int64_t>* into) {
    constexpr int64_t kMost = base::kMicrosPerHour;
    *into = reader.TakeDuration(key);
    if (*into && (**into < base::kMicrosPerSecond || **into > kMost)) {
      reader.ErrorAt(key, "'" + std::string(key) + "' is a time from 1s to 1h");
    }
  };
  take_count("workers", 256, &limits->workers);
  take_count("rows", 1'000'000, &limits->rows);
  take_count("body_mib", 1024, &limits->body_mib);
  take_count("connections", 100'000, &limits->connections);
  take_count("waiting", 100'000, &limits->waiting);
  take_time("request", &limits->request_us);
  take_time("answer", &limits->answer_us);
  take_time("idle", &limits->idle_us);
  take_time("drain", &limits->drain_us);
  reader.Finish();
}

void ReadServe(MapReader* reader, ParseContext* context) {
  const YamlValue* value = reader->Take("serve");
  if (value == nullptr) {
    return;
  }
  MapReader serve(*value, "serve", context->diagnostics);
  if (value->kind != YamlValue::Kind::kMap) {
    return;
  }
  ServeSettings* settings = &context->project->serve;
  settings->location = value->location;
  settings->http = serve.TakeText("http").value_or("");
  settings->tls_cert = serve.TakeText("tls_cert").value_or("");
  settings->tls_key = serve.TakeText("tls_key").value_or("");
  settings->tokens = serve.TakeText("tokens").value_or(settings->tokens);
  ReadServeLimits(&serve, context);
  if (settings->tls_cert.empty() != settings->tls_key.empty()) {
    const bool has_certificate = !settings->tls_cert.empty();
    serve.ErrorAt(has_certificate ? "tls_cert" : "tls_key",
                  "'tls_cert' and 'tls_key' belong together; '" +
                      std::string(has_certificate ? "tls_key" : "tls_cert") + "' is missing");
  }
  serve.Finish();
}

// A folder or url, or a map of a url and how to reach it.
void ReadLake(MapReader* reader, ParseContext* context) {
  Project* project = context->project;
  const YamlValue* value = reader->Take("lake");
  if (value == nullptr) {
    return;
  }
  if (value->kind != YamlValue::Kind::kMap) {
    project->lake = reader->TakeText("lake").value_or(project->lake);
    RefuseScheme(reader, "lake", project->lake, {"gs://", "abfs://", "abfss://"});
    return;
  }
  MapReader lake(*value, "lake", context->diagnostics);
  project->lake = lake.RequireText("url");
  RefuseScheme(&lake, "url", project->lake, {"gs://", "abfs://", "abfss://"});
  LakeAccess* access = &project->lake_access;
  access->endpoint = lake.TakeText("endpoint").value_or("");
  access->region = lake.TakeText("region").value_or("");
  if (lake.Has("path_style")) {
    access->path_style = lake.TakeBool("path_style", true);
  }
  access->profile = lake.TakeText("profile").value_or("");
  if (!project->lake.empty() && project->lake.find("://") == std::string::npos &&
      project->lake.find("${") == std::string::npos) {
    lake.ErrorAt("url", "'url' must be s3://BUCKET/PREFIX, got '" + project->lake +
                            "'; a folder is written lake: " + project->lake);
  }
  lake.Finish();
}

void ReadServedLog(MapReader* reader, ParseContext* context) {
  const YamlValue* value = reader->Take("served_log");
  if (value == nullptr) {
    return;
  }
  ServedLogSettings* settings = &context->project->served_log;
  MapReader log(*value, "served_log", context->diagnostics);
  if (value->kind != YamlValue::Kind::kMap) {
    return;
  }
  if (const auto fraction = log.TakeNumber("fraction")) {
    settings->fraction = *fraction;
    if (!(*fraction >= 0 && *fraction <= 1)) {
      log.ErrorAt("fraction", "'fraction' is a part of all keys, from 0 (none) to 1 (every key)");
    }
  }
  if (const auto max_mib = log.TakeInt("max_mib")) {
    settings->max_mib = *max_mib;
    if (*max_mib < 1 || *max_mib > 1'000'000) {
      log.ErrorAt("max_mib", "'max_mib' is the size of all its files, from 1 to 1000000");
    }
  }
  log.Finish();
}

// A password belongs into the surroundings, not into a file that is kept in git. `text` holds one
// in clear where it has no reference; `is_url`: only what stands before its '@' is looked at.
bool HasClearPassword(const std::string& text, bool is_url) {
  if (!is_url) return !text.empty() && text.find("${") == std::string::npos;
  const size_t begin = text.find("://");
  const size_t at = text.rfind('@');
  if (begin == std::string::npos || at == std::string::npos || at < begin) return false;
  const std::string user = text.substr(begin + 3, at - begin - 3);
  const size_t colon = user.find(':');
  return colon != std::string::npos && user.find("${") == std::string::npos;
}

void CheckOnlineUrl(const std::string& key, const std::string& url, MapReader* reader) {
  for (const char* scheme : {"lmdb:", "redis://", "rediss://", "dynamodb://"}) {
    if (url.starts_with(scheme)) {
      if (HasClearPassword(url, true)) {
        reader->ErrorAt(key, "'" + key + "' holds a password; write it as ${NAME} or ${file:PATH}");
      }
      return;
    }
  }
  if (!url.empty() && url.find("${") == std::string::npos) {
    reader->ErrorAt(key, "'" + key + "' must be lmdb:FOLDER, redis://HOST:PORT, " +
                             "rediss://HOST:PORT or dynamodb://REGION/PREFIX, got '" + url + "'");
  }
}

// A URL, or a map where more has to be said.
void ReadOnline(MapReader* reader, ParseContext* context) {
  Project* project = context->project;
  const YamlValue* value = reader->Take("online");
  if (value == nullptr) return;
  if (value->kind != YamlValue::Kind::kMap) {
    project->online = reader->TakeText("online").value_or(project->online);
    CheckOnlineUrl("online", project->online, reader);
    return;
  }
  MapReader online(*value, "online", context->diagnostics);
  project->online = online.RequireText("url");
  CheckOnlineUrl("url", project->online, &online);
  OnlineAccess* access = &project->online_access;
  for (const auto& [key, text] : std::initializer_list<std::pair<const char*, std::string*>>{
           {"username", &access->username},
           {"password", &access->password},
           {"ca_file", &access->ca_file},
           {"cert_file", &access->cert_file},
           {"key_file", &access->key_file},
           {"endpoint", &access->endpoint},
           {"profile", &access->profile}}) {
    *text = online.TakeText(key).value_or("");
  }
  if (HasClearPassword(access->password, false)) {
    online.ErrorAt("password", "write 'password' as ${NAME} or ${file:PATH}");
  }
  online.Finish();
}

void ReadNow(MapReader* reader, Project* project) {
  const auto text = reader->TakeText("now");
  if (!text) {
    return;
  }
  const arrow::Result<int64_t> now = base::ParseInstant(*text);
  if (now.ok()) {
    project->now_us = *now;
  } else {
    reader->ErrorAt("now",
                    "'now' must be a time such as 2013-12-01T12:00:00Z, got '" + *text + "'");
  }
}

void ParseDefinitionFile(const std::string& file, std::string_view bytes, ParseContext* context,
                         bool* complete) {
  YamlFile yaml = ParseYaml(file, bytes, context->diagnostics);
  *complete = *complete && yaml.complete;
  for (YamlDocument& document : yaml.documents) {
    SubstituteTree(context->variables, context->diagnostics, &document.root);
    ParseDefinition(document, context);
  }
}

// kNotFound without icecore.yaml; all else goes to diagnostics.
arrow::Status ReadProjectFile(const std::string& root, ParseContext* context, bool* complete) {
  const std::string path = (std::filesystem::path(root) / kProjectFile).string();
  const arrow::Result<std::string> bytes = ReadTextFile(path);
  if (!bytes.ok() && base::CodeOf(bytes.status()) == base::ErrorCode::kNotFound) {
    return base::MakeError(base::ErrorCode::kNotFound,
                           "no project in '" + root + "': " + kProjectFile +
                               " is missing; `icecore init DIR` makes a project, -C DIR names one");
  }
  ARROW_RETURN_NOT_OK(bytes.status());
  const YamlFile yaml = ParseYaml(kProjectFile, *bytes, context->diagnostics);
  *complete = yaml.complete;
  if (yaml.documents.size() > 1) {
    context->diagnostics->Error(yaml.documents[1].root.location,
                                "icecore.yaml holds one document; definitions go to definitions/");
  }
  if (yaml.documents.empty()) {
    if (yaml.complete) {
      context->diagnostics->Error({kProjectFile, 1, 1},
                                  "is empty; it needs at least 'project: NAME'");
    }
    return arrow::Status::OK();
  }
  ParseProjectFile(yaml.documents[0], context);
  return arrow::Status::OK();
}

// "1GB", "512MB": powers of 1024.
void ReadMemory(MapReader* reader, Project* project) {
  const auto text = reader->TakeText("memory");
  if (!text) return;
  int64_t number = 0;
  const auto [unit, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  const std::string_view rest(unit, static_cast<size_t>(text->data() + text->size() - unit));
  const int64_t scale = rest == "MB" ? int64_t{1} << 20 : rest == "GB" ? int64_t{1} << 30 : 0;
  if (error != std::errc() || scale == 0 || number > (int64_t{1} << 50) / scale ||
      number * scale < kLeastMemoryBytes) {
    reader->ErrorAt(
        "memory", "'memory' is a size of 64MB at least, such as 512MB or 2GB, got '" + *text + "'");
    return;
  }
  project->memory_bytes = number * scale;
}

}  // namespace

void ParseProjectFile(const YamlDocument& document, ParseContext* context) {
  Project* project = context->project;
  project->location = document.root.location;
  MapReader reader(document.root, "project", context->diagnostics);
  if (document.root.kind != YamlValue::Kind::kMap) {
    return;
  }
  if (const auto language = reader.TakeInt("language"); language && *language != 1) {
    reader.ErrorAt("language", "language " + std::to_string(*language) +
                                   " is not supported by this version; it knows language 1");
  }
  project->name = reader.RequireText("project");
  ReadLake(&reader, context);
  project->catalog = reader.TakeText("catalog").value_or(project->catalog);
  RefuseScheme(&reader, "catalog", project->catalog, {"postgresql://", "postgres://"});
  ReadOnline(&reader, context);
  ReadMemory(&reader, project);
  if (const auto rows = reader.TakeInt("feature_log_rows")) {
    project->feature_log_rows = *rows;
    if (*rows < 0) reader.ErrorAt("feature_log_rows", "'feature_log_rows' is a number of rows");
  }
  ReadServe(&reader, context);
  ReadNow(&reader, project);
  ReadServedLog(&reader, context);
  if (const YamlValue* variables = reader.Take("variables")) {
    ReadVariables(*variables, &reader, context);
  }
  reader.Unsupported({"environments"});
  reader.Take("description");
  reader.Take("owner");
  reader.Finish();
}

void ParseDefinition(const YamlDocument& document, ParseContext* context) {
  const YamlValue& root = document.root;
  base::Diagnostics* diagnostics = context->diagnostics;
  if (root.kind != YamlValue::Kind::kMap || root.entries.empty()) {
    diagnostics->Error(root.location,
                       "a definition is a map whose first key is its kind, as in "
                       "source: NAME; got " +
                           std::string(KindText(root)));
    return;
  }
  const YamlEntry& first = root.entries[0];
  std::vector<std::string> kinds;
  for (const KindReader& reader : kKinds) {
    if (first.key == reader.kind) {
      reader.parse(document, context);
      return;
    }
    kinds.emplace_back(reader.kind);
  }
  if (std::find(std::begin(kLaterKinds), std::end(kLaterKinds), first.key) !=
      std::end(kLaterKinds)) {
    diagnostics->Error(first.location,
                       "the kind '" + first.key + "' is not supported by this version");
    return;
  }
  for (const std::string& kind : kinds) {
    if (const YamlEntry* entry = root.Find(kind); entry && kind != "entity") {
      diagnostics->Error(first.location,
                         "the kind must be the first key: put '" + kind + ": …' first");
      return;
    }
  }
  diagnostics->Error(first.location, "unknown kind '" + first.key + "'" +
                                         base::DidYouMean(first.key, kinds) +
                                         "; the first key is the kind: source, table, entity, "
                                         "feature_view, feature_service, training_set or test");
}

arrow::Result<Project> ParseProject(const std::string& root, base::Diagnostics* diagnostics) {
  Project project;
  std::error_code error;
  project.root = std::filesystem::weakly_canonical(root.empty() ? "." : root, error).string();
  if (error) {
    return base::MakeError(base::ErrorCode::kNotFound,
                           "no folder '" + root + "': " + error.message());
  }
  base::Diagnostics found;
  ParseContext context{project.root, {}, &found, &project};
  bool complete = true;
  ARROW_RETURN_NOT_OK(ReadProjectFile(project.root, &context, &complete));
  ARROW_ASSIGN_OR_RAISE(std::vector<std::string> files,
                        ListFiles(project.root, kDefinitions, ".yaml"));
  for (const std::string& file : files) {
    const arrow::Result<std::string> bytes =
        ReadTextFile((std::filesystem::path(project.root) / file).string());
    if (!bytes.ok()) {
      found.Error({file, 0, 0}, bytes.status().message());
      complete = false;
      continue;
    }
    ParseDefinitionFile(file, *bytes, &context, &complete);
  }
  if (complete) {  // else names would be missing that only a syntax error hides
    CheckProject(project, &found);
  }
  diagnostics->Append(found);
  return project;
}

Project ParseWithin(const Project& around, const std::vector<DefinitionText>& documents,
                    base::Diagnostics* diagnostics) {
  Project past;
  ParseContext context{"", {}, diagnostics, &past};
  for (const auto& [name, text] : around.variables) {
    context.variables[name] = {text, false};
  }
  for (const DefinitionText& document : documents) {
    YamlFile yaml = ParseYaml(document.file, document.text, diagnostics);
    for (YamlDocument& one : yaml.documents) {
      const std::string kind = one.root.entries.empty() ? "" : one.root.entries[0].key;
      if (kind != "entity" && kind != "feature_view" && kind != "feature_service") {
        continue;
      }
      SubstituteTree(context.variables, diagnostics, &one.root);
      ParseDefinition(one, &context);
    }
  }
  Project out = around;
  const auto replace = [](auto* now, auto* then) {
    for (auto& thing : *then) {
      std::erase_if(*now, [&](const auto& known) { return known.name == thing.name; });
    }
    std::move(then->begin(), then->end(), std::back_inserter(*now));
  };
  replace(&out.entities, &past.entities);
  replace(&out.views, &past.views);
  replace(&out.services, &past.services);
  return out;
}

Project ParseText(const std::string& file, std::string_view bytes, base::Diagnostics* diagnostics) {
  Project project;
  ParseContext context{"", {}, diagnostics, &project};
  bool complete = true;
  ParseDefinitionFile(file, bytes, &context, &complete);
  if (complete) {
    CheckProject(project, diagnostics);
  }
  return project;
}

}  // namespace icecore::spec
