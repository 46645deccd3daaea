#include "distributed/round_sum.h"

namespace tessera {
RoundSum::RoundSum(int64_t num_leaves, int64_t elements, DType dtype, ReductionMode mode,
                   Communicator& comm)
    : num_leaves_(num_leaves),
      dtype_(dtype),
      mode_(mode),
      comm_(comm),
      shards_(shards_of(elements, comm.size())),
      fold_(num_leaves, AddInto()) {}

void RoundSum::add(const Array& value) {
  int64_t first_leaf = next_round_++ * comm_.size();
  TESSERA_ASSERT(value.defined() == (first_leaf + comm_.rank() < num_leaves_));
  if (mode_ == ReductionMode::exact) add_exact(value, first_leaf);
  else add_fast(value);
}

void RoundSum::add_exact(const Array& value, int64_t first_leaf) {
  auto own = static_cast<size_t>(comm_.rank());
  if (comm_.size() == 1) return fold_.push_leaf(first_leaf, value);
  auto count = static_cast<size_t>(std::min<int64_t>(comm_.size(), num_leaves_ - first_leaf));
  Array nothing = Array::empty({0}, dtype_);
  std::vector<Array> send(shards_.size(), nothing);
  std::vector<Array> recv(shards_.size(), nothing);
  for (size_t p = 0; p < shards_.size(); ++p) {
    if (value.defined()) send[p] = part(value, shards_[p]);
    // The own piece is copied too, so that the whole array is not kept for its sake.
    if (p < count) recv[p] = Array::empty({shards_[own].size()}, dtype_);
  }
  comm_.all_to_all(send, recv).wait();
  for (size_t p = 0; p < count; ++p) {
    fold_.push_leaf(first_leaf + static_cast<int64_t>(p), recv[p]);
  }
}

void RoundSum::add_fast(const Array& value) {
  Array whole = value.defined() ? value : Array::zeros({shards_.back().end}, dtype_);
  std::vector<Array> parts = cut_into_shards(whole, comm_.size());
  Array sum = Array::empty(parts[static_cast<size_t>(comm_.rank())].shape(), dtype_);
  comm_.reduce_scatter(parts, sum).wait();
  fast_sum_ = fast_sum_.defined() ? AddInto()(fast_sum_, sum) : sum;
}

Array RoundSum::shard() { return mode_ == ReductionMode::exact ? fold_.root() : fast_sum_; }

}  // namespace tessera
