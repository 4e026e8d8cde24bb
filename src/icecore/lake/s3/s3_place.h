#pragma once
// Where an S3 lake rests, from what the project and the environment say.

#include <arrow/result.h>

#include <string>

#include "icecore/lake/object_store.h"
#include "icecore/net/aws_credentials.h"

namespace icecore::lake {

struct S3Place {
  std::string bucket;
  std::string prefix;    // "" or without a slash at either end
  std::string endpoint;  // "https://s3.eu-west-1.amazonaws.com", without the bucket
  std::string region;
  bool path_style = false;

  // "s3://bucket/prefix"
  std::string ToString() const;
  // The Host header, with the bucket in front unless path style.
  std::string Host() const;
  // "http://" or "https://" and Host().
  std::string Origin() const;
  // Of an object of the lake, "" for the bucket itself; not encoded.
  std::string RequestPath(const std::string& key) const;
  // The object's whole key.
  std::string KeyOf(const std::string& path) const;
};

// `place.url` is s3://BUCKET[/PREFIX]. Endpoint and region come from `place`, else from `settings`,
// else they are those of AWS (region us-east-1). Without `place.path_style` the bucket stands in
// the path where an endpoint is given or the bucket's name has a dot (no certificate would cover
// it). What cannot be meant is kInvalidDefinition with the key of icecore.yaml to look at.
arrow::Result<S3Place> ResolveS3Place(const StorePlace& place, const net::AwsSettings& settings);

}  // namespace icecore::lake
