#include "distributed/round_schedule.h"

#include <algorithm>
#include <map>

#include "autograd/record.h"

namespace tessera {

// Parameters keep their hooks for good, so these must survive the schedule.
class RoundSchedule::Watch {
 public:
  explicit Watch(RoundSchedule* schedule) : schedule_(schedule) {}
  void let_go() { schedule_ = nullptr; }
  RoundSchedule* schedule() const { return schedule_; }

 private:
  RoundSchedule* schedule_;
};

RoundSchedule::RoundSchedule(const nn::Module& module, std::vector<Bucket>& buckets,
                             const ShardGrid& grid, bool recompute)
    : module_(module),
      buckets_(buckets),
      grid_(grid),
      recompute_(recompute),
      watch_(std::make_shared<Watch>(this)) {
  for (const nn::Module* block : module.blocks()) blocks_.push_back({block, {}, {}, {}});
  size_t num_sums = 0;
  for (size_t i = 0; i < buckets.size(); ++i) {
    const Bucket& bucket = buckets[i];
    if (bucket.sharded) blocks_[static_cast<size_t>(bucket.block)].sharded.push_back(i);
    place_of_sum_.push_back(num_sums);
    if (!bucket.trained) continue;
    ++num_sums;
    for (const Segment& segment : bucket.segments) {
      segment.parameter.register_post_accumulate_grad_hook([watch = watch_, i](const Tensor&) {
        if (RoundSchedule* schedule = watch->schedule()) schedule->gradient_arrived(i);
      });
    }
  }
  make_lists();
}

RoundSchedule::~RoundSchedule() { watch_->let_go(); }

void RoundSchedule::make_lists() {
  bool gathers = grid_.gathers_blocks();
  for (size_t b = 0; b < blocks_.size() && gathers; ++b) forward_.push_back({Kind::gather, b});
  both_ = forward_;
  // A model of ten thousand blocks has a hundred thousand buckets: each is looked at once.
  std::map<int, std::vector<size_t>> of_block;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    if (buckets_[i].trained) of_block[buckets_[i].block].push_back(i);
  }
  auto reduce_buckets_of = [&](int block) {
    for (size_t i : of_block[block]) both_.push_back({Kind::reduce, i});
  };
  for (size_t b = blocks_.size(); b-- > 0;) {
    if (b > 0 && gathers) both_.push_back({Kind::gather, b - 1});
    reduce_buckets_of(static_cast<int>(b));
  }
  reduce_buckets_of(Bucket::kRoot);
}

size_t RoundSchedule::index_of(const nn::Module& block) const {
  auto found = std::find_if(blocks_.begin(), blocks_.end(),
                            [&](const Block& own) { return own.module == &block; });
  TESSERA_CHECK(found != blocks_.end(), "[Module] '{}' is no block of the model", block.path());
  return static_cast<size_t>(found - blocks_.begin());
}

void RoundSchedule::begin(std::vector<GradientSum>& sums, std::vector<bool>& got, bool has_leaf,
                          bool is_last) {
  sums_ = &sums;
  got_ = &got;
  has_leaf_ = has_leaf;
  is_last_ = is_last;
  unscale_ = 1;
  first_going_on_ = 0;
  missing_.clear();
  for (const Bucket& bucket : buckets_) missing_.push_back(bucket.segments.size());
  begin_list(both_);
}

void RoundSchedule::begin_forward() {
  sums_ = nullptr;
  begin_list(forward_);
}

void RoundSchedule::begin_list(const std::vector<Entry>& list) {
  check_not_whole();
  // A round that failed may not have ended; the communicator failed with it.
  list_ = list;
  next_ = 0;
  running_ = true;
  in_backward_ = std::nullopt;
}

