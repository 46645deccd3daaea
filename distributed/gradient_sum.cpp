#include "distributed/gradient_sum.h"

namespace tessera {
namespace {

SumLayout layout_of(int64_t num_leaves, const ShardCut& owners, DType dtype, ReductionMode mode,
                    const ShardGrid& grid) {
  // Under zero1 the replicas divide what they have summed, else those that share rounds do.
  bool replicas_own = &grid.owners() == &grid.replicas();
  ShardCut shards = replicas_own ? ShardCut::even(owners.elements(), grid.shards()) : owners;
  ShardCut replicas = replicas_own ? owners : ShardCut::even(shards.own().size(), grid.replicas());
  return {num_leaves, dtype, mode, grid, shards, replicas};
}

}  // namespace

GradientSum::GradientSum(int64_t num_leaves, const ShardCut& owners, DType dtype,
                         ReductionMode mode, const ShardGrid& grid)
    : layout_(layout_of(num_leaves, owners, dtype, mode, grid)),
      leaf_sum_(grid.shards().size() == 1 ? make_sum_first(layout_)
                                          : make_sum_each_round(layout_)) {}

void GradientSum::add(const Array& gradient) {
  TESSERA_ASSERT(state_ == State::adding);
  leaf_sum_->add(gradient);
}

void GradientSum::settle() {
  if (state_ == State::adding) leaf_sum_->settle();
}

GradientSum::State GradientSum::next() {
  switch (state_) {
    case State::adding: {
      leaf_sum_->settle();
      PartialSum partial = leaf_sum_->take();
      leaf_sum_.reset();
      if (layout_.grid.replicas().size() == 1) {
        bool exact = layout_.mode == ReductionMode::exact;
        TESSERA_ASSERT(!exact || partial.subtrees.size() == 1);
        result_ = exact ? partial.subtrees[0].value : partial.sum;
        return State::done;
      }
      replicas_ = make_replica_sum(layout_, std::move(partial));
      return State::joining;
    }
    case State::joining: replicas_->join_nodes(); return State::crossing;
    case State::crossing: replicas_->hand_out(); return State::handing;
    case State::handing:
      result_ = replicas_->result();
      replicas_.reset();
      return State::done;
    case State::done: break;
  }
  return State::done;
}

bool GradientSum::step() {
  state_ = next();
  return state_ != State::done;
}

Array GradientSum::result() {
  while (step()) {
  }
  return result_;
}

}  // namespace tessera
