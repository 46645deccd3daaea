// Saves that are killed, fail, or lose power at every call that changes something.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <random>
#include <system_error>

#include "core/error.h"
#include "distributed/checkpoint/checkpoint_saver.h"
#include "tests/distributed/checkpoint/small_state.h"
#include "tests/support/error_of.h"
#include "tests/support/faulty_file_system.h"

namespace tessera::test {
namespace {

constexpr const char* kFolder = "/run/checkpoints";
constexpr int kRanks = 2;
// Enough for subsets of 12 changes.
constexpr size_t kAllSubsetsOf = 12;

bool long_form() { return std::getenv("TESSERA_TEST_WHOLE_PRODUCT") != nullptr; }

SaveOutcome save_part(FileSystem& files, int rank, int64_t step, int64_t generation) {
  CheckpointSaver saver(CheckpointFolder(kFolder, files), rank,
                        {.keep = 1, .timeout = std::chrono::milliseconds(0)});
  return saver.save(pieces_of_rank(small_state(step), rank, kRanks),
                    small_info(step, generation, kRanks));
}

// One save by all ranks, rank 0 last, as it waits for the others.
struct Save {
  explicit Save(Disk& disk) {
    for (int rank = 0; rank < kRanks; ++rank) files.emplace_back(disk);
  }
  void run(int64_t step, int64_t generation) {
    for (int rank = kRanks - 1; rank >= 0; --rank) {
      outcomes[static_cast<size_t>(rank)] =
          save_part(files[static_cast<size_t>(rank)], rank, step, generation);
    }
  }
  std::vector<FaultyFileSystem> files;  // of each rank
  std::array<SaveOutcome, kRanks> outcomes;
};

// A disk with the checkpoint of step 1.
Disk disk_with_one() {
  Disk disk;
  FaultyFileSystem(disk).make_directories(kFolder);
  disk.settle();
  Save save(disk);
  save.run(1, 0);
  for (const SaveOutcome& outcome : save.outcomes) EXPECT_EQ(outcome.error, "");
  return disk;
}

// The newest complete checkpoint, which has to be whole, and so has every other, and what `latest`
// says.
int64_t newest_whole(Disk& disk, const std::string& when) {
  FaultyFileSystem files(disk);
  CheckpointFolder folder(kFolder, files);
  std::vector<int64_t> steps = folder.steps();
  if (steps.empty()) {
    ADD_FAILURE() << "no checkpoint is left: " << when;
    return 0;
  }
  for (int64_t step : steps) {
    EXPECT_EQ(trouble_with(folder.checkpoint(step), step, files), "") << when;
  }
  std::string latest = std::string(kFolder) + "/latest";
  if (disk.exists(latest)) {
    auto bytes = disk.content(latest);
    std::string name(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    EXPECT_TRUE(name.ends_with('\n') &&
                disk.exists(std::string(kFolder) + "/" + name.substr(0, name.size() - 1)))
        << "latest says " << name << ", " << when;
  }
  return steps.front();
}

// The run goes on in the next generation.
void expect_next_save_works(Disk& disk, const std::string& when) {
  Save next(disk);
  next.run(3, 1);
  for (const SaveOutcome& outcome : next.outcomes) EXPECT_EQ(outcome.error, "") << when;
  EXPECT_EQ(newest_whole(disk, when), 3) << when;
  for (const std::string& path : disk.files()) {
    EXPECT_EQ(path.find(".partial"), std::string::npos) << path << " is left, " << when;
  }
}

// The calls of rank 0 or 1 in a save of step 2.
size_t num_calls(int rank) {
  Disk disk = disk_with_one();
  Save save(disk);
  save.run(2, 0);
  EXPECT_EQ(newest_whole(disk, "without a fault"), 2);
  return save.files[static_cast<size_t>(rank)].calls().size();
}

TEST(CheckpointFaults, AKillAtAnyCallLeavesTheOldOrTheNewCheckpoint) {
  for (int rank = 0; rank < kRanks; ++rank) {
    size_t calls = num_calls(rank);
    ASSERT_GT(calls, 10U);
    std::set<int64_t> found;
    for (size_t call = 0; call < calls; ++call) {
      Disk disk = disk_with_one();
      Save save(disk);
      FaultyFileSystem& files = save.files[static_cast<size_t>(rank)];
      files.kill_at(static_cast<int64_t>(call));
      save.run(2, 0);
      ASSERT_TRUE(files.killed());
      std::string when = fmt::format("rank {} was killed in '{}'", rank, files.calls().back());
      found.insert(newest_whole(disk, when));
      expect_next_save_works(disk, when);
    }
    EXPECT_EQ(found, (std::set<int64_t>{1, 2})) << "kills came on both sides of the rename";
  }
}

TEST(CheckpointFaults, AnErrorOfAnyCallIsToldAndLeavesTheOldOrTheNewCheckpoint) {
  for (int rank = 0; rank < kRanks; ++rank) {
    size_t calls = num_calls(rank);
    for (int error : {EIO, ENOSPC, EDQUOT, EACCES, EROFS, EFBIG, ENOENT, EMFILE, ENOMEM, EINVAL}) {
      for (size_t call = 0; call < calls; ++call) {
        Disk disk = disk_with_one();
        Save save(disk);
        FaultyFileSystem& files = save.files[static_cast<size_t>(rank)];
        files.fail_at(static_cast<int64_t>(call), error);
        save.run(2, 0);
        ASSERT_TRUE(files.failed());
        std::string when = fmt::format("rank {}: {} in '{}'", rank,
                                       std::generic_category().message(error), files.calls()[call]);
        EXPECT_TRUE(contains(save.outcomes[static_cast<size_t>(rank)].error,
                             std::generic_category().message(error)))
            << when;
        newest_whole(disk, when);
        expect_next_save_works(disk, when);
      }
    }
  }
}

TEST(CheckpointFaults, RankZeroTellsOfAnotherRanksError) {
  Disk disk = disk_with_one();
  Save save(disk);
  save.files[1].fail_at(2, EIO);
  save.run(2, 0);
  EXPECT_TRUE(contains(save.outcomes[0].error, "rank 1: [write] /run/checkpoints/step-00000002"));
  EXPECT_TRUE(contains(save.outcomes[0].error, "Input/output error"));
}

TEST(CheckpointFaults, AFullDiskLeavesTheOldCheckpointAndRoomForTheNext) {
  for (uint64_t bytes = 0; bytes < 12000; bytes += 500) {
    Disk disk = disk_with_one();
    Save save(disk);
    for (FaultyFileSystem& files : save.files) files.limit_bytes(bytes);
    save.run(2, 0);
    std::string when = fmt::format("with room for {} bytes", bytes);
    int64_t newest = newest_whole(disk, when);
    bool failed = save.files[0].failed() || save.files[1].failed();
    if (newest == 1) {
      EXPECT_TRUE(failed);
      EXPECT_NE(save.outcomes[0].error, "") << when;
    }
    expect_next_save_works(disk, when);
  }
}

// After a failed fsync, the kernel may have dropped what it could not write.
TEST(CheckpointFaults, WhatCouldNotBeSyncedIsNotUsed) {
  Disk base = disk_with_one();
  Save plain(base);
  plain.run(2, 0);
  size_t tried = 0;
  for (size_t call = 0; call < plain.files[0].calls().size(); ++call) {
    std::string what = plain.files[0].calls()[call];
    if (!what.starts_with("fsync ") || what.find(".partial/") == std::string::npos) continue;
    Disk disk = disk_with_one();
    Save save(disk);
    save.files[0].fail_at(static_cast<int64_t>(call), EIO);
    save.run(2, 0);
    EXPECT_EQ(newest_whole(disk, what), 1) << what;
    std::string path = save.files[0].calls()[call].substr(6);
    for (size_t later = call + 1; later < save.files[0].calls().size(); ++later) {
      std::string next = save.files[0].calls()[later];
      EXPECT_FALSE(next == "fsync " + path || next.starts_with("rename " + path)) << next;
    }
    ++tried;
  }
  EXPECT_EQ(tried, 3U) << "the part, its list, the manifest";
}

class PowerLoss {
 public:
  void check(const Disk& disk, const std::string& when) {
    size_t count = disk.num_pending();
    most_ = std::max(most_, count);
    if (count <= kAllSubsetsOf) {
      for (uint64_t mask = 0; mask < uint64_t{1} << count; ++mask) check_subset(disk, mask, when);
      return;
    }
    for (int i = 0; i < (long_form() ? 10000 : 300); ++i) {
      uint64_t mask = random_();
      // Few of them, half of them, nearly all.
      if (i % 3 == 0) mask &= random_() & random_();
      if (i % 3 == 1) mask |= random_() | random_();
      check_subset(disk, mask, when);
    }
  }
  size_t most() const { return most_; }
  const std::set<int64_t>& found() const { return found_; }

 private:
  void check_subset(const Disk& disk, uint64_t mask, const std::string& when) {
    std::vector<bool> survived;
    for (size_t i = 0; i < disk.num_pending(); ++i) survived.push_back((mask >> (i % 64) & 1) != 0);
    Disk after = disk.after_power_loss(survived);
    std::string what = fmt::format("power was lost after {}, with changes {:b}", when, mask);
    found_.insert(newest_whole(after, what));
    if (++checked_ % 16 == 0) expect_next_save_works(after, what);
  }

  std::mt19937_64 random_{7};
  size_t most_ = 0;
  size_t checked_ = 0;
  std::set<int64_t> found_;
};

TEST(CheckpointFaults, LostPowerAtAnyCallLeavesTheOldOrTheNewCheckpoint) {
  PowerLoss power;
  for (int rank = 0; rank < kRanks; ++rank) {
    for (size_t call = 0; call < num_calls(rank); ++call) {
      Disk disk = disk_with_one();
      Save save(disk);
      FaultyFileSystem& files = save.files[static_cast<size_t>(rank)];
      files.kill_at(static_cast<int64_t>(call));
      // Nobody does anything after that.
      if (rank == 0) save.run(2, 0);
      else save_part(files, rank, 2, 0);
      power.check(disk, fmt::format("'{}' of rank {}", files.calls().back(), rank));
    }
  }
  EXPECT_EQ(power.found(), (std::set<int64_t>{1, 2}));
  EXPECT_GT(power.most(), 4U) << "something was pending";
}

TEST(CheckpointFaults, ASaveThatHasReturnedSurvivesLostPower) {
  Disk disk = disk_with_one();
  Save(disk).run(2, 0);
  for (uint64_t mask = 0; mask < uint64_t{1} << disk.num_pending(); ++mask) {
    std::vector<bool> survived;
    for (size_t i = 0; i < disk.num_pending(); ++i) survived.push_back((mask >> i & 1) != 0);
    Disk after = disk.after_power_loss(survived);
    EXPECT_EQ(newest_whole(after, "after the save"), 2);
  }
}

// The negative control: a folder that is not synced, or a file, is found by the same checks.
TEST(CheckpointFaults, TheFaultyDiskForgetsWhatIsNotSynced) {
  Disk disk;
  FaultyFileSystem files(disk);
  files.make_directories("/a");
  disk.settle();
  auto file = files.create("/a/f");
  std::string text = "content";
  file->append(std::as_bytes(std::span(text)));
  size_t pending = disk.num_pending();
  EXPECT_EQ(pending, 3U) << "a name and two halves";
  EXPECT_FALSE(disk.after_power_loss({false, true, true}).exists("/a/f"));
  EXPECT_EQ(disk.after_power_loss({true, false, false}).content("/a/f").size(), 0U);
  file->finish();
  EXPECT_EQ(disk.num_pending(), 1U);
  EXPECT_EQ(disk.after_power_loss({true}).content("/a/f").size(), text.size());
  files.sync_directory("/a");
  EXPECT_EQ(disk.num_pending(), 0U);
  EXPECT_EQ(disk.after_power_loss({}).content("/a/f").size(), text.size());
}

}  // namespace
}  // namespace tessera::test
