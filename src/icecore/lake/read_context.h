#pragma once
// Who reads, why and with what knowledge: an argument of every read, so that policies and audit
// have one place.

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace icecore::lake {

struct ReadContext {
  std::string principal;
  std::string purpose;
  int64_t now_us = 0;
  int64_t knowledge_cut_us = INT64_MAX;  // rows known later are not to be seen
};

// What is about to be read.
struct ReadRequest {
  std::string_view table;
  int64_t version = 0;
  const std::vector<std::string>& columns;
};

// Decides before anything is read. Thread safe.
class Policy {
 public:
  virtual ~Policy() = default;
  // kDenied with the reason, or OK.
  virtual arrow::Status Check(const ReadContext& context, const ReadRequest& request) const = 0;
};

// Hears of every read that was allowed or denied. Thread safe.
class AuditSink {
 public:
  virtual ~AuditSink() = default;
  virtual void OnRead(const ReadContext& context, const ReadRequest& request,
                      const arrow::Status& decision) = 0;
};

// Everything is allowed, nobody listens.
const Policy& AllowAll();
AuditSink& NoAudit();

// The three of them, as calls pass them on. Borrowed.
struct ReadAccess {
  ReadContext context;
  const Policy* policy = &AllowAll();
  AuditSink* audit = &NoAudit();
};

}  // namespace icecore::lake
