#include "distributed/leaf_sum.h"

#include "core/kernels.h"

namespace tessera {
Array AddInto::operator()(const Array& left, const Array& right) const {
  kernels(left.device()).binary().run(BinaryOp::add, left, right, left);
  return left;
}

LeafSum::LeafSum(int64_t num_leaves, ReductionMode mode, Communicator& comm)
    : num_leaves_(num_leaves),
      mode_(mode),
      comm_(comm),
      next_leaf_(part_of_rank(num_leaves, comm.rank(), comm.size()).begin),
      fold_(num_leaves, AddInto()) {
  TESSERA_CHECK(num_leaves >= comm.size(),
                "a global batch of {} leaves cannot be shared by {} ranks: every rank needs one",
                num_leaves, comm.size());
}

void LeafSum::add(const Array& value) {
  if (mode_ == ReductionMode::exact) {
    fold_.push_leaf(next_leaf_, value);
  } else {
    fast_sum_ = fast_sum_.defined() ? AddInto()(fast_sum_, value) : value;
  }
  ++next_leaf_;
}

Array LeafSum::reduce() {
  if (mode_ == ReductionMode::fast) {
    check_complete();
    comm_.all_reduce(fast_sum_).wait();
    return fast_sum_;
  }
  Array out = sum_own_shard();
  std::vector<Array> parts = cut_into_shards(out, comm_.size());
  comm_.all_gather(parts[static_cast<size_t>(comm_.rank())], parts).wait();
  return out;
}

Array LeafSum::reduce_to_shards() {
  auto own = static_cast<size_t>(comm_.rank());
  if (mode_ == ReductionMode::exact) {
    Array out = sum_own_shard();
    return part(out, shards_of(out.numel(), comm_.size())[own]);
  }
  check_complete();
  std::vector<Array> parts = cut_into_shards(fast_sum_, comm_.size());
  comm_.reduce_scatter(parts, parts[own]).wait();
  return parts[own];
}

void LeafSum::check_complete() const {
  TESSERA_ASSERT(next_leaf_ == part_of_rank(num_leaves_, comm_.rank(), comm_.size()).end);
}

// Every rank owns a shard of the elements. It receives all subtrees' shards and adds them in the
// tree's order: each element travels to its owner, and in reduce() back.
Array LeafSum::sum_own_shard() {
  check_complete();
  if (comm_.size() == 1) return fold_.root();
  size_t rounds = 0;
  for (int rank = 0; rank < comm_.size(); ++rank) {
    Run run = part_of_rank(num_leaves_, rank, comm_.size());
    rounds = std::max(rounds, subtrees_of_run(num_leaves_, run.begin, run.end).size());
  }
  Array out = fold_.entries()[0].value;
  std::vector<Run> shards = shards_of(out.numel(), comm_.size());
  fold_own_shard(exchange(shards, rounds), shards, out);
  return out;
}

// received[rank][i] is this rank's shard of the i-th subtree of `rank`. Ranks may hold different
// numbers of subtrees; one that has run out sends nothing in the remaining rounds.
std::vector<std::vector<Array>> LeafSum::exchange(const std::vector<Run>& shards, size_t rounds) {
  auto world = static_cast<size_t>(comm_.size());
  auto self = static_cast<size_t>(comm_.rank());
  const auto& own = fold_.entries();
  Array nothing = Array::empty({0}, own[0].value.dtype());
  int64_t shard_size = shards[self].end - shards[self].begin;
  std::vector<std::vector<Array>> received(world);
  for (size_t round = 0; round < rounds; ++round) {
    std::vector<Array> send(world, nothing);
    std::vector<Array> recv(world, nothing);
    for (size_t rank = 0; rank < world; ++rank) {
      if (rank == self) continue;
      if (round < own.size()) send[rank] = part(own[round].value, shards[rank]);
      Run run = part_of_rank(num_leaves_, static_cast<int>(rank), comm_.size());
      if (round < subtrees_of_run(num_leaves_, run.begin, run.end).size()) {
        recv[rank] = Array::empty({shard_size}, nothing.dtype());
        received[rank].push_back(recv[rank]);
      }
    }
    comm_.all_to_all(send, recv).wait();
  }
  for (const auto& entry : own) received[self].push_back(part(entry.value, shards[self]));
  return received;
}

void LeafSum::fold_own_shard(const std::vector<std::vector<Array>>& received,
                             const std::vector<Run>& shards, const Array& out) const {
  Fold fold(num_leaves_, AddInto());
  for (size_t rank = 0; rank < received.size(); ++rank) {
    Run run = part_of_rank(num_leaves_, static_cast<int>(rank), comm_.size());
    std::vector<TreeNode> nodes = subtrees_of_run(num_leaves_, run.begin, run.end);
    for (size_t i = 0; i < nodes.size(); ++i) fold.push(nodes[i], received[rank][i]);
  }
  Array target = part(out, shards[static_cast<size_t>(comm_.rank())]);
  if (target.raw() != fold.root().raw()) target.copy_(fold.root());
}

}  // namespace tessera
