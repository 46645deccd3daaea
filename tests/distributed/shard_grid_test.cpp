#include "distributed/shard_grid.h"

#include <gtest/gtest.h>

#include "tests/support/ranks.h"
#include "tests/support/spy_communicator.h"

namespace tessera {
namespace {

using test::run_ranks;

struct Sizes {
  int shards, replicas, near_shards, near_replicas;
  friend bool operator==(const Sizes&, const Sizes&) = default;
};

Sizes sizes_of(const ShardGrid& grid) {
  return {grid.shards().size(), grid.replicas().size(), grid.shards().near().size(),
          grid.replicas().near().size()};
}

TEST(ShardGrid, DividesTheDataAxisAsTheStrategySays) {
  run_ranks(8, [](Communicator& comm) {
    Mesh mesh(comm, {.group = 4, .ranks_per_node = 2});
    ShardGrid ddp(mesh, Strategy::ddp);
    ShardGrid zero1(mesh, Strategy::zero1);
    ShardGrid zero3(mesh, Strategy::zero3);
    ShardGrid hybrid(mesh, Strategy::hybrid);
    EXPECT_EQ(sizes_of(ddp), (Sizes{1, 8, 1, 2}));
    EXPECT_EQ(sizes_of(zero1), (Sizes{1, 8, 1, 2}));
    EXPECT_EQ(sizes_of(zero3), (Sizes{8, 1, 2, 1}));
    EXPECT_EQ(sizes_of(hybrid), (Sizes{4, 2, 2, 2}));
    EXPECT_EQ(hybrid.shards().rank(), comm.rank() % 4);
    EXPECT_EQ(hybrid.replicas().rank(), comm.rank() / 4);
    EXPECT_EQ(&ddp.owners(), &ddp.shards());
    EXPECT_EQ(&zero1.owners(), &zero1.replicas());
    EXPECT_FALSE(zero1.gathers_blocks());
    EXPECT_TRUE(hybrid.gathers_blocks());
  });
}

TEST(ShardGrid, TakesNoCommunicatorWithoutNeed) {
  run_ranks(4, [](Communicator& comm) {
    test::SpyCommunicator spy(comm);
    Mesh mesh(spy, {.group = 2});
    for (Strategy strategy : {Strategy::ddp, Strategy::zero1, Strategy::zero2, Strategy::zero3}) {
      ShardGrid grid(mesh, strategy);
      EXPECT_EQ(spy.calls().size(), 0U) << name(strategy);
    }
    ShardGrid grid(mesh, Strategy::hybrid);
    EXPECT_EQ(spy.count("split"), 2);
  });
}

}  // namespace
}  // namespace tessera
