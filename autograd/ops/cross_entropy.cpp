// The losses of classes: cross_entropy and nll_loss.
#include "autograd/ops/elementwise.h"
#include "autograd/ops/index.h"
#include "autograd/ops/loss.h"
#include "autograd/ops/loss_common.h"
#include "autograd/ops/normalize_common.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/softmax.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/promotion.h"

namespace tessera {
namespace {

// The dim of the classes: the only one, or the second.
size_t class_dim(const Tensor& x) { return x.dim() == 1 ? 0 : 1; }

Dims without_classes(const Tensor& x) {
  Dims shape = x.shape();
  shape.erase(class_dim(x));
  return shape;
}

void check_classes(const char* op, const Tensor& x, const Tensor& target, const Tensor& weight) {
  TESSERA_CHECK(is_floating(x.dtype()), "[{}] expected x of a floating dtype, got {}", op,
                x.dtype());
  TESSERA_CHECK(x.dim() >= 1, "[{}] expected x (C,), (N, C) or (N, C, ...), got {}", op, x.shape());
  int64_t classes = x.shape()[class_dim(x)];
  TESSERA_CHECK(!weight.defined() || weight.shape() == Dims{classes},
                "[{}] expected weights of shape ({},) for x {}, got {}", op, classes, x.shape(),
                weight.shape());
  if (is_floating(target.dtype())) {
    TESSERA_CHECK(
        target.shape() == x.shape(),
        "[{}] expected classes of i64 and shape {}, or probabilities of x's shape {}, got "
        "{} {}",
        op, without_classes(x), x.shape(), target.dtype(), target.shape());
    return;
  }
  TESSERA_CHECK(target.dtype() == DType::i64, "[{}] expected indices of i64, got {}", op,
                target.dtype());
  TESSERA_CHECK(target.shape() == without_classes(x),
                "[{}] expected indices of shape {} for x {}, got {}", op, without_classes(x),
                x.shape(), target.shape());
}

// The classes last, and all else in one dim in front.
Tensor as_rows(const Tensor& x) {
  if (x.dim() == 2) return contiguous(x);
  Tensor last = x;
  if (x.dim() > 2) {
    Dims order{0};
    for (size_t d = 2; d < x.dim(); ++d) order.push_back(static_cast<int64_t>(d));
    order.push_back(1);
    last = permute(x, order);
  }
  int64_t cols = last.size(-1);
  return contiguous(reshape(last, {num_elements(without_classes(x)), cols}));
}

// What the gradient is, as an array of coefficients: dx = dy (total p - share), row by row, with
// total (rows, 1) and share (rows, cols).
struct Coefficients {
  Array total, share;

  Coefficients(const Array& target, const CrossEntropyArgs& args, int64_t classes, DType dtype)
      : total(Array::zeros({target.numel(), 1}, dtype)),
        share(Array::zeros({target.numel(), classes}, dtype)) {
    std::vector<double> w(static_cast<size_t>(classes), 1);
    if (args.weight.defined()) w = args.weight.to(DType::f64).to_vector<double>();
    double sum = 0;
    for (double value : w) sum += value;
    double smooth = args.label_smoothing / static_cast<double>(classes);
    std::vector<int64_t> targets = target.to_vector<int64_t>();
    for (size_t i = 0; i < targets.size(); ++i) {
      int64_t t = targets[i];
      if (t == args.ignore_index) continue;
      auto row = static_cast<int64_t>(i);
      double hit = (1 - args.label_smoothing) * w[static_cast<size_t>(t)];
      total.select(0, row).fill_(hit + smooth * sum);
      Array out = share.select(0, row);
      if (smooth > 0) {
        out.copy_(Array::from(w, {classes}));
        out.copy_(affine(Tensor(out), smooth, 0).data());
      }
      out.select(0, t).fill_(hit + smooth * w[static_cast<size_t>(t)]);
    }
  }
};

struct RowLosses {
  Tensor losses;  // (rows,)
  Array weights;  // of the targets; 0 where ignored
};

// x (rows, C) of f32 or f64 and target (rows,), both contiguous. The gradient comes from the saved
// x and logsumexp: the probabilities are never stored.
RowLosses losses_of_rows(const Tensor& x, const Array& target, const CrossEntropyArgs& args) {
  Dims rows{x.size(0)};
  Array losses = Array::empty(rows, x.dtype(), x.device());
  Array lse = Array::empty({2, x.size(0)}, x.dtype(), x.device());
  Array weights = Array::empty(rows, x.dtype(), x.device());
  kernels(x.device()).softmax().cross_entropy(x.data(), target, args, losses, lse, weights);
  Tensor out = record("cross_entropy", losses, {x},
                      [sx = Saved(x), starget = SavedArray(target), slse = SavedArray(lse), args](
                          const Tensor& dy, const Node& node) {
                        Array target = starget.get(node.op());
                        if (context().grad_enabled) {
                          return Grads{class_loss_slope(sx.get(node), target, args, dy)};
                        }
                        Array x = sx.array(node);
                        Array dx = Array::empty(x.shape(), x.dtype(), x.device());
                        kernels(x.device())
                            .softmax()
                            .cross_entropy_grad(x, target, args, slse.get(node.op()),
                                                dy.data().contiguous(), dx);
                        return Grads{Tensor(dx)};
                      });
  return {out, weights};
}

// -sum over the classes of target w log softmax(x)
Tensor of_probabilities(const Tensor& x, const Tensor& target, const CrossEntropyOptions& options) {
  auto dim = static_cast<int64_t>(class_dim(x));
  auto classes = static_cast<double>(x.size(dim));
  Tensor t = target;
  if (options.label_smoothing > 0) {
    t = affine(t, 1 - options.label_smoothing, options.label_smoothing / classes);
  }
  Tensor terms = log_softmax(x, dim) * t;
  if (options.weight.defined()) {
    Dims shape(x.dim(), 1);
    shape[static_cast<size_t>(dim)] = x.size(dim);
    terms = terms * reshape(options.weight.detach(), shape);
  }
  Tensor losses = neg(sum(terms, {dim}));
  if (options.reduction == Reduction::none) return losses;
  Tensor total = sum(losses);
  return options.reduction == Reduction::sum ? total : total / static_cast<double>(losses.numel());
}

// What nll_loss takes of each row: element at, times weight, unless the row is ignored.
struct Picks {
  Array at, weight, ignored;  // (rows, 1), (rows,), (rows,)

