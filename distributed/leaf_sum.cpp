#include "distributed/leaf_sum.h"

#include "core/kernels.h"

namespace tessera {
Array AddInto::operator()(const Array& left, const Array& right) const {
  kernels(left.device()).binary().run(BinaryOp::add, left, right, left);
  return left;
}

Array packed(const Array& array, ReductionMode mode, Communicator& comm) {
  if (mode != ReductionMode::fast_bf16 || comm.size() == 1) return array;
  Array rounded = comm.allocate(array.shape(), DType::bf16);
  rounded.copy_(array);
  return rounded;
}

void unpack(const Array& arrived, const Array& array) {
  if (arrived.storage() != array.storage()) array.copy_(arrived);
}

LeafSum::LeafSum(int64_t num_leaves, int64_t elements, DType dtype, ReductionMode mode,
                 Communicator& comm)
    : num_leaves_(num_leaves),
      elements_(elements),
      dtype_(dtype),
      mode_(mode),
      comm_(comm),
      next_leaf_(part_of_rank(num_leaves, comm.rank(), comm.size()).begin),
      fold_(num_leaves, AddInto()) {}

void LeafSum::add(const Array& value) {
  if (mode_ == ReductionMode::exact) {
    fold_.push_leaf(next_leaf_, value);
  } else {
    fast_sum_ = fast_sum_.defined() ? AddInto()(fast_sum_, value) : value;
  }
  ++next_leaf_;
}

void LeafSum::add_subtree(TreeNode node, const Array& value) {
  fold_.push(node, value);
  next_leaf_ = std::min(num_leaves_, (node.index + 1) << node.level);
}

void LeafSum::add_all(const Array& value) {
  fast_sum_ = value;
  next_leaf_ = own_run().end;
}

void LeafSum::check_complete() const { TESSERA_ASSERT(next_leaf_ == own_run().end); }

Array LeafSum::sum(Keep keep) {
  start(keep);
  step();
  return finish();
}

void LeafSum::start(Keep keep) {
  check_complete();
  keep_ = keep;
  if (comm_.size() == 1) return;
  if (mode_ == ReductionMode::exact) return exchange();
  if (!fast_sum_.defined()) {
    fast_sum_ = comm_.allocate({elements_}, dtype_);
    fast_sum_.fill_(0);
  }
  Array whole = packed(fast_sum_, mode_, comm_);
  if (keep == Keep::whole) {
    packed_ = {whole};
    works_.push_back(comm_.all_reduce(whole));
  } else {
    packed_ = cut_into_shards(whole, comm_.size());
    works_.push_back(comm_.reduce_scatter(packed_, packed_[own()]));
  }
}

// Every rank owns a shard of the elements. It receives all subtrees' shards and adds them in the
// tree's order: each element travels to its owner, and in step() back. Ranks may hold different
// numbers of subtrees: the i-th of each travel in one exchange.
void LeafSum::exchange() {
  // A rank without a leaf still owns a shard, and may get the whole.
  bool has_leaf = !fold_.entries().empty();
  out_ = has_leaf ? fold_.entries()[0].value : comm_.allocate({elements_}, dtype_);
  std::vector<Run> shards = shards_of(out_.numel(), comm_.size());
  size_t rounds = 0;
  std::vector<size_t> counts;
  for (int rank = 0; rank < comm_.size(); ++rank) {
    Run run = part_of_rank(num_leaves_, rank, comm_.size());
    counts.push_back(subtrees_of_run(num_leaves_, run.begin, run.end).size());
    rounds = std::max(rounds, counts.back());
  }
  received_.assign(counts.size(), {});
  Array nothing = Array::empty({0}, out_.dtype(), out_.device());
  for (size_t round = 0; round < rounds; ++round) {
    std::vector<Array> send(counts.size(), nothing);
    std::vector<Array> recv(counts.size(), nothing);
    for (size_t rank = 0; rank < counts.size(); ++rank) {
      if (rank == own()) continue;
      if (round < counts[own()]) send[rank] = part(fold_.entries()[round].value, shards[rank]);
      if (round >= counts[rank]) continue;
      recv[rank] = Array::empty({shards[own()].size()}, out_.dtype(), out_.device());
      received_[rank].push_back(recv[rank]);
    }
    works_.push_back(comm_.all_to_all(send, recv));
  }
  for (const auto& entry : fold_.entries()) {
    received_[own()].push_back(part(entry.value, shards[own()]));
  }
}

void LeafSum::step() {
  for (const Work& work : works_) work.wait();
  works_.clear();
  if (comm_.size() == 1 || mode_ != ReductionMode::exact) return;
  fold_own_shard();
  if (keep_ == Keep::own_shard) return;
  std::vector<Array> parts = cut_into_shards(out_, comm_.size());
  works_.push_back(comm_.all_gather(parts[own()], parts));
}

void LeafSum::fold_own_shard() {
  Fold fold(num_leaves_, AddInto());
  for (int rank = 0; rank < comm_.size(); ++rank) {
    Run run = part_of_rank(num_leaves_, rank, comm_.size());
    std::vector<TreeNode> nodes = subtrees_of_run(num_leaves_, run.begin, run.end);
    for (size_t i = 0; i < nodes.size(); ++i) {
      fold.push(nodes[i], received_[static_cast<size_t>(rank)][i]);
    }
  }
  received_.clear();
  Array target = part(out_, shard_of(out_.numel(), comm_.rank(), comm_.size()));
  bool there = target.storage() == fold.root().storage() && target.offset() == fold.root().offset();
  if (!there) target.copy_(fold.root());
}

Array LeafSum::finish() {
  for (const Work& work : works_) work.wait();
  works_.clear();
  if (mode_ != ReductionMode::exact) {
    if (comm_.size() == 1) return fast_sum_;
    bool whole = keep_ == Keep::whole;
    Array sum = whole ? fast_sum_ : cut_into_shards(fast_sum_, comm_.size())[own()];
    unpack(whole ? packed_[0] : packed_[own()], sum);
    return sum;
  }
  if (comm_.size() == 1) return fold_.root();
  if (keep_ == Keep::whole) return out_;
  return part(out_, shard_of(out_.numel(), comm_.rank(), comm_.size()));
}

}  // namespace tessera
