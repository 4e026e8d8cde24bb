#pragma once
// Who we are to AWS and its likes, found where the AWS tools find it.

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "icecore/net/aws_signature.h"
#include "icecore/net/http_client.h"

namespace icecore::net {

// The outside that settings come from; tests give their own.
struct AwsSurroundings {
  // The value of an environment variable; nullopt when it is not set.
  std::function<std::optional<std::string>(const std::string& name)> environment;
  // The text of a file; kNotFound where there is none.
  std::function<arrow::Result<std::string>(const std::string& path)> read_file;
};

AwsSurroundings SystemAwsSurroundings();

// Section -> key -> value of a credentials or config file. "[profile x]" is the section "x";
// indented lines (settings within settings), comments and lines without '=' are passed over.
using AwsProfiles = std::map<std::string, std::map<std::string, std::string>>;
AwsProfiles ParseAwsProfiles(std::string_view text);

// Settings of one profile and the environment; "" where neither says anything.
struct AwsSettings {
  std::string profile;                      // its name
  bool profile_is_asked = false;            // by the caller, not by AWS_PROFILE
  std::string region;                       // AWS_REGION, AWS_DEFAULT_REGION, `region`
  std::string s3_endpoint;                  // AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, `endpoint_url`
  std::string ca_bundle;                    // AWS_CA_BUNDLE, `ca_bundle`
  std::map<std::string, std::string> keys;  // all of the profile, both files
};

// Reads ~/.aws/credentials and ~/.aws/config, or the files that AWS_SHARED_CREDENTIALS_FILE and
// AWS_CONFIG_FILE name. `profile` "" means AWS_PROFILE, else "default". A profile asked for by
// name that no file has is kInvalidDefinition with the nearest name.
arrow::Result<AwsSettings> ReadAwsSettings(const std::string& profile,
                                           const AwsSurroundings& surroundings);

// Thread safe.
class AwsCredentialsSource {
 public:
  virtual ~AwsCredentialsSource() = default;
  // Keys that are good for some minutes more.
  virtual arrow::Result<AwsCredentials> Get(int64_t now_us) = 0;
  // Where they come from, for messages: "the environment", "profile 'x'"; never a key.
  virtual std::string Origin() const = 0;
};

// In this order: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (with AWS_SESSION_TOKEN), unless the
// caller asked for a profile; keys of the profile; the container's credentials
// (AWS_CONTAINER_CREDENTIALS_FULL_URI or …_RELATIVE_URI); the machine's role (IMDSv2), unless
// AWS_EC2_METADATA_DISABLED is true. The last two are asked at the first Get and again before they
// expire. Profiles with role_arn, credential_process or single sign-on, and web identity, are
// kUnsupported by name. `http` is borrowed.
arrow::Result<std::unique_ptr<AwsCredentialsSource>> OpenAwsCredentials(
    const AwsSettings& settings, const AwsSurroundings& surroundings, HttpClient* http);

}  // namespace icecore::net
