#include "icecore/server/openapi.h"

namespace icecore::server {
namespace {

constexpr std::string_view kDocument = R"json({
"openapi":"3.0.3",
"info":{"title":"Icecore","version":"1","description":"Feature vectors from the online store."},
"paths":{
 "/v1/features":{"post":{
  "summary":"Feature vectors of a service for one or many entities, all at one time",
  "operationId":"getFeatures",
  "requestBody":{"required":true,"content":{"application/json":{
   "schema":{"$ref":"#/components/schemas/FeatureRequest"},
   "example":{"service":"delay_model","entities":{"carrier":["UA","AA"],"origin":"JFK"},"request":{"distance":2475}}}}},
  "responses":{
   "200":{"description":"One value per feature and row","content":{"application/json":{"schema":{"$ref":"#/components/schemas/FeatureResponse"}}}},
   "400":{"$ref":"#/components/responses/Error"},
   "404":{"$ref":"#/components/responses/Error"},
   "409":{"$ref":"#/components/responses/Error"},
   "413":{"$ref":"#/components/responses/Error"},
   "500":{"$ref":"#/components/responses/Error"},
   "503":{"$ref":"#/components/responses/Busy"}}}},
 "/v1/services":{"get":{"summary":"The feature services with their columns","operationId":"listServices",
  "responses":{"200":{"description":"Services","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Services"}}}},
   "503":{"$ref":"#/components/responses/Busy"}}}},
 "/metrics":{"get":{"summary":"Prometheus metrics","responses":{"200":{"description":"Text format 0.0.4","content":{"text/plain":{"schema":{"type":"string"}}}}}}},
 "/healthz":{"get":{"summary":"The process is alive","responses":{"200":{"description":"Alive"}}}},
 "/readyz":{"get":{"summary":"The online store can be read","responses":{"200":{"description":"Ready"},"503":{"$ref":"#/components/responses/Busy"}}}},
 "/openapi.json":{"get":{"summary":"This document","responses":{"200":{"description":"OpenAPI 3.0"}}}}
},
"components":{
 "responses":{
  "Error":{"description":"What was wrong","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Error"}}}},
  "Busy":{"description":"Not now; try again","headers":{"Retry-After":{"description":"Seconds","schema":{"type":"integer"}}},
   "content":{"application/json":{"schema":{"$ref":"#/components/schemas/Error"}}}}},
 "schemas":{
  "Scalar":{"nullable":true,"oneOf":[{"type":"string"},{"type":"number"},{"type":"boolean"}]},
  "Columns":{"type":"object","description":"Column name to a value or a list of values. Lists are zipped; a value or a list of one holds for every row.",
   "additionalProperties":{"oneOf":[{"$ref":"#/components/schemas/Scalar"},{"type":"array","items":{"$ref":"#/components/schemas/Scalar"}}]}},
  "FeatureRequest":{"type":"object","required":["service","entities"],"additionalProperties":false,"properties":{
   "service":{"type":"string"},
   "entities":{"$ref":"#/components/schemas/Columns"},
   "request":{"$ref":"#/components/schemas/Columns"},
   "at":{"type":"string","format":"date-time","description":"The time of the answer; now when absent"}}},
  "FeatureResponse":{"type":"object","required":["service","at","num_rows","features","views"],"properties":{
   "service":{"type":"string"},
   "at":{"type":"string","format":"date-time"},
   "num_rows":{"type":"integer"},
   "features":{"type":"object","description":"By name, in declared order","additionalProperties":{"$ref":"#/components/schemas/Feature"}},
   "views":{"type":"object","description":"How far the data of each view had reached","additionalProperties":{"$ref":"#/components/schemas/Freshness"}}}},
  "Feature":{"type":"object","required":["values","statuses"],"properties":{
   "values":{"type":"array","items":{}},
   "statuses":{"type":"array","items":{"type":"string","enum":["present","null","not_found","expired"]}},
   "event_times":{"type":"array","description":"Of the row chosen; absent where no row has one","items":{"type":"string","format":"date-time","nullable":true}}}},
  "Freshness":{"type":"object","properties":{
   "definition":{"type":"string"},
   "seq":{"type":"integer","format":"int64"},
   "applied_at":{"type":"string","format":"date-time"},
   "stale":{"type":"boolean"}}},
  "NamedType":{"type":"object","properties":{"name":{"type":"string"},"type":{"type":"string"}}},
  "Services":{"type":"object","properties":{"services":{"type":"array","items":{"type":"object","properties":{
   "name":{"type":"string"},"description":{"type":"string"},
   "keys":{"type":"array","items":{"$ref":"#/components/schemas/NamedType"}},
   "request":{"type":"array","items":{"$ref":"#/components/schemas/NamedType"}},
   "features":{"type":"array","items":{"$ref":"#/components/schemas/NamedType"}}}}}}},
  "Error":{"type":"object","required":["error"],"properties":{"error":{"type":"object","required":["code","message"],"properties":{
   "code":{"type":"string"},"message":{"type":"string"},"field":{"type":"string"}}}}}
 }
}
})json";

}  // namespace

std::string_view OpenApiDocument() { return kDocument; }

}  // namespace icecore::server
