#include "icecore/sql/kept_answers.h"

#include <duckdb.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

#include "icecore/base/build_id.h"
#include "icecore/base/id.h"
#include "icecore/sql/answer_bytes_internal.h"
#include "icecore/sql/memo_internal.h"
#include "icecore/sql/parse_tree_internal.h"

namespace icecore::sql {
namespace {

constexpr char kAnalysis = 'a';
constexpr char kMentions = 'm';
constexpr char kMagic[8] = {'I', 'C', 'A', 'N', 'S', 'W', 'E', 'R'};
constexpr size_t kMostBytes = size_t{8} << 20;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t zero;
  uint64_t length;
  uint64_t checksum;
};
static_assert(sizeof(Header) == 32);

// What an answer depends on beside its question; "" where builds cannot be told apart.
std::string Makers() {
  const std::string build = base::BuildId();
  return build.empty() ? "" : build + " DuckDB " + duckdb_library_version();
}

using Answers = std::map<std::pair<char, std::string>, std::string>;

// Empty where there is nothing to trust.
Answers ReadFile(const std::string& path, const std::string& makers) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(in), {});
  Header header{};
  if (bytes.size() < sizeof header) return {};
  std::memcpy(&header, bytes.data(), sizeof header);
  const std::string_view payload = std::string_view(bytes).substr(sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.version != 1 ||
      header.length != payload.size() || header.checksum != base::Hash64(payload)) {
    return {};
  }
  const Json document = JsonOfCbor(payload);
  Answers answers;
  if (TextMember(document, "makers") != makers || !Member(document, "answers").is_array()) {
    return {};
  }
  for (const Json& answer : Member(document, "answers")) {
    if (!answer.is_array() || answer.size() != 3 || !answer[0].is_string() ||
        answer[0].get_ref<const std::string&>().size() != 1 || !answer[1].is_string() ||
        !answer[2].is_binary()) {
      return {};
    }
    answers[{answer[0].get_ref<const std::string&>()[0], answer[1].get<std::string>()}] =
        std::string(answer[2].get_binary().begin(), answer[2].get_binary().end());
  }
  return answers;
}

// Beside it first; what cannot be written is left.
void WriteFile(const std::string& path, const std::string& makers, const Answers& answers) {
  Json list = Json::array();
  for (const auto& [what, bytes] : answers) {
    list.push_back(
        {std::string(1, what.first), what.second, Json::binary({bytes.begin(), bytes.end()})});
  }
  const std::vector<uint8_t> cbor =
      Json::to_cbor({{"makers", makers}, {"answers", std::move(list)}});
  const std::string_view payload(reinterpret_cast<const char*>(cbor.data()), cbor.size());
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = 1;
  header.length = payload.size();
  header.checksum = base::Hash64(payload);
  const std::string beside = path + "." + std::to_string(::getpid());
  std::ofstream out(beside, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(&header), sizeof header);
  out.write(payload.data(), static_cast<std::streamsize>(payload.size()));
  out.close();
  if (!out || std::rename(beside.c_str(), path.c_str()) != 0) {
    std::remove(beside.c_str());
  }
}

size_t SizeOf(const Answers& answers) {
  size_t size = 0;
  for (const auto& [what, bytes] : answers) {
    size += what.second.size() + bytes.size();
  }
  return size;
}

}  // namespace

KeptAnswers::KeptAnswers(std::string path) : path_(std::move(path)), makers_(Makers()) {
  if (makers_.empty()) return;
  held_ = ReadFile(path_, makers_);
  for (const auto& [what, bytes] : held_) {
    if (what.first == kAnalysis) {
      if (auto analysis = AnalysisOfBytes(bytes)) {
        KnownAnalyses().Keep(what.second, *std::move(analysis));
      }
    } else if (auto names = NamesOfBytes(bytes)) {
      KnownMentions().Keep(what.second, *std::move(names));
    }
  }
  analyses_mark_ = KnownAnalyses().uses();
  mentions_mark_ = KnownMentions().uses();
}

KeptAnswers::~KeptAnswers() {
  if (makers_.empty()) return;
  const size_t held_before = held_.size();
  std::vector<std::pair<char, std::string>> used;
  for (const auto& [question, analysis] : KnownAnalyses().UsedAfter(analyses_mark_)) {
    used.emplace_back(kAnalysis, question);
    if (held_.contains(used.back())) continue;
    if (auto bytes = BytesOfAnalysis(*analysis)) held_[used.back()] = *std::move(bytes);
  }
  for (const auto& [question, names] : KnownMentions().UsedAfter(mentions_mark_)) {
    used.emplace_back(kMentions, question);
    if (!held_.contains(used.back())) held_[used.back()] = BytesOfNames(*names);
  }
  if (held_.size() == held_before) return;
  // Texts that nobody asks about any more go when they have become too many.
  if (SizeOf(held_) > kMostBytes) {
    Answers kept;
    for (const auto& what : used) {
      if (auto node = held_.extract(what)) kept.insert(std::move(node));
    }
    held_ = std::move(kept);
  }
  WriteFile(path_, makers_, held_);
}

}  // namespace icecore::sql
