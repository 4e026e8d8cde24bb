#include "icecore/ingest/files/container.h"

#include <arrow/buffer.h>
#include <arrow/io/compressed.h>
#include <arrow/io/interfaces.h>
#include <arrow/util/compression.h>
#include <zip.h>

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/base/text.h"
#include "icecore/ingest/files/file_error.h"

namespace icecore::ingest {
namespace {

bool EndsWith(std::string_view path, std::string_view extension) {
  return path.size() > extension.size() && base::LowerText(path).ends_with(extension);
}

// Lets libzip read from an Arrow file. Owned by the zip_source_t.
struct ZipInput {
  std::shared_ptr<arrow::io::RandomAccessFile> file;
  int64_t size = 0;
  int64_t offset = 0;
  int64_t* bytes_read = nullptr;
  arrow::Status* failure = nullptr;  // the first error of the file itself
  zip_error_t error;
};

zip_int64_t ReadZipInput(ZipInput* input, void* data, zip_uint64_t length) {
  const int64_t wanted = std::min(static_cast<int64_t>(length), input->size - input->offset);
  arrow::Result<int64_t> got = input->file->ReadAt(input->offset, wanted, data);
  if (!got.ok()) {
    *input->failure = got.status();
    zip_error_set(&input->error, ZIP_ER_READ, 0);
    return -1;
  }
  input->offset += *got;
  *input->bytes_read += *got;
  return *got;
}

zip_int64_t ZipInputCallback(void* state, void* data, zip_uint64_t length,
                             zip_source_cmd_t command) {
  auto* input = static_cast<ZipInput*>(state);
  switch (command) {
    case ZIP_SOURCE_OPEN:
      input->offset = 0;
      return 0;
    case ZIP_SOURCE_READ:
      return ReadZipInput(input, data, length);
    case ZIP_SOURCE_CLOSE:
      return 0;
    case ZIP_SOURCE_STAT: {
      auto* stat = static_cast<zip_stat_t*>(data);
      zip_stat_init(stat);
      stat->size = static_cast<zip_uint64_t>(input->size);
      stat->valid = ZIP_STAT_SIZE;
      return sizeof(zip_stat_t);
    }
    case ZIP_SOURCE_SEEK: {
      const zip_int64_t target = zip_source_seek_compute_offset(
          static_cast<zip_uint64_t>(input->offset), static_cast<zip_uint64_t>(input->size), data,
          length, &input->error);
      if (target < 0) {
        return -1;
      }
      input->offset = target;
      return 0;
    }
    case ZIP_SOURCE_TELL:
      return input->offset;
    case ZIP_SOURCE_ERROR:
      return zip_error_to_data(&input->error, data, length);
    case ZIP_SOURCE_FREE:
      zip_error_fini(&input->error);
      delete input;
      return 0;
    case ZIP_SOURCE_SUPPORTS:
      return zip_source_make_command_bitmap(
          ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
          ZIP_SOURCE_FREE, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_SUPPORTS, -1);
    default:
      zip_error_set(&input->error, ZIP_ER_OPNOTSUPP, 0);
      return -1;
  }
}

class MemberStream : public arrow::io::InputStream {
 public:
  MemberStream(zip_file_t* member, const arrow::Status* failure)
      : member_(member), failure_(failure) {}
  ~MemberStream() override { zip_fclose(member_); }

  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return position_; }

  arrow::Result<int64_t> Read(int64_t length, void* out) override {
    const zip_int64_t got = zip_fread(member_, out, static_cast<zip_uint64_t>(length));
    if (got < 0) {
      ARROW_RETURN_NOT_OK(*failure_);
      return arrow::Status::IOError("damaged zip member: ",
                                    zip_error_strerror(zip_file_get_error(member_)));
    }
    position_ += got;
    return got;
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t length) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(length));
    ARROW_ASSIGN_OR_RAISE(const int64_t got, Read(length, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(got));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

 private:
  zip_file_t* const member_;
  const arrow::Status* const failure_;
  int64_t position_ = 0;
  bool closed_ = false;
};

class Archive : public ZipArchive {
 public:
  explicit Archive(std::string name) : name_(std::move(name)) {}
  ~Archive() override {
    if (zip_ != nullptr) {
      zip_discard(zip_);
    }
  }

