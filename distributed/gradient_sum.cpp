#include "distributed/gradient_sum.h"

#include <algorithm>

namespace tessera {
namespace {

// The array as it travels: itself, or a rounded copy.
Array packed(const Array& array, ReductionMode mode, Communicator& comm) {
  if (mode != ReductionMode::fast_bf16 || comm.size() == 1) return array;
  Array rounded = comm.allocate(array.shape(), DType::bf16);
  rounded.copy_(array);
  return rounded;
}

std::vector<Run> shards_by_rank(const Communicator& comm, int64_t elements) {
  return shards_of(elements, comm.size());
}

bool is_same_memory(const Array& a, const Array& b) {
  return a.storage() == b.storage() && a.offset() == b.offset();
}

}  // namespace

GradientSum::GradientSum(int64_t num_leaves, int64_t elements, DType dtype, ReductionMode mode,
                         const ShardGrid& grid)
    : num_leaves_(num_leaves),
      elements_(elements),
      dtype_(dtype),
      mode_(mode),
      grid_(grid),
      keeps_whole_(grid.strategy() != Strategy::zero1),
      run_(part_of_rank(num_leaves, grid.replicas().rank(), grid.replicas().size())),
      next_leaf_(run_.begin),
      fold_(num_leaves, AddInto()) {}

void GradientSum::add(const Array& gradient) {
  settle();
  const Levels& shards = grid_.shards();
  TESSERA_ASSERT(gradient.defined() == (next_leaf_ + shards.rank() < run_.end));
  if (mode_ != ReductionMode::exact) {
    add_fast(gradient);
  } else if (shards.size() == 1) {
    if (gradient.defined()) fold_.push_leaf(next_leaf_, gradient);
  } else {
    Subtrees own;
    if (gradient.defined()) own.push_back({{0, next_leaf_ + shards.rank()}, gradient});
    exchanged_leaf_ = next_leaf_;
    exchange_.emplace(num_leaves_, leaves_by_rank(next_leaf_), std::move(own),
                      shards_by_rank(shards.near(), elements_), dtype_, /*keep_own=*/false,
                      shards.near());
  }
  next_leaf_ = std::min(next_leaf_ + shards.size(), run_.end);
}

// Of the ranks of this machine, in a round from leaf `first` on.
std::vector<Run> GradientSum::leaves_by_rank(int64_t first) const {
  const Levels& shards = grid_.shards();
  int64_t machine = first + int64_t{shards.far().rank()} * shards.near().size();
  std::vector<Run> runs;
  for (int64_t i = 0; i < shards.near().size(); ++i) {
    runs.push_back({std::min(machine + i, run_.end), std::min(machine + i + 1, run_.end)});
  }
  return runs;
}

std::vector<Run> GradientSum::leaves_by_machine(int64_t first) const {
  const Levels& shards = grid_.shards();
  int64_t close = shards.near().size();
  std::vector<Run> runs;
  for (int64_t i = 0; i < shards.far().size(); ++i) {
    runs.push_back(
        {std::min(first + i * close, run_.end), std::min(first + (i + 1) * close, run_.end)});
  }
  return runs;
}

void GradientSum::add_fast(const Array& gradient) {
  const Levels& shards = grid_.shards();
  if (shards.size() == 1) {
    if (!gradient.defined()) return;
    fast_sum_ = fast_sum_.defined() ? AddInto()(fast_sum_, gradient) : gradient;
    return;
  }
  Array whole = gradient;
  if (!whole.defined()) {
    whole = grid_.data().allocate({elements_}, dtype_);
    whole.fill_(0);
  }
  std::vector<Array> parts = shards.cut(packed(whole, mode_, shards.all()));
  const Array& own = parts[static_cast<size_t>(shards.rank())];
  packed_ = {Array::empty(own.shape(), own.dtype(), own.device())};
  work_ = shards.all().reduce_scatter(parts, packed_[0]);
}

void GradientSum::settle() {
  if (stage_ != Stage::rounds) return;
  if (exchange_) settle_exact();
  if (packed_.empty()) return;
  work_.wait();
  Array sum = packed_[0].to(dtype_);
  fast_sum_ = fast_sum_.defined() ? AddInto()(fast_sum_, sum) : sum;
  packed_.clear();
}

void GradientSum::settle_exact() {
  const Levels& shards = grid_.shards();
  Subtrees subtrees = exchange_->finish();
  if (shards.far().size() > 1) {
    int64_t elements = shards.near_shard(elements_).size();
    exchange_.emplace(num_leaves_, leaves_by_machine(exchanged_leaf_), std::move(subtrees),
                      shards_by_rank(shards.far(), elements), dtype_, /*keep_own=*/false,
                      shards.far());
    subtrees = exchange_->finish();
  }
  exchange_.reset();
  for (auto& subtree : subtrees) fold_.push(subtree.node, std::move(subtree.value));
}

bool GradientSum::step() {
  const Levels& replicas = grid_.replicas();
  switch (stage_) {
    case Stage::rounds:
      settle();
      if (replicas.size() == 1) {
        result_ = mode_ == ReductionMode::exact ? fold_.root() : fast_sum_;
        stage_ = Stage::done;
      } else {
        start_replicas();
        stage_ = Stage::near;
      }
      break;
    case Stage::near:
      if (mode_ == ReductionMode::exact && replicas.far().size() > 1) {
        Subtrees subtrees = exchange_->finish();
        std::vector<Run> runs;
        for (int i = 0; i < replicas.far().size(); ++i) {
          runs.push_back(part_of_rank(num_leaves_, i, replicas.far().size()));
        }
        int64_t elements = replicas.near_shard(grid_.shards().own_shard(elements_).size()).size();
        exchange_.emplace(num_leaves_, std::move(runs), std::move(subtrees),
                          shards_by_rank(replicas.far(), elements), dtype_, /*keep_own=*/true,
                          replicas.far());
      }
      stage_ = Stage::far;
      break;
    case Stage::far:
      start_gathering();
      stage_ = Stage::gathering;
      break;
    case Stage::gathering:
      if (gather_) gather_->wait();
      stage_ = Stage::done;
      break;
    case Stage::done: break;
  }
  return stage_ != Stage::done;
}

void GradientSum::start_replicas() {
  const Levels& replicas = grid_.replicas();
  if (mode_ != ReductionMode::exact) return start_replicas_fast();
  int64_t elements = grid_.shards().own_shard(elements_).size();
  int first = replicas.far().rank() * replicas.near().size();
  std::vector<Run> runs;
  for (int i = 0; i < replicas.near().size(); ++i) {
    runs.push_back(part_of_rank(num_leaves_, first + i, replicas.size()));
  }
  // A rank without a leaf still owns a shard, and may get the whole.
  bool has_leaf = !fold_.entries().empty();
  result_ = has_leaf ? fold_.entries()[0].value : grid_.data().allocate({elements}, dtype_);
  exchange_.emplace(num_leaves_, std::move(runs), std::move(fold_.entries()),
                    shards_by_rank(replicas.near(), elements), dtype_, /*keep_own=*/true,
                    replicas.near());
}

void GradientSum::start_replicas_fast() {
  const Levels& replicas = grid_.replicas();
  if (!fast_sum_.defined()) {
    fast_sum_ = grid_.data().allocate({grid_.shards().own_shard(elements_).size()}, dtype_);
    fast_sum_.fill_(0);
  }
  Array whole = packed(fast_sum_, mode_, replicas.all());
  if (keeps_whole_) {
    packed_ = {whole};
    work_ = replicas.all().all_reduce(whole);
  } else {
    std::vector<Array> parts = replicas.cut(whole);
    packed_ = {parts[static_cast<size_t>(replicas.rank())]};
    work_ = replicas.all().reduce_scatter(parts, packed_[0]);
  }
}

// The own shard among replicas is complete when the last exchange is.
void GradientSum::start_gathering() {
  const Levels& replicas = grid_.replicas();
  if (mode_ != ReductionMode::exact) {
    work_.wait();
    Array whole = fast_sum_;
    result_ = keeps_whole_ ? whole : part(whole, replicas.own_shard(whole.numel()));
    if (!is_same_memory(packed_[0], result_)) result_.copy_(packed_[0]);
    return;
  }
  Subtrees sum = exchange_->finish();
  exchange_.reset();
  TESSERA_ASSERT(sum.size() == 1);
  if (!keeps_whole_) {
    result_ = sum[0].value;
    return;
  }
  Array own = part(result_, replicas.own_shard(result_.numel()));
  if (!is_same_memory(own, sum[0].value)) own.copy_(sum[0].value);
  gather_.emplace(replicas, own, result_);
}

Array GradientSum::result() {
  while (step()) {
  }
  return result_;
}

}  // namespace tessera
