#include "autograd/in_place.h"

#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "core/promotion.h"

namespace tessera {
namespace {

// Where a base's and a view's elements lie in one storage.
struct Geometry {
  Dims base_shape, base_strides;
  Dims view_shape, view_strides;
  int64_t view_offset = 0;  // from the base's first element
  int64_t lowest = 0;       // the first element that either touches, from the base's first
  int64_t span = 0;         // elements from the lowest to the highest

  Geometry(const Array& base, const Array& view)
      : base_shape(base.shape()),
        base_strides(base.strides()),
        view_shape(view.shape()),
        view_strides(view.strides()),
        view_offset(view.offset() - base.offset()) {
    int64_t last =
        std::max(reach(base_shape, base_strides), view_offset + reach(view_shape, view_strides));
    lowest = std::min<int64_t>(0, view_offset);
    span = last - lowest + 1;
  }
  Array base_in(const Array& buffer) const {
    return {buffer.storage(), buffer.dtype(), base_shape, base_strides, -lowest};
  }
  Array view_in(const Array& buffer) const {
    return {buffer.storage(), buffer.dtype(), view_shape, view_strides, view_offset - lowest};
  }

 private:
  // The distance from the first element to the last; strides are never negative.
  static int64_t reach(const Dims& shape, const Dims& strides) {
    int64_t distance = 0;
    for (size_t d = 0; d < shape.size(); ++d) {
      if (shape[d] > 0) distance += (shape[d] - 1) * strides[d];
    }
    return distance;
  }
};
using GeometryPtr = std::shared_ptr<const Geometry>;

// Adds x into the elements of `out`, several of which may be one.
void add_overlapping(const Array& x, const Array& out) {
  if (x.dim() == 0) {
    out.copy_((Tensor(out) + Tensor(x)).data());
    return;
  }
  for (int64_t i = 0; i < x.shape()[0]; ++i) add_overlapping(x.select(0, i), out.select(0, i));
}

bool elements_overlap(const Dims& shape, const Dims& strides) {
  // Sorted by stride, every dim must step over all that lies below it.
  std::vector<std::pair<int64_t, int64_t>> dims;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 0) return false;
    if (shape[d] > 1) dims.emplace_back(strides[d], shape[d]);
  }
  std::sort(dims.begin(), dims.end());
  int64_t below = 0;
  for (auto [stride, size] : dims) {
    if (stride <= below) return true;
    below += (size - 1) * stride;
  }
  return false;
}

Tensor embed_view(const Tensor& dy, const GeometryPtr& at);

// The view's elements of x, a tensor of the base's shape.
Tensor take_view(const Tensor& x, const GeometryPtr& at) {
  Array buffer = Array::empty({at->span}, x.dtype(), x.device());
  at->base_in(buffer).copy_(x.data());
  return record("as_strided", at->view_in(buffer).clone(), {x},
                [at](const Tensor& dy, const Node&) { return Grads{embed_view(dy, at)}; });
}

// A tensor of the base's shape: dy in the view's place, zeros elsewhere.
Tensor embed_view(const Tensor& dy, const GeometryPtr& at) {
  Array buffer = Array::zeros({at->span}, dy.dtype(), dy.device());
  if (elements_overlap(at->view_shape, at->view_strides)) {
    add_overlapping(dy.data(), at->view_in(buffer));
  } else {
    at->view_in(buffer).copy_(dy.data());
  }
  return record("as_strided_backward", at->base_in(buffer).clone(), {dy},
                [at](const Tensor& ddx, const Node&) { return Grads{take_view(ddx, at)}; });
}

// x, a tensor of the base's shape, with zeros in the view's place.
Tensor clear_view(const Tensor& x, const GeometryPtr& at) {
  Array buffer = Array::zeros({at->span}, x.dtype(), x.device());
  at->base_in(buffer).copy_(x.data());
  at->view_in(buffer).fill_(0);
  return record("clear_view", at->base_in(buffer).clone(), {x},
                [at](const Tensor& dy, const Node&) { return Grads{clear_view(dy, at)}; });
}

void set_history(Tensor::Impl& impl, const Edge& edge) {
  impl.grad_fn = edge.node;
  impl.output = edge.output;
  impl.requires_grad = static_cast<bool>(edge);
  // Hooks belong to the value that was there before.
  impl.hooks = nullptr;
}

