#include <algorithm>
#include <optional>

#include "distributed/leaf_sum.h"

namespace tessera {
namespace {

// What both have: who has which leaf of the round.
class EachRound : public LeafSum {
 public:
  explicit EachRound(const SumLayout& layout)
      : layout_(layout), leaves_(layout.own_leaves()), next_leaf_(leaves_.begin) {}

  void add(const Array& gradient) final {
    settle();
    TESSERA_ASSERT(gradient.defined() == (next_leaf_ + levels().rank() < leaves_.end));
    begin_round(next_leaf_, gradient);
    next_leaf_ = std::min(next_leaf_ + levels().size(), leaves_.end);
  }

 protected:
  virtual void begin_round(int64_t first_leaf, const Array& gradient) = 0;

  const Levels& levels() const { return layout_.grid.shards(); }
  // The intervals that `count` ranks or nodes have one after the other, of `each` leaves each.
  std::vector<Interval> leaves_from(int64_t first, int count, int64_t each) const {
    std::vector<Interval> intervals;
    for (int64_t i = 0; i < count; ++i) {
      intervals.push_back(
          {std::min(first + i * each, leaves_.end), std::min(first + (i + 1) * each, leaves_.end)});
    }
    return intervals;
  }

  SumLayout layout_;

 private:
  Interval leaves_;
  int64_t next_leaf_;
};

// Subtrees are joined on a node, then between nodes, and wait in the fold for their neighbours.
class ExactEachRound final : public EachRound {
 public:
  explicit ExactEachRound(const SumLayout& layout)
      : EachRound(layout), fold_(layout.num_leaves, AddInto()) {}

  void settle() override {
    if (!exchange_) return;
    Subtrees subtrees = exchange_->finish();
    if (levels().far().size() > 1) {
      exchange_.emplace(layout_.num_leaves,
                        leaves_from(first_leaf_, levels().far().size(), levels().near().size()),
                        std::move(subtrees), layout_.shards.far(), layout_.dtype,
                        /*keep_own=*/false, levels().far());
      subtrees = exchange_->finish();
    }
    exchange_.reset();
    for (auto& subtree : subtrees) fold_.push(subtree.node, std::move(subtree.value));
  }
  PartialSum take() override { return {std::move(fold_.entries()), {}}; }

 protected:
  void begin_round(int64_t first_leaf, const Array& gradient) override {
    Subtrees own;
    if (gradient.defined()) own.push_back({{0, first_leaf + levels().rank()}, gradient});
    first_leaf_ = first_leaf;
    int64_t first_of_node = first_leaf + int64_t{levels().far().rank()} * levels().near().size();
    exchange_.emplace(layout_.num_leaves, leaves_from(first_of_node, levels().near().size(), 1),
                      std::move(own), layout_.shards.near(), layout_.dtype, /*keep_own=*/false,
                      levels().near());
  }

 private:
  ArrayFold fold_;
  std::optional<TreeExchange> exchange_;
  int64_t first_leaf_ = 0;  // of the round under way
};

class FastEachRound final : public EachRound {
 public:
  using EachRound::EachRound;

  void settle() override {
    if (!arriving_.defined()) return;
    work_.wait();
    Array sum = arriving_.to(layout_.dtype);
    sum_ = sum_.defined() ? AddInto()(sum_, sum) : sum;
    arriving_ = {};
  }
  PartialSum take() override { return {{}, std::move(sum_)}; }

 protected:
  void begin_round(int64_t, const Array& gradient) override {
    Array whole = gradient;
    if (!whole.defined()) {
      whole = layout_.grid.data().allocate({layout_.shards.elements()}, layout_.dtype);
      whole.fill_(0);
    }
    Array travelling = as_it_travels(whole, layout_.mode, levels().all());
    std::vector<Array> shards;
    for (int rank = 0; rank < levels().size(); ++rank) {
      shards.push_back(slice_of(travelling, layout_.shards.of(rank)));
    }
    const Array& own = shards[static_cast<size_t>(levels().rank())];
    arriving_ = Array::empty(own.shape(), own.dtype(), own.device());
    work_ = levels().all().reduce_scatter(shards, arriving_);
  }

 private:
  Array sum_;
  Array arriving_;
  Work work_;
};

}  // namespace

std::unique_ptr<LeafSum> make_sum_each_round(const SumLayout& layout) {
  if (layout.mode == ReductionMode::exact) return std::make_unique<ExactEachRound>(layout);
  return std::make_unique<FastEachRound>(layout);
}

}  // namespace tessera
