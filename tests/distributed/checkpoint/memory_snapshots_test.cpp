#include "distributed/checkpoint/memory_snapshots.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>

#include "distributed/agreement.h"
#include "tests/distributed/checkpoint/small_state.h"
#include "tests/support/error_of.h"
#include "tests/support/ranks.h"
#include "tests/support/temp_dir.h"

namespace tessera::test {
namespace {

const std::string kRun = "/runs/a";

// A rank's state, all of it or its shard.
std::vector<HeldTensor> held_by(const NamedArrays& state, int rank, int ranks, bool whole) {
  std::vector<HeldTensor> held;
  for (const auto& [name, array] : state) {
    Interval written = shard_of(array.numel(), rank, ranks);
    Interval interval = whole ? Interval{0, array.numel()} : written;
    if (interval.size() == 0 && !(array.numel() == 0 && rank == 0)) continue;
    held.push_back(
        {name, array.shape(), interval, slice_of(array.view({array.numel()}), interval), written});
  }
  return held;
}

NamedArrays zeros_like(const NamedArrays& state) {
  NamedArrays zeros;
  for (const auto& [name, array] : state) {
    zeros.emplace_back(name, Array::zeros(array.shape(), array.dtype()));
  }
  return zeros;
}

class MemorySnapshotsTest : public testing::Test {
 protected:
  // The folder of a rank's node, of which there are some with as many consecutive ranks.
  std::string node(int rank, int ranks_per_node) const {
    return dir_ / ("node" + std::to_string(rank / ranks_per_node));
  }
  void take(int ranks, int ranks_per_node, std::vector<int64_t> steps, bool peers = false) {
    run_ranks(ranks, [&](Communicator& comm) {
      MemorySnapshots snapshots(node(comm.rank(), ranks_per_node), kRun, comm, peers);
      for (int64_t step : steps) {
        EXPECT_EQ(snapshots.take(pieces_of_rank(small_state(step), comm.rank(), ranks),
                                 small_info(step, 0, ranks)),
                  "");
      }
    });
  }
  // What ranks find when they start, and whether it is right.
  void expect_found(int ranks, int ranks_per_node, std::optional<int64_t> step, bool whole) {
    run_ranks(ranks, [&](Communicator& comm) {
      MemorySnapshots snapshots(node(comm.rank(), ranks_per_node), kRun, comm, false);
      EXPECT_EQ(snapshots.newest(), step);
      if (!step) return;
      NamedArrays state = zeros_like(small_state(*step));
      snapshots.read(held_by(state, comm.rank(), ranks, whole));
      NamedArrays expected = small_state(*step);
      for (size_t i = 0; i < state.size(); ++i) {
        Interval interval = shard_of(state[i].second.numel(), comm.rank(), ranks);
        if (whole) interval = {0, state[i].second.numel()};
        auto flat = [&](const Array& a) { return slice_of(a.view({a.numel()}), interval); };
        EXPECT_TRUE(same_bits(flat(state[i].second), flat(expected[i].second)))
            << state[i].first << ", rank " << comm.rank() << " of " << ranks;
      }
      EXPECT_EQ(snapshots.info().position, 8 * *step);
      // And the run goes on with others.
      for (int64_t next : {*step + 1, *step + 2, *step + 3}) {
        EXPECT_EQ(snapshots.take(pieces_of_rank(small_state(next), comm.rank(), ranks),
                                 small_info(next, 1, ranks)),
                  "");
      }
    });
  }
  void lose_node(int index) {
    std::filesystem::remove_all(dir_ / ("node" + std::to_string(index)));
  }

