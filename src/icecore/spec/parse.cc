#include "icecore/spec/parse.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "icecore/base/suggest.h"
#include "icecore/base/time.h"
#include "icecore/spec/parse_internal.h"
#include "icecore/spec/text_file_internal.h"

namespace icecore::spec {
namespace {

constexpr char kProjectFile[] = "icecore.yaml";
constexpr char kDefinitions[] = "definitions";

struct KindReader {
  const char* kind;
  void (*parse)(const YamlDocument& document, ParseContext* context);
};
constexpr KindReader kKinds[] = {{"source", ParseSource},
                                 {"table", ParseTable},
                                 {"entity", ParseEntity},
                                 {"feature_view", ParseFeatureView},
                                 {"feature_service", ParseFeatureService}};

// Kinds of the language that this version cannot do.
constexpr const char* kLaterKinds[] = {"training_set", "test",    "policy", "policies",
                                       "environment",  "monitor", "alert"};

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
  ReadNow(&reader, project);
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
                                         "feature_view or feature_service");
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
