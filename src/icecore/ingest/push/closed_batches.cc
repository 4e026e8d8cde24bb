#include "icecore/ingest/push/closed_batches.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/ingest/push/journal_file.h"

namespace icecore::ingest {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr std::string_view kFile = "/closed";
constexpr std::string_view kNewFile = "/closed.new";
constexpr std::string_view kFrom = "from ";
constexpr std::string_view kTo = "to ";
constexpr size_t kCheckChars = 16;

std::string Line(std::string_view kind, const ClosedBatch& batch) {
  const std::string text =
      std::string(kind) + std::to_string(batch.number) + " " + std::to_string(batch.arrived_us);
  return text + " " + base::Hash64Hex(text) + "\n";
}

// One line without its end.
std::optional<ClosedBatch> ParseLine(std::string_view kind, std::string_view line) {
  if (line.size() < kCheckChars + 1 || !line.starts_with(kind)) return std::nullopt;
  const std::string_view text = line.substr(0, line.size() - kCheckChars - 1);
  ClosedBatch batch;
  const char* const end = text.data() + text.size();
  const auto number = std::from_chars(text.data() + kind.size(), end, batch.number);
  if (number.ec != std::errc() || number.ptr == end) return std::nullopt;
  const auto arrived = std::from_chars(number.ptr + 1, end, batch.arrived_us);
  if (arrived.ec != std::errc() || batch.number < 0) return std::nullopt;
  return Line(kind, batch) == std::string(line) + "\n" ? std::optional(batch) : std::nullopt;
}

}  // namespace

std::string EncodeClosedFrom(const ClosedBatch& from) { return Line(kFrom, from); }
std::string EncodeClosedBatch(const ClosedBatch& batch) { return Line(kTo, batch); }

arrow::Result<ClosedBatches> ParseClosedBatches(std::string_view text) {
  ClosedBatches out;
  for (int64_t number = 1; out.bytes < text.size(); ++number) {
    const std::string_view rest = text.substr(out.bytes);
    const size_t end = rest.find('\n');
    const bool is_first = number == 1;
    const auto batch = end == std::string_view::npos
                           ? std::nullopt
                           : ParseLine(is_first ? kFrom : kTo, rest.substr(0, end));
    const bool follows = batch && (is_first || (batch->number > out.last().number &&
                                                batch->arrived_us >= out.last().arrived_us));
    if (!follows) {
      // Lines are written one by one: only the last can be one that was cut off.
      const bool is_last = end == std::string_view::npos || end + 1 == rest.size();
      if (is_last && !batch && !is_first) return out;
      return MakeError(ErrorCode::kCorrupt, "line " + std::to_string(number) + " is damaged");
    }
    if (is_first) {
      out.from = *batch;
    } else {
      out.batches.push_back(*batch);
    }
    out.bytes += end + 1;
  }
  if (out.bytes == 0) return MakeError(ErrorCode::kCorrupt, "it is empty");
  return out;
}

arrow::Result<std::optional<ClosedBatches>> ReadClosedBatches(const std::string& folder) {
  const std::string path = folder + std::string(kFile);
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) {
    return std::optional<ClosedBatches>();
  }
  ARROW_ASSIGN_OR_RAISE(const JournalFile file, JournalFile::Open(path, O_RDONLY));
  ARROW_ASSIGN_OR_RAISE(const std::string text, ReadFrom(file, 0, path));
  auto parsed = ParseClosedBatches(text);
  if (!parsed.ok()) return base::WithContext(parsed.status(), path);
  return std::optional<ClosedBatches>(*std::move(parsed));
}

arrow::Status AddClosedBatch(const std::string& folder, const ClosedBatches& known,
                             const ClosedBatch& batch) {
  const std::string path = folder + std::string(kFile);
  ARROW_ASSIGN_OR_RAISE(const JournalFile file, JournalFile::Open(path, O_RDWR));
  const auto end = static_cast<int64_t>(known.bytes);
  if (::ftruncate(file.get(), end) != 0) return FileError("cannot cut", path);
  ARROW_RETURN_NOT_OK(WriteAt(file, EncodeClosedBatch(batch), end, path));
  return ::fdatasync(file.get()) == 0 ? arrow::Status::OK() : FileError("cannot sync", path);
}

arrow::Status WriteClosedBatches(const std::string& folder, const ClosedBatches& batches) {
  std::string text = EncodeClosedFrom(batches.from);
  for (const ClosedBatch& batch : batches.batches) text += EncodeClosedBatch(batch);
  return ReplaceWhole(folder, folder + std::string(kNewFile), folder + std::string(kFile), text);
}

}  // namespace icecore::ingest
