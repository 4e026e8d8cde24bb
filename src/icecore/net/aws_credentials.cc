#include "icecore/net/aws_credentials.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "icecore/base/error.h"
#include "icecore/base/suggest.h"
#include "icecore/base/text.h"
#include "icecore/base/time.h"

namespace icecore::net {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr int64_t kRefreshBeforeUs = int64_t{5} * 60 * 1'000'000;
constexpr int64_t kMetadataTimeoutMs = 2000;
constexpr char kMetadataHost[] = "http://169.254.169.254";
constexpr char kContainerHost[] = "http://169.254.170.2";

std::string Variable(const AwsSurroundings& surroundings, const std::string& name) {
  return surroundings.environment(name).value_or("");
}

// The first that is not empty.
std::string FirstOf(const std::vector<std::string>& values) {
  for (const std::string& value : values) {
    if (!value.empty()) {
      return value;
    }
  }
  return "";
}

std::string ValueOf(const std::map<std::string, std::string>& keys, const std::string& key) {
  const auto found = keys.find(key);
  return found == keys.end() ? "" : found->second;
}

arrow::Result<AwsProfiles> ReadProfiles(const std::string& variable, const std::string& file,
                                        const AwsSurroundings& surroundings) {
  std::string path = Variable(surroundings, variable);
  const bool is_named = !path.empty();
  if (!is_named) {
    const std::string home = Variable(surroundings, "HOME");
    if (home.empty()) {
      return AwsProfiles();
    }
    path = home + "/.aws/" + file;
  }
  auto text = surroundings.read_file(path);
  if (!text.ok()) {
    if (is_named || base::CodeOf(text.status()) != ErrorCode::kNotFound) {
      return MakeError(ErrorCode::kInvalidDefinition,
                       (is_named ? variable + " names " + path : path) + ": cannot be read");
    }
    return AwsProfiles();
  }
  return ParseAwsProfiles(*text);
}

class StaticSource : public AwsCredentialsSource {
 public:
  StaticSource(AwsCredentials credentials, std::string origin)
      : credentials_(std::move(credentials)), origin_(std::move(origin)) {}
  arrow::Result<AwsCredentials> Get(int64_t) override { return credentials_; }
  std::string Origin() const override { return origin_; }

 private:
  const AwsCredentials credentials_;
  const std::string origin_;
};

// Keys that a service of the machine lends for some hours.
class LentSource : public AwsCredentialsSource {
 public:
  explicit LentSource(HttpClient* http) : http_(http) {}

  arrow::Result<AwsCredentials> Get(int64_t now_us) override {
    const std::lock_guard lock(mutex_);
    if (!credentials_ || credentials_->expires_us - kRefreshBeforeUs < now_us) {
      auto fresh = Ask();
      if (fresh.ok()) {
        credentials_ = *std::move(fresh);
      } else if (!credentials_ || credentials_->expires_us <= now_us) {
        return MakeError(
            ErrorCode::kDenied,
            "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE "
            "with ~/.aws/credentials; asked " +
                Origin() + " last: " + fresh.status().message());
      }
    }
    return *credentials_;
  }

 protected:
  virtual arrow::Result<AwsCredentials> Ask() = 0;

  arrow::Result<std::string> Fetch(const std::string& method, const std::string& url,
                                   std::vector<std::pair<std::string, std::string>> headers) {
    HttpRequest request;
    request.method = method;
    request.url = url;
    request.headers = std::move(headers);
    request.timeout_ms = kMetadataTimeoutMs;
    request.max_response_bytes = int64_t{1} << 20;
    ARROW_ASSIGN_OR_RAISE(auto response, http_->Send(request));
    if (response.status != 200) {
      return MakeError(ErrorCode::kUnavailable, "HTTP " + std::to_string(response.status));
    }
    return std::move(response.body);
  }

  static arrow::Result<AwsCredentials> Parse(const std::string& text) {
    const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    AwsCredentials credentials;
    std::string expiration;
    const auto take = [&json](const char* key, std::string* out) {
      if (json.is_object() && json.contains(key) && json[key].is_string()) {
        *out = json[key].get<std::string>();
      }
    };
    take("AccessKeyId", &credentials.access_key_id);
    take("SecretAccessKey", &credentials.secret_access_key);
    take("Token", &credentials.session_token);
    take("Expiration", &expiration);
    if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
      return MakeError(ErrorCode::kUnavailable, "an answer without keys");
    }
    if (const auto at = base::ParseInstant(expiration); at.ok()) {
      credentials.expires_us = *at;
    }
    return credentials;
  }

