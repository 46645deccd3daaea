#include "distributed/gradient_sum.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "core/kernels.h"
#include "core/kernels/binary.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"
#include "tests/support/ranks.h"
#include "tests/support/spy_communicator.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::error_of;
using test::random_array;
using test::run_ranks;
using test::same_bits;

constexpr Strategy kStrategies[] = {Strategy::ddp, Strategy::zero1, Strategy::zero2,
                                    Strategy::zero3, Strategy::hybrid};

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

// This rank's shard of the sum, after all its rounds.
Array sum_on(const ShardGrid& grid, int64_t leaves, int64_t size, DType dtype, ReductionMode mode) {
  GradientSum sum(leaves, ShardCut::even(size, grid.owners()), dtype, mode, grid);
  int group = grid.shards().size();
  Communicator& data = grid.data();
  int64_t of_group = share_of_rank(leaves, data.rank() / group, data.size() / group).size();
  std::vector<int64_t> own = leaves_of_rank(leaves, data.rank(), data.size(), group);
  for (int64_t round = 0; round == 0 || round * group < of_group; ++round) {
    auto i = static_cast<size_t>(round);
    sum.add(i < own.size() ? leaf_value(own[i], size, dtype) : Array());
  }
  return sum.result();
}

std::string describe(const ShardGrid& grid, int64_t leaves) {
  return fmt::format("{} leaves, {}, rank {} of {}, nodes of {} and {}", leaves,
                     name(grid.strategy()), grid.data().rank(), grid.data().size(),
                     grid.shards().near().size(), grid.replicas().near().size());
}

// Of `expected`, the sum, what this rank ends with.
Array own_shard(const ShardGrid& grid, const Array& expected) {
  if (grid.strategy() == Strategy::ddp) return expected;
  return slice_of(expected, ShardCut::even(expected.numel(), grid.owners()).own()).contiguous();
}

void expect_exact(Communicator& comm, Strategy strategy, MeshShape shape, int64_t leaves,
                  int64_t size, DType dtype = DType::f32) {
  Mesh mesh(comm, shape);
  ShardGrid grid(mesh, strategy);
  Array got = sum_on(grid, leaves, size, dtype, ReductionMode::exact);
  EXPECT_TRUE(same_bits(got.contiguous(), own_shard(grid, naive_sum(leaves, size, dtype))))
      << describe(grid, leaves);
}

class ExactSum : public testing::TestWithParam<Strategy> {};

// Every size of the world from 1 to 8, all leaves from 1 to 17: ranks without one too.
TEST_P(ExactSum, HasTheBitsOfTheTreeForAnyNumberOfRanks) {
  for (int world = 1; world <= 8; ++world) {
    run_ranks(world, [&](Communicator& comm) {
      int group = world % 2 == 0 ? 2 : 1;
      for (int64_t leaves = 1; leaves <= 17; ++leaves) {
        expect_exact(comm, GetParam(), {.group = group}, leaves, 1300);
      }
    });
  }
}

TEST_P(ExactSum, HasThemWhereverNodesEnd) {
  for (int world : {4, 6, 8}) {
    run_ranks(world, [&](Communicator& comm) {
      for (int per_node : {1, 2, 3, 4}) {
        if (world % per_node != 0) continue;
        for (int group : {1, 2, 3, 4, 8}) {
          bool one = group == 1 || GetParam() == Strategy::hybrid;
          if (world % group != 0 || !one) continue;
          for (int64_t leaves : {3, 8, 13}) {
            expect_exact(comm, GetParam(), {.group = group, .ranks_per_node = per_node}, leaves,
                         2600);
          }
        }
      }
    });
  }
}

TEST_P(ExactSum, TakesAnySizeAndF64) {
  run_ranks(4, [&](Communicator& comm) {
    for (int64_t size : {0, 1, 255, 256, 257, 5000}) {
      expect_exact(comm, GetParam(), {.group = 2, .ranks_per_node = 2}, 7, size);
    }
    expect_exact(comm, GetParam(), {.group = 2}, 7, 3000, DType::f64);
  });
}

