#include "autograd/ops/linear_cross_entropy.h"

#include <array>

#include "autograd/checkpoint.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/index.h"
#include "autograd/ops/loss_common.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/matmul_common.h"
#include "autograd/ops/reduce.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/binary.h"
#include "core/kernels/fold.h"
#include "core/kernels/matmul.h"
#include "core/kernels/reduce.h"
#include "core/kernels/softmax.h"

namespace tessera {
namespace {

constexpr const char* kHeadOp = "linear_cross_entropy";

// Rows that sums over rows are made of first, in every kernel that sums down columns.
constexpr int64_t kSumRows = 64;

// A matrix (1, M, N) in the dtype that products are computed in, its layout kept.
Array wide_matrix(const Array& x, DType wide) {
  if (x.dtype() == wide) return x;
  if (x.strides()[2] != 1) return x.transpose(1, 2).to(wide).transpose(1, 2);
  return x.to(wide);
}

// The gradients of x, weight and bias; undefined where they are not wanted.
using HeadGrads = std::array<Array, 3>;
using HeadWants = std::array<bool, 3>;

// Sums over the rows of pieces, with the bits of sum() over all of them.
class RowSums {
 public:
  RowSums(int64_t rows, int64_t cols, const Array& like)
      : blocks_((rows + kSumRows - 1) / kSumRows),
        partial_(Array::empty({blocks_, cols}, like.dtype(), like.device())) {}

  // Rows from `begin` on, a multiple of kSumRows. Numbers that stand for 16 bits are folded, as
  // those are.
  void add(const Array& piece, int64_t begin, bool folds) {
    const Kernels& table = kernels(piece.device());
    int64_t cols = piece.shape()[1];
    for (int64_t i = 0; i < piece.shape()[0]; i += kSumRows) {
      Array block = piece.slice(0, i, std::min(i + kSumRows, piece.shape()[0]));
      Array out = partial_.select(0, (begin + i) / kSumRows);
      if (folds) table.fold().run(FoldOp::sum, block.unsqueeze(0), out.view({1, cols}));
      else table.reduce().sum_columns(block, out);
    }
  }

  Array total(bool folds, DType dtype) const {
    const Kernels& table = kernels(partial_.device());
    if (!folds) {
      Array out = Array::empty({partial_.shape()[1]}, dtype, partial_.device());
      table.reduce().sum_columns(partial_, out);
      return out;
    }
    // Neighbours, level by level.
    for (int64_t s = 1; s < blocks_; s *= 2) {
      for (int64_t b = 0; b + s < blocks_; b += 2 * s) {
        Array left = partial_.select(0, b);
        table.binary().run(BinaryOp::add, left, partial_.select(0, b + s), left);
      }
    }
    return partial_.select(0, 0).to(dtype);
  }

 private:
  int64_t blocks_;
  Array partial_;
};

// The output layer of a model and the losses of its rows, of which a piece is held at a time.
class Head {
 public:
  // x (rows, in), weight (classes, in), bias (classes,) or undefined, of one floating dtype, and
  // targets i64 (rows,), contiguous.
  Head(const Array& x, const Array& weight, const Array& bias, Array targets, CrossEntropyArgs args)
      : dtype_(x.dtype()),
        wide_(compute_dtype_of(dtype_)),
        rows_(x.shape()[0]),
        x_(with_unit_stride(x.unsqueeze(0))),
        forward_(wide_matrix(with_unit_stride(weight.transpose(0, 1).unsqueeze(0)), wide_)),
        targets_(std::move(targets)),
        args_(std::move(args)) {
    if (bias.defined()) bias_ = bias.contiguous().to(wide_);
    Array turned = forward_.transpose(1, 2);
    backward_ = weight.strides()[0] == 1 || weight.strides()[1] == 1
                    ? turned
                    : wide_matrix(with_unit_stride(weight.unsqueeze(0)), wide_);
  }

