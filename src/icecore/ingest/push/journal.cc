#include "icecore/ingest/push/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <mutex>
#include <optional>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/ingest/push/closed_batches.h"
#include "icecore/ingest/push/journal_file.h"
#include "icecore/ingest/push/known_keys.h"

namespace icecore::ingest {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr std::string_view kSuffix = ".journal";
// The segment that is being written without its rows, and the lock of whoever does.
constexpr std::string_view kThinFile = "/thin.new";
constexpr std::string_view kThinLock = "/thin.lock";
// A folder that changed so recently may change once more without its time of change telling.
constexpr int64_t kSettledNanos = 50'000'000;
constexpr int64_t kMaxGroupBytes = int64_t{64} << 20;  // of rows, appended with one sync
constexpr size_t kMostClosedBytes = size_t{64} << 10;  // of what is told of closed batches
constexpr int64_t kMarkBytes = int64_t{256} << 10;     // of a segment, between two known places

// One call of Append on its way.
struct Waiting {
  JournalEntry entry;
  arrow::Result<PushReceipt> answer = PushReceipt{};
  bool done = false;
};

class FolderJournal final : public PushJournal {
 public:
  FolderJournal(std::string folder, const Options& options, const base::Clock* clock)
      : folder_(std::move(folder)), options_(options), clock_(clock) {}

  arrow::Status Init() {
    std::error_code error;
    std::filesystem::create_directories(folder_, error);
    if (error) {
      return MakeError(ErrorCode::kDenied, "cannot make " + folder_ + ": " + error.message());
    }
    ARROW_ASSIGN_OR_RAISE(const auto lock, FolderLock::Take(folder_, LOCK_SH));
    const std::lock_guard<std::mutex> guard(mutex_);
    return Refresh();
  }

  arrow::Result<PushReceipt> Append(std::string key, std::string rows, int64_t row_count) override {
    if (key.size() > kMaxIdempotencyKeyBytes) {
      return MakeError(ErrorCode::kInvalidArgument,
                       "an idempotency key has at most " + std::to_string(kMaxIdempotencyKeyBytes) +
                           " bytes, this one " + std::to_string(key.size()));
    }
    if (static_cast<int64_t>(rows.size()) > kMaxEntryBytes) {
      return MakeError(ErrorCode::kLimit, "a push has at most " + std::to_string(kMaxEntryBytes) +
                                              " bytes, this one " + std::to_string(rows.size()));
    }
    Waiting mine;
    mine.entry.key = std::move(key);
    mine.entry.rows = std::move(rows);
    mine.entry.row_count = row_count;
    std::unique_lock<std::mutex> guard(queue_mutex_);
    queue_.push_back(&mine);
    while (!mine.done) {
      if (leading_) {
        answered_.wait(guard);
        continue;
      }
      leading_ = true;
      const std::vector<Waiting*> group = TakeGroup();
      guard.unlock();
      AppendGroup(group);
      guard.lock();
      for (Waiting* waiting : group) waiting->done = true;
      leading_ = false;
      answered_.notify_all();
    }
    return std::move(mine.answer);
  }

  arrow::Result<std::vector<JournalEntry>> ReadAfter(int64_t number, int64_t max_bytes) override {
    ARROW_ASSIGN_OR_RAISE(const auto lock, FolderLock::Take(folder_, LOCK_SH));
    const std::lock_guard<std::mutex> guard(mutex_);
    ARROW_RETURN_NOT_OK(Refresh());
    if (number > last_number_) {
      return MakeError(ErrorCode::kCorrupt, "the journal " + folder_ + " ends at entry " +
                                                std::to_string(last_number_) + ", but entry " +
                                                std::to_string(number) + " was taken from it");
    }
    std::vector<JournalEntry> entries;
    if (number == last_number_) return entries;
    auto segment = std::upper_bound(
        segments_.begin(), segments_.end(), number + 1,
        [](int64_t wanted, const Segment& s) { return wanted < s.header.first_number; });
    if (segment == segments_.begin()) {
      return MakeError(ErrorCode::kCorrupt, "entry " + std::to_string(number + 1) +
                                                " of the journal " + folder_ +
                                                " is gone and was never taken");
    }
    int64_t bytes = 0;
    for (--segment; segment != segments_.end() && bytes <= max_bytes; ++segment) {
      ARROW_RETURN_NOT_OK(ReadSegment(&*segment, number, max_bytes, &bytes, &entries));
    }
    return entries;
  }

