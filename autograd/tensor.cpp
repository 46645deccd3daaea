#include "autograd/tensor.h"

#include "autograd/context.h"
#include "autograd/engine.h"
#include "autograd/in_place.h"
#include "autograd/ops/in_place.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"

namespace tessera {

Tensor::Tensor(Array data, bool requires_grad) : impl_(std::make_shared<Impl>(std::move(data))) {
  TESSERA_CHECK(impl_->data.defined(), "[Tensor] the array is undefined");
  impl_->inference = context().inference;
  if (requires_grad) set_requires_grad(true);
}

// The left side of x[i] = y is evaluated last, so the call that was noted last is the user's.
// NOLINTNEXTLINE(bugprone-unhandled-self-assignment): copy_ takes elements that overlap
Tensor& Tensor::operator=(const Tensor& source) && {
  const NotedCall call(call_place.site);
  const Composed scope;
  copy_(*this, source);
  return *this;
}
Tensor& Tensor::operator=(Scalar value) && {
  const NotedCall call(call_place.site);
  const Composed scope;
  fill_(*this, value);
  return *this;
}

Tensor Tensor::operator[](ElementIndex i) const {
  const NotedCall call({i.file, i.line});
  const Composed scope;
  TESSERA_CHECK(dim() > 0, "[index] expected at least one dim to index, got a 0-d tensor");
  int64_t count = data().size(0);
  TESSERA_CHECK(i.value >= -count && i.value < count,
                "[index] expected an index in [{}, {}) for shape {}, got {}", -count, count,
                shape(), i.value);
  return select(*this, 0, i.value);
}

void Tensor::set_requires_grad(bool value) const {
  TESSERA_CHECK(is_leaf(), "[set_requires_grad] expected a leaf, got the result of {}",
                impl().grad_fn->op());
  TESSERA_CHECK(!value || is_floating(dtype()),
                "[set_requires_grad] only floating point tensors have gradients, this one is {}",
                dtype());
  impl().requires_grad = value;
}

void Tensor::set_grad(Tensor grad) const {
  if (grad.defined()) {
    TESSERA_CHECK(grad.shape() == shape() && grad.dtype() == dtype(),
                  "[set_grad] expected shape {} and {}, got {} and {}", shape(), dtype(),
                  grad.shape(), grad.dtype());
  }
  impl().grad = std::move(grad);
}

void Tensor::set_data(Array data) const {
  TESSERA_CHECK(is_leaf(), "[set_data] expected a leaf");
  TESSERA_CHECK(data.shape() == shape() && data.dtype() == dtype(),
                "[set_data] expected shape {} and {}, got {} and {}", shape(), dtype(),
                data.shape(), data.dtype());
  impl().data = std::move(data);
}

void Tensor::set_data_of_dtype(Array data) const {
  TESSERA_CHECK(is_leaf() && !grad().defined(), "[set_data] expected a leaf without a gradient");
  TESSERA_CHECK(
      data.shape() == shape() && is_floating(data.dtype()) && is_floating(dtype()),
      "[set_data] expected shape {} and a floating dtype in place of one, got {} and {} for {}",
      shape(), data.shape(), data.dtype(), dtype());
  impl().data = std::move(data);
}

void Tensor::backward(const Tensor& grad, bool retain_graph, bool create_graph) const {
  TESSERA_CHECK(requires_grad(), "[backward] the tensor does not require a gradient");
  backward_all({*this}, {grad}, retain_graph || create_graph, create_graph);
}

void Tensor::register_hook(GradHook hook) const {
  TESSERA_CHECK(requires_grad(), "[register_hook] the tensor does not require a gradient");
  if (!impl().hooks) {
    impl().hooks = std::make_shared<std::vector<GradHook>>();
    if (impl().grad_fn) impl().grad_fn->share_output_hooks(impl().output, impl().hooks);
  }
  impl().hooks->push_back(std::move(hook));
}

void Tensor::register_post_accumulate_grad_hook(AccumulateHook hook) const {
  TESSERA_CHECK(is_leaf() && requires_grad(),
                "[register_post_accumulate_grad_hook] expected a leaf that requires a gradient");
  impl().accumulate_hooks.push_back(std::move(hook));
}

Edge Tensor::gradient_edge() const {
  Impl& self = impl();
  if (self.is_stale()) self.refresh();
  if (!self.requires_grad) return {};
  if (self.grad_fn) return {self.grad_fn, self.output};
  if (!self.accumulator) self.accumulator = make_accumulator(impl_);
  return {self.accumulator, 0};
}

Tensor Tensor::from_edge(Array data, Edge edge) {
  Tensor out(std::move(data));
  out.impl_->requires_grad = true;
  out.impl_->grad_fn = std::move(edge.node);
  out.impl_->output = edge.output;
  return out;
}

void Tensor::detach_() const {
  TESSERA_CHECK(!is_view(), "[detach_] a view cannot lose its history in place; use detach");
  impl().grad_fn = {};
  impl().output = 0;
  impl().requires_grad = false;
  ++impl().generation;
}

Tensor Tensor::from_impl(std::shared_ptr<Impl> impl) {
  Tensor out;
  out.impl_ = std::move(impl);
  return out;
}

}  // namespace tessera