TEST_P(ExactSum, IsNearTheOthers) {
  for (ReductionMode mode : {ReductionMode::fast, ReductionMode::fast_bf16}) {
    for (int per_node : {4, 2}) {
      run_ranks(4, [&](Communicator& comm) {
        Mesh mesh(comm, {.group = 2, .ranks_per_node = per_node});
        ShardGrid grid(mesh, GetParam());
        for (int64_t leaves : {3, 9}) {
          Array got = sum_on(grid, leaves, 3000, DType::f32, mode);
          Array want = own_shard(grid, naive_sum(leaves, 3000, DType::f32));
          double tolerance = mode == ReductionMode::fast ? 1e-5 : 0.05;
          EXPECT_TRUE(close_to(doubles(got), doubles(want), 10, tolerance))
              << describe(grid, leaves);
        }
      });
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Strategies, ExactSum, testing::ValuesIn(kStrategies),
                         [](const auto& param) { return std::string(name(param.param)); });

// What the tests above would not notice if it were not so.
TEST(FastSum, DependsOnTheNumberOfRanks) {
  std::set<std::vector<double>> sums;
  for (int world : {1, 2, 3, 5}) {
    std::vector<double> first;
    run_ranks(world, [&](Communicator& comm) {
      Mesh mesh(comm);
      ShardGrid grid(mesh, Strategy::ddp);
      Array sum = sum_on(grid, 11, 5000, DType::f32, ReductionMode::fast);
      if (comm.rank() == 0) first = doubles(sum);
    });
    sums.insert(first);
  }
  EXPECT_GT(sums.size(), 1U);
}

TEST(GradientSum, IsTheSumInF64WithinRounding) {
  constexpr int64_t kLeaves = 64;
  constexpr int64_t kSize = 1000;
  std::vector<double> sum(kSize);
  std::vector<double> magnitude(kSize);
  for (int64_t leaf = 0; leaf < kLeaves; ++leaf) {
    std::vector<double> values = doubles(leaf_value(leaf, kSize, DType::f32));
    for (size_t i = 0; i < values.size(); ++i) {
      sum[i] += values[i];
      magnitude[i] += std::abs(values[i]);
    }
  }
  run_ranks(3, [&](Communicator& comm) {
    Mesh mesh(comm);
    ShardGrid grid(mesh, Strategy::ddp);
    std::vector<double> got =
        doubles(sum_on(grid, kLeaves, kSize, DType::f32, ReductionMode::exact));
    // Six levels of additions, each of which rounds by half an epsilon.
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_NEAR(got[i], sum[i], 6 * 0x1p-24 * magnitude[i]) << i;
    }
  });
}

TEST(LeavesOfRank, AreContiguousAndEven) {
  for (int64_t leaves = 0; leaves <= 20; ++leaves) {
    for (int world = 1; world <= 8; ++world) {
      int64_t next = 0;
      for (int rank = 0; rank < world; ++rank) {
        auto own = share_of_rank(leaves, rank, world);
        EXPECT_EQ(own.begin, next);
        int64_t count = own.end - own.begin;
        EXPECT_TRUE(count == leaves / world || count == leaves / world + 1);
        next = own.end;
      }
      EXPECT_EQ(next, leaves);
    }
  }
}

TEST(Levels, DivideChunksAmongRanksOfNodes) {
  run_ranks(6, [&](Communicator& comm) {
    for (int close : {1, 2, 3, 6}) {
      Levels levels(comm, close);
      EXPECT_EQ(levels.near().size() * levels.far().size(), 6);
      for (int64_t elements : {0, 256, 1000, 7000}) {
        std::vector<int> owners(static_cast<size_t>(elements));
        for (int rank = 0; rank < 6; ++rank) {
          auto shard = ShardCut::even(elements, levels).of(rank);
          EXPECT_EQ(shard.begin % kChunkElements, shard.size() == 0 ? shard.begin % 256 : 0);
          for (int64_t i = shard.begin; i < shard.end; ++i) ++owners[static_cast<size_t>(i)];
        }
        EXPECT_EQ(owners, std::vector<int>(static_cast<size_t>(elements), 1));
        Array whole = random_array({elements}, DType::f32, 3);
        ShardCut cut = ShardCut::even(elements, levels);
        Array own = slice_of(whole, cut.own()).clone();
        Array gathered = Array::zeros({elements});
        Gather(levels, cut, own, gathered).wait();
        EXPECT_TRUE(same_bits(gathered, whole)) << close;
      }
    }
    EXPECT_EQ(error_of([&] { Levels(comm, 4); }), "[Levels] 6 ranks do not divide into nodes of 4");
  });
}

// The tree's order is its own: a backend may add in whatever order it likes. And all that follows
// is device work, which no host has to wait for.
TEST_P(ExactSum, UsesNoReductionOfTheCommunicator) {
  run_ranks(4, [&](Communicator& comm) {
    test::SpyCommunicator spy(comm, /*reduces_in_rank_order=*/false);
    Mesh mesh(spy, {.group = 2, .ranks_per_node = 2});
    ShardGrid grid(mesh, GetParam());
    spy.forget();
    Array got = sum_on(grid, 7, 1300, DType::f32, ReductionMode::exact);
    EXPECT_TRUE(same_bits(got.contiguous(), own_shard(grid, naive_sum(7, 1300, DType::f32))));
    EXPECT_GT(spy.calls().size(), 0U);
    EXPECT_EQ(spy.count("all_reduce") + spy.count("reduce_scatter"), 0);
    EXPECT_TRUE(spy.all_waited());
  });
}

}  // namespace
}  // namespace tessera
