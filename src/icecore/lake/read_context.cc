#include "icecore/lake/read_context.h"

namespace icecore::lake {
namespace {

class AllowAllPolicy : public Policy {
 public:
  arrow::Status Check(const ReadContext&, const ReadRequest&) const override {
    return arrow::Status::OK();
  }
};

class SilentAudit : public AuditSink {
 public:
  void OnRead(const ReadContext&, const ReadRequest&, const arrow::Status&) override {}
};

}  // namespace

const Policy& AllowAll() {
  static const AllowAllPolicy policy;
  return policy;
}

AuditSink& NoAudit() {
  static SilentAudit sink;
  return sink;
}

}  // namespace icecore::lake