 private:
  HttpClient* const http_;
  std::mutex mutex_;
  std::optional<AwsCredentials> credentials_;
};

class ContainerSource : public LentSource {
 public:
  ContainerSource(HttpClient* http, std::string url, std::string token, std::string token_file,
                  AwsSurroundings surroundings)
      : LentSource(http),
        url_(std::move(url)),
        token_(std::move(token)),
        token_file_(std::move(token_file)),
        surroundings_(std::move(surroundings)) {}
  std::string Origin() const override { return "the container's credentials service"; }

 private:
  arrow::Result<AwsCredentials> Ask() override {
    std::string token = token_;
    if (!token_file_.empty()) {  // it is renewed there
      ARROW_ASSIGN_OR_RAISE(token, surroundings_.read_file(token_file_));
      token = std::string(base::Trim(token.substr(0, token.find('\n'))));
    }
    std::vector<std::pair<std::string, std::string>> headers;
    if (!token.empty()) {
      headers.emplace_back("Authorization", token);
    }
    ARROW_ASSIGN_OR_RAISE(const std::string text, Fetch("GET", url_, std::move(headers)));
    return Parse(text);
  }

  const std::string url_;
  const std::string token_;
  const std::string token_file_;
  const AwsSurroundings surroundings_;
};

class MachineSource : public LentSource {
 public:
  MachineSource(HttpClient* http, std::string host) : LentSource(http), host_(std::move(host)) {}
  std::string Origin() const override { return "the machine's role (" + host_ + ")"; }

 private:
  arrow::Result<AwsCredentials> Ask() override {
    ARROW_ASSIGN_OR_RAISE(const std::string token,
                          Fetch("PUT", host_ + "/latest/api/token",
                                {{"X-aws-ec2-metadata-token-ttl-seconds", "21600"}}));
    const std::vector<std::pair<std::string, std::string>> headers = {
        {"X-aws-ec2-metadata-token", token}};
    const std::string roles = host_ + "/latest/meta-data/iam/security-credentials/";
    ARROW_ASSIGN_OR_RAISE(const std::string list, Fetch("GET", roles, headers));
    const std::string role(base::Trim(list.substr(0, list.find('\n'))));
    if (role.empty()) {
      return MakeError(ErrorCode::kUnavailable, "the machine has no role");
    }
    ARROW_ASSIGN_OR_RAISE(const std::string text,
                          Fetch("GET", roles + AwsEncode(role, false), headers));
    return Parse(text);
  }

  const std::string host_;
};

// OK, or the way of signing in that this version lacks.
arrow::Status CheckSupported(const AwsSettings& settings) {
  for (const char* key : {"role_arn", "credential_process", "sso_session", "sso_start_url",
                          "web_identity_token_file"}) {
    if (settings.keys.contains(key)) {
      return MakeError(ErrorCode::kUnsupported,
                       "AWS profile '" + settings.profile + "': " + key +
                           " is not supported; export the keys it gives (`aws configure "
                           "export-credentials --profile " +
                           settings.profile + " --format env`)");
    }
  }
  return arrow::Status::OK();
}

}  // namespace

AwsSurroundings SystemAwsSurroundings() {
  AwsSurroundings system;
  system.environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  system.read_file = [](const std::string& path) -> arrow::Result<std::string> {
    std::ifstream in(path, std::ios::binary);
    if (!in) {
      return MakeError(ErrorCode::kNotFound, path + ": cannot be opened");
    }
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  return system;
}

AwsProfiles ParseAwsProfiles(std::string_view text) {
  AwsProfiles profiles;
  std::map<std::string, std::string>* section = nullptr;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view raw = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view line = base::Trim(raw);
    if (line.empty() || line.front() == '#' || line.front() == ';') {
      continue;
    }
    if (line.front() == '[') {
      std::string_view name = base::Trim(line.substr(1, std::min(line.find(']'), line.size()) - 1));
      if (name.starts_with("profile ") || name.starts_with("profile\t")) {
        name = base::Trim(name.substr(8));
      }
      section = &profiles[std::string(name)];
      continue;
    }
    const size_t equals = line.find('=');
    const bool is_nested = raw.front() == ' ' || raw.front() == '\t';
    if (section == nullptr || equals == std::string_view::npos || is_nested) {
      continue;
    }
    (*section)[std::string(base::Trim(line.substr(0, equals)))] =
        std::string(base::Trim(line.substr(equals + 1)));
  }
  return profiles;
}

