#include "icecore/ingest/files/file_rows.h"

#include <arrow/buffer.h>
#include <arrow/io/file.h>
#include <arrow/io/interfaces.h>
#include <arrow/io/memory.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/id.h"
#include "icecore/base/suggest.h"
#include "icecore/ingest/files/container.h"
#include "icecore/ingest/files/file_error.h"
#include "icecore/ingest/files/file_list.h"
#include "icecore/ingest/files/local_file.h"
#include "icecore/ingest/files/member_rows.h"
#include "icecore/lake/object_store.h"

namespace icecore::ingest {
namespace {

using base::ErrorCode;
using base::MakeError;
using Format = spec::FilesConnector::Format;

constexpr int64_t kMaxUnpackedColumnar = int64_t{1}
                                         << 30;  // packed columnar files go through memory

bool IsText(Format format) {
  return format == Format::kCsv || format == Format::kTsv || format == Format::kJson;
}

// Copies the file to `path`; kConflict when its bytes are not those of the digest.
arrow::Status CopyOriginal(const PlannedFile& file, const std::string& digest,
                           const std::string& path, lake::ObjectStore& store,
                           const Sealer& sealer) {
  ARROW_ASSIGN_OR_RAISE(auto output, store.OpenOutput(path));
  ARROW_ASSIGN_OR_RAISE(auto sealed, sealer.Seal(output));
  base::Sha256 copied;
  arrow::Status status = ReadUnchanged(file.absolute_path, file.looks, [&](std::string_view bytes) {
    copied.Update(bytes);
    return sealed->Write(bytes.data(), static_cast<int64_t>(bytes.size()));
  });
  if (status.ok() && copied.FinishHex() != digest) {
    status = MakeError(ErrorCode::kConflict, file.path + ": the file changed while it was read");
  }
  if (!status.ok()) {
    // The status of Abort would hide the reason; what is left is without a name.
    (void)output->Abort();
    return status;
  }
  status = sealed->Close();
  // Somebody else kept the same bytes at the same moment.
  return !status.ok() && base::CodeOf(status) == ErrorCode::kConflict ? arrow::Status::OK()
                                                                      : status;
}

std::string StoredPath(const FileReadOptions& options, const std::string& digest) {
  const std::string path = OriginalPath(digest);
  return options.table_path.empty() ? path : options.table_path + "/" + path;
}

// Keeps the file byte for byte and returns its digest.
arrow::Result<std::string> KeepOriginal(const PlannedFile& file, const FileReadOptions& options,
                                        const Sealer& sealer) {
  ARROW_ASSIGN_OR_RAISE(std::string digest, DigestFile(file.absolute_path, file.looks));
  const std::string path = StoredPath(options, digest);
  ARROW_ASSIGN_OR_RAISE(const bool exists, options.store->Exists(path));
  if (!exists) {
    ARROW_RETURN_NOT_OK(CopyOriginal(file, digest, path, *options.store, sealer));
  }
  return digest;
}

arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> ReadAll(
    const std::shared_ptr<arrow::io::InputStream>& stream, const std::string& name) {
  std::string bytes;
  constexpr int64_t kStep = int64_t{1} << 20;
  for (;;) {
    const size_t held = bytes.size();
    bytes.resize(held + kStep);
    arrow::Result<int64_t> got = stream->Read(kStep, bytes.data() + held);
    if (!got.ok()) {
      return DecodeError(got.status(), name);
    }
    bytes.resize(held + static_cast<size_t>(*got));
    if (*got == 0) {
      break;
    }
    if (static_cast<int64_t>(bytes.size()) > kMaxUnpackedColumnar) {
      return MakeError(ErrorCode::kLimit,
                       name + ": more than 1 GiB when unpacked; give this format unpacked");
    }
  }
  return std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::move(bytes)));
}

class Rows : public FileRows {
 public:
  Rows(const spec::Source& source, const PlannedFile& file, const FileReadOptions& options,
       std::stop_token stop)
      : files_(source.files), file_(file), options_(options), stop_(std::move(stop)) {}

