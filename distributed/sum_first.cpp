#include "distributed/leaf_sum.h"

namespace tessera {
namespace {

class SumFirst final : public LeafSum {
 public:
  explicit SumFirst(const SumLayout& layout)
      : exact_(layout.mode == ReductionMode::exact),
        next_leaf_(layout.own_leaves().begin),
        end_(layout.own_leaves().end),
        fold_(layout.num_leaves, AddInto()) {}

  void add(const Array& gradient) override {
    TESSERA_ASSERT(gradient.defined() == (next_leaf_ < end_));
    if (!gradient.defined()) return;
    if (exact_) fold_.push_leaf(next_leaf_, gradient);
    else sum_ = sum_.defined() ? AddInto()(sum_, gradient) : gradient;
    ++next_leaf_;
  }
  void settle() override {}
  PartialSum take() override { return {std::move(fold_.entries()), std::move(sum_)}; }

 private:
  bool exact_;
  int64_t next_leaf_;
  int64_t end_;
  ArrayFold fold_;
  Array sum_;
};

}  // namespace

Interval SumLayout::own_leaves() const {
  return share_of_rank(num_leaves, grid.replicas().rank(), grid.replicas().size());
}

std::unique_ptr<LeafSum> make_sum_first(const SumLayout& layout) {
  return std::make_unique<SumFirst>(layout);
}

}  // namespace tessera
