#include "autograd/print.h"

#include <ostream>

namespace tessera {
namespace {

std::string history_of(const Tensor& tensor) {
  if (tensor.grad_fn()) return fmt::format(", grad_fn={}", tensor.grad_fn()->op());
  return tensor.requires_grad() ? ", requires_grad=true" : "";
}

}  // namespace

std::string to_string(const Tensor& tensor, const PrintOptions& options) {
  if (!tensor.defined()) return "Tensor(undefined)";
  return to_string_as("Tensor", tensor.data(), history_of(tensor), options);
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  return out << to_string(tensor);
}

Description describe(const Tensor& tensor) {
  return describe(tensor.defined() ? tensor.data() : Array());
}

}  // namespace tessera