arrow::Result<AwsSettings> ReadAwsSettings(const std::string& profile,
                                           const AwsSurroundings& surroundings) {
  AwsSettings settings;
  settings.profile_is_asked = !profile.empty();
  const std::string named = FirstOf({profile, Variable(surroundings, "AWS_PROFILE")});
  settings.profile = FirstOf({named, "default"});
  ARROW_ASSIGN_OR_RAISE(auto config, ReadProfiles("AWS_CONFIG_FILE", "config", surroundings));
  ARROW_ASSIGN_OR_RAISE(auto credentials,
                        ReadProfiles("AWS_SHARED_CREDENTIALS_FILE", "credentials", surroundings));
  if (!named.empty() && !config.contains(named) && !credentials.contains(named)) {
    config.merge(credentials);
    std::vector<std::string> names;
    names.reserve(config.size());
    for (const auto& [name, keys] : config) {
      names.push_back(name);
    }
    return MakeError(ErrorCode::kInvalidDefinition,
                     "neither ~/.aws/config nor ~/.aws/credentials has the AWS profile '" + named +
                         "'" + base::DidYouMean(named, names));
  }
  settings.keys = credentials[settings.profile];
  settings.keys.merge(config[settings.profile]);
  settings.region =
      FirstOf({Variable(surroundings, "AWS_REGION"), Variable(surroundings, "AWS_DEFAULT_REGION"),
               ValueOf(settings.keys, "region")});
  settings.s3_endpoint =
      FirstOf({Variable(surroundings, "AWS_ENDPOINT_URL_S3"),
               Variable(surroundings, "AWS_ENDPOINT_URL"), ValueOf(settings.keys, "endpoint_url")});
  settings.ca_bundle =
      FirstOf({Variable(surroundings, "AWS_CA_BUNDLE"), ValueOf(settings.keys, "ca_bundle")});
  return settings;
}

arrow::Result<std::unique_ptr<AwsCredentialsSource>> OpenAwsCredentials(
    const AwsSettings& settings, const AwsSurroundings& surroundings, HttpClient* http) {
  AwsCredentials keys;
  keys.access_key_id = Variable(surroundings, "AWS_ACCESS_KEY_ID");
  keys.secret_access_key = Variable(surroundings, "AWS_SECRET_ACCESS_KEY");
  keys.session_token = Variable(surroundings, "AWS_SESSION_TOKEN");
  if (!settings.profile_is_asked && !keys.access_key_id.empty()) {
    if (keys.secret_access_key.empty()) {
      return MakeError(ErrorCode::kDenied,
                       "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not");
    }
    return std::make_unique<StaticSource>(std::move(keys), "the environment");
  }
  keys.access_key_id = ValueOf(settings.keys, "aws_access_key_id");
  keys.secret_access_key = ValueOf(settings.keys, "aws_secret_access_key");
  keys.session_token = ValueOf(settings.keys, "aws_session_token");
  if (!keys.access_key_id.empty()) {
    return std::make_unique<StaticSource>(std::move(keys), "profile '" + settings.profile + "'");
  }
  ARROW_RETURN_NOT_OK(CheckSupported(settings));
  if (settings.profile_is_asked) {
    return MakeError(ErrorCode::kDenied,
                     "AWS profile '" + settings.profile + "' has no aws_access_key_id");
  }
  if (!Variable(surroundings, "AWS_WEB_IDENTITY_TOKEN_FILE").empty()) {
    return MakeError(ErrorCode::kUnsupported,
                     "AWS_WEB_IDENTITY_TOKEN_FILE is not supported; set AWS_ACCESS_KEY_ID, "
                     "AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN");
  }
  std::string container = Variable(surroundings, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
  const std::string relative = Variable(surroundings, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  if (!relative.empty()) {
    container = kContainerHost + relative;
  }
  if (!container.empty()) {
    return std::make_unique<ContainerSource>(
        http, container, Variable(surroundings, "AWS_CONTAINER_AUTHORIZATION_TOKEN"),
        Variable(surroundings, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), surroundings);
  }
  if (Variable(surroundings, "AWS_EC2_METADATA_DISABLED") == "true") {
    return MakeError(ErrorCode::kDenied,
                     "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                     "AWS_PROFILE with ~/.aws/credentials");
  }
  return std::make_unique<MachineSource>(
      http, FirstOf({Variable(surroundings, "AWS_EC2_METADATA_SERVICE_ENDPOINT"), kMetadataHost}));
}

}  // namespace icecore::net