  arrow::Result<std::vector<ClosedBatch>> Close(int64_t number, int64_t now_us) override {
    ARROW_ASSIGN_OR_RAISE(const auto lock, FolderLock::Take(folder_, LOCK_EX));
    const std::lock_guard<std::mutex> guard(mutex_);
    ARROW_RETURN_NOT_OK(Refresh());
    ARROW_ASSIGN_OR_RAISE(auto known, ReadClosedBatches(folder_));
    if (!known) {
      known.emplace();
      known->from = {number, INT64_MIN};
      ARROW_RETURN_NOT_OK(WriteClosedBatches(folder_, *known));
      known->bytes = EncodeClosedFrom(known->from).size();
    }
    if (number < known->from.number) {
      return MakeError(ErrorCode::kConflict, "entry " + std::to_string(number + 1) +
                                                 " of the journal " + folder_ +
                                                 " was taken by somebody else");
    }
    if (last_number_ > std::max(number, known->last().number)) {
      const ClosedBatch batch{last_number_, std::max(now_us, known->last().arrived_us)};
      ARROW_RETURN_NOT_OK(AddClosedBatch(folder_, *known, batch));
      known->batches.push_back(batch);
    }
    std::erase_if(known->batches,
                  [number](const ClosedBatch& batch) { return batch.number <= number; });
    return std::move(known->batches);
  }

  arrow::Result<int64_t> LastNumber() override {
    ARROW_ASSIGN_OR_RAISE(const auto lock, FolderLock::Take(folder_, LOCK_SH));
    const std::lock_guard<std::mutex> guard(mutex_);
    ARROW_RETURN_NOT_OK(Refresh());
    return last_number_;
  }

  arrow::Result<int64_t> RowsTaken() override {
    ARROW_ASSIGN_OR_RAISE(const auto lock, FolderLock::Take(folder_, LOCK_SH));
    const std::lock_guard<std::mutex> guard(mutex_);
    ARROW_RETURN_NOT_OK(Refresh());
    return NextRow();
  }

  arrow::Status Release(int64_t number) override {
    ARROW_ASSIGN_OR_RAISE(const auto landed, DeleteOld(std::min(number, kept_behind_.load())));
    return landed ? Thin(*landed) : arrow::Status::OK();
  }

  void KeepBehind(int64_t number) override { kept_behind_ = number; }

  arrow::Status ContinueBehind(int64_t number, int64_t rows) override {
    ARROW_ASSIGN_OR_RAISE(const auto lock, FolderLock::Take(folder_, LOCK_EX));
    const std::lock_guard<std::mutex> guard(mutex_);
    ARROW_RETURN_NOT_OK(Refresh());
    if (last_number_ >= number) return arrow::Status::OK();
    if (last_number_ > 0) {
      return MakeError(ErrorCode::kCorrupt, "the journal " + folder_ + " ends at entry " +
                                                std::to_string(last_number_) + ", but entry " +
                                                std::to_string(number) + " was taken from it");
    }
    return BeginSegment({number + 1, rows});
  }

 private:
  // Where an entry begins.
  struct Mark {
    int64_t number = 0;
    int64_t offset = 0;
  };
  struct Segment {
    std::string path;
    ino_t file = 0;        // what stands under the path, as far as it was read
    bool is_thin = false;  // it has no rows, all of them have landed
    SegmentHeader header;
    int64_t read_bytes = 0;   // whole entries end here
    int64_t last_number = 0;  // first_number - 1 where it is empty
    int64_t next_row = 0;
    int64_t newest_key_us = INT64_MIN;  // of its entries with a key
    std::vector<Mark> marks;            // ascending, the first at its first entry
  };

  // The oldest of what is left whose rows have landed and are there still; never the last one.
  arrow::Result<std::optional<Segment>> DeleteOld(int64_t number) {
    ARROW_ASSIGN_OR_RAISE(const auto lock, FolderLock::Take(folder_, LOCK_EX));
    const std::lock_guard<std::mutex> guard(mutex_);
    ARROW_RETURN_NOT_OK(Refresh());
    const int64_t kept_since = clock_->NowMicros() - options_.key_retention_us;
    while (segments_.size() > 1 && segments_.front().last_number <= number &&
           segments_.front().newest_key_us < kept_since) {
      if (::unlink(segments_.front().path.c_str()) != 0 && errno != ENOENT) {
        return FileError("cannot delete", segments_.front().path);
      }
      keys_.ForgetUpTo(segments_.front().last_number);
      segments_.erase(segments_.begin());
    }
    ARROW_RETURN_NOT_OK(ForgetClosed(number));
    for (size_t i = 0; i + 1 < segments_.size() && segments_[i].last_number <= number; ++i) {
      if (segments_[i].is_thin) continue;
      ARROW_RETURN_NOT_OK(ReadTail(&segments_[i]));  // another process may have done it
      if (!segments_[i].is_thin) return std::optional<Segment>(segments_[i]);
    }
    return std::optional<Segment>();
  }

