#include "autograd/anomaly.h"

#include "core/finite.h"

namespace tessera {
namespace {

std::string shapes_of(const Grads& dys) {
  std::string text;
  for (const Tensor& dy : dys) {
    text += (text.empty() ? "" : " and ") + (dy.defined() ? to_string(dy.shape()) : "none");
  }
  return text;
}

}  // namespace

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
