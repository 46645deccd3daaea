#include "autograd/ops/join.h"

#include "autograd/ops/index.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/promotion.h"

namespace tessera {
namespace {

Dims negated(Dims dims) {
  for (int64_t& d : dims) d = -d;
  return dims;
}

DType common_dtype(const std::vector<Tensor>& xs) {
  ResultType type;
  for (const Tensor& x : xs) type.add(x.data());
  return type.get();
}

}  // namespace

Tensor cat(const std::vector<Tensor>& xs, int64_t dim, CallSite site) {
  const NotedCall call(site);
  TESSERA_CHECK(!xs.empty(), "[cat] expected at least one tensor, got none");
  DType dtype = common_dtype(xs);
  std::vector<Array> parts;
  std::vector<Dims> shapes;
  std::vector<DType> dtypes;
  for (const Tensor& x : xs) {
    parts.push_back(x.data().to(dtype));
    shapes.push_back(x.shape());
    dtypes.push_back(x.dtype());
  }
  return record("cat", arrays::cat(parts, dim), xs, [=](const Tensor& dy, const Node& node) {
    Grads grads(shapes.size());
    int64_t at = 0;
    for (size_t i = 0; i < shapes.size(); ++i) {
      // As in PyTorch an array of shape (0,) takes no place.
      bool ignored = shapes[i] == Dims{0};
      int64_t size = ignored ? 0 : shapes[i][normalize_dim(dim, shapes[i].size(), "cat")];
      if (node.wants(i)) {
        grads[i] = ignored ? Tensor(Array::zeros({0}, dtypes[i], dy.device()))
                           : to(narrow(dy, dim, at, size), dtypes[i]);
      }
      at += size;
    }
    return grads;
  });
}

Tensor stack(const std::vector<Tensor>& xs, int64_t dim, CallSite site) {
  const NotedCall call(site);
  const Composed scope;
  TESSERA_CHECK(!xs.empty(), "[stack] expected at least one tensor, got none");
  size_t d = normalize_dim(dim, xs[0].dim() + 1, "stack");
  std::vector<Tensor> parts;
  for (const Tensor& x : xs) {
    TESSERA_CHECK(x.shape() == xs[0].shape(), "[stack] expected one shape, got {} and {}",
                  xs[0].shape(), x.shape());
    parts.push_back(unsqueeze(x, static_cast<int64_t>(d)));
  }
  return cat(parts, static_cast<int64_t>(d));
}

// dx = the sum over the copies: dy seen as (r0, s0, r1, s1, ...), summed over the r.
Tensor repeat(TensorArg x, const Dims& repeats) {
  return record("repeat", arrays::repeat(x.data(), repeats), {x},
                [=, old = x.shape()](const Tensor& dy, const Node&) {
                  Dims spread;
                  Dims summed;
                  size_t lead = repeats.size() - old.size();
                  for (size_t d = 0; d < repeats.size(); ++d) {
                    spread.push_back(repeats[d]);
                    spread.push_back(d < lead ? 1 : old[d - lead]);
                    summed.push_back(static_cast<int64_t>(2 * d));
                  }
                  if (summed.empty()) return Grads{dy};
                  return Grads{reshape(sum(reshape(dy, spread), summed), old)};
                });
}

Tensor tile(TensorArg x, const Dims& repeats) {
  Dims all = repeats;
  while (all.size() < x.dim()) all.insert(0, 1);
  return repeat(x, all);
}

Tensor flip(TensorArg x, const Dims& dims) {
  return record("flip", arrays::flip(x.data(), dims), {x},
                [dims](const Tensor& dy, const Node&) { return Grads{flip(dy, dims)}; });
}

Tensor roll(TensorArg x, const Dims& shifts, const Dims& dims) {
  return record(
      "roll", arrays::roll(x.data(), shifts, dims), {x},
      [=](const Tensor& dy, const Node&) { return Grads{roll(dy, negated(shifts), dims)}; });
}

Tensor tril(TensorArg x, int64_t diagonal) {
  return record("tril", arrays::tril(x.data(), diagonal), {x},
                [=](const Tensor& dy, const Node&) { return Grads{tril(dy, diagonal)}; });
}

Tensor triu(TensorArg x, int64_t diagonal) {
  return record("triu", arrays::triu(x.data(), diagonal), {x},
                [=](const Tensor& dy, const Node&) { return Grads{triu(dy, diagonal)}; });
}

Tensor pad(TensorArg x, const Dims& padding, PadMode mode, Scalar value) {
  return record("pad", arrays::pad(x.data(), padding, mode, value), {x},
                [=, old = x.shape()](const Tensor& dy, const Node&) {
                  if (mode == PadMode::constant) return Grads{pad(dy, negated(padding))};
                  // The last padded dim is undone first.
                  Tensor dx = dy;
                  for (size_t i = padding.size() / 2; i-- > 0;) {
                    size_t d = old.size() - 1 - i;
                    Array index =
                        arrays::pad_index(old[d], padding[2 * i], padding[2 * i + 1], mode);
                    Dims shape = dx.shape();
                    shape[d] = old[d];
                    dx = index_add(Array::zeros(shape, dy.dtype(), dy.device()),
                                   static_cast<int64_t>(d), index, dx);
                  }
                  return Grads{dx};
                });
}

}  // namespace tessera
