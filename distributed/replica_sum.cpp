#include "distributed/replica_sum.h"

#include <optional>

namespace tessera {
namespace {

bool is_same_memory(const Array& a, const Array& b) {
  return a.storage() == b.storage() && a.offset() == b.offset();
}

bool keeps_whole(const SumLayout& layout) { return layout.grid.strategy() != Strategy::zero1; }

class ExactReplicaSum final : public ReplicaSum {
 public:
  ExactReplicaSum(const SumLayout& layout, PartialSum partial) : layout_(layout) {
    const Levels& replicas = layout.grid.replicas();
    int first = replicas.far().rank() * replicas.near().size();
    std::vector<Interval> leaves;
    for (int i = 0; i < replicas.near().size(); ++i) {
      leaves.push_back(share_of_rank(layout.num_leaves, first + i, replicas.size()));
    }
    // A rank without a leaf still owns a shard, and may get the whole.
    whole_ = partial.subtrees.empty()
                 ? layout.grid.data().allocate({layout.replicas.elements()}, layout.dtype)
                 : partial.subtrees[0].value;
    exchange_.emplace(layout.num_leaves, std::move(leaves), std::move(partial.subtrees),
                      layout.replicas.near(), layout.dtype, /*keep_own=*/true, replicas.near());
  }

  void join_nodes() override {
    const Levels& replicas = layout_.grid.replicas();
    if (replicas.far().size() == 1) return;
    Subtrees subtrees = exchange_->finish();
    std::vector<Interval> leaves;
    for (int node = 0; node < replicas.far().size(); ++node) {
      leaves.push_back(share_of_rank(layout_.num_leaves, node, replicas.far().size()));
    }
    exchange_.emplace(layout_.num_leaves, std::move(leaves), std::move(subtrees),
                      layout_.replicas.far(), layout_.dtype, /*keep_own=*/true, replicas.far());
  }

  // The own shard is complete when the last exchange is.
  void hand_out() override {
    Subtrees sum = exchange_->finish();
    exchange_.reset();
    TESSERA_ASSERT(sum.size() == 1);
    if (!keeps_whole(layout_)) {
      whole_ = sum[0].value;
      return;
    }
    Array own = slice_of(whole_, layout_.replicas.own());
    if (!is_same_memory(own, sum[0].value)) own.copy_(sum[0].value);
    gather_.emplace(layout_.grid.replicas(), layout_.replicas, own, whole_);
  }

  Array result() override {
    if (gather_) gather_->wait();
    return whole_;
  }

 private:
  SumLayout layout_;
  Array whole_;  // under zero1, at the end, the own shard alone
  std::optional<TreeExchange> exchange_;
  std::optional<Gather> gather_;
};

// One reduction by the communicator, whatever nodes there are.
class FastReplicaSum final : public ReplicaSum {
 public:
  FastReplicaSum(const SumLayout& layout, PartialSum partial) : sum_(std::move(partial.sum)) {
    Communicator& replicas = layout.grid.replicas().all();
    if (!sum_.defined()) {
      sum_ = layout.grid.data().allocate({layout.replicas.elements()}, layout.dtype);
      sum_.fill_(0);
    }
    Array whole = as_it_travels(sum_, layout.mode, replicas);
    if (keeps_whole(layout)) {
      arriving_ = whole;
      work_ = replicas.all_reduce(whole);
      return;
    }
    std::vector<Array> shards;
    for (int rank = 0; rank < replicas.size(); ++rank) {
      shards.push_back(slice_of(whole, layout.replicas.of(rank)));
    }
    arriving_ = shards[static_cast<size_t>(replicas.rank())];
    work_ = replicas.reduce_scatter(shards, arriving_);
    sum_ = slice_of(sum_, layout.replicas.own());
  }

  void join_nodes() override {}
  void hand_out() override {
    work_.wait();
    if (!is_same_memory(arriving_, sum_)) sum_.copy_(arriving_);
  }
  Array result() override { return sum_; }

 private:
  Array sum_;  // what of it this rank keeps
  Array arriving_;
  Work work_;
};

}  // namespace

std::unique_ptr<ReplicaSum> make_replica_sum(const SumLayout& layout, PartialSum partial) {
  if (layout.mode == ReductionMode::exact) {
    return std::make_unique<ExactReplicaSum>(layout, std::move(partial));
  }
  return std::make_unique<FastReplicaSum>(layout, std::move(partial));
}

}  // namespace tessera