  // Of all rows; `slopes`, the gradients of the losses (rows,), may be undefined: then nothing is
  // wanted.
  HeadGrads run(const Array& losses, const Array& slopes, const HeadWants& wants) {
    HeadGrads grads;
    int64_t classes = forward_.shape()[2];
    int64_t in = forward_.shape()[1];
    Device device = x_.device();
    Array logits = Array::empty({std::min(kWidePiece, rows_), classes}, wide_, device);
    if (wants[0]) grads[0] = Array::empty({rows_, in}, dtype_, device);
    if (wants[1]) grads[1] = Array::empty({classes, in}, wide_, device);
    std::optional<RowSums> bias_sums;
    if (wants[2]) bias_sums.emplace(rows_, classes, logits);
    for (int64_t begin = 0; begin < rows_; begin += kWidePiece) {
      int64_t end = std::min(begin + kWidePiece, rows_);
      Array piece = logits.slice(0, 0, end - begin);
      Array lse = losses_of_piece(begin, end, piece, losses.slice(0, begin, end));
      if (!slopes.defined()) continue;
      // In the memory of the logits.
      kernels(device).softmax().cross_entropy_grad(piece, targets_.slice(0, begin, end), args_, lse,
                                                   slopes.slice(0, begin, end), piece);
      round(piece);
      add_gradients(begin, piece, grads);
      if (bias_sums) bias_sums->add(piece, begin, dtype_ != wide_);
    }
    if (wants[1]) grads[1] = grads[1].to(dtype_);
    if (bias_sums) grads[2] = bias_sums->total(dtype_ != wide_, dtype_);
    return grads;
  }

 private:
  // What is stored in 16 bits between the two functions is rounded to them.
  void round(const Array& piece) const {
    if (dtype_ != wide_) piece.copy_(piece.to(dtype_));
  }

  Array x_piece(int64_t begin, int64_t end) const {
    return wide_matrix(x_.slice(1, begin, end), wide_);
  }

  // Fills in the logits and the losses of rows [begin, end), and returns their logsumexps.
  Array losses_of_piece(int64_t begin, int64_t end, const Array& logits,
                        const Array& losses) const {
    const Kernels& table = kernels(logits.device());
    table.matmul().run(x_piece(begin, end), forward_, bias_, logits.unsqueeze(0));
    round(logits);
    Array lse = Array::empty({2, end - begin}, wide_, logits.device());
    Array weights = Array::empty({end - begin}, wide_, logits.device());
    table.softmax().cross_entropy(logits, targets_.slice(0, begin, end), args_, losses, lse,
                                  weights);
    return lse;
  }

  // dx = dlogits weight; dweight += dlogits^T x
  void add_gradients(int64_t begin, const Array& dlogits, const HeadGrads& grads) const {
    int64_t end = begin + dlogits.shape()[0];
    const MatmulFamily& matmul = kernels(dlogits.device()).matmul();
    Array dy = dlogits.unsqueeze(0);
    if (grads[0].defined()) {
      Array out = grads[0].slice(0, begin, end);
      Array dx = dtype_ == wide_ ? out : Array::empty(out.shape(), wide_, out.device());
      matmul.run(dy, backward_, {}, dx.unsqueeze(0));
      if (dtype_ != wide_) out.copy_(dx);
    }
    if (grads[1].defined()) {
      Array x = x_piece(begin, end);
      Array dw = grads[1].unsqueeze(0);
      if (begin == 0) matmul.run(dy.transpose(1, 2), x, {}, dw);
      else matmul.add(dy.transpose(1, 2), x, dw);
    }
  }

  DType dtype_, wide_;
  int64_t rows_;
  Array x_;        // (1, rows, in)
  Array forward_;  // weight^T, (1, in, classes)
  Array targets_;
  CrossEntropyArgs args_;
  Array bias_, backward_;  // backward_: weight, (1, classes, in)
};

void check_targets(const Array& targets, int64_t ignore_index, int64_t classes) {
  if (targets.device().type != DeviceType::cpu) return;
  const auto* target = targets.data<int64_t>();
  for (int64_t i = 0; i < targets.numel(); ++i) {
    TESSERA_CHECK(target[i] == ignore_index || (target[i] >= 0 && target[i] < classes),
                  "[{}] expected a target in [0, {}), got {} in row {}", kHeadOp, classes,
                  target[i], i);
  }
}

// Those of the targets, 0 where they are ignored: (rows,).
Array target_weights(const Array& targets, const CrossEntropyArgs& args, DType dtype) {
  const NoGrad constant;
  Tensor ignored = eq(Tensor(targets), args.ignore_index);
  if (!args.weight.defined()) return to(logical_not(ignored), dtype).data();
  Tensor known = masked_fill(Tensor(targets), ignored, 0);
  return masked_fill(index_select(Tensor(args.weight), 0, known), ignored, 0).data();
}

// Whether all elements of dy, of f32 or f64, are `value`. Those on meta are.
bool is_everywhere(Array dy, double value) {
  if (dy.device().type != DeviceType::cpu) return dy.device().type == DeviceType::meta;
  if (dy.numel() > 1 && dy.strides()[0] == 0) dy = dy.slice(0, 0, 1);
  for (double one : dy.to(DType::f64).to_vector<double>()) {
    if (one != value) return false;
  }
  return true;
}

// What a head's gradients are made of, and those made together with the losses.
struct HeadSaved {
  Saved x, weight, bias;  // x: (..., in), as it was given
  SavedArray targets;
  CrossEntropyArgs args;
  std::optional<double> slope;  // that of all losses which `made` are the gradients for
  std::array<SavedArray, 3> made;

