#include "distributed/leaf_table.h"

#include <gtest/gtest.h>

#include "core/tree.h"
#include "tests/support/ranks.h"
#include "tests/support/spy_communicator.h"

namespace tessera {
namespace {

using test::run_ranks;

std::vector<double> row_of(int64_t leaf) {
  return {1.0 / static_cast<double>(leaf + 1), static_cast<double>(leaf * leaf % 7)};
}

LeafTable table_on(Communicator& comm, int64_t leaves, int group) {
  std::vector<std::vector<double>> rows;
  for (int64_t leaf : leaves_of_rank(leaves, comm.rank(), comm.size(), group)) {
    rows.push_back(row_of(leaf));
  }
  return {rows, 2, leaves, group, comm};
}

TEST(LeafTable, IsTheSameForAnyNumberOfRanks) {
  for (int64_t leaves : {1, 3, 8, 13}) {
    std::vector<double> first;
    for (int64_t leaf = 0; leaf < leaves; ++leaf) first.push_back(row_of(leaf)[0]);
    for (int world : {1, 2, 4, 6}) {
      run_ranks(world, [&](Communicator& comm) {
        for (int group : {1, 2, world}) {
          if (world % group != 0) continue;
          LeafTable table = table_on(comm, leaves, group);
          for (int64_t leaf = 0; leaf < leaves; ++leaf) {
            EXPECT_EQ(table.at(leaf, 0), row_of(leaf)[0]);
            EXPECT_EQ(table.at(leaf, 1), row_of(leaf)[1]);
          }
          EXPECT_EQ(table.sum(0), tree_sum(first));
          EXPECT_EQ(table.max(0), 1);
        }
      });
    }
  }
}

// The host reads what arrives: ordering a stream is not enough.
TEST(LeafTable, BlocksTheHost) {
  run_ranks(2, [](Communicator& comm) {
    test::SpyCommunicator spy(comm);
    table_on(spy, 3, 1);
    EXPECT_EQ(spy.calls().size(), 1U);
    EXPECT_TRUE(spy.all_joined());
  });
}

}  // namespace
}  // namespace tessera
