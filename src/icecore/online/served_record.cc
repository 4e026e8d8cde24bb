#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/online/served_record_internal.h"

namespace icecore::online {
namespace {

using base::ErrorCode;
using base::MakeError;
using nlohmann::json;

constexpr std::string_view kMagic = "ICSERVED";
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderBytes = 32;  // magic 8, version 4, reserved 4, length 8, checksum 8
constexpr uint64_t kMaxPayloadBytes = uint64_t{1} << 30;
constexpr char kMeta[] = "icecore.served";
constexpr char kTime[] = "t";
constexpr char kStatuses[] = "statuses";
constexpr char kKeyPrefix[] = "key.";
constexpr char kRequestPrefix[] = "request.";
constexpr char kValuePrefix[] = "value.";

template <typename Integer>
void AppendLittle(Integer value, std::string* out) {
  for (size_t i = 0; i < sizeof value; ++i) {
    out->push_back(static_cast<char>((static_cast<uint64_t>(value) >> (8 * i)) & 0xff));
  }
}

uint64_t ReadLittle(std::string_view bytes, size_t at, size_t width) {
  uint64_t value = 0;
  for (size_t i = 0; i < width; ++i) {
    value |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  }
  return value;
}

json MetaOf(const ServedVectors& vectors, int64_t dropped) {
  json views = json::array();
  for (const ServedView& view : vectors.views) {
    const ViewPosition& position = view.position;
    views.push_back({{"view", view.name},
                     {"fingerprint", position.fingerprint},
                     {"generation", position.generation},
                     {"seq", position.seq},
                     {"applied_until", position.applied_until},
                     {"applied_at", position.applied_at},
                     {"latest_activation", position.latest_activation},
                     {"table_generation", position.table_generation}});
  }
  const ServedService& service = *vectors.service;
  return {{"service", service.name},
          {"definition", service.definition},
          {"version", service.catalog_version},
          {"keys", service.key_names},
          {"request", service.request_names},
          {"features", service.feature_names},
          {"views", std::move(views)},
          {"dropped", dropped}};
}

arrow::Status Corrupt(const std::string& what) {
  return MakeError(ErrorCode::kCorrupt, "a record of the served log " + what);
}

arrow::Status ReadMeta(const std::string& text, ServedVectors* out, int64_t* dropped) {
  const json meta = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (meta.is_discarded()) {
    return Corrupt("has no readable description");
  }
  try {
    auto service = std::make_shared<ServedService>();
    service->name = meta.at("service").get<std::string>();
    service->definition = meta.at("definition").get<std::string>();
    service->catalog_version = meta.at("version").get<int64_t>();
    service->key_names = meta.at("keys").get<std::vector<std::string>>();
    service->request_names = meta.at("request").get<std::vector<std::string>>();
    service->feature_names = meta.at("features").get<std::vector<std::string>>();
    out->service = std::move(service);
    *dropped = meta.at("dropped").get<int64_t>();
    for (const json& one : meta.at("views")) {
      ServedView view;
      view.name = one.at("view").get<std::string>();
      view.position.fingerprint = one.at("fingerprint").get<std::string>();
      view.position.generation = one.at("generation").get<int64_t>();
      view.position.seq = one.at("seq").get<int64_t>();
      view.position.applied_until = one.at("applied_until").get<int64_t>();
      view.position.applied_at = one.at("applied_at").get<int64_t>();
      view.position.latest_activation = one.at("latest_activation").get<int64_t>();
      view.position.table_generation = one.at("table_generation").get<std::string>();
      out->views.push_back(std::move(view));
    }
  } catch (const json::exception& error) {
    return Corrupt(std::string("has another description: ") + error.what());
  }
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::Array>> StatusColumn(const ServedVectors& vectors) {
  const auto width = static_cast<int32_t>(vectors.statuses.size());
  arrow::FixedSizeBinaryBuilder builder(arrow::fixed_size_binary(width));
  std::string bytes(vectors.statuses.size(), '\0');
  for (size_t row = 0; row < vectors.times.size(); ++row) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<char>(vectors.statuses[i][row]);
    }
    ARROW_RETURN_NOT_OK(builder.Append(bytes));
  }
  return builder.Finish();
}

arrow::Status ReadStatuses(const arrow::Array& column, size_t features, ServedVectors* out) {
  if (column.type_id() != arrow::Type::FIXED_SIZE_BINARY) {
    return Corrupt("has statuses of type " + column.type()->ToString());
  }
  const auto& bytes = static_cast<const arrow::FixedSizeBinaryArray&>(column);
  if (static_cast<size_t>(bytes.byte_width()) != features) {
    return Corrupt("has statuses of another number of features");
  }
  out->statuses.assign(features, {});
  for (int64_t row = 0; row < bytes.length(); ++row) {
    const std::string_view one = bytes.GetView(row);
    for (size_t i = 0; i < features; ++i) {
      const auto status = static_cast<uint8_t>(one[i]);
      if (status > static_cast<uint8_t>(state::ValueStatus::kError)) {
        return Corrupt("has a status that there is not");
      }
      out->statuses[i].push_back(static_cast<state::ValueStatus>(status));
    }
  }
  return arrow::Status::OK();
}

arrow::Status ReadColumns(const arrow::RecordBatch& batch, ServedVectors* out) {
  const ServedService& service = *out->service;
  const auto take = [&](const char* prefix, const std::vector<std::string>& names,
                        std::vector<std::shared_ptr<arrow::Array>>* into) -> arrow::Status {
    for (const std::string& name : names) {
      auto column = batch.GetColumnByName(prefix + name);
      if (column == nullptr) {
        return Corrupt("lacks its column " + (prefix + name));
      }
      into->push_back(std::move(column));
    }
    return arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(take(kKeyPrefix, service.key_names, &out->keys));
  ARROW_RETURN_NOT_OK(take(kRequestPrefix, service.request_names, &out->request));
  ARROW_RETURN_NOT_OK(take(kValuePrefix, service.feature_names, &out->values));
  const auto times = batch.GetColumnByName(kTime);
  const auto statuses = batch.GetColumnByName(kStatuses);
  if (times == nullptr || times->type_id() != arrow::Type::INT64 || times->null_count() > 0 ||
      statuses == nullptr) {
    return Corrupt("lacks its times or statuses");
  }
  const auto& t = static_cast<const arrow::Int64Array&>(*times);
  out->times.assign(t.raw_values(), t.raw_values() + t.length());
  return ReadStatuses(*statuses, service.feature_names.size(), out);
}

}  // namespace

arrow::Result<std::string> EncodeServed(const ServedVectors& vectors, int64_t dropped) {
  arrow::FieldVector fields;
  std::vector<std::shared_ptr<arrow::Array>> columns;
  const auto add = [&](std::string name, std::shared_ptr<arrow::Array> column) {
    fields.push_back(arrow::field(std::move(name), column->type()));
    columns.push_back(std::move(column));
  };
  arrow::Int64Builder times;
  ARROW_RETURN_NOT_OK(times.AppendValues(vectors.times));
  ARROW_ASSIGN_OR_RAISE(auto time_column, times.Finish());
  add(kTime, std::move(time_column));
  const ServedService& service = *vectors.service;
  for (size_t i = 0; i < vectors.keys.size(); ++i) {
    add(kKeyPrefix + service.key_names[i], vectors.keys[i]);
  }
  for (size_t i = 0; i < vectors.request.size(); ++i) {
    add(kRequestPrefix + service.request_names[i], vectors.request[i]);
  }
  for (size_t i = 0; i < vectors.values.size(); ++i) {
    add(kValuePrefix + service.feature_names[i], vectors.values[i]);
  }
  ARROW_ASSIGN_OR_RAISE(auto statuses, StatusColumn(vectors));
  add(kStatuses, std::move(statuses));
  const auto metadata = arrow::key_value_metadata(
      {kMeta}, {MetaOf(vectors, dropped).dump(-1, ' ', false, json::error_handler_t::replace)});
  const auto batch =
      arrow::RecordBatch::Make(arrow::schema(fields, metadata), vectors.size(), columns);
  ARROW_ASSIGN_OR_RAISE(auto stream, arrow::io::BufferOutputStream::Create());
  ARROW_ASSIGN_OR_RAISE(auto writer, arrow::ipc::MakeStreamWriter(stream, batch->schema()));
  ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(*batch));
  ARROW_RETURN_NOT_OK(writer->Close());
  ARROW_ASSIGN_OR_RAISE(const auto buffer, stream->Finish());
  const auto payload = static_cast<std::string_view>(*buffer);
  std::string out(kMagic);
  AppendLittle(kVersion, &out);
  AppendLittle(uint32_t{0}, &out);
  AppendLittle(static_cast<uint64_t>(payload.size()), &out);
  AppendLittle(base::Hash64(payload), &out);
  out.append(payload);
  return out;
}

