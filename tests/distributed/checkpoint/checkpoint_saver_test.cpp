#include "distributed/checkpoint/checkpoint_saver.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/distributed/checkpoint/small_state.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera::test {
namespace {

using std::chrono::milliseconds;

class CheckpointSaverTest : public testing::Test {
 protected:
  CheckpointFolder folder() { return CheckpointFolder(dir_ / "checkpoints"); }
  void save_by_one(int64_t step, SaveOptions options, std::optional<double> valid_loss = {}) {
    CheckpointSaver saver(folder(), 0, options);
    CheckpointInfo info = small_info(step, 0, 1);
    info.valid_loss = valid_loss;
    EXPECT_EQ(saver.save(pieces_of_rank(small_state(step), 0, 1), info).error, "");
  }
  std::string pointer(const std::string& name) { return dir_.read("checkpoints/" + name); }

  TempDir dir_;
};

TEST_F(CheckpointSaverTest, WritesWhatWasThereAtTheCall) {
  CheckpointSaver saver(folder(), 0, {});
  NamedArrays state = small_state(4);
  for (auto& [name, array] : state) array = array.clone();
  saver.start(pieces_of_rank(state, 0, 1), small_info(4, 0, 1));
  // Training goes on at once.
  for (auto& [name, array] : state) array.fill_(0);
  saver.wait();
  std::vector<SaveOutcome> outcomes = saver.take_outcomes();
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0].error, "");
  EXPECT_EQ(outcomes[0].path, folder().checkpoint(4));
  EXPECT_EQ(trouble_with(folder().checkpoint(4), 4, FileSystem::real()), "");
  EXPECT_TRUE(saver.take_outcomes().empty());
}

TEST_F(CheckpointSaverTest, ManySavesInARowAreAllWhole) {
  constexpr int kRanks = 3;
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < kRanks; ++rank) {
    ranks.emplace_back([&, rank] {
      CheckpointSaver saver(folder(), rank, {.keep = 4});
      for (int64_t step = 1; step <= 20; ++step) {
        saver.start(pieces_of_rank(small_state(step), rank, kRanks), small_info(step, 0, kRanks));
      }
      saver.wait();
      for (const SaveOutcome& outcome : saver.take_outcomes()) EXPECT_EQ(outcome.error, "");
    });
  }
  for (std::thread& rank : ranks) rank.join();
  EXPECT_EQ(folder().steps(), (std::vector<int64_t>{20, 19, 18, 17}));
  for (int64_t step : folder().steps()) {
    EXPECT_EQ(trouble_with(folder().checkpoint(step), step, FileSystem::real()), "");
  }
  EXPECT_EQ(pointer("latest"), "step-00000020\n");
}

TEST_F(CheckpointSaverTest, KeepsTheNewestAndTheBest) {
  std::vector<double> losses{5, 3, 4, 3.5, 6};
  for (int64_t step = 1; step <= 5; ++step) {
    save_by_one(step, {.keep = 2, .keep_best = true}, losses[static_cast<size_t>(step) - 1]);
  }
  EXPECT_EQ(folder().steps(), (std::vector<int64_t>{5, 4, 2}));
  EXPECT_EQ(pointer("best"), "step-00000002\n");
  EXPECT_EQ(pointer("latest"), "step-00000005\n");
  save_by_one(6, {.keep = 1, .keep_best = true}, 2.0);
  EXPECT_EQ(folder().steps(), (std::vector<int64_t>{6}));
  EXPECT_EQ(pointer("best"), "step-00000006\n");
}

