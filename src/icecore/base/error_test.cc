#include "icecore/base/error.h"

#include <gtest/gtest.h>
#include <set>

#include "icecore/base/id.h"
#include "icecore/base/suggest.h"

namespace icecore::base {
namespace {

constexpr ErrorCode kAllCodes[] = {
    ErrorCode::kInvalidDefinition, ErrorCode::kInvalidArgument, ErrorCode::kContractViolation,
    ErrorCode::kBadInput,          ErrorCode::kNotFound,        ErrorCode::kConflict,
    ErrorCode::kOutcomeUnknown,    ErrorCode::kUnavailable,     ErrorCode::kDenied,
    ErrorCode::kCorrupt,           ErrorCode::kUnsupported,     ErrorCode::kLimit,
    ErrorCode::kInternal};

TEST(Error, CodesRideOnTheStatus) {
  std::set<std::string> names;
  for (const ErrorCode code : kAllCodes) {
    const arrow::Status status = MakeError(code, "what");
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(CodeOf(status), code);
    EXPECT_EQ(CodeOf(WithContext(status, "where")), code);
    EXPECT_EQ(WithContext(status, "where").message(), "where: what");
    EXPECT_TRUE(names.insert(std::string(ErrorCodeName(code))).second);
    EXPECT_TRUE(ExitCodeOf(code) == 1 || ExitCodeOf(code) == 2);
    EXPECT_GE(HttpStatusOf(code), 400);
  }
  EXPECT_EQ(CodeOf(arrow::Status::IOError("disk")), ErrorCode::kUnavailable);
  EXPECT_FALSE(IsRetryable(ErrorCode::kOutcomeUnknown));
}

TEST(Diagnostics, KeepEveryErrorWithItsPlace) {
  Diagnostics found;
  found.Warning({"a.yaml", 1, 0}, "odd");
  EXPECT_TRUE(found.ToStatus().ok());
  found.Error({"a.yaml", 2, 0}, "wrong");
  found.Error({"b.yaml", 0, 0}, "missing");
  EXPECT_EQ(found.error_count(), 2);
  EXPECT_EQ(found.ToStatus().message(), "a.yaml:2: error: wrong\nb.yaml: error: missing");
  EXPECT_EQ(CodeOf(found.ToStatus()), ErrorCode::kInvalidDefinition);
}

TEST(NearestName, FindsTyposAndNothingElse) {
  const std::vector<std::string> names = {"carrier", "arrived_at", "x"};
  EXPECT_EQ(NearestName("carier", names), "carrier");
  EXPECT_EQ(NearestName("Arrived_At", names), "arrived_at");
  EXPECT_EQ(NearestName("arrvied_at", names), "arrived_at");
  EXPECT_EQ(NearestName("entirely_else", names), "");
  EXPECT_EQ(NearestName("y", names), "");
  EXPECT_EQ(DidYouMean("carier", names), "; did you mean 'carrier'?");
  EXPECT_EQ(NearestName(std::string(100000, 'a'), names), "");
}

TEST(Ids, AreWellFormedAndSeeded) {
  SeededRandom random(7);
  const std::string id = NewUuid(random);
  EXPECT_EQ(id.size(), 36u);
  EXPECT_EQ(id[14], '4');
  SeededRandom again(7);
  EXPECT_EQ(NewUuid(again), id);
  EXPECT_NE(NewUuid(again), id);
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace icecore::base