arrow::Result<ServedVectors> DecodeServed(std::string_view payload, int64_t* dropped) {
  const auto buffer = arrow::Buffer::FromString(std::string(payload));
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ipc::RecordBatchStreamReader::Open(
                                         std::make_shared<arrow::io::BufferReader>(buffer)));
  const auto metadata = reader->schema()->metadata();
  const int at = metadata == nullptr ? -1 : metadata->FindKey(kMeta);
  if (at < 0) {
    return Corrupt("has no description");
  }
  ServedVectors out;
  ARROW_RETURN_NOT_OK(ReadMeta(metadata->value(at), &out, dropped));
  ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
  if (batch == nullptr) {
    return Corrupt("has no rows");
  }
  ARROW_RETURN_NOT_OK(batch->ValidateFull());
  ARROW_RETURN_NOT_OK(ReadColumns(*batch, &out));
  return out;
}

arrow::Status ForEachRecord(std::string_view bytes, ServedLogSummary* summary,
                            const std::function<arrow::Status(std::string_view)>& visit) {
  // Length of the payload of the whole, unharmed record at `at`; nullopt for anything else.
  const auto whole = [&](size_t at) -> std::optional<size_t> {
    if (bytes.size() - at < kHeaderBytes || bytes.substr(at, kMagic.size()) != kMagic ||
        ReadLittle(bytes, at + 8, 4) != kVersion) {
      return std::nullopt;
    }
    const uint64_t length = ReadLittle(bytes, at + 16, 8);
    if (length > kMaxPayloadBytes || length > bytes.size() - at - kHeaderBytes) {
      return std::nullopt;
    }
    const std::string_view payload = bytes.substr(at + kHeaderBytes, length);
    return base::Hash64(payload) == ReadLittle(bytes, at + 24, 8)
               ? std::optional<size_t>(payload.size())
               : std::nullopt;
  };
  size_t at = 0;
  while (at < bytes.size()) {
    if (const auto length = whole(at)) {
      ++summary->records;
      ARROW_RETURN_NOT_OK(visit(bytes.substr(at + kHeaderBytes, *length)));
      at += kHeaderBytes + *length;
      continue;
    }
    size_t next = at;
    do {
      next = bytes.find(kMagic, next + 1);
    } while (next != std::string_view::npos && !whole(next));
    if (next == std::string_view::npos) {
      next = bytes.size();
    }
    // A record that reaches into the next one, or over the end, was cut off while it was written.
    const bool has_header = bytes.size() - at >= kHeaderBytes;
    const uint64_t length = has_header ? ReadLittle(bytes, at + 16, 8) : 0;
    const bool torn = !has_header || length > next - at - kHeaderBytes;
    if (torn) {
      summary->torn_bytes += static_cast<int64_t>(next - at);
    } else {
      ++summary->damaged;
    }
    at = next;
  }
  return arrow::Status::OK();
}

}  // namespace icecore::online
