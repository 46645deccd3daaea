// What the losses share.
#pragma once

#include "autograd/ops/loss.h"

namespace tessera {

// An error for batch_mean.
void check_reduction(const char* op, Reduction reduction);

}  // namespace tessera
