// The training state as tensors with names: what a checkpoint holds.
#pragma once

#include <vector>

#include "distributed/bucket.h"
#include "distributed/checkpoint/part.h"

namespace tessera {

// Parameters in the dtype that they are updated in, under their names; the optimizer's state of
// each, under state_name(); and buffers. Of a rule with an EvaluationPoint the parameter is that
// point, and the one where it is trained is among the state, as the rule calls it. Views of what is
// in buckets and in the module, as far as this rank has it. Who writes what follows from who holds
// it: what ranks hold alike is divided among them.
std::vector<HeldTensor> held_state(const nn::Module& module, const std::vector<Bucket>& buckets,
                                   const ShardGrid& grid);

// An Error, beginning with `what`, that names the first tensor that a checkpoint has and this
// training state has not, or the other way round, or that is of another shape.
void check_same_tensors(const Manifest& manifest, const nn::Module& module,
                        const optim::Optimizer& optimizer, const std::string& what);

}  // namespace tessera
