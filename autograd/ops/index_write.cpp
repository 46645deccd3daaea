#include "autograd/ops/index_write.h"

#include "autograd/in_place.h"
#include "autograd/ops/index.h"
#include "autograd/ops/join.h"
#include "autograd/ops/number_range.h"
#include "autograd/ops/pointwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/where.h"
#include "autograd/record.h"
#include "core/creation.h"
#include "core/index.h"
#include "core/kernels/index.h"

namespace tessera {
namespace {

Tensor zeros_as(const Dims& shape, const Tensor& like) {
  return Tensor(Array::zeros(shape, like.dtype(), like.device()));
}

Tensor flattened(const Tensor& x) { return reshape(x, {x.numel()}); }

// x of one dim.
Tensor put_flat(const Tensor& x, const Array& at, const Tensor& source, bool accumulate) {
  Array y = x.data().clone();
  arrays::put_(y, {at}, source.data(), accumulate ? ScatterOp::add : ScatterOp::assign, "put");
  return record("put", y, {x, source},
                [=, saved = SavedArray(at)](const Tensor& dy, const Node& node) {
                  Array at = saved.get(node.op());
                  Grads grads(2);
                  if (node.wants(0)) {
                    grads[0] = accumulate ? dy : put_flat(dy, at, zeros_as(at.shape(), dy), false);
                  }
                  if (node.wants(1)) grads[1] = take(dy, at);
                  return grads;
                });
}

// An index of slices along a dim of x: of one dim, as the kernels take it.
struct SliceIndex {
  size_t dim;
  Array at;
  Dims shape;  // of what it selects

