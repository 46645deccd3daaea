// What ranks begin to train from: compared, or made alike.
#pragma once

#include "distributed/mesh.h"
#include "nn/module.h"
#include "nn/optim/optimizer.h"

namespace tessera {

struct StepOptions;

// Compares, among the ranks of mesh.data(), the settings of the mesh, of the step and of the
// optimizer, and of every parameter and buffer its name, dtype, shape and values (of those made
// later, nn::DeferInit, how they start). Where all is alike, that is one exchange of a few bytes.
// Otherwise a SharedError on every rank that says which is the first that differs, and on which
// ranks; under Start::broadcast, parameters and buffers that differ in values alone become rank 0's
// instead, whole on every rank until they are sharded. A collective.
void agree_on_start(const nn::Module& module, const optim::Optimizer& optimizer,
                    const StepOptions& options, const Mesh& mesh);

}  // namespace tessera