// The base's new history: what it was, but for the view's place, where it is `written`.
void rebase(const Tensor& view, const Tensor& written) {
  Tensor base = Tensor::from_impl(view.shared()->base);
  auto at = std::make_shared<const Geometry>(base.data(), view.data());
  Tensor joined =
      record("write_view", base.data(), {base, written}, [at](const Tensor& dy, const Node& node) {
        return Grads{node.wants(0) ? clear_view(dy, at) : Tensor(),
                     node.wants(1) ? take_view(dy, at) : Tensor()};
      });
  set_history(*base.shared(), joined.gradient_edge());
  ++base.shared()->generation;
  view.shared()->refresh();
}

void check_target(const char* op, const Tensor& self) {
  TESSERA_CHECK(!elements_overlap(self.shape(), self.data().strides()),
                "[{}] some elements of the tensor of shape {} share memory (strides {}); clone it "
                "before writing",
                op, self.shape(), self.data().strides());
  TESSERA_CHECK(!self.shared()->inference || context().inference,
                "[{}] a tensor made in inference mode cannot be changed outside of it", op);
}

void check_recorded_target(const char* op, const Tensor& self) {
  auto is_wanted_leaf = [](const Tensor& x) { return x.requires_grad() && x.is_leaf(); };
  TESSERA_CHECK(!is_wanted_leaf(self),
                "[{}] a leaf that requires a gradient cannot be changed in place while a history "
                "is recorded; use NoGrad",
                op);
  TESSERA_CHECK(!self.is_view() || !is_wanted_leaf(Tensor::from_impl(self.shared()->base)),
                "[{}] a view of a leaf that requires a gradient cannot be changed in place while a "
                "history is recorded; use NoGrad",
                op);
}

void check_result(const char* op, const Tensor& self, const Tensor& result) {
  TESSERA_CHECK(result.shape() == self.shape(),
                "[{}] a result of shape {} does not fit into the tensor of shape {}", op,
                result.shape(), self.shape());
  TESSERA_CHECK(can_cast(result.dtype(), self.dtype()),
                "[{}] a result of {} cannot be stored in a tensor of {}", op, result.dtype(),
                self.dtype());
}

// The source in memory that writing into self cannot reach while it is read.
Array apart_from(const Tensor& self, const Array& source) {
  return source.storage() == self.data().storage() ? source.clone() : source;
}

void write_recorded(const char* op, const Tensor& self,
                    FunctionRef<Tensor(const Tensor& old)> compute) {
  check_recorded_target(op, self);
  // The operation sees the old elements in memory of their own: it may save them.
  Array kept = self.data().clone();
  Edge edge = self.gradient_edge();
  Tensor result = compute(edge ? Tensor::from_edge(kept, edge) : Tensor(kept));
  check_result(op, self, result);
  result = to(result, self.dtype());
  self.data().copy_(apart_from(self, result.data()));
  self.data().storage()->mark_changed(op);
  if (self.is_view()) {
    rebase(self, result);
  } else {
    set_history(*self.shared(), result.gradient_edge());
    ++self.shared()->generation;
  }
}

}  // namespace

void Tensor::Impl::refresh() {
  generation = base->generation;
  Tensor source = Tensor::from_impl(base);
  if (!source.requires_grad()) return;
  auto at = std::make_shared<const Geometry>(base->data, data);
  EnableGrad recorded;
  Tensor view = record("as_strided", data, {source},
                       [at](const Tensor& dy, const Node&) { return Grads{embed_view(dy, at)}; });
  set_history(*this, view.gradient_edge());
}

const Tensor& in_place(const char* op, const Tensor& self, InputRefs others,
                       FunctionRef<Tensor(const Tensor& old)> compute,
                       FunctionRef<void(const Array& out)> kernel) {
  const Composed scope;
  check_target(op, self);
  if (wants_record({self}) || wants_record(others)) {
    write_recorded(op, self, compute);
  } else {
    kernel(self.data());
    self.data().storage()->mark_changed(op);
  }
  return self;
}

const Tensor& in_place(const char* op, const Tensor& self, InputRefs others,
                       FunctionRef<Tensor(const Tensor& old)> compute) {
  auto write = [&](const Array& out) {
    Tensor result = compute(self);
    check_result(op, self, result);
    out.copy_(apart_from(self, result.data()));
  };
  return in_place(op, self, others, compute, write);
}

const Tensor& copy_(SelfArg self, TensorArg source) {
  auto compute = [&](const Tensor& old) { return to(expand(source, old.shape()), old.dtype()); };
  auto write = [&](const Array& out) { out.copy_(apart_from(self, source.data())); };
  return in_place("copy_", self, {source}, compute, write);
}

}  // namespace tessera
