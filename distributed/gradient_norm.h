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

// The sum of one number of every chunk of all trained parameters, in that tree. `own` has this
// rank's, f64: of the elements Bucket::own of each trained bucket, in order. 0-d, f64, on the
// buckets' device. A collective of grid.owners().
Array tree_sum_of_chunks(const std::vector<Bucket>& buckets, const Array& own,
                         const ShardGrid& grid);

}  // namespace tessera
