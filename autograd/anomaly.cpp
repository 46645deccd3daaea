#include "autograd/anomaly.h"

#include <cmath>

#include "core/kernels.h"

namespace tessera {
namespace {

bool has_nonfinite_sum(const Array& x) {
  Array flat = x.contiguous().view({x.numel()});
  Array sums = Array::empty({(x.numel() + 255) / 256}, DType::f64);
  kernels(x.device()).reduce().chunk_square_sums(flat, sums);
  for (double sum : sums.to_vector<double>()) {
    if (!std::isfinite(sum)) return true;
  }
  return false;
}

std::string shapes_of(const Grads& dys) {
  std::string text;
  for (const Tensor& dy : dys) {
    text += (text.empty() ? "" : " and ") + (dy.defined() ? to_string(dy.shape()) : "none");
  }
  return text;
}

}  // namespace

int64_t count_nonfinite(const Array& x) {
  if (!is_floating(x.dtype()) || x.numel() == 0) return 0;
  bool fast = x.dtype() == DType::f32 || x.dtype() == DType::f64;
  // The squares of large f64 overflow: a sum that is not finite only says where to look.
  if (fast && !has_nonfinite_sum(x)) return 0;
  int64_t count = 0;
  for (double value : x.to(DType::f64).to_vector<double>()) count += !std::isfinite(value);
  return count;
}

void check_gradients(const Node& node, const Grads& dxs, const Grads& dys) {
  for (size_t i = 0; i < dxs.size(); ++i) {
    if (!node.wants(i) || !dxs[i].defined()) continue;
    int64_t count = count_nonfinite(dxs[i].data());
    TESSERA_CHECK(count == 0,
                  "[anomaly] the gradient of input {} of '{}' is the first that is not finite: {} "
                  "of {} elements, shape {}; the gradient of the result has shape {}",
                  i, node.op(), count, dxs[i].numel(), dxs[i].shape(), shapes_of(dys));
  }
}

void check_first_gradients(const Grads& grads) {
  for (const Tensor& grad : grads) {
    int64_t count = count_nonfinite(grad.data());
    TESSERA_CHECK(count == 0,
                  "[anomaly] the gradient that backward was given is not finite: {} of {} elements",
                  count, grad.numel());
  }
}

}  // namespace tessera
