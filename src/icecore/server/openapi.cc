#include "icecore/server/openapi.h"

namespace icecore::server {
namespace {

constexpr std::string_view kDocument = R"json({
"openapi":"3.0.3",
"info":{"title":"Icecore","version":"1","description":"Feature vectors from the online store. Requests need a bearer token where the server has any; beyond loopback it always does.",
 "license":{"name":"Apache-2.0","url":"https://www.apache.org/licenses/LICENSE-2.0"}},
"servers":[{"url":"/"}],
"security":[{},{"token":[]}],
"tags":[
 {"name":"features","description":"Vectors of feature services"},
 {"name":"feast","description":"As Feast's Python feature server answers, for its clients"},
 {"name":"operations","description":"Probes, metrics, this document"}],
"paths":{
 "/v1/features":{"post":{
  "tags":["features"],
  "summary":"Feature vectors of a service for one or many entities, all at one time",
  "operationId":"getFeatures",
  "requestBody":{"required":true,"content":{"application/json":{
   "schema":{"$ref":"#/components/schemas/FeatureRequest"},
   "example":{"service":"delay_model","entities":{"carrier":["UA","AA"],"origin":"JFK"},"request":{"distance":2475}}}}},
  "responses":{
   "200":{"description":"One value per feature and row","content":{"application/json":{"schema":{"$ref":"#/components/schemas/FeatureResponse"}}}},
   "400":{"$ref":"#/components/responses/Error"},
   "401":{"$ref":"#/components/responses/Unauthenticated"},
   "403":{"$ref":"#/components/responses/Error"},
   "404":{"$ref":"#/components/responses/Error"},
   "415":{"$ref":"#/components/responses/Error"},
   "409":{"$ref":"#/components/responses/Error"},
   "413":{"$ref":"#/components/responses/Error"},
   "431":{"$ref":"#/components/responses/Error"},
   "500":{"description":"Our fault; corrupt: no row could be read whole, and errors says which views are damaged","content":{"application/json":{"schema":{"$ref":"#/components/schemas/FeatureError"}}}},
   "503":{"$ref":"#/components/responses/Busy"}}}},
 "/v1/services":{"get":{
  "tags":["features"],
  "summary":"The feature services that the caller may read, with their columns","operationId":"listServices",
  "responses":{
   "200":{"description":"Services","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Services"}}}},
   "401":{"$ref":"#/components/responses/Unauthenticated"},
   "503":{"$ref":"#/components/responses/Busy"}}}},
 "/get-online-features":{"post":{
  "tags":["feast"],
  "summary":"Features for entities, by a service or one by one","operationId":"getOnlineFeatures",
  "requestBody":{"required":true,"content":{"application/json":{
   "schema":{"$ref":"#/components/schemas/FeastRequest"},
   "example":{"features":["delays:arr_delay_7d"],"entities":{"carrier":["UA","AA"]}}}}},
  "responses":{
   "200":{"description":"Keys, then features; by column","content":{"application/json":{"schema":{"$ref":"#/components/schemas/FeastResponse"}}}},
   "400":{"$ref":"#/components/responses/FeastError"},
   "401":{"$ref":"#/components/responses/Unauthenticated"},
   "403":{"$ref":"#/components/responses/Error"},
   "404":{"$ref":"#/components/responses/FeastError"},
   "415":{"$ref":"#/components/responses/Error"},
   "409":{"$ref":"#/components/responses/FeastError"},
   "413":{"$ref":"#/components/responses/FeastError"},
   "422":{"description":"A field is missing or of the wrong kind","content":{"application/json":{"schema":{"$ref":"#/components/schemas/FeastDetail"}}}},
   "500":{"$ref":"#/components/responses/FeastError"},
   "503":{"$ref":"#/components/responses/FeastError"}}}},
 "/push":{"post":{
  "tags":["features"],
  "summary":"Rows for a source of pushes, in our form or in Feast's; durable when it is answered","operationId":"push",
  "parameters":[{"name":"Idempotency-Key","in":"header","schema":{"type":"string"},"description":"Rows under a key that was taken within a day are not added again"}],
  "requestBody":{"required":true,"content":{"application/json":{"schema":{"anyOf":[
   {"$ref":"#/components/schemas/PushRequest"},{"$ref":"#/components/schemas/FeastPushRequest"}]},
   "example":{"source":"clicks","rows":[{"user":"ann","at":"2024-03-01T10:00:00Z","n":3}]}}}},
  "responses":{
   "200":{"description":"Taken; Feast's form has no body","content":{"application/json":{"schema":{"$ref":"#/components/schemas/PushAnswer"}}}},
   "400":{"$ref":"#/components/responses/Error"},
   "401":{"$ref":"#/components/responses/Unauthenticated"},
   "403":{"$ref":"#/components/responses/Error"},
   "404":{"$ref":"#/components/responses/Error"},
   "413":{"$ref":"#/components/responses/Error"},
   "415":{"$ref":"#/components/responses/Error"},
   "422":{"description":"Feast's form: a field is missing or of the wrong kind","content":{"application/json":{"schema":{"$ref":"#/components/schemas/FeastDetail"}}}},
   "503":{"$ref":"#/components/responses/Busy"}}}},
 "/write-to-online-store":{"post":{
  "tags":["feast"],
  "summary":"Rows for a view over a source of pushes","operationId":"writeToOnlineStore",
  "requestBody":{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/FeastWriteRequest"}}}},
  "responses":{
   "200":{"description":"Taken","content":{"application/json":{"schema":{"nullable":true}}}},
   "400":{"$ref":"#/components/responses/FeastError"},
   "401":{"$ref":"#/components/responses/Unauthenticated"},
   "403":{"$ref":"#/components/responses/Error"},
   "404":{"$ref":"#/components/responses/FeastError"},
   "415":{"$ref":"#/components/responses/Error"},
   "422":{"description":"A field is missing or of the wrong kind","content":{"application/json":{"schema":{"$ref":"#/components/schemas/FeastDetail"}}}},
   "501":{"$ref":"#/components/responses/FeastError"},
   "503":{"$ref":"#/components/responses/FeastError"}}}},
 "/health":{"get":{
  "tags":["feast"],"summary":"The online store can be read, as Feast says it","operationId":"health","security":[{}],
  "responses":{"200":{"description":"Ready; no body"},"503":{"description":"Not ready; no body"}}}},
 "/metrics":{"get":{
  "tags":["operations"],"summary":"Prometheus metrics","operationId":"metrics",
  "responses":{
   "200":{"description":"Text format 0.0.4","content":{"text/plain":{"schema":{"type":"string"}}}},
   "401":{"$ref":"#/components/responses/Unauthenticated"},
   "403":{"$ref":"#/components/responses/Error"}}}},
 "/healthz":{"get":{
  "tags":["operations"],"summary":"The process is alive","operationId":"alive","security":[{}],
  "responses":{"200":{"description":"Alive","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Probe"}}}}}}},
 "/readyz":{"get":{
  "tags":["operations"],"summary":"The online store can be read","operationId":"ready","security":[{}],
  "responses":{
   "200":{"description":"Ready","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Probe"}}}},
   "503":{"$ref":"#/components/responses/Busy"}}}},
 "/openapi.json":{"get":{
  "tags":["operations"],"summary":"This document","operationId":"openApi","security":[{}],
  "responses":{"200":{"description":"OpenAPI 3.0","content":{"application/json":{"schema":{"type":"object"}}}}}}}
},
)json"
                                       R"json("components":{
 "securitySchemes":{
  "token":{"type":"http","scheme":"bearer","description":"A token of `icecore token new`; its scopes decide: read, read:SERVICE, read:view.VIEW, push, push:SOURCE, metrics"}},
 "responses":{
  "Error":{"description":"What was wrong","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Error"}}}},
  "Unauthenticated":{"description":"No valid token","headers":{"WWW-Authenticate":{"schema":{"type":"string"}}},
   "content":{"application/json":{"schema":{"$ref":"#/components/schemas/Error"}}}},
  "FeastError":{"description":"The error as text; what is not found as Feast's exception, as JSON in a text","content":{"application/json":{"schema":{"type":"string"}}}},
  "Busy":{"description":"Not now; try again","headers":{"Retry-After":{"description":"Seconds","schema":{"type":"integer"}}},
   "content":{"application/json":{"schema":{"$ref":"#/components/schemas/Error"}}}}},
 "schemas":{
  "Scalar":{"anyOf":[{"type":"string","nullable":true},{"type":"number"},{"type":"boolean"}]},
  "Columns":{"type":"object","description":"Column name to a value or a list of values. Lists are zipped; a value or a list of one holds for every row.",
   "additionalProperties":{"anyOf":[{"$ref":"#/components/schemas/Scalar"},{"type":"array","items":{"$ref":"#/components/schemas/Scalar"}}]}},
  "FeatureRequest":{"type":"object","required":["service","entities"],"additionalProperties":false,"properties":{
   "service":{"type":"string"},
   "entities":{"$ref":"#/components/schemas/Columns"},
   "request":{"$ref":"#/components/schemas/Columns"},
   "at":{"type":"string","format":"date-time","description":"The time of the answer; now when absent"}}},
  "FeatureResponse":{"type":"object","required":["service","at","num_rows","features","views"],"additionalProperties":false,"properties":{
   "service":{"type":"string"},
   "at":{"type":"string","format":"date-time"},
   "num_rows":{"type":"integer"},
   "features":{"type":"object","description":"By name, in declared order","additionalProperties":{"$ref":"#/components/schemas/Feature"}},
   "views":{"type":"object","description":"How far the data of each view had reached","additionalProperties":{"$ref":"#/components/schemas/Freshness"}},
   "errors":{"type":"array","description":"Only where a value has the status error; the other rows and features are whole","items":{"$ref":"#/components/schemas/AnswerError"}}}},
  "AnswerError":{"type":"object","required":["view","features","rows","code","message"],"additionalProperties":false,"description":"What the store holds of a view for these rows is damaged","properties":{
   "view":{"type":"string"},
   "features":{"type":"array","items":{"type":"string"},"description":"Of the answer, that come from it"},
   "rows":{"type":"array","items":{"type":"integer"},"description":"Positions in the request, from 0"},
   "code":{"type":"string"},
   "message":{"type":"string"}}},
  "Feature":{"type":"object","required":["values","statuses"],"additionalProperties":false,"properties":{
   "values":{"type":"array","items":{"nullable":true}},
   "statuses":{"type":"array","items":{"type":"string","enum":["present","null","not_found","expired","error"]}},
   "event_times":{"type":"array","description":"Of the row chosen; absent where no row has one","items":{"type":"string","format":"date-time","nullable":true}}}},
  "Freshness":{"type":"object","required":["definition","seq","applied_at","stale"],"additionalProperties":false,"properties":{
   "definition":{"type":"string"},
   "seq":{"type":"integer","format":"int64"},
   "applied_at":{"type":"string","format":"date-time"},
   "stale":{"type":"boolean"}}},
  "NamedType":{"type":"object","required":["name","type"],"additionalProperties":false,"properties":{"name":{"type":"string"},"type":{"type":"string"}}},
  "Services":{"type":"object","required":["services"],"additionalProperties":false,"properties":{"services":{"type":"array","items":{
   "type":"object","required":["name","description","keys","request","features"],"additionalProperties":false,"properties":{
   "name":{"type":"string"},"description":{"type":"string"},
   "keys":{"type":"array","items":{"$ref":"#/components/schemas/NamedType"}},
   "request":{"type":"array","items":{"$ref":"#/components/schemas/NamedType"}},
   "features":{"type":"array","items":{"$ref":"#/components/schemas/NamedType"}}}}}}},
  "FeastRequest":{"type":"object","required":["entities"],"properties":{
   "feature_service":{"type":"string","nullable":true},
   "features":{"type":"array","items":{"type":"string","pattern":"^[^:]+:.+$"},"description":"VIEW:FEATURE; unless a feature_service is named"},
   "entities":{"type":"object","description":"Keys and request data, lists of one length; columns that nobody needs are skipped","additionalProperties":{"type":"array","items":{"$ref":"#/components/schemas/Scalar"}}},
   "full_feature_names":{"type":"boolean","description":"VIEW__FEATURE"}}},
  "FeastResponse":{"type":"object","required":["results","metadata"],"additionalProperties":false,"properties":{
   "results":{"type":"array","items":{"type":"object","required":["values","statuses","event_timestamps"],"additionalProperties":false,"properties":{
    "values":{"type":"array","items":{"nullable":true}},
    "statuses":{"type":"array","items":{"type":"string","enum":["PRESENT","NULL_VALUE","NOT_FOUND","OUTSIDE_MAX_AGE","INVALID"]}},
    "event_timestamps":{"type":"array","items":{"type":"string","format":"date-time"}}}}},
   "metadata":{"type":"object","required":["feature_names"],"properties":{"feature_names":{"type":"array","items":{"type":"string"}}}}}},
  "PushRequest":{"type":"object","required":["source","rows"],"properties":{
   "source":{"type":"string"},"rows":{"type":"array","items":{"type":"object"}}}},
  "PushAnswer":{"type":"object","required":["source","rows","duplicate"],"additionalProperties":false,"properties":{
   "source":{"type":"string"},"rows":{"type":"integer"},"duplicate":{"type":"boolean"}}},
  "DataFrame":{"type":"object","description":"Columns of one length","additionalProperties":{"type":"array","items":{"nullable":true}}},
  "FeastPushRequest":{"type":"object","required":["push_source_name","df"],"properties":{
   "push_source_name":{"type":"string"},"df":{"$ref":"#/components/schemas/DataFrame"},
   "to":{"type":"string","enum":["online","online_and_offline"]}}},
  "FeastWriteRequest":{"type":"object","required":["feature_view_name","df"],"properties":{
   "feature_view_name":{"type":"string"},"df":{"$ref":"#/components/schemas/DataFrame"}}},
  "FeastDetail":{"type":"object","required":["detail"],"properties":{"detail":{"type":"array","items":{
   "type":"object","required":["type","loc","msg"],"properties":{"type":{"type":"string"},"loc":{"type":"array","items":{"type":"string"}},"msg":{"type":"string"}}}}}},
  "Probe":{"type":"object","required":["status"],"additionalProperties":false,"properties":{"status":{"type":"string","enum":["alive","ready"]}}},
  "FeatureError":{"type":"object","required":["error"],"additionalProperties":false,"properties":{
   "error":{"$ref":"#/components/schemas/ErrorDetail"},
   "errors":{"type":"array","items":{"$ref":"#/components/schemas/AnswerError"}}}},
  "Error":{"type":"object","required":["error"],"additionalProperties":false,"properties":{"error":{"$ref":"#/components/schemas/ErrorDetail"}}},
  "ErrorDetail":{"type":"object","required":["code","message"],"additionalProperties":false,"properties":{
   "code":{"type":"string"},"message":{"type":"string"},
   "field":{"type":"string","description":"At fault"},
   "scope":{"type":"string","description":"That the token must have"}}}
 }
}
})json";

}  // namespace

std::string_view OpenApiDocument() { return kDocument; }

}  // namespace icecore::server
