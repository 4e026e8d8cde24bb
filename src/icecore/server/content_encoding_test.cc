#include "icecore/server/content_encoding.h"

#include <arrow/util/compression.h>

#include "icecore/server/http_client_fixture.h"
#include "icecore/server/http_server.h"

namespace icecore::server::testing {
namespace {

TEST(ContentEncodingTest, TheHeaderDecides) {
  for (const auto& [header, expected] :
       std::initializer_list<std::pair<const char*, ContentEncoding>>{
           {"", ContentEncoding::kIdentity},
           {"identity", ContentEncoding::kIdentity},
           {"gzip", ContentEncoding::kGzip},
           {"GZip , deflate", ContentEncoding::kGzip},
           {"gzip, zstd;q=0.1", ContentEncoding::kZstd},
           {"gzip;q=1.0, zstd;q=0", ContentEncoding::kGzip},
           {"gzip;q=0", ContentEncoding::kIdentity},
           {"gzip; q = 0.000 ,*", ContentEncoding::kIdentity},
           {"*", ContentEncoding::kGzip},
           {"*;q=0", ContentEncoding::kIdentity},
           {",,;;=,q=0", ContentEncoding::kIdentity},
           {"br", ContentEncoding::kIdentity}}) {
    EXPECT_EQ(ChooseContentEncoding(header), expected) << header;
  }
}

std::string Decode(arrow::Compression::type kind, const std::string& bytes, size_t size) {
  auto codec = arrow::util::Codec::Create(kind).ValueOrDie();
  std::string out(size, '\0');
  const auto written =
      codec
          ->Decompress(static_cast<int64_t>(bytes.size()),
                       reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int64_t>(size),
                       reinterpret_cast<uint8_t*>(out.data()))
          .ValueOrDie();
  out.resize(static_cast<size_t>(written));
  return out;
}

TEST(ContentEncodingTest, LongAnswersAreEncodedAndShortOnesAreNot) {
  FakeApi api;
  HttpServer::Options options;
  options.port = 0;
  const auto server = HttpServer::Start(options, &api).ValueOrDie();
  const auto ask = [&](const std::string& body, const std::string& accept) {
    Client client(server->port());
    EXPECT_TRUE(client.Send(Post(body, "Accept-Encoding: " + accept + "\r\n")));
    return client.Receive();
  };
  std::string many = R"({"service":"echo","entities":{"k":[0)";
  for (int i = 1; i < 2000; ++i) many += "," + std::to_string(i);
  many += "]}}";
  const Reply plain = ask(many, "identity");
  EXPECT_EQ(plain.headers.count("Content-Encoding"), 0);
  const Reply gzip = ask(many, "gzip");
  EXPECT_EQ(gzip.headers.at("Content-Encoding"), "gzip");
  EXPECT_EQ(gzip.headers.at("Vary"), "Accept-Encoding");
  EXPECT_LT(gzip.body.size(), plain.body.size() / 2);
  EXPECT_EQ(Decode(arrow::Compression::GZIP, gzip.body, plain.body.size()), plain.body);
  const Reply zstd = ask(many, "gzip, zstd");
  EXPECT_EQ(zstd.headers.at("Content-Encoding"), "zstd");
  EXPECT_EQ(Decode(arrow::Compression::ZSTD, zstd.body, plain.body.size()), plain.body);
  const Reply brief = ask(R"({"service":"echo","entities":{"k":1}})", "gzip, zstd");
  EXPECT_EQ(brief.headers.count("Content-Encoding"), 0);
}

}  // namespace
}  // namespace icecore::server::testing
