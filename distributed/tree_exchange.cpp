#include "distributed/tree_exchange.h"

#include <algorithm>

#include "core/kernels.h"
#include "core/kernels/binary.h"

namespace tessera {

Array AddInto::operator()(const Array& left, const Array& right) const {
  kernels(left.device()).binary().run(BinaryOp::add, left, right, left);
  return left;
}

// Ranks may hold different numbers of subtrees: the i-th of each travel in one exchange.
TreeExchange::TreeExchange(int64_t num_leaves, std::vector<Interval> leaves, Subtrees own,
                           std::vector<Interval> shards, DType dtype, bool keep_own,
                           Communicator& comm)
    : num_leaves_(num_leaves), leaves_(std::move(leaves)), arriving_(leaves_.size()) {
  auto self = static_cast<size_t>(comm.rank());
  Array nothing = comm.allocate({0}, dtype);
  std::vector<size_t> counts;
  for (Interval of_rank : leaves_) {
    counts.push_back(subtrees_of_run(num_leaves, of_rank.begin, of_rank.end).size());
  }
  TESSERA_ASSERT(own.size() == counts[self]);
  size_t exchanges = *std::max_element(counts.begin(), counts.end());
  for (size_t i = 0; i < exchanges; ++i) {
    std::vector<Array> send(leaves_.size(), nothing);
    std::vector<Array> recv(leaves_.size(), nothing);
    for (size_t p = 0; p < leaves_.size(); ++p) {
      bool stays = p == self && keep_own;
      if (i < counts[self] && !stays) send[p] = slice_of(own[i].value, shards[p]);
      if (i >= counts[p]) continue;
      if (!stays) recv[p] = Array::empty({shards[self].size()}, dtype, nothing.device());
      arriving_[p].push_back(stays ? slice_of(own[i].value, shards[p]) : recv[p]);
    }
    works_.push_back(comm.all_to_all(send, recv));
  }
}

Subtrees TreeExchange::finish() {
  for (const Work& work : works_) work.wait();
  ArrayFold fold(num_leaves_, AddInto());
  for (size_t p = 0; p < leaves_.size(); ++p) {
    std::vector<TreeNode> nodes = subtrees_of_run(num_leaves_, leaves_[p].begin, leaves_[p].end);
    for (size_t i = 0; i < nodes.size(); ++i) fold.push(nodes[i], arriving_[p][i]);
    arriving_[p].clear();
  }
  return fold.entries();
}

}  // namespace tessera
