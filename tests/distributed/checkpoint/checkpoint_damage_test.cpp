// Checkpoints whose bytes have changed: refused, by name.
#include <gtest/gtest.h>

#include <random>

#include "core/json_text.h"
#include "distributed/checkpoint/checkpoint_saver.h"
#include "tests/distributed/checkpoint/small_state.h"
#include "tests/support/error_of.h"
#include "tests/support/faulty_file_system.h"

namespace tessera::test {
namespace {

constexpr const char* kFolder = "/run/checkpoints";
const std::string kStep2 = "/run/checkpoints/step-00000002";
constexpr int kRanks = 2;

void save_all(Disk& disk, int64_t step, ChecksumKind kind = ChecksumKind::xxh3) {
  FaultyFileSystem files(disk);
  for (int rank = kRanks - 1; rank >= 0; --rank) {
    CheckpointSaver saver(CheckpointFolder(kFolder, files), rank,
                          {.keep = 9, .checksum = kind, .timeout = {}});
    auto outcome =
        saver.save(pieces_of_rank(small_state(step), rank, kRanks), small_info(step, 0, kRanks));
    EXPECT_EQ(outcome.error, "");
  }
}

class CheckpointDamage : public testing::Test {
 protected:
  CheckpointDamage() {
    FaultyFileSystem(disk_).make_directories(kFolder);
    save_all(disk_, 1);
    save_all(disk_, 2);
  }
  std::string trouble() {
    FaultyFileSystem files(disk_);
    return trouble_with(kStep2, 2, files);
  }
  std::string part(int rank) const {
    return fmt::format("{}/rank-{}-of-{}.safetensors", kStep2, rank, kRanks);
  }
  uint64_t header_bytes(int rank) {
    uint64_t length = 0;
    std::memcpy(&length, disk_.content(part(rank)).data(), sizeof length);
    return length + 8;
  }
  void expect_flip_is_found(const std::string& path, size_t byte, int bit) {
    std::byte& place = disk_.content(path)[byte];
    place ^= std::byte{1} << bit;
    std::string found = trouble();
    EXPECT_TRUE(contains(found, path)) << "bit " << bit << " of byte " << byte;
    place ^= std::byte{1} << bit;
  }

  Disk disk_;
};

TEST_F(CheckpointDamage, AWholeOneIsWhole) { EXPECT_EQ(trouble(), ""); }

TEST_F(CheckpointDamage, EveryFlippedBitOfTheManifestIsFound) {
  std::string path = kStep2 + "/manifest.json";
  for (size_t byte = 0; byte < disk_.content(path).size(); ++byte) {
    for (int bit = 0; bit < 8; ++bit) expect_flip_is_found(path, byte, bit);
  }
  EXPECT_EQ(trouble(), "");
}

TEST_F(CheckpointDamage, EveryFlippedBitOfAHeaderIsFound) {
  for (int rank = 0; rank < kRanks; ++rank) {
    for (size_t byte = 0; byte < header_bytes(rank); ++byte) {
      for (int bit = 0; bit < 8; ++bit) expect_flip_is_found(part(rank), byte, bit);
    }
  }
}

TEST_F(CheckpointDamage, TenThousandFlippedBitsOfDataAreFound) {
  std::mt19937 random(5);
  for (int i = 0; i < 10000; ++i) {
    int rank = i % kRanks;
    uint64_t header = header_bytes(rank);
    uint64_t data = disk_.content(part(rank)).size() - header;
    expect_flip_is_found(part(rank), header + random() % data, static_cast<int>(random() % 8));
  }
}

TEST_F(CheckpointDamage, WithSha256Too) {
  save_all(disk_, 7, ChecksumKind::sha256);
  FaultyFileSystem files(disk_);
  CheckpointReader reader("/run/checkpoints/step-00000007", files);
  EXPECT_TRUE(reader.manifest().files[0].checksum.starts_with("sha256:"));
  EXPECT_EQ(trouble_with(reader.path(), 7, files), "");
  std::string path = reader.path() + "/rank-1-of-2.safetensors";
  disk_.content(path).back() ^= std::byte{1};
  EXPECT_TRUE(contains(trouble_with(reader.path(), 7, files), path));
}

TEST_F(CheckpointDamage, EveryTruncationIsFound) {
  for (const std::string& path : {part(0), part(1), kStep2 + "/manifest.json"}) {
    std::vector<std::byte> whole = disk_.content(path);
    for (size_t length = 0; length < whole.size(); ++length) {
      disk_.content(path).assign(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
      EXPECT_TRUE(contains(trouble(), path)) << length << " bytes";
    }
    disk_.content(path) = whole;
    disk_.content(path).push_back({});
    EXPECT_TRUE(contains(trouble(), path)) << "a byte more";
    disk_.content(path) = whole;
  }
}

TEST_F(CheckpointDamage, SwappedPartsAreFound) {
  disk_.swap_files(part(0), part(1));
  EXPECT_TRUE(contains(trouble(), part(0)));
}

TEST_F(CheckpointDamage, PartsOfTwoStepsAreFound) {
  disk_.swap_files(part(1), "/run/checkpoints/step-00000001/rank-1-of-2.safetensors");
  std::string found = trouble();
  EXPECT_TRUE(contains(found, part(1)));
  EXPECT_TRUE(contains(found, "step 2; it is one of step \"1\""));
  // The same with a manifest of another step: the sizes are those.
  disk_.swap_files(part(1), "/run/checkpoints/step-00000001/rank-1-of-2.safetensors");
  disk_.swap_files(kStep2 + "/manifest.json", "/run/checkpoints/step-00000001/manifest.json");
  EXPECT_TRUE(contains(trouble(), kStep2));
}

TEST_F(CheckpointDamage, MissingFilesAreNamed) {
  for (const std::string& path : {part(1), kStep2 + "/manifest.json"}) {
    Disk before = disk_;
    disk_.remove_file(path);
    EXPECT_TRUE(contains(trouble(), path));
    disk_ = before;
  }
}

}  // namespace
}  // namespace tessera::test