  // Batches that end by `number`, where they have become many.
  arrow::Status ForgetClosed(int64_t number) const {
    ARROW_ASSIGN_OR_RAISE(auto known, ReadClosedBatches(folder_));
    if (!known || known->bytes < kMostClosedBytes) return arrow::Status::OK();
    const auto kept = std::find_if(known->batches.begin(), known->batches.end(),
                                   [&](const ClosedBatch& batch) { return batch.number > number; });
    if (kept == known->batches.begin()) return arrow::Status::OK();
    known->from = *std::prev(kept);
    known->batches.erase(known->batches.begin(), kept);
    return WriteClosedBatches(folder_, *known);
  }

  // Writes the segment anew without its rows, which nobody reads any more; its keys are of use
  // still. A segment that is not the last one does not change, so that nobody waits meanwhile.
  arrow::Status Thin(const Segment& segment) {
    ARROW_ASSIGN_OR_RAISE(const auto only, FolderLock::TryTake(folder_ + std::string(kThinLock)));
    if (!only) return arrow::Status::OK();
    std::string thin = EncodeHeader(segment.header);
    {
      ARROW_ASSIGN_OR_RAISE(const JournalFile file, JournalFile::Open(segment.path, O_RDONLY));
      ARROW_ASSIGN_OR_RAISE(const std::string bytes, ReadFrom(file, 0, segment.path));
      std::string_view rest = std::string_view(bytes).substr(
          kSegmentHeaderBytes, static_cast<size_t>(segment.read_bytes) - kSegmentHeaderBytes);
      while (!rest.empty()) {
        size_t row_bytes = 0;
        ARROW_ASSIGN_OR_RAISE(const auto entry, TakeEntryHead(&rest, &row_bytes));
        if (!entry) return arrow::Status::OK();  // it is another file by now
        AppendEntry(*entry, &thin);
      }
    }
    const std::string made = folder_ + std::string(kThinFile);
    ARROW_RETURN_NOT_OK(WriteWhole(made, thin));
    ARROW_ASSIGN_OR_RAISE(const auto lock, FolderLock::Take(folder_, LOCK_EX));
    const std::lock_guard<std::mutex> guard(mutex_);
    ARROW_RETURN_NOT_OK(Refresh());
    const auto known = std::find_if(segments_.begin(), segments_.end(), [&](const Segment& one) {
      return one.path == segment.path && one.file == segment.file;
    });
    if (known == segments_.end()) return arrow::Status::OK();
    if (::rename(made.c_str(), segment.path.c_str()) != 0) return FileError("cannot rename", made);
    ARROW_RETURN_NOT_OK(SyncFolder(folder_));
    return ReadTail(&*known);
  }

  // Guarded by queue_mutex_: those that share the next sync.
  std::vector<Waiting*> TakeGroup() {
    std::vector<Waiting*> group;
    int64_t bytes = 0;
    size_t taken = 0;
    for (; taken < queue_.size() && (taken == 0 || bytes <= kMaxGroupBytes); ++taken) {
      bytes += static_cast<int64_t>(queue_[taken]->entry.rows.size());
      group.push_back(queue_[taken]);
    }
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(taken));
    return group;
  }

  void AppendGroup(const std::vector<Waiting*>& group) {
    const arrow::Status status = TryAppendGroup(group);
    if (status.ok()) return;
    for (Waiting* waiting : group) waiting->answer = status;
  }

