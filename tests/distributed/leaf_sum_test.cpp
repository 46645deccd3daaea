#include "distributed/leaf_sum.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "distributed/gradient_sum.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"
#include "tests/support/ranks.h"

namespace tessera {
namespace {

using test::error_of;
using test::random_array;
using test::run_ranks;
using test::same_bits;

// Numbers of many sizes, whose sums round.
Array leaf_value(int64_t leaf, int64_t size, DType dtype) {
  Array out = random_array({size}, dtype, static_cast<uint64_t>(leaf + 1), -1, 1);
  Array wide = random_array({size}, dtype, static_cast<uint64_t>(leaf + 1000), 0, 1000);
  kernels({}).binary().run(BinaryOp::mul, out, wide, out);
  return out;
}

// The sum of [0, leaves) by the definition: level by level, an odd last one moves up.
Array naive_sum(int64_t leaves, int64_t size, DType dtype) {
  std::vector<Array> nodes;
  for (int64_t leaf = 0; leaf < leaves; ++leaf) nodes.push_back(leaf_value(leaf, size, dtype));
  while (nodes.size() > 1) {
    std::vector<Array> above;
    for (size_t i = 0; i < nodes.size(); i += 2) {
      if (i + 1 < nodes.size()) {
        kernels({}).binary().run(BinaryOp::add, nodes[i], nodes[i + 1], nodes[i]);
      }
      above.push_back(nodes[i]);
    }
    nodes = above;
  }
  return nodes[0];
}

Array sum_on(Communicator& comm, int64_t leaves, int64_t size, DType dtype, ReductionMode mode) {
  LeafSum sum(leaves, size, dtype, mode, comm);
  auto run = part_of_rank(leaves, comm.rank(), comm.size());
  for (int64_t leaf = run.begin; leaf < run.end; ++leaf) sum.add(leaf_value(leaf, size, dtype));
  return sum.reduce();
}

// Every size of the world from 1 to 8, all leaves from 1 to 17: ranks without one too.
void expect_exact(int64_t size, DType dtype) {
  std::vector<Array> expected{Array()};
  for (int64_t leaves = 1; leaves <= 17; ++leaves) {
    expected.push_back(naive_sum(leaves, size, dtype));
  }
  for (int world = 1; world <= 8; ++world) {
    run_ranks(world, [&](Communicator& comm) {
      for (int64_t leaves = 1; leaves <= 17; ++leaves) {
        Array got = sum_on(comm, leaves, size, dtype, ReductionMode::exact);
        EXPECT_TRUE(same_bits(got, expected[static_cast<size_t>(leaves)]))
            << leaves << " leaves, rank " << comm.rank() << " of " << world;
      }
    });
  }
}

class ExactSum : public testing::TestWithParam<int64_t> {};

TEST_P(ExactSum, HasTheBitsOfTheTreeForAnyNumberOfRanks) { expect_exact(GetParam(), DType::f32); }

INSTANTIATE_TEST_SUITE_P(Sizes, ExactSum, testing::Values(1, 255, 256, 257, 5000),
                         [](const auto& param) { return std::to_string(param.param); });

TEST(ExactSum, TakesF64) { expect_exact(300, DType::f64); }

TEST(ExactSum, MaySumNothing) { expect_exact(0, DType::f32); }

// Without this, the tests above might use numbers whose sums do not depend on the order.
TEST(FastSum, DependsOnTheNumberOfRanks) {
  constexpr int64_t kLeaves = 17;
  constexpr int64_t kSize = 5000;
  std::set<std::string> sums;
  for (int world : {1, 2, 3, 5, 8}) {
    Array on_first;
    run_ranks(world, [&](Communicator& comm) {
      Array got = sum_on(comm, kLeaves, kSize, DType::f32, ReductionMode::fast);
      if (comm.rank() == 0) on_first = got;
      std::vector<double> expected = test::doubles(naive_sum(kLeaves, kSize, DType::f32));
      EXPECT_TRUE(test::close_to(test::doubles(got), expected, 1e-2, 1e-5));
    });
    sums.emplace(static_cast<const char*>(on_first.raw()), on_first.nbytes());
  }
  EXPECT_GT(sums.size(), 1U);
}

TEST(LeafSum, GivesEveryRankTheSame) {
  for (ReductionMode mode : {ReductionMode::exact, ReductionMode::fast}) {
    std::vector<Array> sums(5);
    run_ranks(5, [&](Communicator& comm) {
      sums[static_cast<size_t>(comm.rank())] = sum_on(comm, 11, 1000, DType::f32, mode);
    });
    for (const Array& sum : sums) EXPECT_TRUE(same_bits(sum, sums[0]));
  }
}

// Leaves dealt a round at a time give the shards of the same sum.
void expect_rounds(int64_t leaves, int64_t size, int world, ReductionMode mode,
                   DType dtype = DType::f32) {
  Array expected = naive_sum(leaves, size, dtype);
  run_ranks(world, [&](Communicator& comm) {
    RoundSum sum(leaves, {0, leaves}, size, dtype, mode, comm);
    for (int64_t leaf = comm.rank(); leaf - comm.rank() < leaves; leaf += world) {
      sum.add(leaf < leaves ? leaf_value(leaf, size, dtype) : Array());
    }
    auto shard = shards_of(size, world)[static_cast<size_t>(comm.rank())];
    Array own = expected.slice(0, shard.begin, shard.end);
    if (mode == ReductionMode::exact) {
      EXPECT_TRUE(same_bits(sum.shard(), own.contiguous()))
          << leaves << " leaves, rank " << comm.rank() << " of " << world;
    } else {
      EXPECT_TRUE(test::close_to(test::doubles(sum.shard()), test::doubles(own), 1e-2, 1e-5));
    }
  });
}

TEST(RoundSum, HasTheBitsOfTheTreeForAnyNumberOfRanks) {
  for (int world = 1; world <= 8; ++world) {
    for (int64_t leaves = world; leaves <= 17; ++leaves) {
      expect_rounds(leaves, 5000, world, ReductionMode::exact);
    }
  }
  expect_rounds(5, 0, 3, ReductionMode::exact);
}

TEST(RoundSum, TakesF64) {
  for (ReductionMode mode : {ReductionMode::exact, ReductionMode::fast}) {
    expect_rounds(5, 3000, 3, mode, DType::f64);
  }
}

TEST(RoundSum, IsNearItInFastMode) {
  for (int world : {1, 3, 4}) expect_rounds(7, 5000, world, ReductionMode::fast);
}

TEST(GradientSum, IsTheSumInF64WithinRounding) {
  constexpr int64_t kLeaves = 64;
  constexpr int64_t kSize = 1000;
  std::vector<double> sum(kSize), magnitude(kSize);
  for (int64_t leaf = 0; leaf < kLeaves; ++leaf) {
    std::vector<double> values = test::doubles(leaf_value(leaf, kSize, DType::f32));
    for (size_t i = 0; i < values.size(); ++i) {
      sum[i] += values[i];
      magnitude[i] += std::abs(values[i]);
    }
  }
  run_ranks(3, [&](Communicator& comm) {
    Mesh mesh(comm, Strategy::ddp);
    GradientSum exact(kLeaves, kSize, DType::f32, ReductionMode::exact, mesh);
    for (int64_t leaf : leaves_of_rank(kLeaves, comm.rank(), 3, 1)) {
      exact.add(leaf_value(leaf, kSize, DType::f32));
    }
    std::vector<double> got = test::doubles(exact.result());
    // Six levels of additions, each of which rounds by half an epsilon.
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_NEAR(got[i], sum[i], 6 * 0x1p-24 * magnitude[i]) << i;
    }
  });
}

// Leaves dealt to groups, whose rounds give shards of subtrees, which the replicas of a shard join.
void expect_grid(int64_t leaves, int64_t size, int world, int group, ReductionMode mode) {
  Array expected = naive_sum(leaves, size, DType::f32);
  run_ranks(world, [&](Communicator& comm) {
    Mesh mesh(comm, Strategy::hybrid, {.group = group});
    GradientSum sum(leaves, size, DType::f32, mode, mesh);
    int64_t run = part_of_rank(leaves, comm.rank() / group, world / group).size();
    std::vector<int64_t> own = leaves_of_rank(leaves, comm.rank(), world, group);
    for (int64_t round = 0; round * group < run; ++round) {
      auto i = static_cast<size_t>(round);
      sum.add(i < own.size() ? leaf_value(own[i], size, DType::f32) : Array());
    }
    auto shard = shards_of(size, group)[static_cast<size_t>(comm.rank() % group)];
    Array want = expected.slice(0, shard.begin, shard.end).contiguous();
    Array got = sum.result();
    std::string what =
        fmt::format("{} leaves, rank {} of {}, groups of {}", leaves, comm.rank(), world, group);
    if (mode == ReductionMode::exact) {
      EXPECT_TRUE(same_bits(got, want)) << what;
    } else {
      double tolerance = mode == ReductionMode::fast ? 1e-5 : 0.05;
      EXPECT_TRUE(test::close_to(test::doubles(got), test::doubles(want), 10, tolerance)) << what;
    }
  });
}

TEST(GradientSum, HasTheBitsOfTheTreeOnAnyGrid) {
  for (int world : {1, 2, 4, 6, 8}) {
    for (int group : {1, 2, 3, 4, 6, 8}) {
      if (world % group != 0) continue;
      for (int64_t leaves : {8, 9, 13}) {
        expect_grid(leaves, 3000, world, group, ReductionMode::exact);
      }
    }
  }
}

TEST(GradientSum, IsNearItInTheOtherModes) {
  for (ReductionMode mode : {ReductionMode::fast, ReductionMode::fast_bf16}) {
    for (int group : {1, 2, 4}) expect_grid(9, 3000, 4, group, mode);
  }
}

TEST(LeafSum, GivesShardsOfTheSameSum) {
  for (ReductionMode mode : {ReductionMode::exact, ReductionMode::fast}) {
    run_ranks(3, [&](Communicator& comm) {
      Array whole = sum_on(comm, 7, 5000, DType::f32, mode);
      LeafSum sum(7, 5000, DType::f32, mode, comm);
      auto run = part_of_rank(7, comm.rank(), comm.size());
      for (int64_t leaf = run.begin; leaf < run.end; ++leaf) {
        sum.add(leaf_value(leaf, 5000, DType::f32));
      }
      auto shard = shards_of(5000, 3)[static_cast<size_t>(comm.rank())];
      EXPECT_TRUE(same_bits(sum.reduce_to_shards().contiguous(),
                            whole.slice(0, shard.begin, shard.end).contiguous()));
    });
  }
}

TEST(LeavesOfRank, AreContiguousAndEven) {
  for (int64_t leaves = 0; leaves <= 20; ++leaves) {
    for (int world = 1; world <= 8; ++world) {
      int64_t next = 0;
      for (int rank = 0; rank < world; ++rank) {
        auto run = part_of_rank(leaves, rank, world);
        EXPECT_EQ(run.begin, next);
        int64_t count = run.end - run.begin;
        EXPECT_TRUE(count == leaves / world || count == leaves / world + 1);
        next = run.end;
      }
      EXPECT_EQ(next, leaves);
    }
  }
}

}  // namespace
}  // namespace tessera