  arrow::Status Init(std::shared_ptr<arrow::io::RandomAccessFile> file) {
    auto* input = new ZipInput;
    input->bytes_read = &bytes_read_;
    input->failure = &failure_;
    zip_error_init(&input->error);
    arrow::Result<int64_t> size = file->GetSize();
    input->size = size.ValueOr(0);
    input->file = std::move(file);
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t* source = zip_source_function_create(ZipInputCallback, input, &error);
    if (source == nullptr) {
      delete input;
      return base::MakeError(base::ErrorCode::kInternal, name_ + ": libzip takes no source");
    }
    ARROW_RETURN_NOT_OK(OpenArchive(source, size.status(), &error));
    const zip_int64_t count = zip_get_num_entries(zip_, 0);
    std::vector<std::pair<std::string, zip_uint64_t>> entries;
    for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(count); ++i) {
      const char* member = zip_get_name(zip_, i, ZIP_FL_ENC_GUESS);
      if (member == nullptr) {
        return BadInput(name_, 0, "a zip archive with a damaged directory");
      }
      if (*member != '\0' && std::string_view(member).back() != '/') {
        entries.emplace_back(member, i);
      }
    }
    std::sort(entries.begin(), entries.end());
    for (auto& [member, index] : entries) {
      members_.push_back(std::move(member));
      indices_.push_back(index);
    }
    return arrow::Status::OK();
  }

  const std::vector<std::string>& members() const override { return members_; }
  int64_t bytes_read() const override { return bytes_read_; }

  arrow::Result<std::shared_ptr<arrow::io::InputStream>> OpenMember(size_t member) override {
    zip_file_t* file = zip_fopen_index(zip_, indices_[member], 0);
    if (file == nullptr) {
      ARROW_RETURN_NOT_OK(failure_);
      return BadInput(name_ + "/" + members_[member], 0,
                      std::string("cannot be unpacked: ") + zip_strerror(zip_));
    }
    return std::make_shared<MemberStream>(file, &failure_);
  }

 private:
  arrow::Status OpenArchive(zip_source_t* source, const arrow::Status& size_status,
                            zip_error_t* error) {
    if (size_status.ok()) {
      zip_ = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, error);
    }
    const std::string why = zip_error_strerror(error);
    zip_error_fini(error);
    if (zip_ != nullptr) {
      return arrow::Status::OK();
    }
    zip_source_free(source);
    ARROW_RETURN_NOT_OK(size_status);
    ARROW_RETURN_NOT_OK(failure_);
    return BadInput(name_, 0, "not a whole zip archive (cut off or damaged): " + why);
  }

  const std::string name_;
  zip_t* zip_ = nullptr;
  std::vector<std::string> members_;
  std::vector<zip_uint64_t> indices_;
  int64_t bytes_read_ = 0;
  arrow::Status failure_;
};

}  // namespace

Packing PackingOf(std::string_view path) {
  if (EndsWith(path, ".gz")) {
    return Packing::kGzip;
  }
  if (EndsWith(path, ".zst")) {
    return Packing::kZstd;
  }
  return EndsWith(path, ".zip") ? Packing::kZip : Packing::kPlain;
}

Packing PackingOfBytes(std::string_view first_bytes) {
  if (first_bytes.starts_with("\x1f\x8b")) {
    return Packing::kGzip;
  }
  if (first_bytes.starts_with("\x28\xb5\x2f\xfd")) {
    return Packing::kZstd;
  }
  return first_bytes.starts_with("PK\x03\x04") ? Packing::kZip : Packing::kPlain;
}

arrow::Result<std::shared_ptr<arrow::io::InputStream>> Unpack(
    Packing packing, std::shared_ptr<arrow::io::InputStream> stream) {
  if (packing == Packing::kPlain || packing == Packing::kZip) {
    return stream;
  }
  ARROW_ASSIGN_OR_RAISE(
      auto codec, arrow::util::Codec::Create(packing == Packing::kGzip ? arrow::Compression::GZIP
                                                                       : arrow::Compression::ZSTD));
  // The stream keeps the decompressor that the codec makes, not the codec.
  ARROW_ASSIGN_OR_RAISE(auto unpacked, arrow::io::CompressedInputStream::Make(codec.get(), stream));
  return std::static_pointer_cast<arrow::io::InputStream>(std::move(unpacked));
}

arrow::Result<std::unique_ptr<ZipArchive>> ZipArchive::Open(
    std::shared_ptr<arrow::io::RandomAccessFile> file, std::string name) {
  auto archive = std::make_unique<Archive>(std::move(name));
  ARROW_RETURN_NOT_OK(archive->Init(std::move(file)));
  return std::unique_ptr<ZipArchive>(std::move(archive));
}

}  // namespace icecore::ingest
