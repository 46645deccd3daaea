#include "core/tree.h"

#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <string>

#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::contains;
using test::error_of;

// Values that write down how they were made, so that equal values mean equal shapes.
struct Join {
  std::string operator()(const std::string& a, const std::string& b) const {
    return fmt::format("({}+{})", a, b);
  }
};
using Fold = TreeFold<std::string, Join>;

// The definition, level by level.
std::string naive_tree(std::vector<std::string> nodes) {
  if (nodes.size() == 1) return nodes[0];
  std::vector<std::string> above;
  for (size_t i = 0; i + 1 < nodes.size(); i += 2) above.push_back(Join()(nodes[i], nodes[i + 1]));
  if (nodes.size() % 2 == 1) above.push_back(nodes.back());
  return naive_tree(above);
}

std::string naive_tree(int64_t num_leaves) {
  std::vector<std::string> leaves;
  for (int64_t i = 0; i < num_leaves; ++i) leaves.push_back(std::to_string(i));
  return naive_tree(leaves);
}

// The leaves [begin, end) as a fold of their own.
Fold fold_run(int64_t num_leaves, int64_t begin, int64_t end) {
  Fold fold(num_leaves, Join());
  for (int64_t leaf = begin; leaf < end; ++leaf) fold.push_leaf(leaf, std::to_string(leaf));
  return fold;
}

// Sums each run [cuts[i], cuts[i + 1]) by itself and joins their subtrees.
std::string join_runs(int64_t num_leaves, const std::vector<int64_t>& cuts) {
  Fold whole(num_leaves, Join());
  for (size_t i = 0; i + 1 < cuts.size(); ++i) {
    Fold run = fold_run(num_leaves, cuts[i], cuts[i + 1]);
    for (const auto& entry : run.entries()) whole.push(entry.node, entry.value);
  }
  return whole.root();
}

int64_t log2_floor(int64_t n) { return std::bit_width(static_cast<uint64_t>(n)) - 1; }

TEST(Tree, WritesTheShapeDown) {
  EXPECT_EQ(naive_tree(5), "(((0+1)+(2+3))+4)");
  EXPECT_EQ(naive_tree(6), "(((0+1)+(2+3))+(4+5))");
  EXPECT_EQ(naive_tree(7), "(((0+1)+(2+3))+((4+5)+6))");
}

TEST(Tree, FoldsLikeTheDefinition) {
  for (int64_t leaves = 1; leaves <= 40; ++leaves) {
    Fold fold = fold_run(leaves, 0, leaves);
    ASSERT_TRUE(fold.complete()) << leaves;
    EXPECT_EQ(fold.root(), naive_tree(leaves)) << leaves;
  }
}

TEST(Tree, HasTheSameShapeForAnyNumberOfEvenRuns) {
  for (int64_t leaves = 1; leaves <= 40; ++leaves) {
    for (int64_t runs = 1; runs <= leaves; ++runs) {
      std::vector<int64_t> cuts;
      for (int64_t r = 0; r <= runs; ++r) cuts.push_back(leaves * r / runs);
      EXPECT_EQ(join_runs(leaves, cuts), naive_tree(leaves)) << leaves << " in " << runs;
    }
  }
}

TEST(Tree, HasTheSameShapeForEveryCut) {
  for (int64_t leaves = 1; leaves <= 10; ++leaves) {
    for (uint32_t mask = 0; mask < 1U << (leaves - 1); ++mask) {
      std::vector<int64_t> cuts{0};
      for (int64_t i = 1; i < leaves; ++i) {
        if (mask >> (i - 1) & 1) cuts.push_back(i);
      }
      cuts.push_back(leaves);
      ASSERT_EQ(join_runs(leaves, cuts), naive_tree(leaves)) << leaves << " cut at " << mask;
    }
  }
}

TEST(Tree, HasTheSameShapeForRandomCuts) {
  std::mt19937 random(1);
  for (int64_t leaves = 11; leaves <= 40; ++leaves) {
    for (int trial = 0; trial < 30; ++trial) {
      std::vector<int64_t> cuts{0};
      for (int64_t i = 1; i < leaves; ++i) {
        if (random() % 3 == 0) cuts.push_back(i);
      }
      cuts.push_back(leaves);
      ASSERT_EQ(join_runs(leaves, cuts), naive_tree(leaves)) << leaves;
    }
  }
}

