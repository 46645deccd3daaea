#include "distributed/shard_cut.h"

namespace tessera {

ShardCut ShardCut::even(int64_t elements, const Levels& levels) {
  std::vector<int64_t> sizes;
  for (Interval near : shards_of(elements, levels.near().size())) {
    for (Interval far : shards_of(near.size(), levels.far().size())) sizes.push_back(far.size());
  }
  return {sizes, levels};
}

size_t ShardCut::order(const Levels& levels, int rank) {
  auto near = static_cast<size_t>(levels.near().size());
  auto nodes = static_cast<size_t>(levels.far().size());
  auto place = static_cast<size_t>(rank);
  return place % near * nodes + place / near;
}

ShardCut::ShardCut(const std::vector<int64_t>& sizes, const Levels& levels)
    : rank_(levels.rank()), near_rank_(levels.near().rank()) {
  TESSERA_ASSERT(static_cast<int>(sizes.size()) == levels.size());
  std::vector<Interval> in_order;
  for (int64_t size : sizes) {
    in_order.push_back({elements_, elements_ + size});
    elements_ += size;
  }
  for (int rank = 0; rank < levels.size(); ++rank) {
    intervals_.push_back(in_order[order(levels, rank)]);
  }
  auto nodes = static_cast<size_t>(levels.far().size());
  for (size_t place = 0; place < static_cast<size_t>(levels.near().size()); ++place) {
    near_.push_back({in_order[place * nodes].begin, in_order[(place + 1) * nodes - 1].end});
  }
  int64_t begin = own_near().begin;
  for (size_t node = 0; node < nodes; ++node) {
    Interval interval = in_order[static_cast<size_t>(near_rank_) * nodes + node];
    far_.push_back({interval.begin - begin, interval.end - begin});
  }
}

std::vector<Array> slices_of(const Array& flat, const std::vector<Interval>& intervals) {
  std::vector<Array> slices;
  for (Interval interval : intervals) slices.push_back(slice_of(flat, interval));
  return slices;
}

Gather::Gather(const Levels& levels, const ShardCut& cut, const Array& own, const Array& whole)
    : near_(&levels.near()), near_slices_(slices_of(whole, cut.near())) {
  near_slice_ = near_slices_[static_cast<size_t>(near_->rank())];
  if (levels.far().size() == 1) {
    work_ = near_->all_gather(own, near_slices_);
    near_slices_.clear();
  } else {
    work_ = levels.far().all_gather(own, slices_of(near_slice_, cut.far()));
  }
}

void Gather::step() {
  if (near_slices_.empty()) return;
  work_.wait();
  work_ = near_->all_gather(near_slice_, near_slices_);
  near_slices_.clear();
}

void Gather::wait() {
  step();
  work_.wait();
}

}  // namespace tessera