  Picks(const Array& target, const NllLossOptions& options, int64_t classes, DType dtype) {
    int64_t count = target.numel();
    if (target.device().type == DeviceType::meta) {
      at = Array::empty({count, 1}, DType::i64, target.device());
      weight = Array::empty({count}, dtype, target.device());
      ignored = Array::empty({count}, DType::boolean, target.device());
      return;
    }
    // Ignored places read class 0, and nothing of it is kept.
    std::vector<int64_t> places = target.to_vector<int64_t>();
    std::vector<double> weights(places.size(), 1);
    std::vector<uint8_t> ignores(places.size(), 0);
    std::vector<double> w;
    if (options.weight.defined()) w = options.weight.data().to(DType::f64).to_vector<double>();
    for (size_t i = 0; i < places.size(); ++i) {
      int64_t& place = places[i];
      ignores[i] = place == options.ignore_index;
      TESSERA_CHECK(ignores[i] || (place >= 0 && place < classes),
                    "[nll_loss] expected a target in [0, {}), got {} in row {}", classes, place, i);
      if (ignores[i]) place = 0;
      if (ignores[i]) weights[i] = 0;
      else if (!w.empty()) weights[i] = w[static_cast<size_t>(place)];
    }
    at = Array::from(places, {count, 1});
    weight = Array::from(weights, {count}).to(dtype);
    ignored = Array::from(ignores, {count}).to(DType::boolean);
  }
};

Tensor widened_to(const Tensor& x, DType dtype) { return x.defined() ? to(x, dtype) : x; }

}  // namespace

Tensor class_loss_slope(const Tensor& x, const Array& target, const CrossEntropyArgs& args,
                        const Tensor& dy) {
  Coefficients c(target, args, x.size(1), x.dtype());
  // Rows that do not count are left out: what is not finite in them, or in a mean over none, times
  // 0 would be a NaN.
  Tensor ignored = eq(Tensor(target), args.ignore_index);
  Tensor kept = masked_fill(x, unsqueeze(ignored, 1), 0);
  Tensor slope = softmax(kept, 1) * Tensor(c.total) - Tensor(c.share);
  return unsqueeze(where(ignored, 0, dy), 1) * slope;
}

Tensor reduce_class_losses(const Tensor& losses, const Array& weights, const Dims& shape,
                           Reduction reduction) {
  if (reduction == Reduction::none) return reshape(losses, shape);
  if (reduction == Reduction::sum) return sum(losses);
  Tensor total;
  {
    const NoGrad no_grad;
    total = sum(Tensor(weights));
  }
  return sum(losses) / total;
}

Tensor cross_entropy(TensorArg x, TensorArg target, const CrossEntropyOptions& options) {
  const Composed scope;
  check_classes("cross_entropy", x, target, options.weight);
  check_reduction("cross_entropy", options.reduction);
  TESSERA_CHECK(options.label_smoothing >= 0 && options.label_smoothing <= 1,
                "[cross_entropy] expected a label_smoothing in [0, 1], got {}",
                options.label_smoothing);
  if (is_floating(target.dtype())) {
    DType result = result_type(x.data(), target.data());
    DType wide_dtype = compute_dtype_of(result);
    CrossEntropyOptions wide = options;
    wide.weight = widened_to(options.weight, wide_dtype);
    return to(of_probabilities(to(x, wide_dtype), to(target, wide_dtype), wide), result);
  }
  DType compute = compute_dtype_of(x.dtype());
  CrossEntropyArgs args{{}, options.ignore_index, options.label_smoothing};
  if (options.weight.defined()) args.weight = options.weight.data().to(compute).contiguous();
  Array indices = target.data().contiguous().view({target.numel()});
  RowLosses rows = losses_of_rows(as_rows(to(x, compute)), indices, args);
  return to(reduce_class_losses(rows.losses, rows.weights, target.shape(), options.reduction),
            x.dtype());
}

Tensor cross_entropy(TensorArg x, TensorArg target, Reduction reduction) {
  const Composed scope;
  return cross_entropy(x, target, CrossEntropyOptions{.reduction = reduction});
}

Tensor nll_loss(TensorArg x, TensorArg target, const NllLossOptions& options) {
  const Composed scope;
  TESSERA_CHECK(!is_floating(target.dtype()), "[nll_loss] expected indices of i64, got {}",
                target.dtype());
  check_classes("nll_loss", x, target, options.weight);
  check_reduction("nll_loss", options.reduction);
  DType compute = compute_dtype_of(x.dtype());
  Tensor rows = as_rows(to(x, compute));
  const Picks picks(target.data(), options, rows.size(1), compute);
  Tensor picked = reshape(gather(rows, 1, picks.at), {target.numel()});
  Tensor losses = neg(masked_fill(picked * Tensor(picks.weight), Tensor(picks.ignored), 0));
  return to(reduce_class_losses(losses, picks.weight, target.shape(), options.reduction),
            x.dtype());
}

}  // namespace tessera
