// Reads of stores on servers that take connections and never answer.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "icecore/base/clock.h"
#include "icecore/base/error.h"
#include "icecore/online/store_test_data.h"

namespace icecore::online::testing {
namespace {

constexpr int64_t kMs = 1'000'000;

class SilentServer {
 public:
  SilentServer() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(socket_, reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(socket_, 64), 0);
    EXPECT_EQ(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    place_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~SilentServer() { close(socket_); }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;
  const std::string& place() const { return place_; }

 private:
  const int socket_;
  std::string place_;
};

void ExpectGivesUpInTime(const StorePlace& place) {
  const auto store = OpenStore(place).ValueOrDie();
  const StoredView view = MakeView("v");
  const int64_t begin = base::MonotonicNanos();
  const arrow::Status read =
      store->Read({ViewRead{&view, {Strings({"a"})}}}, kStart, begin + 300 * kMs).status();
  const int64_t took_ms = (base::MonotonicNanos() - begin) / kMs;
  EXPECT_EQ(base::CodeOf(read), base::ErrorCode::kUnavailable) << read;
  // Without a deadline it would be 15 s and more.
  EXPECT_LT(took_ms, 3'000) << read;
}

TEST(ReadDeadlineTest, Redis) {
  const SilentServer server;
  StorePlace place;
  place.url = "redis://" + server.place();
  place.project = "p";
  ExpectGivesUpInTime(place);
}

TEST(ReadDeadlineTest, DynamoDb) {
  const SilentServer server;
  setenv("AWS_ACCESS_KEY_ID", "key", 1);
  setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
  StorePlace place;
  place.url = "dynamodb://eu-central-1/table";
  place.endpoint = "http://" + server.place();
  ExpectGivesUpInTime(place);
}

}  // namespace
}  // namespace icecore::online::testing
