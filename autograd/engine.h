// Backward: walks the graph from a result to the leaves.
#pragma once

#include "autograd/tensor.h"

namespace tessera {

// Sends `grad` into `root` and on along the edges. A node runs when all its gradients have
// arrived, the most recently recorded first, so the order (and with it the bits of sums of
// gradients) depends on the forward pass alone. Without recursion. Threads may run it at the same
// time on graphs that share no node and no leaf. Nothing is recorded while it runs.
void run_backward(const NodePtr& root, Tensor grad, bool retain_graph);

}  // namespace tessera