void RoundSchedule::end() {
  while (next_ < list_.size()) {
    // One at a time, as a rank that computes has them.
    if (list_[next_].kind == Kind::gather) drop_all_but(list_[next_].index);
    run_entry(list_[next_++]);
  }
  drop_all_but(std::nullopt);
  running_ = false;
  if (sums_) {
    for (GradientSum& sum : *sums_) sum.settle();
  }
  for (size_t i = 0; sums_ && i < buckets_.size(); ++i) {
    for (const Segment& segment : buckets_[i].segments) {
      TESSERA_CHECK(!segment.parameter.grad().defined(),
                    "parameter '{}' got a gradient after its bucket was summed: a leaf runs one "
                    "backward, and TrainStep does it",
                    segment.name);
    }
  }
}

void RoundSchedule::gather_in_turn(size_t block, size_t end, const char* what) {
  size_t entry = next_;
  while (entry < end && (list_[entry].kind != Kind::gather || list_[entry].index != block)) ++entry;
  TESSERA_CHECK(entry < end,
                "{} of block '{}' came a second time in one leaf, or after a later block's: {} "
                "gathers every block once, in the order in which the model makes them",
                what, blocks_[block].module->path(), name(grid_.strategy()));
  while (next_ <= entry) run_entry(list_[next_++]);
}

void RoundSchedule::run_entry(Entry entry) {
  // At the same point on every rank.
  for (Block& block : blocks_) {
    for (Gather& gather : block.gathers) gather.step();
  }
  if (entry.kind == Kind::gather) start_gather(blocks_[entry.index]);
  else reduce(entry.index);
}

void RoundSchedule::reduce(size_t bucket) {
  int block = buckets_[bucket].block;
  nn::ModuleScope scope(block < 0 ? module_ : *blocks_[static_cast<size_t>(block)].module);
  Array gradient;
  if (has_leaf_) gradient = take_gradients(buckets_[bucket], grid_.data(), *got_, unscale_);
  size_t place = place_of_sum_[bucket];
  (*sums_)[place].add(gradient);
  // Those ahead go on meanwhile; those at the front that have ended are not asked again, or a model
  // of many buckets would spend its time on that.
  for (size_t i = first_going_on_; i < place; ++i) {
    GradientSum& sum = (*sums_)[i];
    bool goes_on = is_last_ && sum.step();
    if (!is_last_) sum.settle();
    if (!goes_on && i == first_going_on_) ++first_going_on_;
  }
}

void RoundSchedule::flush() {
  while (next_ < list_.size() && list_[next_].kind == Kind::reduce &&
         missing_[list_[next_].index] == 0) {
    run_entry(list_[next_++]);
  }
}

void RoundSchedule::start_gather(Block& block) {
  TESSERA_ASSERT(block.state == State::absent);
  nn::ModuleScope scope(*block.module);  // for messages
  for (size_t i : block.sharded) {
    const Bucket& bucket = buckets_[i];
    bucket.params.storage()->refill();
    block.gathers.emplace_back(grid_.shards(), bucket.cut, bucket.own_params, bucket.params);
  }
  block.state = State::arriving;
}

void RoundSchedule::finish_gather(Block& block) {
  for (Gather& gather : block.gathers) gather.step();
  for (Gather& gather : block.gathers) gather.wait();
  block.gathers.clear();
  block.state = State::whole;
}

void RoundSchedule::drop(Block& block) {
  if (block.state == State::absent || all_gathered_) return;
  finish_gather(block);
  auto what = std::make_shared<const std::string>(
      fmt::format("the parameters of block '{}' are", block.module->path()));
  for (size_t i : block.sharded) buckets_[i].params.storage()->drop(what);
  block.state = State::absent;
}

void RoundSchedule::drop_all_but(std::optional<size_t> block) {
  for (size_t b = 0; b < blocks_.size(); ++b) {
    if (b != block) drop(blocks_[b]);
  }
}

void RoundSchedule::check_not_whole() const {
  TESSERA_CHECK(!all_gathered_,
                "[TrainStep] inside of whole_parameters the same step runs nothing of its own");
}

void RoundSchedule::gather_all() {
  check_not_whole();
  for (Block& block : blocks_) start_gather(block);
  for (Block& block : blocks_) finish_gather(block);
  all_gathered_ = true;
}

