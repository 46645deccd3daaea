// Checks analytic gradients against differences.
#pragma once

#include <functional>
#include <vector>

#include "autograd/tensor.h"

namespace tessera {

struct GradcheckOptions {
  double step = 1e-6;  // of the central difference
  double atol = 1e-5;
  double rtol = 1e-3;
};

// Throws Error, naming input and element, unless the gradients of fn's result agree with central
// differences. `inputs` are leaves of f64, away from kinks; those that require no gradient are
// passed as they are. Checked: the full Jacobian, that a second backward over the same graph gives
// the same bits, that a zero gradient of the output gives zeros, that gradients have the inputs'
// shape and dtype, and that fn gives the same bits when called again.
void gradcheck(const std::function<Tensor(const std::vector<Tensor>&)>& fn,
               const std::vector<Tensor>& inputs, const GradcheckOptions& options = {});

// The same for the gradients themselves: gradcheck of (inputs, dy) -> the gradients of the inputs,
// made with create_graph, for a dy that is an input of its own.
void gradgradcheck(const std::function<Tensor(const std::vector<Tensor>&)>& fn,
                   const std::vector<Tensor>& inputs, const GradcheckOptions& options = {});

}  // namespace tessera
