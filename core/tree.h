// The one order in which shares of a whole are added: a binary tree over their index, whose shape
// depends on their number alone. Neighbours are paired level by level; an odd last one moves up.
//
// Node (level, index) covers the leaves [index 2^level, (index + 1) 2^level), cut at the end. So a
// run of leaves splits into whole subtrees, which can be summed anywhere, and their roots joined
// anywhere else, with the bits of one sum over all.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "core/error.h"

namespace tessera {

struct TreeNode {
  int level = 0;
  int64_t index = 0;
  friend bool operator==(const TreeNode&, const TreeNode&) = default;
};

// Adds subtrees from left to right, holding partial sums like the digits of a binary counter: at
// most log2(leaves) + 1 of them from the first leaf on, twice as many for a run from the middle.
// Combine is Value(Value left, Value right).
template <class Value, class Combine>
class TreeFold {
 public:
  struct Entry {
    TreeNode node;
    Value value;
  };

  TreeFold(int64_t num_leaves, Combine combine)
      : num_leaves_(num_leaves), combine_(std::move(combine)) {}

  // The next subtree: it must begin where the last one pushed ended.
  void push(TreeNode node, Value value) {
    stack_.push_back({node, std::move(value)});
    for (;;) {
      Entry& top = stack_.back();
      if (is_last_of_odd(top.node)) {
        top.node = {top.node.level + 1, top.node.index / 2};
      } else if (stack_.size() > 1 && are_siblings(stack_[stack_.size() - 2].node, top.node)) {
        Entry right = std::move(stack_.back());
        stack_.pop_back();
        Entry& left = stack_.back();
        left.value = combine_(std::move(left.value), std::move(right.value));
        left.node = {left.node.level + 1, left.node.index / 2};
      } else {
        return;
      }
    }
  }
  void push_leaf(int64_t leaf, Value value) { push({0, leaf}, std::move(value)); }

  // The roots of the subtrees held, from left to right.
  const std::vector<Entry>& entries() const { return stack_; }
  std::vector<Entry>& entries() { return stack_; }
  // Whether the whole tree has been added.
  bool complete() const {
    return stack_.size() == 1 && stack_[0].node.index == 0 &&
           int64_t{1} << stack_[0].node.level >= num_leaves_;
  }
  Value& root() {
    TESSERA_ASSERT(complete(), "{} of {} leaves", stack_.size(), num_leaves_);
    return stack_[0].value;
  }

 private:
  bool is_last_of_odd(TreeNode node) const {
    return node.index % 2 == 0 && int64_t{1} << node.level < num_leaves_ &&
           (node.index + 1) << node.level >= num_leaves_;
  }
  static bool are_siblings(TreeNode left, TreeNode right) {
    return left.level == right.level && left.index + 1 == right.index && left.index % 2 == 0;
  }

  int64_t num_leaves_;
  Combine combine_;
  std::vector<Entry> stack_;
};

// The subtrees that the run [begin, end) of leaves splits into, from left to right.
inline std::vector<TreeNode> subtrees_of_run(int64_t num_leaves, int64_t begin, int64_t end) {
  struct Nothing {};
  auto join = [](Nothing, Nothing) { return Nothing{}; };
  TreeFold<Nothing, decltype(join)> fold(num_leaves, join);
  for (int64_t leaf = begin; leaf < end; ++leaf) fold.push_leaf(leaf, {});
  std::vector<TreeNode> nodes;
  for (const auto& entry : fold.entries()) nodes.push_back(entry.node);
  return nodes;
}

// The sum of the values as leaves of one tree; 0 of none.
inline double tree_sum(std::span<const double> values) {
  if (values.empty()) return 0;
  auto add = [](double a, double b) { return a + b; };
  TreeFold<double, decltype(add)> fold(static_cast<int64_t>(values.size()), add);
  for (size_t i = 0; i < values.size(); ++i) fold.push_leaf(static_cast<int64_t>(i), values[i]);
  return fold.root();
}

}  // namespace tessera