void RoundSchedule::release_all() {
  all_gathered_ = false;
  drop_all_but(std::nullopt);
}

void RoundSchedule::before_forward(size_t block) {
  if (blocks_[block].state == State::absent) gather_in_turn(block, forward_.size(), "the forward");
  drop_all_but(block);
  bool another = next_ < forward_.size();
  if (another) run_entry(list_[next_++]);
  finish_gather(blocks_[block]);
}

void RoundSchedule::after_forward(size_t block) {
  bool backward_follows = sums_ && context().grad_enabled && block + 1 == blocks_.size();
  if (!backward_follows) drop(blocks_[block]);
}

void RoundSchedule::before_backward(size_t block) {
  if (in_backward_ == block) return;  // another output of it
  in_backward_ = block;
  while (next_ < forward_.size()) run_entry(list_[next_++]);  // blocks that the leaf skipped
  drop_all_but(block);
  if (blocks_[block].state == State::absent) gather_in_turn(block, list_.size(), "the backward");
  drop_all_but(block);
  bool another = next_ < list_.size() && list_[next_].kind == Kind::gather;
  if (another) run_entry(list_[next_++]);
  finish_gather(blocks_[block]);
}

void RoundSchedule::after_backward(size_t block) {
  for (size_t i = 0; i < buckets_.size(); ++i) {
    if (buckets_[i].block == static_cast<int>(block)) missing_[i] = 0;
  }
  flush();
  drop(blocks_[block]);
}

void RoundSchedule::gradient_arrived(size_t bucket) {
  if (!running_ || !sums_ || missing_[bucket] == 0) return;
  if (--missing_[bucket] == 0) flush();
}

// The inputs as the block sees them: their gradients are whole when the block's backward is over,
// since backward runs in the reverse order of forward.
std::vector<Tensor> RoundSchedule::enter(size_t block, const std::vector<Tensor>& inputs) {
  // Masks, constants and undefined ones go in as they are.
  auto has_gradient = [](const Tensor& x) { return x.defined() && x.requires_grad(); };
  std::vector<Tensor> taken;
  std::vector<Array> arrays;
  for (const Tensor& input : inputs) {
    if (!has_gradient(input)) continue;
    taken.push_back(input);
    arrays.push_back(input.data());
  }
  std::vector<Tensor> entered = record_many("block_input", arrays, taken,
                                            [watch = watch_, block](const Grads& dys, const Node&) {
                                              if (RoundSchedule* schedule = watch->schedule())
                                                schedule->after_backward(block);
                                              return dys;
                                            });
  std::vector<Tensor> out = inputs;
  size_t next = 0;
  for (Tensor& input : out) {
    if (has_gradient(input)) input = entered[next++];
  }
  return out;
}

std::vector<Tensor> RoundSchedule::run(const nn::Module& module, const TensorFunction& forward,
                                       const std::vector<Tensor>& inputs) {
  TensorFunction function = forward;
  if (recompute_) {
    function = [forward](const std::vector<Tensor>& again) { return checkpoint(forward, again); };
  }
  if (!grid_.gathers_blocks() || all_gathered_) return function(inputs);
  TESSERA_CHECK(running_,
                "block '{}' runs outside of a step, where {} has not gathered its parameters: "
                "TrainStep::evaluate and whole_parameters do",
                module.path(), name(grid_.strategy()));
  size_t block = index_of(module);
  before_forward(block);
  bool recorded = context().grad_enabled && sums_;
  std::vector<Tensor> outputs = function(recorded ? enter(block, inputs) : inputs);
  after_forward(block);
  for (const Tensor& output : outputs) {
    if (!recorded || !output.defined() || !output.requires_grad() || output.is_leaf()) continue;
    output.register_hook([watch = watch_, block](const Tensor& grad) {
      if (RoundSchedule* schedule = watch->schedule()) schedule->before_backward(block);
      return grad;
    });
  }
  return outputs;
}

}  // namespace tessera
