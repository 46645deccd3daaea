// Backward: walks the graph from results to the leaves.
#pragma once

#include <optional>

#include "autograd/tensor.h"

namespace tessera {

// Fills grad of all leaves that `outputs` were made from, for one gradient each (undefined: 1, for
// an output of one element). A node runs when all its gradients have arrived, the most recently
// recorded first, so the order (and with it the bits of sums of gradients) depends on the forward
// pass alone. Without recursion. Threads may run it at the same time on graphs that share no node
// and no leaf. With create_graph the gradients are recorded in their turn.
void backward_all(const std::vector<Tensor>& outputs, const std::vector<Tensor>& grad_outputs,
                  bool retain_graph = false, bool create_graph = false);

struct GradOptions {
  bool create_graph = false;           // the gradients can be differentiated in their turn
  std::optional<bool> retain_graph{};  // unset: as create_graph
  bool allow_unused = false;           // an input that no output depends on gets no gradient
};

// The gradients of sum_i <outputs[i], grad_outputs[i]> with respect to `inputs`, in their order;
// no tensor's grad is touched. grad_outputs may be left out, wholly or one by one, for outputs of
// one element. An unused input is an error, or an undefined Tensor where that is allowed.
std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& grad_outputs = {},
                         const GradOptions& options = {});

}  // namespace tessera
