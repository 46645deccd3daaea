// Buckets: runs of consecutive parameters in flat buffers.
#pragma once

#include <string>
#include <vector>

#include "distributed/comm/communicator.h"
#include "distributed/shard.h"
#include "nn/module.h"
#include "nn/optim/optimizer.h"

namespace tessera {

// One parameter's place in its bucket.
struct Segment {
  std::string name;
  Tensor parameter;
  int64_t begin = 0;  // in elements, a multiple of kChunkElements
  int64_t end = 0;
  double weight_decay = 0;
};

// Consecutive parameters of one dtype in one buffer, with the optimizer's state for those elements
// that this rank updates. What lies between segments is zero, in every buffer.
struct Bucket {
  std::vector<Segment> segments;
  int64_t numel = 0;         // padding included: a multiple of kChunkElements
  Array params;              // whole
  Run own;                   // the elements that this rank updates: all in ddp, else its shard
  std::vector<Array> state;  // of `own`

  DType dtype() const { return params.dtype(); }
};

// Packs the parameters of the module that the optimizer updates, in the module's order, into
// buckets of at most max_bytes (one parameter at least), and makes the parameters views into them,
// in memory of the communicator.
// An optimizer's parameter that is not the module's is an error, and so is one of the module that
// requires a gradient and is in no group.
std::vector<Bucket> make_buckets(const nn::Module& module, const optim::Optimizer& optimizer,
                                 int64_t max_bytes, Strategy strategy, Communicator& comm);

// The parameters' gradients as one flat array of the bucket's layout, in memory of the
// communicator; their grads are dropped. A parameter without one is an error naming it.
Array take_gradients(const Bucket& bucket, Communicator& comm);

}  // namespace tessera
