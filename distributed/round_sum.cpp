#include "distributed/round_sum.h"

namespace tessera {

RoundSum::RoundSum(int64_t num_leaves, Run run, int64_t elements, DType dtype, ReductionMode mode,
                   Communicator& comm)
    : run_(run),
      dtype_(dtype),
      mode_(mode),
      comm_(comm),
      shards_(shards_of(elements, comm.size())),
      next_leaf_(run.begin),
      fold_(num_leaves, AddInto()) {}

void RoundSum::add(const Array& value) {
  settle();
  TESSERA_ASSERT(value.defined() == (next_leaf_ + comm_.rank() < run_.end));
  int64_t count = std::min<int64_t>(comm_.size(), run_.end - next_leaf_);
  arriving_leaf_ = next_leaf_;
  next_leaf_ += count;
  if (comm_.size() == 1) {
    if (value.defined()) arriving_ = {value};
  } else if (mode_ == ReductionMode::exact) {
    start_exact(value, count);
  } else {
    start_fast(value);
  }
}

void RoundSum::start_exact(const Array& value, int64_t count) {
  auto own = static_cast<size_t>(comm_.rank());
  Array like = value.defined() ? value : comm_.allocate({0}, dtype_);
  Array nothing = Array::empty({0}, dtype_, like.device());
  std::vector<Array> send(shards_.size(), nothing);
  std::vector<Array> recv(shards_.size(), nothing);
  for (size_t p = 0; p < shards_.size(); ++p) {
    if (value.defined()) send[p] = part(value, shards_[p]);
    if (static_cast<int64_t>(p) >= count) continue;
    // The own piece is copied too, so that the whole array is not kept for its sake.
    recv[p] = Array::empty({shards_[own].size()}, dtype_, like.device());
    arriving_.push_back(recv[p]);
  }
  work_ = comm_.all_to_all(send, recv);
}

void RoundSum::start_fast(const Array& value) {
  Array whole = value;
  if (!whole.defined()) {
    whole = comm_.allocate({shards_.back().end}, dtype_);
    whole.fill_(0);
  }
  std::vector<Array> parts = cut_into_shards(packed(whole, mode_, comm_), comm_.size());
  const Array& own = parts[static_cast<size_t>(comm_.rank())];
  arriving_ = {Array::empty(own.shape(), own.dtype(), own.device())};
  work_ = comm_.reduce_scatter(parts, arriving_[0]);
}

void RoundSum::settle() {
  work_.wait();
  work_ = {};
  for (Array& shard : arriving_) {
    if (mode_ == ReductionMode::exact) {
      fold_.push_leaf(arriving_leaf_++, shard);
    } else {
      Array sum = shard.to(dtype_);
      fast_sum_ = fast_sum_.defined() ? AddInto()(fast_sum_, sum) : sum;
    }
  }
  arriving_.clear();
}

Array RoundSum::shard() {
  settle();
  return mode_ == ReductionMode::exact ? fold_.root() : fast_sum_;
}

}  // namespace tessera
