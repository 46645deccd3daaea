#include "autograd/ops/index.h"

#include "autograd/in_place.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/join.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "core/creation.h"
#include "core/index.h"
#include "core/kernels/index.h"
#include "core/promotion.h"

namespace tessera {
namespace {

Tensor zeros_of(const Dims& shape, const Tensor& like) {
  return Tensor(Array::zeros(shape, like.dtype(), like.device()));
}

// The gradient of a source of `shape` of which only the index's part was used.
Tensor source_grad(const Tensor& dy, int64_t dim, const Array& index, const Dims& shape) {
  Tensor used = gather(dy, dim, index);
  Dims padding;
  for (size_t d = shape.size(); d-- > 0;) {
    padding.push_back(0);
    padding.push_back(shape[d] - used.shape()[d]);
  }
  return used.shape() == shape ? used : pad(used, padding);
}

Array scattered(const char* op, const Tensor& x, int64_t dim, const Array& index,
                const Array& source, ScatterOp how) {
  Array out = x.data().clone();
  arrays::scatter_(out, dim, index, source, how, op);
  return out;
}

// The source in memory of its own where writing into x would change it.
Array apart_from(const Array& x, const Array& source) {
  return source.storage() == x.storage() ? source.clone() : source;
}

void check_scatter_reduce(ScatterOp reduce) {
  TESSERA_CHECK(reduce == ScatterOp::add || reduce == ScatterOp::multiply,
                "[scatter] expected add or multiply, got another reduction");
}

bool is_one(const Scalar& alpha) { return !alpha.is_floating() && alpha.to<int64_t>() == 1; }

// alpha source in source's dtype, rounded once.
Tensor times(const Tensor& source, const Scalar& alpha) {
  TESSERA_CHECK(!alpha.is_floating() || is_floating(source.dtype()),
                "[index_add] expected an alpha of integers for {}, got {}", source.dtype(),
                alpha.to<double>());
  TESSERA_CHECK(alpha.kind() != Scalar::Kind::boolean || source.dtype() == DType::boolean,
                "[index_add] expected an alpha of numbers for {}, got bool", source.dtype());
  return source.dtype() == DType::boolean ? mul(source, alpha.to<bool>()) : mul(source, alpha);
}

}  // namespace

Tensor gather(TensorArg x, int64_t dim, TensorArg index) {
  return record("gather", arrays::gather(x.data(), dim, index.data()), {x},
                [=, at = Saved(index), old = x.shape()](const Tensor& dy, const Node& node) {
                  return Grads{scatter_add(zeros_of(old, dy), dim, at.array(node), dy)};
                });
}

Tensor take_along_dim(TensorArg x, TensorArg index, std::optional<int64_t> along) {
  if (!along) {
    const Composed scope;
    return gather(reshape(x, {-1}), 0, reshape(index, {-1}));
  }
  int64_t dim = *along;
  Array at = index.data();
  Array y = arrays::take_along_dim(x.data(), at, dim);
  return record("take_along_dim", y, {x},
                [=, saved = Saved(index), old = x.shape(), to_shape = y.shape()](const Tensor& dy,
                                                                                 const Node& node) {
                  Dims whole = to_shape;
                  size_t d = normalize_dim(dim, whole.size(), "take_along_dim");
                  whole[d] = old[d];
                  Tensor dx =
                      scatter_add(zeros_of(whole, dy), dim, saved.array(node).expand(to_shape), dy);
                  return Grads{sum_to(dx, old)};
                });
}

Tensor scatter(TensorArg x, int64_t dim, TensorArg index, TensorArg source) {
  Array y = scattered("scatter", x, dim, index.data(), source.data(), ScatterOp::assign);
  return record("scatter", y, {x, source},
                [=, at = Saved(index), from = source.shape()](const Tensor& dy, const Node& node) {
                  Array where = at.array(node);
                  return Grads{node.wants(0) ? scatter(dy, dim, where, zeros_of(where.shape(), dy))
                                             : Tensor(),
                               node.wants(1) ? source_grad(dy, dim, where, from) : Tensor()};
                });
}

Tensor scatter(TensorArg x, int64_t dim, TensorArg index, Scalar value) {
  const Composed scope;
  check_holds("scatter", x.dtype(), value);
  Array source = arrays::full({}, value, x.dtype(), x.device());
  return scatter(x, dim, index, source.expand(index.shape()));
}

Tensor scatter(TensorArg x, int64_t dim, TensorArg index, TensorArg source, ScatterOp reduce) {
  check_scatter_reduce(reduce);
  if (reduce == ScatterOp::add) return scatter_add(x, dim, index, source);
  Array y = scattered("scatter", x, dim, index.data(), source.data(), reduce);
  return record("scatter", y, {x, source}, [](const Tensor&, const Node&) -> Grads {
    throw_error("[scatter] products have no gradient");
  });
}

Tensor scatter(TensorArg x, int64_t dim, TensorArg index, Scalar value, ScatterOp reduce) {
  const Composed scope;
  Array source = Array::full({}, value.to<double>(), x.dtype(), x.device());
  return scatter(x, dim, index, source.expand(index.shape()), reduce);
}

Tensor scatter_add(TensorArg x, int64_t dim, TensorArg index, TensorArg source) {
  Array y = scattered("scatter_add", x, dim, index.data(), source.data(), ScatterOp::add);
  return record(
      "scatter_add", y, {x, source},
      [=, at = Saved(index), from = source.shape()](const Tensor& dy, const Node& node) {
        return Grads{dy, node.wants(1) ? source_grad(dy, dim, at.array(node), from) : Tensor()};
      });
}

Tensor index_select(TensorArg x, int64_t dim, TensorArg index) {
  return record("index_select", arrays::index_select(x.data(), dim, index.data()), {x},
                [=, at = Saved(index), old = x.shape()](const Tensor& dy, const Node& node) {
                  return Grads{index_add(zeros_of(old, dy), dim, at.array(node), dy)};
                });
}

Tensor index_add(TensorArg x, int64_t dim, TensorArg index, TensorArg source, Scalar alpha) {
  if (!is_one(alpha)) {
    const Composed scope;
    return index_add(x, dim, index, times(source, alpha));
  }
  Array y = x.data().clone();
  arrays::index_add_(y, dim, index.data(), source.data());
  return record("index_add", y, {x, source},
                [=, at = Saved(index), from = source.shape()](const Tensor& dy, const Node& node) {
                  return Grads{dy, node.wants(1)
                                       ? reshape(index_select(dy, dim, at.array(node)), from)
                                       : Tensor()};
                });
}

const Tensor& scatter_(const Tensor& x, int64_t dim, TensorArg index, TensorArg source) {
  auto compute = [&](const Tensor& old) { return scatter(old, dim, index, source); };
  auto write = [&](const Array& out) {
    arrays::scatter_(out, dim, index.data(), apart_from(out, source.data()), ScatterOp::assign,
                     "scatter_");
  };
  return in_place("scatter_", x, {source}, compute, write);
}

const Tensor& scatter_(const Tensor& x, int64_t dim, TensorArg index, TensorArg source,
                       ScatterOp reduce) {
  check_scatter_reduce(reduce);
  auto compute = [&](const Tensor& old) { return scatter(old, dim, index, source, reduce); };
  auto write = [&](const Array& out) {
    arrays::scatter_(out, dim, index.data(), apart_from(out, source.data()), reduce, "scatter_");
  };
  return in_place("scatter_", x, {source}, compute, write);
}

const Tensor& scatter_add_(const Tensor& x, int64_t dim, TensorArg index, TensorArg source) {
  auto compute = [&](const Tensor& old) { return scatter_add(old, dim, index, source); };
  auto write = [&](const Array& out) {
    arrays::scatter_(out, dim, index.data(), apart_from(out, source.data()), ScatterOp::add,
                     "scatter_add_");
  };
  return in_place("scatter_add_", x, {source}, compute, write);
}

const Tensor& index_add_(const Tensor& x, int64_t dim, TensorArg index, TensorArg source,
                         Scalar alpha) {
  if (!is_one(alpha)) return index_add_(x, dim, index, times(source, alpha));
  auto compute = [&](const Tensor& old) { return index_add(old, dim, index, source); };
  auto write = [&](const Array& out) {
    arrays::index_add_(out, dim, index.data(), apart_from(out, source.data()));
  };
  return in_place("index_add_", x, {source}, compute, write);
}

Tensor masked_select(TensorArg x, TensorArg mask) {
  Array y = arrays::masked_select(x.data(), mask.data());
  return record("masked_select", y, {x},
                [where = Saved(mask), old = x.shape()](const Tensor& dy, const Node& node) {
                  Array m = where.array(node);
                  Dims shape = broadcast_shapes(old, m.shape(), "masked_select");
                  Array flat = arrays::nonzero(m.expand(shape).reshape({-1})).view({dy.numel()});
                  Tensor dx = index_add(zeros_of({num_elements(shape)}, dy), 0, flat, dy);
                  return Grads{sum_to(reshape(dx, shape), old)};
                });
}

Tensor nonzero(TensorArg x) { return Tensor(arrays::nonzero(x.data())); }

std::vector<Tensor> nonzero(TensorArg x, AsTuple) {
  Array elements = x.dim() == 0 ? x.data().unsqueeze(0) : x.data();
  Array places = arrays::nonzero(elements);
  std::vector<Tensor> out;
  for (size_t d = 0; d < elements.dim(); ++d) {
    out.emplace_back(places.select(1, static_cast<int64_t>(d)).contiguous());
  }
  return out;
}

Tensor one_hot(TensorArg index, int64_t num_classes) {
  Array at = arrays::wide_index(index.data(), "one_hot").contiguous();
  const auto* values = at.data<int64_t>();
  int64_t largest = -1;
  for (int64_t i = 0; i < at.numel(); ++i) {
    TESSERA_CHECK(values[i] >= 0, "[one_hot] expected indices of at least 0, got {} at {} of {}",
                  values[i], i, at.shape());
    largest = std::max(largest, values[i]);
  }
  TESSERA_CHECK(num_classes > 0 || (num_classes == -1 && largest >= 0),
                "[one_hot] expected a number of classes, got {} for an index of shape {}",
                num_classes, at.shape());
  int64_t classes = num_classes == -1 ? largest + 1 : num_classes;
  TESSERA_CHECK(largest < classes, "[one_hot] expected indices below {}, got {}", classes, largest);
  Dims shape = at.shape();
  shape.push_back(classes);
  Array out = Array::zeros(shape, DType::i64, at.device());
  Array one = Array::full({}, 1, DType::i64, at.device());
  Dims column = at.shape();
  column.push_back(1);
  arrays::scatter_(out, -1, at.view(column), one.expand(column), ScatterOp::assign, "one_hot");
  return Tensor(out);
}

Tensor take_indices(TensorArg x, const std::vector<Array>& indices) {
  Array y = arrays::take(x.data(), indices);
  std::vector<SavedArray> saved(indices.begin(), indices.end());
  return record("index", y, {x}, [saved, old = x.shape()](const Tensor& dy, const Node& node) {
    std::vector<Array> at;
    for (const SavedArray& index : saved) at.push_back(index.get(node.op()));
    return Grads{put_indices(zeros_of(old, dy), at, dy, true)};
  });
}

Tensor put_indices(TensorArg x, const std::vector<Array>& indices, TensorArg values,
                   bool accumulate) {
  Array y = x.data().clone();
  arrays::put_(y, indices, values.data(), accumulate ? ScatterOp::add : ScatterOp::assign);
  std::vector<SavedArray> saved(indices.begin(), indices.end());
  return record("index_put", y, {x, values},
                [=, from = values.shape()](const Tensor& dy, const Node& node) {
                  std::vector<Array> at;
                  for (const SavedArray& index : saved) at.push_back(index.get(node.op()));
                  Grads grads(2);
                  if (node.wants(0)) {
                    grads[0] = accumulate ? dy : put_indices(dy, at, zeros_of({}, dy), false);
                  }
                  if (node.wants(1)) grads[1] = sum_to(take_indices(dy, at), from);
                  return grads;
                });
}

}  // namespace tessera