  TempDir dir_;
};

TEST_F(MemorySnapshotsTest, TheNewestIsFoundByAnyNumberOfRanks) {
  take(3, 3, {4, 5, 6});
  expect_found(3, 3, 6, false);  // takes 7, 8 and 9
  expect_found(2, 2, 9, false);  // takes 10, 11 and 12
  expect_found(5, 5, 12, true);
  expect_found(1, 1, 15, true);
}

TEST_F(MemorySnapshotsTest, ThereIsNoneOfAnotherRun) {
  take(2, 2, {4});
  run_ranks(2, [&](Communicator& comm) {
    MemorySnapshots other(node(0, 2), "/runs/b", comm, false);
    EXPECT_EQ(other.newest(), std::nullopt);
    MemorySnapshots same(node(0, 2), kRun, comm, false);
    EXPECT_EQ(same.newest(), 4);
    same.clear();
    EXPECT_EQ(same.newest(), std::nullopt);
  });
}

// A rank that dies while it writes has the one before whole, and so have the others.
TEST_F(MemorySnapshotsTest, OneThatIsHalfWrittenLeavesTheOneBefore) {
  take(2, 2, {4, 5});
  // Of step 5, in the second slot, rank 1 has no list yet.
  std::filesystem::remove(node(0, 2) + "/rank-1-of-2.b.json");
  expect_found(2, 2, 4, true);
}

TEST_F(MemorySnapshotsTest, DamageIsFound) {
  take(2, 2, {4, 5});
  std::string path = node(0, 2) + "/rank-0-of-2.b.safetensors";
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-5, std::ios::end);
    file.put('!');
  }
  std::atomic<int> errors = 0;
  run_ranks(2, [&](Communicator& comm) {
    MemorySnapshots snapshots(node(0, 2), kRun, comm, false);
    EXPECT_EQ(snapshots.newest(), 5);
    NamedArrays state = zeros_like(small_state(5));
    std::string error = error_of([&] { snapshots.read(held_by(state, comm.rank(), 2, true)); });
    if (contains(error, "is damaged")) ++errors;
  });
  EXPECT_EQ(errors, 2);
}

TEST_F(MemorySnapshotsTest, PartsComeFromTheNodesThatHaveThem) {
  take(4, 2, {4, 5});
  expect_found(4, 2, 5, true);
}

TEST_F(MemorySnapshotsTest, RanksThatNeedTheirShardAloneFetchNothing) {
  take(4, 2, {4, 5});
  run_ranks(4, [&](Communicator& comm) {
    MemorySnapshots snapshots(node(comm.rank(), 2), kRun, comm, false);
    snapshots.newest();
    NamedArrays state = zeros_like(small_state(5));
    snapshots.read(held_by(state, comm.rank(), 4, false));
  });
  EXPECT_FALSE(std::filesystem::exists(dir_ / "node0/rank-2-of-4.b.safetensors"));
}

TEST_F(MemorySnapshotsTest, ALostNodeCostsNothingWherePeersHaveCopies) {
  take(4, 2, {4, 5, 6}, true);
  lose_node(1);
  expect_found(4, 2, 6, true);
}

TEST_F(MemorySnapshotsTest, ALostNodeCostsTheSnapshotWithoutCopies) {
  take(4, 2, {4, 5, 6});
  lose_node(1);
  expect_found(4, 2, std::nullopt, true);
}

TEST_F(MemorySnapshotsTest, CopiesNeedTwoNodes) {
  run_ranks(2, [&](Communicator& comm) {
    EXPECT_TRUE(contains(error_of([&] { MemorySnapshots(node(0, 2), kRun, comm, true); }),
                         "checkpoint.memory_copies: 2 keeps a copy on another node"));
  });
}

// A rank whose folder is full: all keep what they had, and say so.
TEST_F(MemorySnapshotsTest, WhatOneRankCannotTakeNobodyTakes) {
  run_ranks(2, [&](Communicator& comm) {
    MemorySnapshots snapshots(node(comm.rank(), 1), kRun, comm, false);
    EXPECT_EQ(snapshots.take(pieces_of_rank(small_state(4), comm.rank(), 2), small_info(4, 0, 2)),
              "");
    std::string in_the_way = node(1, 1) + "/rank-1-of-2.b.safetensors";
    if (comm.rank() == 1) std::filesystem::create_directory(in_the_way);
    std::string error =
        snapshots.take(pieces_of_rank(small_state(5), comm.rank(), 2), small_info(5, 0, 2));
    EXPECT_TRUE(contains(error, "rank 1: [map] " + in_the_way));
    if (comm.rank() == 1) std::filesystem::remove(in_the_way);
    EXPECT_EQ(snapshots.take(pieces_of_rank(small_state(6), comm.rank(), 2), small_info(6, 0, 2)),
              "");
  });
  expect_found(2, 1, 6, true);
}

}  // namespace
}  // namespace tessera::test