  Array flat_x(const Node& node) const {
    Array whole = x.array(node);
    return whole.reshape({num_elements(without_last(whole.shape())), whole.size(-1)});
  }
  static Dims without_last(const Dims& shape) {
    return Dims(std::span(shape.data(), shape.size() - 1));
  }
};

// As Tensor functions.
Grads head_slopes(const HeadSaved& saved, const Tensor& dy, const Node& node) {
  Tensor x = saved.x.get(node);
  Tensor weight = saved.weight.get(node);
  Tensor logits = linear(x, weight, saved.bias.get(node));
  Tensor rows = reshape(logits, {dy.numel(), weight.size(0)});
  Array targets = saved.targets.get(node.op());
  Tensor slope = class_loss_slope(to(rows, dy.dtype()), targets, saved.args, dy);
  return linear_grads(x, weight, reshape(to(slope, x.dtype()), logits.shape()), node);
}

Grads head_grads(HeadSaved& saved, const Tensor& dy, const Node& node) {
  if (context().grad_enabled) return head_slopes(saved, dy, node);
  HeadGrads grads;
  if (saved.slope && is_everywhere(dy.data(), *saved.slope)) {
    // Given away: who asks a second time has them made again.
    saved.slope.reset();
    for (size_t i = 0; i < grads.size(); ++i) {
      if (i < node.edges().size() && node.wants(i)) {
        grads[i] = std::exchange(saved.made[i], {}).get(node.op());
      }
    }
  } else {
    HeadWants wants{};
    for (size_t i = 0; i < node.edges().size(); ++i) wants[i] = node.wants(i);
    Head head(saved.flat_x(node), saved.weight.array(node), saved.bias.array(node),
              saved.targets.get(node.op()), saved.args);
    Array losses = Array::empty(dy.shape(), dy.dtype(), dy.device());
    grads = head.run(losses, dy.data().contiguous(), wants);
  }
  Grads out(node.edges().size());
  for (size_t i = 0; i < out.size(); ++i) {
    if (!grads[i].defined()) continue;
    out[i] = Tensor(i == 0 ? grads[0].view(saved.x.array(node).shape()) : grads[i]);
  }
  return out;
}

// In a checkpoint the gradients are made when its function runs again.
bool makes_gradients() {
  const auto& outer = context().recomputation;
  return !outer || outer->keeps_arrays();
}

// The gradient of each loss, if that of what they are reduced to is 1.
std::optional<double> usual_slope(Reduction reduction, const Array& weights) {
  if (reduction == Reduction::sum) return 1;
  if (reduction != Reduction::mean) return std::nullopt;
  if (weights.device().type == DeviceType::meta) return 1;
  if (weights.device().type != DeviceType::cpu) return std::nullopt;
  Tensor slope = 1 / sum(Tensor(weights));
  return slope.data().to(DType::f64).item<double>();
}

// The losses of all rows, in the dtype that they are computed in.
Tensor losses_in_pieces(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Array& targets, const CrossEntropyArgs& args, Reduction reduction,
                        const Array& weights) {
  DType wide = compute_dtype_of(x.dtype());
  Array losses = Array::empty(targets.shape(), wide, x.device());
  HeadSaved saved{Saved(x), Saved(weight), Saved(bias), SavedArray(targets), args, {}, {}};
  HeadWants wants{};
  if (wants_record({x, weight, bias})) {
    saved.slope = usual_slope(reduction, weights);
    if (saved.slope) {
      wants = {x.requires_grad(), weight.requires_grad(), bias.defined() && bias.requires_grad()};
    }
  }
  HeadWants now = makes_gradients() ? wants : HeadWants{};
  bool any = now[0] || now[1] || now[2];
  Array slopes;
  if (any) slopes = Array::full(targets.shape(), *saved.slope, wide, x.device());
  Array flat = x.data().reshape({targets.numel(), x.size(-1)});
  HeadGrads made = Head(flat, weight.data(), bias.defined() ? bias.data() : Array(), targets, args)
                       .run(losses, slopes, now);
  for (size_t i = 0; i < made.size(); ++i) {
    // One for each that will be there when a checkpoint's function has run again.
    if (wants[i]) saved.made[i] = SavedArray(any ? made[i] : Array::empty({0}, wide, x.device()));
  }
  auto backward = [saved = std::move(saved)](const Tensor& dy, const Node& node) mutable {
    return head_grads(saved, dy, node);
  };
  if (bias.defined()) return record(kHeadOp, losses, {x, weight, bias}, std::move(backward));
  return record(kHeadOp, losses, {x, weight}, std::move(backward));
}

void check_head(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& targets,
                const CrossEntropyOptions& options) {
  TESSERA_CHECK(is_floating(x.dtype()) && weight.dtype() == x.dtype(),
                "[{}] expected x and weight of one floating dtype, got {} and {}", kHeadOp,
                x.dtype(), weight.dtype());
  TESSERA_CHECK(x.dim() >= 1 && weight.dim() == 2 && x.size(-1) == weight.size(1),
                "[{}] expected x (..., in) and weight (classes, in), got {} and {}", kHeadOp,
                x.shape(), weight.shape());
  Dims classes{weight.size(0)};
  TESSERA_CHECK(!bias.defined() || (bias.shape() == classes && bias.dtype() == x.dtype()),
                "[{}] expected a bias of {} and {}, got {} and {}", kHeadOp, classes, x.dtype(),
                bias.shape(), bias.dtype());
  Dims leading = HeadSaved::without_last(x.shape());
  TESSERA_CHECK(targets.dtype() == DType::i64 && targets.shape() == leading,
                "[{}] expected targets of i64 and {}, the leading shape of x {}, got {} {}",
                kHeadOp, leading, x.shape(), targets.dtype(), targets.shape());
  TESSERA_CHECK(x.device() == weight.device() && x.device() == targets.device() &&
                    (!bias.defined() || bias.device() == x.device()),
                "[{}] expected one device, got x on {}, weight on {}, targets on {}", kHeadOp,
                x.device(), weight.device(), targets.device());
  TESSERA_CHECK(!options.weight.defined() || options.weight.shape() == classes,
                "[{}] expected weights of {}, one for each class, got {}", kHeadOp, classes,
                options.weight.shape());
  TESSERA_CHECK(options.label_smoothing >= 0 && options.label_smoothing <= 1,
                "[{}] expected a label_smoothing in [0, 1], got {}", kHeadOp,
                options.label_smoothing);
  check_reduction(kHeadOp, options.reduction);
}

}  // namespace

Tensor linear_cross_entropy(TensorArg x, TensorArg weight, TensorArg bias, TensorArg targets,
                            const CrossEntropyOptions& options, std::optional<DType> dtype) {
  const Composed scope;
  check_head(x, weight, bias, targets, options);
  DType result = dtype.value_or(x.dtype());
  DType wide = compute_dtype_of(x.dtype());
  TESSERA_CHECK(is_floating(result), "[{}] expected a floating dtype, got {}", kHeadOp, result);
  int64_t rows = targets.numel();
  check_targets(targets.data().contiguous(), options.ignore_index, weight.size(0));
  if (rows <= kWidePiece || weight.size(0) < kWide || weight.size(1) >= kWide) {
    Tensor logits = reshape(linear(x, weight, bias), {rows, weight.size(0)});
    Tensor losses = cross_entropy(to(logits, wide), reshape(targets, {rows}), options);
    bool each = options.reduction == Reduction::none;
    return to(each ? reshape(losses, targets.shape()) : losses, result);
  }
  CrossEntropyArgs args{{}, options.ignore_index, options.label_smoothing};
  if (options.weight.defined()) args.weight = options.weight.data().to(wide).contiguous();
  Array flat = targets.data().contiguous().view({rows});
  Array weights = target_weights(flat, args, wide);
  Tensor losses = losses_in_pieces(x, weight, bias, flat, args, options.reduction, weights);
  return to(reduce_class_losses(losses, weights, targets.shape(), options.reduction), result);
}

}  // namespace tessera
