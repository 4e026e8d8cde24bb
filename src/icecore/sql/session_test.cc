#include "icecore/sql/session.h"

#include <gtest/gtest.h>

namespace icecore::sql {
TEST(Session, Opens) {
  auto session = Session::Open(Limits{}, {});
  ASSERT_TRUE(session.ok()) << session.status();
  auto t = (*session)->QueryTable("select 1 as a, sum(x) as s from range(10) r(x)");
  ASSERT_TRUE(t.ok()) << t.status();
}
}  // namespace icecore::sql