// Until somebody says that the newest is good.
TEST_F(CheckpointSaverTest, KeepsOneMoreThatIsNotReplacedYet) {
  CheckpointSaver saver(folder(), 0, {.keep = 1});
  auto start = [&](int64_t step) {
    saver.start(pieces_of_rank(small_state(step), 0, 1), small_info(step, 0, 1), false);
    saver.wait();
  };
  start(1);
  start(2);
  start(3);
  EXPECT_EQ(folder().steps(), (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(pointer("latest"), "step-00000003\n");
  EXPECT_TRUE(saver.prune());
  saver.wait();
  EXPECT_EQ(folder().steps(), std::vector<int64_t>{3});
  EXPECT_EQ(saver.take_outcomes().size(), 3U);
  EXPECT_EQ(saver.save(pieces_of_rank(small_state(4), 0, 1), small_info(4, 0, 1), false).error, "");
  EXPECT_EQ(folder().steps(), (std::vector<int64_t>{4, 3}));
}

TEST_F(CheckpointSaverTest, APartThatDoesNotComeIsNamed) {
  CheckpointSaver saver(folder(), 0, {.timeout = milliseconds(30)});
  SaveOutcome outcome = saver.save(pieces_of_rank(small_state(1), 0, 2), small_info(1, 0, 2));
  EXPECT_TRUE(contains(outcome.error, "the part of rank 1 has not come in time"));
  EXPECT_TRUE(folder().steps().empty());
  // Nothing is left of it.
  EXPECT_EQ(FileSystem::real().list(dir_ / "checkpoints"), std::vector<std::string>{});
}

// When a run fails, its other ranks may be gone: nobody waits minutes for their parts.
TEST_F(CheckpointSaverTest, ItsEndWaitsSecondsForOtherRanks) {
  auto start = std::chrono::steady_clock::now();
  {
    CheckpointSaver saver(folder(), 0, {.timeout = std::chrono::minutes(10)});
    saver.start(pieces_of_rank(small_state(1), 0, 2), small_info(1, 0, 2));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
  EXPECT_TRUE(folder().steps().empty());
}

TEST_F(CheckpointSaverTest, LeftoversOfOlderGenerationsAreSweptAndNeverUsed) {
  // Rank 1's part of step 2 was written before the run was killed.
  Part part(pieces_of_rank(small_state(99), 1, 2), small_info(2, 0, 2),
            part_name(1, 2, ".safetensors"));
  folder().write_part(part, small_info(2, 0, 2), 1, ChecksumKind::xxh3);
  EXPECT_EQ(folder().next_generation(), 1);
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < 2; ++rank) {
    ranks.emplace_back([&, rank] {
      CheckpointSaver saver(folder(), rank, {});
      EXPECT_EQ(saver.save(pieces_of_rank(small_state(2), rank, 2), small_info(2, 1, 2)).error, "");
    });
  }
  for (std::thread& rank : ranks) rank.join();
  EXPECT_EQ(trouble_with(folder().checkpoint(2), 2, FileSystem::real()), "");
  EXPECT_EQ(FileSystem::real().list(dir_ / "checkpoints"),
            (std::vector<std::string>{"latest", "step-00000002"}));
  EXPECT_EQ(folder().next_generation(), 2);
}

TEST_F(CheckpointSaverTest, OneThatIsThereAlreadyStays) {
  save_by_one(1, {});
  auto before = FileSystem::real().read(folder().checkpoint(1) + "/manifest.json", 1 << 20);
  CheckpointSaver saver(folder(), 0, {});
  CheckpointInfo later = small_info(1, 5, 1);
  EXPECT_EQ(saver.save(pieces_of_rank(small_state(1), 0, 1), later).error, "");
  EXPECT_EQ(FileSystem::real().read(folder().checkpoint(1) + "/manifest.json", 1 << 20), before);
}

TEST_F(CheckpointSaverTest, OneThatIsSetAsideIsNoCheckpoint) {
  save_by_one(1, {});
  save_by_one(2, {});
  EXPECT_EQ(folder().set_aside(2), folder().checkpoint(2) + ".bad");
  EXPECT_EQ(folder().steps(), std::vector<int64_t>{1});
  EXPECT_EQ(pointer("latest"), "step-00000001\n");
  save_by_one(2, {});
  EXPECT_EQ(folder().steps(), (std::vector<int64_t>{2, 1}));
}

// Names of other things in the folder are not taken for checkpoints, and stay.
TEST_F(CheckpointSaverTest, LeavesAloneWhatIsNotItsOwn) {
  FileSystem& files = FileSystem::real();
  for (const char* name : {"step-1", "step-00000001x", "step-00000001.old", "notes"}) {
    files.make_directories(dir_ / "checkpoints/" + std::string(name));
  }
  save_by_one(3, {.keep = 1});
  save_by_one(4, {.keep = 1});
  EXPECT_EQ(folder().steps(), std::vector<int64_t>{4});
  EXPECT_EQ(files.list(dir_ / "checkpoints").size(), 6U);
}

// A part that is a link to a file elsewhere is refused, and so is the folder of the manifest.
TEST_F(CheckpointSaverTest, LinksOutOfTheFolderAreRefused) {
  save_by_one(1, {});
  std::string part = folder().checkpoint(1) + "/rank-0-of-1.safetensors";
  std::string elsewhere = dir_ / "elsewhere";
  std::filesystem::rename(part, elsewhere);
  std::filesystem::create_symlink(elsewhere, part);
  EXPECT_TRUE(contains(trouble_with(folder().checkpoint(1), 1, FileSystem::real()), part));
}

}  // namespace
}  // namespace tessera::test
