// Tensors without a model: NumPy's operations, gradients of gradients, and an error with a name.
#include <tessera.h>

#include <iostream>

using namespace tessera;

int main() {
  Tensor x = reshape(linspace(-1, 1, 6), {2, 3});
  x.set_requires_grad(true);
  Tensor y = einsum("ij,kj->ik", {x, exp(x)});
  std::cout << y << "\n" << describe(y) << "\n";

  // The gradient of a gradient's square: what a gradient penalty is.
  Tensor dx = grad({sum(y)}, {x}, {}, {.create_graph = true})[0];
  sum(dx * dx).backward();
  std::cout << x.grad() << "\n" << index(x, {ellipsis, Slice(none, none, 2)}) << "\n";

  DetectAnomaly watching;
  try {
    sum(sqrt(x - 1)).backward();
  } catch (const Error& error) {
    std::cout << error.what() << "\n";
  }
}