TEST(Tree, HoldsFewPartialSums) {
  for (int64_t leaves = 1; leaves <= 300; ++leaves) {
    Fold fold(leaves, Join());
    for (int64_t leaf = 0; leaf < leaves; ++leaf) {
      fold.push_leaf(leaf, "");
      ASSERT_LE(static_cast<int64_t>(fold.entries().size()), log2_floor(leaves) + 1) << leaves;
      ASSERT_EQ(fold.complete(), leaf == leaves - 1) << leaves;
    }
  }
}

// A run may begin and end anywhere: it climbs to the largest subtree inside and down again.
TEST(Tree, SplitsARunIntoFewSubtrees) {
  for (int64_t leaves = 1; leaves <= 70; ++leaves) {
    for (int64_t begin = 0; begin < leaves; ++begin) {
      for (int64_t end = begin + 1; end <= leaves; ++end) {
        auto count = static_cast<int64_t>(subtrees_of_run(leaves, begin, end).size());
        ASSERT_LE(count, std::max<int64_t>(1, 2 * log2_floor(end - begin + 1)))
            << leaves << ": " << begin << " to " << end;
      }
    }
  }
}

TEST(Tree, NamesTheSubtreesOfARun) {
  using Nodes = std::vector<TreeNode>;
  EXPECT_EQ(subtrees_of_run(8, 0, 8), (Nodes{{3, 0}}));
  EXPECT_EQ(subtrees_of_run(8, 4, 8), (Nodes{{2, 1}}));
  EXPECT_EQ(subtrees_of_run(8, 1, 7), (Nodes{{0, 1}, {1, 1}, {1, 2}, {0, 6}}));
  // The last of five leaves has no neighbour on any level below the root.
  EXPECT_EQ(subtrees_of_run(5, 4, 5), (Nodes{{2, 1}}));
  EXPECT_EQ(subtrees_of_run(5, 3, 5), (Nodes{{0, 3}, {2, 1}}));
  EXPECT_EQ(subtrees_of_run(5, 2, 2), Nodes{});
}

TEST(Tree, SubtreesAreThoseThatTheFoldHolds) {
  Fold fold = fold_run(13, 3, 11);
  std::vector<TreeNode> nodes = subtrees_of_run(13, 3, 11);
  ASSERT_EQ(fold.entries().size(), nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) EXPECT_EQ(fold.entries()[i].node, nodes[i]);
}

TEST(Tree, HasNoRootBeforeItIsComplete) {
  Fold fold = fold_run(8, 0, 7);
  EXPECT_FALSE(fold.complete());
  EXPECT_TRUE(contains(error_of([&] { fold.root(); }), "3 of 8 leaves"));
  Fold right_half = fold_run(8, 4, 8);
  EXPECT_FALSE(right_half.complete());
}

TEST(TreeSum, AddsInTheTreesOrder) {
  EXPECT_EQ(tree_sum({}), 0);
  EXPECT_EQ(tree_sum(std::vector<double>{2.5}), 2.5);
  // 1 is lost beside 1e16, but not 1 + 1.
  std::vector<double> values{1e16, 0, 1, 1};
  EXPECT_EQ(tree_sum(values), 1e16 + 2);
  EXPECT_EQ(((values[0] + values[1]) + values[2]) + values[3], 1e16);
}

double naive_sum(std::vector<double> nodes) {
  while (nodes.size() > 1) {
    std::vector<double> above;
    for (size_t i = 0; i < nodes.size(); i += 2) {
      above.push_back(i + 1 < nodes.size() ? nodes[i] + nodes[i + 1] : nodes[i]);
    }
    nodes = above;
  }
  return nodes[0];
}

TEST(TreeSum, HasTheBitsOfTheDefinition) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<double> values;
  for (int count = 1; count <= 300; ++count) {
    values.push_back(uniform(random));
    ASSERT_EQ(tree_sum(values), naive_sum(values)) << count;
  }
}

}  // namespace
}  // namespace tessera
