#pragma once
// Which table of DynamoDB, where.

#include <arrow/result.h>

#include <string>

#include "icecore/net/aws_credentials.h"
#include "icecore/online/store.h"

namespace icecore::online::dynamodb {

struct DynamoPlace {
  std::string table;
  std::string region;
  std::string endpoint;  // "https://dynamodb.eu-west-1.amazonaws.com", without a path

  std::string Host() const;  // of the endpoint, with its port
};

// dynamodb://REGION/PREFIX: the table is PREFIX; without REGION that of `settings`. The endpoint is
// that of `place`, else AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL, `endpoint_url` of the profile,
// else AWS. kInvalidDefinition.
arrow::Result<DynamoPlace> ParseDynamoPlace(const StorePlace& place,
                                            const net::AwsSettings& settings,
                                            const net::AwsSurroundings& surroundings);

}  // namespace icecore::online::dynamodb
