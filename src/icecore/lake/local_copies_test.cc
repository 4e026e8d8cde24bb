#include "icecore/lake/local_copies.h"

#include <atomic>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

#include "icecore/lake/faulty_object_store.h"
#include "icecore/lake/lake_fixture.h"

namespace icecore::lake {
namespace {

// A store that is not of this machine.
class RemoteStore : public FaultyObjectStore {
 public:
  explicit RemoteStore(ObjectStore* inner) : FaultyObjectStore(inner, FaultPlan()) {}
  std::optional<std::string> LocalPath(const std::string&) const override { return std::nullopt; }
};

class LocalCopiesTest : public LakeFixture {
 protected:
  void SetUp() override {
    LakeFixture::SetUp();
    remote_ = std::make_unique<RemoteStore>(store_.get());
    scratch_ = root_ + "/scratch";
    std::filesystem::create_directories(scratch_);
    for (const char* path : {"t/1", "t/2", "t/3"}) {
      ASSERT_OK(store_->Put(path, std::string(100, path[2])));
    }
  }
  static std::string Read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  size_t Folders() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(scratch_),
                                             std::filesystem::directory_iterator()));
  }

  std::unique_ptr<RemoteStore> remote_;
  std::string scratch_;
};

TEST_F(LocalCopiesTest, CopiesOnceAndGoes) {
  auto copies = Must(LocalCopies::Open(remote_.get(), scratch_, 1000));
  const auto files = Must(copies->Fetch({"t/2", "t/1"}));
  EXPECT_EQ(Read(files[0]->path), std::string(100, '2'));
  EXPECT_EQ(Read(files[1]->path), std::string(100, '1'));
  const int64_t before = remote_->operations();
  EXPECT_EQ(Must(copies->Fetch({"t/1"}))[0]->path, files[1]->path);
  EXPECT_EQ(remote_->operations(), before);
  EXPECT_EQ(CodeOfFailed(copies->Fetch({"t/1", "t/none"})), base::ErrorCode::kNotFound);
  EXPECT_EQ(Folders(), 1);
  copies.reset();
  EXPECT_EQ(Folders(), 0);
}

TEST_F(LocalCopiesTest, DropsTheOldestThatNobodyHolds) {
  const auto copies = Must(LocalCopies::Open(remote_.get(), scratch_, 150));
  const auto held = Must(copies->Fetch({"t/1"}));
  const std::string second = Must(copies->Fetch({"t/2"}))[0]->path;
  EXPECT_TRUE(std::filesystem::exists(second));  // the call still held it
  ASSERT_OK(copies->Fetch({"t/3"}).status());
  EXPECT_FALSE(std::filesystem::exists(second));
  EXPECT_TRUE(std::filesystem::exists(held[0]->path));
}

TEST_F(LocalCopiesTest, TakesAwayWhatADeadProcessLeft) {
  std::filesystem::create_directories(scratch_ + "/lake-copies-dead");
  std::ofstream(scratch_ + "/lake-copies-dead/.lock") << "";
  const auto living = Must(LocalCopies::Open(remote_.get(), scratch_, 1000));
  const auto other = Must(LocalCopies::Open(remote_.get(), scratch_, 1000));
  EXPECT_EQ(Folders(), 2);
  EXPECT_TRUE(std::filesystem::exists(living->folder()));
}

// A lock belongs to who opened the file, so threads are to one another what processes are.
TEST_F(LocalCopiesTest, ManyAtOnceTakeNothingFromEachOther) {
  std::vector<std::jthread> owners;
  std::atomic<int> lost = 0;
  owners.reserve(8);
  for (int owner = 0; owner < 8; ++owner) {
    owners.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        const auto copies = LocalCopies::Open(remote_.get(), scratch_, 1000);
        if (!copies.ok() || !(*copies)->Fetch({"t/1"}).ok()) ++lost;
      }
    });
  }
  owners.clear();
  EXPECT_EQ(lost, 0);
  EXPECT_EQ(Folders(), 0);
}

TEST_F(LocalCopiesTest, FilesOfThisMachineAreReadInPlace) {
  const auto copies = Must(LocalCopies::Open(store_.get(), scratch_, 1000));
  EXPECT_EQ(Must(copies->Fetch({"t/1"}))[0]->path, FileOf("t/1"));
}

}  // namespace
}  // namespace icecore::lake
