// Buckets: consecutive parameters in flat buffers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "distributed/shard_cut.h"
#include "distributed/shard_grid.h"
#include "nn/module.h"
#include "nn/optim/optimizer.h"

namespace tessera {

// One parameter's place in its bucket.
struct Segment {
  std::string name = {};
  Tensor parameter = {};
  int64_t begin = 0;  // in elements, a multiple of kChunkElements
  int64_t end = 0;
  // Of a trained one: how it is updated.
  optim::RulePtr rule = {};
  double lr_scale = 1;
  double weight_decay = 0;
  // What this rank keeps of the rule's state, in the order of rule->states: of its slice of the
  // parameter, flat, or of a parameter that it has whole, in the state's shape; none where it has
  // nothing of it.
  std::vector<Array> state = {};
  size_t index = 0;         // among all parameters that are in buckets, in the module's order
  int64_t first_chunk = 0;  // among the chunks of those that are trained
};

// Parameters of one block (nn/block.h), or of none, of one dtype, all trained by one rule or all
// frozen, in one buffer, with the optimizer's state for those elements that this rank updates. What
// lies between segments is zero, in every buffer.
struct Bucket {
  static constexpr int kRoot = -1;

  int block = kRoot;  // an index into Module::blocks()
  bool trained = true;
  // Whether `params` has memory only while its block is used, and `own_params` holds this rank's
  // shard; otherwise the one is a view of the other.
  bool sharded = false;
  std::vector<Segment> segments;
  int64_t numel = 0;  // padding included: a multiple of kChunkElements
  Array params;       // whole
  ShardCut cut;       // who of grid.owners() updates which elements
  Interval own;       // those that this rank updates
  Array own_params;
  Array master;              // of `own`, in sum_dtype; own_params itself where that is its dtype
  std::vector<Array> state;  // the buffers of all segments' states, in sum_dtype

  // The rule's, of a trained one: where its parameters are whole, each has one owner, and those of
  // one owner lie together.
  optim::Cut rule_cut() const { return segments[0].rule->cut(); }
  // Of a trained one whose rule means the parameters to be used at another point than they are
  // trained at.
  std::optional<optim::EvaluationPoint> evaluation_point() const {
    return trained ? segments[0].rule->evaluation_point() : std::nullopt;
  }
  // The own elements of what the parameters are to be used at: `master`, or of a rule with an
  // EvaluationPoint the state that has that.
  const Array& meant() const {
    auto point = evaluation_point();
    return point ? state[point->state] : master;
  }
  // Of a segment, what this rank updates: counted from the beginning of `own`. Empty: nothing.
  Interval own_interval_of(const Segment& segment) const;
  // The dtype that gradients are summed in: f32, or f64 for f64.
  DType sum_dtype() const { return params.dtype() == DType::f64 ? DType::f64 : DType::f32; }
};

struct BucketOptions {
  int64_t max_bytes = int64_t{25} << 20;  // of parameters; a bucket has one at least
  // What parameters become, their values in f32 kept as masters; unset: they stay as they are.
  std::optional<DType> dtype;
};

// Packs the parameters that the optimizer updates, frozen ones aside, into buckets and makes them
// views into these, in memory of grid.data(). Buckets are in the order in which backward fills
// them: the last block's first, each from its last parameter on, and the root's at the end; that is
// of parameters outside of blocks and of those that several blocks share. The first bucket has at
// most 1 MiB, so that its reduction starts early. Where blocks are gathered, their frozen
// parameters are in buckets too.
//
// Parameters made under nn::DeferInit get their values here, of sharded buckets only the own shard.
//
// An optimizer's parameter that is not the module's is an error, and so is one of the module that
// requires a gradient and is in no group; and blocks that are to be gathered where there are none.
std::vector<Bucket> make_buckets(const nn::Module& module, const optim::Optimizer& optimizer,
                                 const BucketOptions& options, const ShardGrid& grid);

// The parameters' gradients as one flat array of the bucket's layout in its sum_dtype, in memory of
// the communicator, times `factor`; their grads are dropped. A parameter without one counts as
// zero; got[index] of the others becomes true.
Array take_gradients(const Bucket& bucket, Communicator& comm, std::vector<bool>& got,
                     double factor = 1);

}  // namespace tessera
