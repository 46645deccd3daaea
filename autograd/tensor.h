// Tensor: an Array with a history. What models hold.
#pragma once

#include <concepts>
#include <functional>
#include <iosfwd>
#include <memory>
#include <vector>

#include "autograd/node.h"
#include "core/array.h"
#include "core/print.h"
#include "core/scalar.h"

namespace tessera {

// The i of x[i], and the place of the call.
struct ElementIndex {
  template <std::integral T>
  requires(!std::same_as<T, bool>)
      ElementIndex(T i, const char* file = __builtin_FILE(), int line = __builtin_LINE())
      : value(static_cast<int64_t>(i)), file(file), line(line) {}
  int64_t value;
  const char* file;
  int line;
};

// Runs after a leaf's grad has been added to.
using AccumulateHook = std::function<void(const Tensor& leaf)>;

// Copying a Tensor copies a reference: both see the same data, grad and history. A
// default-constructed Tensor is undefined. Reading one from several threads is fine, changing it
// (grad included) needs the caller's own order.
class Tensor {
 public:
  Tensor() = default;
  // A leaf: it has no history, and collects a gradient if requires_grad.
  Tensor(Array data, bool requires_grad = false);  // converts implicitly: an Array is a constant
  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) noexcept = default;
  ~Tensor() = default;
  Tensor& operator=(const Tensor&) & = default;
  Tensor& operator=(Tensor&&) & noexcept = default;
  // x[i] = y writes into x's elements, converted and broadcast, as copy_ and fill_ do
  // (autograd/in_place.h). To a variable that holds x[i], y is assigned as to any other.
  Tensor& operator=(const Tensor& source) &&;
  Tensor& operator=(Scalar value) &&;

  bool defined() const { return impl_ != nullptr; }
  const Array& data() const;
  const Dims& shape() const { return data().shape(); }
  DType dtype() const { return data().dtype(); }
  Device device() const { return data().device(); }
  size_t dim() const { return data().dim(); }
  int64_t size(int64_t dim) const { return data().size(dim); }
  int64_t numel() const { return data().numel(); }
  template <class T>
  T item() const {
    return data().template item<T>();
  }
  // A view of element i of dim 0, counted from the end when negative; it has one dim less. index()
  // of autograd/ops/indexing.h takes slices, masks and tensors as well.
  Tensor operator[](ElementIndex i) const;

  bool requires_grad() const;
  // Leaves only: results of recorded operations require one by what they were made from.
  void set_requires_grad(bool value) const;
  bool is_leaf() const;
  // The node that made this tensor; null for a leaf.
  const NodePtr& grad_fn() const;
  // Whether this is a view whose writes reach the tensor it was made from.
  bool is_view() const;
  // How often the elements were changed in place, through this tensor or any that shares them.
  uint32_t version() const { return data().storage()->version(); }

  // The collected gradient; undefined before backward.
  const Tensor& grad() const;
  void set_grad(Tensor grad) const;
  // The same data without the history.
  Tensor detach() const { return Tensor(data()); }
  // This tensor itself as a leaf, its history forgotten. An error for views.
  void detach_() const;
  // Replaces a leaf's data, of the same shape and dtype; grads and hooks stay. For storage that
  // moves, such as a parameter that becomes a view into a bucket.
  void set_data(Array data) const;
  // The same with another floating dtype, for a leaf that no graph has used yet.
  void set_data_of_dtype(Array data) const;

  // Fills grad of all leaves that this tensor was made from. `grad` defaults to 1 for a tensor of
  // one element. The history is dropped unless retain_graph, and a second backward is an error.
  // With create_graph the gradients have a history of their own, and the history stays.
  void backward(const Tensor& grad = {}, bool retain_graph = false,
                bool create_graph = false) const;

  // Hooks run in the order they were added. One on a tensor with a history must be added before
  // backward; it sees the whole gradient of the tensor.
  void register_hook(GradHook hook) const;
  void register_post_accumulate_grad_hook(AccumulateHook hook) const;

  // Where gradients of this tensor go: the node that made it, or its accumulator; null if none
  // are wanted. For operations and the engine.
  Edge gradient_edge() const;
  struct Impl;
  const std::shared_ptr<Impl>& shared() const { return impl_; }
  // A result of a recorded operation.
  static Tensor from_edge(Array data, Edge edge);
  static Tensor from_impl(std::shared_ptr<Impl> impl);

 private:
  Impl& impl() const;
  std::shared_ptr<Impl> impl_;
};

// As to_string of autograd/print.h.
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

struct Tensor::Impl {
  // Not an aggregate: clearing all of it first would cost a tenth of a small operation.
  explicit Impl(Array elements) : data(std::move(elements)) {}

  Array data;
  NodePtr grad_fn;
  uint32_t output = 0;  // which of grad_fn's outputs this is
  bool requires_grad = false;
  bool inference = false;
  // Of a view: what it was made from. Writing through any of its views gives the base, and so all
  // of them, another history; generations tell which views have not taken notice yet.
  std::shared_ptr<Impl> base;
  uint64_t generation = 0;
  NodePtr accumulator;  // of a leaf, made when first needed
  std::shared_ptr<std::vector<GradHook>> hooks;
  std::vector<AccumulateHook> accumulate_hooks;
  Tensor grad;

  bool is_stale() const { return base && base->generation != generation; }
  // A stale view becomes a view of its base's new history.
  void refresh();
};

inline Tensor::Impl& Tensor::impl() const {
  TESSERA_CHECK(impl_, "[Tensor] the tensor is undefined");
  return *impl_;
}
inline const Array& Tensor::data() const { return impl().data; }
inline bool Tensor::requires_grad() const {
  Impl& self = impl();
  if (self.is_stale()) self.refresh();
  return self.requires_grad;
}
inline bool Tensor::is_leaf() const { return !grad_fn(); }
inline const NodePtr& Tensor::grad_fn() const {
  Impl& self = impl();
  if (self.is_stale()) self.refresh();
  return self.grad_fn;
}
inline bool Tensor::is_view() const { return static_cast<bool>(impl().base); }
inline const Tensor& Tensor::grad() const { return impl().grad; }

}  // namespace tessera