  SliceIndex(const char* op, const Tensor& x, int64_t dim_arg, const Tensor& index)
      : dim(normalize_dim(dim_arg, std::max<size_t>(x.dim(), 1), op)),
        at(arrays::wide_index(index.data(), op)) {
    TESSERA_CHECK(at.dim() <= 1, "[{}] expected an index of at most one dim, got shape {}", op,
                  at.shape());
    if (at.dim() == 0) at = at.unsqueeze(0);
    shape = x.dim() == 0 ? Dims{1} : x.shape();
    shape[dim] = at.numel();
  }
};

// x with values, which broadcast to the selected slices, there.
Array with_slices(const char* op, const Array& x, const SliceIndex& index, const Array& values) {
  Array y = x.clone();
  auto d = static_cast<int64_t>(index.dim);
  Array target = y.dim() == 0 ? y.unsqueeze(0) : y;
  arrays::put_(target.transpose(0, d), {index.at},
               values.dim() == 0 ? values : values.transpose(0, d), ScatterOp::assign, op);
  return y;
}

Tensor filled(const Tensor& x, int64_t dim, const Array& index, const Array& value) {
  Array y = with_slices("index_fill", x.data(), {"index_fill", x, dim, Tensor(index)}, value);
  return record("index_fill", y, {x},
                [=, at = SavedArray(index)](const Tensor& dy, const Node& node) {
                  return Grads{index_fill(dy, dim, at.get(node.op()), 0)};
                });
}

// Places of the true elements of a mask of `shape`, flattened.
Array places_of(const Array& mask, const Dims& shape) {
  Array flat = mask.expand(shape).reshape({num_elements(shape)});
  Array found = arrays::nonzero(flat);
  return found.view({found.size(0)});
}

}  // namespace

Tensor take(TensorArg x, TensorArg index) {
  const Composed scope;
  Array at = arrays::wide_index(index.data(), "take");
  Tensor flat = flattened(x);
  return record("take", arrays::take(flat.data(), {at}, "take"), {flat},
                [count = flat.shape(), saved = SavedArray(at)](const Tensor& dy, const Node& node) {
                  return Grads{put_flat(zeros_as(count, dy), saved.get(node.op()), dy, true)};
                });
}

Tensor put(TensorArg x, TensorArg index, TensorArg source, bool accumulate) {
  const Composed scope;
  Array at = arrays::wide_index(index.data(), "put");
  TESSERA_CHECK(source.numel() == at.numel(),
                "[put] expected as many elements of source as of index, got {} and {}",
                source.shape(), at.shape());
  Tensor y = put_flat(flattened(x), at, reshape(source, at.shape()), accumulate);
  return reshape(y, x.shape());
}

Tensor index_fill(TensorArg x, int64_t dim, TensorArg index, Scalar value) {
  check_in_range("index_fill", value, x.dtype());
  Scalar kept = is_floating(x.dtype()) || !value.is_floating() ? value : value.to<int64_t>();
  return filled(x, dim, index.data(), arrays::full({}, kept, x.dtype(), x.device()));
}

// dvalue is the sum of dy over the slices, each as often as the index names it.
Tensor index_fill(TensorArg x, int64_t dim, TensorArg index, TensorArg value) {
  const Composed scope;
  TESSERA_CHECK(value.dim() == 0, "[index_fill] expected a 0-d value, got one of shape {}",
                value.shape());
  Tensor number = to(value, x.dtype());
  if (!wants_record({number})) return filled(x, dim, index.data(), number.data());
  SliceIndex at("index_fill", x, dim, index);
  return record("index_fill", with_slices("index_fill", x.data(), at, number.data()), {x, number},
                [=, saved = SavedArray(index.data())](const Tensor& dy, const Node& node) {
                  Array index = saved.get(node.op());
                  Grads grads(2);
                  if (node.wants(0)) grads[0] = index_fill(dy, dim, index, 0);
                  if (node.wants(1)) grads[1] = sum(index_select(dy, dim, index));
                  return grads;
                });
}

Tensor index_copy(TensorArg x, int64_t dim, TensorArg index, TensorArg source) {
  const char* op = "index_copy";
  SliceIndex at(op, x, dim, index);
  bool is_one_number = source.dim() == 0 && num_elements(at.shape) == 1;
  TESSERA_CHECK(is_one_number || source.shape() == at.shape,
                "[index_copy] expected a source of shape {}, got {}", at.shape, source.shape());
  Array values = is_one_number ? source.data().view(at.shape) : source.data();
  return record(op, with_slices(op, x.data(), at, values), {x, source},
                [=, saved = SavedArray(index.data()), from = source.shape()](const Tensor& dy,
                                                                             const Node& node) {
                  Array index = saved.get(node.op());
                  Grads grads(2);
                  if (node.wants(0)) grads[0] = index_fill(dy, dim, index, 0);
                  if (node.wants(1)) grads[1] = reshape(index_select(dy, dim, index), from);
                  return grads;
                });
}

Tensor masked_scatter(TensorArg x, TensorArg mask, TensorArg source) {
  const char* op = "masked_scatter";
  TESSERA_CHECK(mask.dtype() == DType::boolean, "[{}] expected a mask of bool, got {}", op,
                mask.dtype());
  Dims shape = broadcast_shapes(x.shape(), mask.shape(), op);
  Array places = places_of(mask.data(), shape);
  int64_t used = places.numel();
  TESSERA_CHECK(source.numel() >= used, "[{}] expected at least {} elements of source, got {}", op,
                used, source.shape());
  Array y = x.data().expand(shape).clone();
  Array values = source.data().reshape({source.numel()}).slice(0, 0, used);
  arrays::put_(y.view({y.numel()}), {places}, values, ScatterOp::assign, op);
  return record(op, y, {x, source},
                [saved = SavedArray(mask.data()), like = pointwise::Like(x), from = source.shape(),
                 used](const Tensor& dy, const Node& node) {
                  Array mask = saved.get(node.op());
                  Grads grads(2);
                  if (node.wants(0)) {
                    grads[0] = pointwise::to_like(masked_fill(dy, mask, 0), like);
                  }
                  if (node.wants(1)) {
                    int64_t rest = num_elements(from) - used;
                    grads[1] = reshape(pad(masked_select(dy, mask), {0, rest}), from);
                  }
                  return grads;
                });
}

const Tensor& put_(SelfArg self, TensorArg index, TensorArg source, bool accumulate) {
  return in_place("put_", self, {source},
                  [&](const Tensor& old) { return put(old, index, source, accumulate); });
}
const Tensor& index_fill_(SelfArg self, int64_t dim, TensorArg index, Scalar value) {
  return in_place("index_fill_", self, {},
                  [&](const Tensor& old) { return index_fill(old, dim, index, value); });
}
const Tensor& index_fill_(SelfArg self, int64_t dim, TensorArg index, TensorArg value) {
  return in_place("index_fill_", self, {value},
                  [&](const Tensor& old) { return index_fill(old, dim, index, value); });
}
const Tensor& index_copy_(SelfArg self, int64_t dim, TensorArg index, TensorArg source) {
  return in_place("index_copy_", self, {source},
                  [&](const Tensor& old) { return index_copy(old, dim, index, source); });
}
const Tensor& masked_scatter_(SelfArg self, TensorArg mask, TensorArg source) {
  return in_place("masked_scatter_", self, {source},
                  [&](const Tensor& old) { return masked_scatter(old, mask, source); });
}

}  // namespace tessera
