// The norm of the whole gradient.
#pragma once

#include <vector>

#include "distributed/bucket.h"

namespace tessera {

// The square root of the sum of squares of gradients, which has this rank's elements (Bucket::own)
// of each trained bucket and nothing of others. One sum of squares per chunk is folded over all
// chunks of all parameters in one tree: how the parameters are cut into buckets, and these into
// shards, changes nothing. 0-d, f64, on the buckets' device. A collective of grid.owners().
Array gradient_norm(const std::vector<Bucket>& buckets, const std::vector<Array>& gradients,
                    const ShardGrid& grid);

}  // namespace tessera