  arrow::Status TryAppendGroup(const std::vector<Waiting*>& group) {
    ARROW_ASSIGN_OR_RAISE(const auto lock, FolderLock::Take(folder_, LOCK_EX));
    const std::lock_guard<std::mutex> guard(mutex_);
    ARROW_RETURN_NOT_OK(Refresh());
    if (segments_.empty() || segments_.back().read_bytes >= options_.segment_bytes) {
      ARROW_RETURN_NOT_OK(BeginSegment({last_number_ + 1, NextRow()}));
    }
    std::string bytes;
    KnownKeys fresh;
    const int64_t now_us = clock_->NowMicros();
    int64_t number = last_number_;
    int64_t next_row = NextRow();
    for (Waiting* waiting : group) {
      JournalEntry& entry = waiting->entry;
      if (const KnownKey* known = Find(entry.key, fresh, now_us)) {
        waiting->answer = PushReceipt{known->number, known->row_count, true};
        continue;
      }
      entry.place = static_cast<uint32_t>(number - last_number_);
      entry.number = ++number;
      entry.time_us = now_us;
      entry.first_row = next_row;
      next_row += entry.row_count;
      AppendEntry(entry, &bytes);
      if (!entry.key.empty()) fresh.Put(entry.key, {number, entry.row_count, now_us});
      waiting->answer = PushReceipt{number, entry.row_count, false};
    }
    return bytes.empty() ? arrow::Status::OK() : WriteTail(bytes);
  }

  // The segment's tail behind its whole entries becomes `bytes`, durably.
  arrow::Status WriteTail(const std::string& bytes) {
    Segment& segment = segments_.back();
    ARROW_ASSIGN_OR_RAISE(const JournalFile file, JournalFile::Open(segment.path, O_RDWR));
    ARROW_ASSIGN_OR_RAISE(const std::string tail, ReadFrom(file, segment.read_bytes, segment.path));
    ARROW_RETURN_NOT_OK(CheckHalfDone(tail, segment));
    if (::ftruncate(file.get(), segment.read_bytes) != 0)
      return FileError("cannot cut", segment.path);
    arrow::Status written = WriteAt(file, bytes, segment.read_bytes, segment.path);
    if (!written.ok()) {
      // Whole entries among what was written must not be found later: they are answered as failed.
      if (::ftruncate(file.get(), segment.read_bytes) != 0) {
        return MakeError(ErrorCode::kOutcomeUnknown, written.message());
      }
      return written;
    }
    if (::fdatasync(file.get()) != 0) {
      return MakeError(ErrorCode::kOutcomeUnknown,
                       "cannot sync " + segment.path + ": " + std::strerror(errno));
    }
    ARROW_RETURN_NOT_OK(Take(bytes, &segment));
    last_number_ = segment.last_number;
    return arrow::Status::OK();
  }

  // What lies behind the whole entries may go only where it is what a killed writer left: then no
  // entry of a later sync stands in it, or it was damaged after it had been acknowledged.
  static arrow::Status CheckHalfDone(std::string_view tail, const Segment& segment) {
    for (; !tail.empty(); tail.remove_prefix(1)) {
      std::string_view rest = tail;
      const auto entry = TakeEntry(&rest);
      if (!entry.ok() || !*entry) continue;
      if ((*entry)->number - (*entry)->place > segment.last_number + 1) {
        return MakeError(ErrorCode::kCorrupt, segment.path + ": entry " +
                                                  std::to_string(segment.last_number + 1) +
                                                  " is damaged; bring the file back from a copy");
      }
    }
    return arrow::Status::OK();
  }

  arrow::Status BeginSegment(const SegmentHeader& header) {
    char name[32];
    std::snprintf(name, sizeof name, "%020lld", static_cast<long long>(header.first_number));
    const std::string path = folder_ + "/" + name + std::string(kSuffix);
    const std::string temporary = path + ".new";
    ARROW_RETURN_NOT_OK(ReplaceWhole(folder_, temporary, path, EncodeHeader(header)));
    return Refresh();
  }

  int64_t NextRow() const { return segments_.empty() ? 0 : segments_.back().next_row; }

  const KnownKey* Find(const std::string& key, const KnownKeys& fresh, int64_t now_us) const {
    if (key.empty()) return nullptr;
    if (const KnownKey* found = fresh.Find(key)) return found;
    const KnownKey* found = keys_.Find(key);
    const bool is_old = found && found->time_us < now_us - options_.key_retention_us;
    return is_old ? nullptr : found;
  }

  // Brings what is known up to the folder: segments and entries of other processes. Under the
  // folder's lock and mutex_.
  arrow::Status Refresh() {
    ARROW_ASSIGN_OR_RAISE(const bool changed, FolderChanged());
    if (changed) {
      const arrow::Status looked = LookForSegments();
      if (!looked.ok()) folder_changed_at_ = INT64_MIN;
      ARROW_RETURN_NOT_OK(looked);
    } else if (!segments_.empty()) {
      ARROW_RETURN_NOT_OK(ReadTail(&segments_.back()));
    }
    last_number_ = segments_.empty() ? 0 : segments_.back().last_number;
    return arrow::Status::OK();
  }