  arrow::Status Init() {
    if (files_.format == Format::kDelta) {
      return base::MakeErrorAt(ErrorCode::kUnsupported, files_.location,
                               "format delta is not supported yet");
    }
    const bool may_be_empty =
        files_.format == Format::kJson || (IsText(files_.format) && !files_.header);
    if (file_.looks.size == 0 && (!may_be_empty || PackingOf(file_.path) != Packing::kPlain)) {
      return BadInput(file_.path, 0, "an empty file (0 bytes)");
    }
    ARROW_RETURN_NOT_OK(options_.store != nullptr ? Keep() : OpenInPlace());
    packing_ = PackingOf(file_.path);
    if (packing_ != Packing::kZip) {
      return OpenSingle();
    }
    ARROW_ASSIGN_OR_RAISE(archive_, ZipArchive::Open(stored_, file_.path));
    return ChooseMembers();
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return rows_->schema(); }

  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    for (;;) {
      if (stop_.stop_requested()) {
        return Stopped(file_.path);
      }
      ARROW_ASSIGN_OR_RAISE(auto batch, rows_->Next());
      if (batch != nullptr) {
        ARROW_RETURN_NOT_OK(Report());
        return batch;
      }
      if (archive_ == nullptr || next_member_ == members_.size()) {
        return nullptr;
      }
      rows_before_ += rows_->rows();
      problems_before_ += rows_->problem_rows();
      ARROW_RETURN_NOT_OK(OpenNextMember());
    }
  }

  KnownFile facts() const override {
    KnownFile known;
    known.path = file_.path;
    known.size = file_.looks.size;
    known.mtime_ns = file_.looks.mtime_ns;
    known.inode = file_.looks.inode;
    known.digest = digest_;
    known.from_row = file_.from_row;
    known.rows = rows_before_ + rows_->rows();
    return known;
  }

  int64_t problem_rows() const override { return problems_before_ + rows_->problem_rows(); }

 private:
  arrow::Status Keep() {
    const Sealer& sealer = options_.sealer != nullptr ? *options_.sealer : IdentitySealer();
    ARROW_ASSIGN_OR_RAISE(digest_, KeepOriginal(file_, options_, sealer));
    ARROW_ASSIGN_OR_RAISE(auto kept, options_.store->OpenInput(StoredPath(options_, digest_)));
    return sealer.Unseal(std::move(kept)).Value(&stored_);
  }

  arrow::Status OpenInPlace() {
    ARROW_ASSIGN_OR_RAISE(const FileLooks looks, LookAt(file_.absolute_path));
    if (!(looks == file_.looks)) {
      return MakeError(ErrorCode::kConflict, file_.path + ": the file changed since it was listed");
    }
    ARROW_ASSIGN_OR_RAISE(stored_, arrow::io::ReadableFile::Open(file_.absolute_path));
    return arrow::Status::OK();
  }

  arrow::Result<std::shared_ptr<arrow::io::InputStream>> OpenStream(int64_t offset) {
    stream_ = arrow::io::RandomAccessFile::GetStream(stored_, offset, file_.looks.size - offset)
                  .ValueOr(nullptr);
    if (stream_ == nullptr) {
      return MakeError(ErrorCode::kInternal, file_.path + ": cannot open a stream of the original");
    }
    return Unpack(packing_, stream_);
  }

  arrow::Status OpenSingle() {
    if (IsText(files_.format)) {
      TextInput input;
      input.name = file_.path;
      input.open = [this](int64_t offset) { return OpenStream(offset); };
      input.from_byte = file_.from_byte;
      input.from_row = file_.from_row;
      input.from_line = file_.from_line;
      input.from_line_open = file_.from_line_open;
      return OpenText(std::move(input));
    }
    if (packing_ == Packing::kPlain) {
      return OpenColumnar(stored_, file_.path);
    }
    ARROW_ASSIGN_OR_RAISE(auto stream, OpenStream(0));
    ARROW_ASSIGN_OR_RAISE(auto bytes, ReadAll(stream, file_.path));
    return OpenColumnar(bytes, file_.path);
  }

  arrow::Status ChooseMembers() {
    for (size_t i = 0; i < archive_->members().size(); ++i) {
      if (!files_.member || MatchesMember(*files_.member, archive_->members()[i])) {
        members_.push_back(i);
      }
    }
    if (!members_.empty()) {
      return OpenNextMember();
    }
    std::string message = "the zip archive holds no file";
    if (files_.member) {
      message += " that matches `member: " + *files_.member + "`" +
                 base::DidYouMean(*files_.member, archive_->members());
    }
    return BadInput(file_.path, 0, message);
  }

  arrow::Status OpenNextMember() {
    const size_t member = members_[next_member_++];
    const std::string& member_name = archive_->members()[member];
    const std::string name = file_.path + "/" + member_name;
    const Packing packing = PackingOf(member_name);
    if (packing == Packing::kZip) {
      return MakeError(ErrorCode::kUnsupported, name + ": a zip archive within a zip archive");
    }
    const auto open = [this, member,
                       packing](int64_t) -> arrow::Result<std::shared_ptr<arrow::io::InputStream>> {
      ARROW_ASSIGN_OR_RAISE(auto stream, archive_->OpenMember(member));
      return Unpack(packing, std::move(stream));
    };
    if (IsText(files_.format)) {
      TextInput input;
      input.name = name;
      input.open = open;
      return OpenText(std::move(input));
    }
    ARROW_ASSIGN_OR_RAISE(auto stream, open(0));
    ARROW_ASSIGN_OR_RAISE(auto bytes, ReadAll(stream, name));
    return OpenColumnar(bytes, name);
  }

  arrow::Status OpenText(TextInput input) {
    input.stop = stop_;
    if (files_.format == Format::kJson) {
      ARROW_ASSIGN_OR_RAISE(rows_, OpenJsonLines(std::move(input)));
    } else {
      ARROW_ASSIGN_OR_RAISE(rows_, OpenCsv(std::move(input), files_, options_.column_names));
    }
    return arrow::Status::OK();
  }

  arrow::Status OpenColumnar(const std::shared_ptr<arrow::io::RandomAccessFile>& file,
                             const std::string& name) {
    ARROW_ASSIGN_OR_RAISE(
        rows_, files_.format == Format::kParquet ? OpenParquet(file, name) : OpenArrow(file, name));
    return arrow::Status::OK();
  }

  arrow::Status Report() {
    if (!options_.progress) {
      return arrow::Status::OK();
    }
    int64_t bytes = file_.looks.size;
    if (archive_ != nullptr) {
      bytes = archive_->bytes_read();
    } else if (stream_ != nullptr) {
      ARROW_ASSIGN_OR_RAISE(const int64_t offset, stream_->Tell());
      bytes = file_.from_byte + offset;
    }
    options_.progress({.path = file_.path,
                       .bytes = std::min(bytes, file_.looks.size),
                       .total_bytes = file_.looks.size,
                       .rows = rows_before_ + rows_->rows()});
    return arrow::Status::OK();
  }

  const spec::FilesConnector files_;
  const PlannedFile file_;
  const FileReadOptions options_;
  const std::stop_token stop_;
  std::string digest_;
  Packing packing_ = Packing::kPlain;
  std::shared_ptr<arrow::io::RandomAccessFile> stored_;
  std::shared_ptr<arrow::io::InputStream> stream_;  // of stored_, below any unpacking
  std::unique_ptr<ZipArchive> archive_;
  std::vector<size_t> members_;  // of the archive, those to read
  size_t next_member_ = 0;
  std::unique_ptr<MemberRows> rows_;  // goes before archive_, whose streams it reads
  int64_t rows_before_ = 0;           // of members read to their end
  int64_t problems_before_ = 0;
};

}  // namespace

std::string OriginalPath(const std::string& digest) { return "_files/" + digest; }

arrow::Result<std::unique_ptr<FileRows>> OpenFile(const spec::Source& source,
                                                  const PlannedFile& file,
                                                  const FileReadOptions& options,
                                                  std::stop_token stop) {
  auto rows = std::make_unique<Rows>(source, file, options, std::move(stop));
  ARROW_RETURN_NOT_OK(rows->Init());
  return std::unique_ptr<FileRows>(std::move(rows));
}

}  // namespace icecore::ingest