  // Whether files may have come or gone since the last look. A folder of many segments is long to
  // list, and each push asks.
  arrow::Result<bool> FolderChanged() {
    struct stat info{};
    if (::stat(folder_.c_str(), &info) != 0) return FileError("cannot look at", folder_);
    struct timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    const auto nanos = [](const struct timespec& time) {
      return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
    };
    const int64_t changed_at = nanos(info.st_mtim);
    const bool changed = changed_at != folder_changed_at_;
    // Without the time of a change that another may follow within the same tick.
    folder_changed_at_ = nanos(now) - changed_at > kSettledNanos ? changed_at : INT64_MIN;
    return changed;
  }

  arrow::Status LookForSegments() {
    std::vector<std::string> paths;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
      if (entry.path().string().ends_with(kSuffix)) paths.push_back(entry.path().string());
    }
    if (error) {
      return MakeError(ErrorCode::kUnavailable, "cannot list " + folder_ + ": " + error.message());
    }
    std::sort(paths.begin(), paths.end());
    std::erase_if(segments_, [&](const Segment& segment) {
      return !std::binary_search(paths.begin(), paths.end(), segment.path);
    });
    for (const std::string& path : paths) {
      if (segments_.empty() || path > segments_.back().path) {
        ARROW_RETURN_NOT_OK(AddSegment(path));
      } else if (path == segments_.back().path) {
        ARROW_RETURN_NOT_OK(ReadTail(&segments_.back()));
      }
    }
    return arrow::Status::OK();
  }

  arrow::Status AddSegment(const std::string& path) {
    ARROW_ASSIGN_OR_RAISE(const JournalFile file, JournalFile::Open(path, O_RDONLY));
    ARROW_ASSIGN_OR_RAISE(const std::string bytes, ReadFrom(file, 0, path));
    Segment segment;
    segment.path = path;
    const auto header = DecodeHeader(bytes);
    if (!header.ok()) return base::WithContext(header.status(), path);
    segment.header = *header;
    if (!segments_.empty()) {
      ARROW_RETURN_NOT_OK(ReadTail(&segments_.back()));  // others went on in it before this one
      if (segment.header.first_number != segments_.back().last_number + 1) {
        return MakeError(ErrorCode::kCorrupt, path + " begins at entry " +
                                                  std::to_string(segment.header.first_number) +
                                                  ", the segment before it ends at " +
                                                  std::to_string(segments_.back().last_number));
      }
    }
    ARROW_ASSIGN_OR_RAISE(segment.file, FileOf(file, path));
    BeginReading(&segment);
    segments_.push_back(std::move(segment));
    return Take(std::string_view(bytes).substr(kSegmentHeaderBytes), &segments_.back());
  }

  static arrow::Result<ino_t> FileOf(const JournalFile& file, const std::string& path) {
    struct stat info{};
    if (::fstat(file.get(), &info) != 0) return FileError("cannot look at", path);
    return info.st_ino;
  }

  static void BeginReading(Segment* segment) {
    segment->read_bytes = static_cast<int64_t>(kSegmentHeaderBytes);
    segment->last_number = segment->header.first_number - 1;
    segment->next_row = segment->header.first_row;
    segment->marks.clear();
    segment->is_thin = false;
  }

  // All of it again, where another process has left out its rows since.
  arrow::Status ReadTail(Segment* segment) {
    ARROW_ASSIGN_OR_RAISE(const JournalFile file, JournalFile::Open(segment->path, O_RDONLY));
    return ReadTail(file, segment);
  }
  arrow::Status ReadTail(const JournalFile& file, Segment* segment) {
    ARROW_ASSIGN_OR_RAISE(const ino_t found, FileOf(file, segment->path));
    if (found != segment->file) {
      segment->file = found;
      BeginReading(segment);
    }
    ARROW_ASSIGN_OR_RAISE(const std::string bytes,
                          ReadFrom(file, segment->read_bytes, segment->path));
    return Take(bytes, segment);
  }

  // Whole entries of the segment's tail.
  arrow::Status Take(std::string_view bytes, Segment* segment) {
    while (true) {
      const size_t before = bytes.size();
      size_t row_bytes = 0;
      ARROW_ASSIGN_OR_RAISE(auto entry, TakeEntryHead(&bytes, &row_bytes));
      if (!entry) return arrow::Status::OK();
      if (entry->number != segment->last_number + 1 || entry->first_row != segment->next_row) {
        return MakeError(ErrorCode::kCorrupt,
                         segment->path + ": entry " + std::to_string(entry->number) +
                             " follows entry " + std::to_string(segment->last_number));
      }
      if (segment->marks.empty() ||
          segment->read_bytes - segment->marks.back().offset >= kMarkBytes) {
        segment->marks.push_back({entry->number, segment->read_bytes});
      }
      segment->is_thin = row_bytes == 0;
      segment->last_number = entry->number;
      segment->next_row += entry->row_count;
      segment->read_bytes += static_cast<int64_t>(before - bytes.size());
      if (!entry->key.empty()) {
        segment->newest_key_us = std::max(segment->newest_key_us, entry->time_us);
        keys_.Put(entry->key, {entry->number, entry->row_count, entry->time_us});
      }
    }
  }

  // From the last known place before the entry that is wanted, piece by piece.
  arrow::Status ReadSegment(Segment* segment, int64_t after, int64_t max_bytes, int64_t* bytes_read,
                            std::vector<JournalEntry>* entries) {
    ARROW_ASSIGN_OR_RAISE(const JournalFile file, JournalFile::Open(segment->path, O_RDONLY));
    ARROW_ASSIGN_OR_RAISE(const ino_t found, FileOf(file, segment->path));
    if (found != segment->file) ARROW_RETURN_NOT_OK(ReadTail(file, segment));
    const auto mark =
        std::upper_bound(segment->marks.begin(), segment->marks.end(), after + 1,
                         [](int64_t wanted, const Mark& m) { return wanted < m.number; });
    int64_t offset = mark == segment->marks.begin() ? static_cast<int64_t>(kSegmentHeaderBytes)
                                                    : std::prev(mark)->offset;
    int64_t seen = mark == segment->marks.begin() ? segment->header.first_number - 1
                                                  : std::prev(mark)->number - 1;
    int64_t piece = 4 * kMarkBytes;
    while (*bytes_read <= max_bytes && seen < segment->last_number) {
      const int64_t wanted = std::min(piece, segment->read_bytes - offset);
      ARROW_ASSIGN_OR_RAISE(const std::string bytes, ReadFrom(file, offset, segment->path, wanted));
      std::string_view rest(bytes);
      while (*bytes_read <= max_bytes) {
        ARROW_ASSIGN_OR_RAISE(auto entry, TakeEntry(&rest));
        if (!entry) break;
        seen = entry->number;
        if (seen <= after) continue;
        if (entry->rows.empty()) {
          return MakeError(ErrorCode::kCorrupt, "the rows of entry " + std::to_string(seen) +
                                                    " of the journal " + folder_ +
                                                    " had landed and are gone");
        }
        *bytes_read += static_cast<int64_t>(entry->rows.size());
        entries->push_back(*std::move(entry));
      }
      const int64_t taken = static_cast<int64_t>(bytes.size() - rest.size());
      const bool is_last =
          offset + wanted >= segment->read_bytes || static_cast<int64_t>(bytes.size()) < wanted;
      if (taken == 0 && is_last) {
        return MakeError(ErrorCode::kCorrupt, segment->path + ": entry " +
                                                  std::to_string(seen + 1) +
                                                  " is damaged; bring the file back from a copy");
      }
      if (taken == 0) piece *= 2;  // an entry that is longer than a piece
      offset += taken;
    }
    return arrow::Status::OK();
  }

  const std::string folder_;
  const Options options_;
  const base::Clock* const clock_;

  std::atomic<int64_t> kept_behind_ = INT64_MAX;

  std::mutex queue_mutex_;  // never taken under mutex_
  std::condition_variable answered_;
  std::vector<Waiting*> queue_;  // guarded by queue_mutex_
  bool leading_ = false;         // guarded by queue_mutex_

  std::mutex mutex_;  // taken under the folder's lock
  std::vector<Segment> segments_;
  KnownKeys keys_;
  int64_t last_number_ = 0;
  int64_t folder_changed_at_ = INT64_MIN;  // as of the last look, where that can be relied on
};

}  // namespace

arrow::Result<std::unique_ptr<PushJournal>> PushJournal::Open(std::string folder,
                                                              const Options& options,
                                                              const base::Clock* clock) {
  auto journal = std::make_unique<FolderJournal>(std::move(folder), options, clock);
  ARROW_RETURN_NOT_OK(journal->Init());
  return std::unique_ptr<PushJournal>(std::move(journal));
}

}  // namespace icecore::ingest
