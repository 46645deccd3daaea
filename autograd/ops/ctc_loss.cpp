#include "autograd/ops/ctc_loss.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/loss_common.h"
#include "autograd/ops/reduce.h"
#include "autograd/record.h"
#include "core/parallel.h"

namespace tessera {
namespace {

constexpr const char* kCtcLoss = "ctc_loss";

double log_of_sum(double a, double b) {
  double top = std::max(a, b);
  if (top == -INFINITY) return top;
  return top + std::log1p(std::exp(std::min(a, b) - top));
}

// The logarithms of one sample's probabilities: row t begins at data + t * stride.
struct Places {
  const double* data;
  int64_t stride;
  int64_t count;
  double at(int64_t t, int64_t label) const { return data[t * stride + label]; }
};

// The labels of one sample with blanks around each: what a path goes through, in order.
class Spelling {
 public:
  Spelling(const std::vector<int64_t>& labels, int64_t blank) {
    for (int64_t label : labels) steps_.insert(steps_.end(), {blank, label});
    steps_.push_back(blank);
  }
  int64_t size() const { return static_cast<int64_t>(steps_.size()); }
  int64_t operator[](int64_t s) const { return steps_[static_cast<size_t>(s)]; }
  // Whether a path may go from step s - 2 to step s: past a blank between two labels that differ.
  bool skips_to(int64_t s) const { return s >= 2 && (*this)[s] != (*this)[s - 2]; }

 private:
  std::vector<int64_t> steps_;
};

// a[t][s]: the logarithm of the probability of all ways to step s by place t, with that of the
// place itself; `reverse` is from the end.
std::vector<double> ways(const Places& p, const Spelling& l, bool reverse) {
  int64_t size = l.size();
  std::vector<double> a(static_cast<size_t>(p.count * size), -INFINITY);
  auto row = [&](int64_t t) { return a.data() + (reverse ? p.count - 1 - t : t) * size; };
  for (int64_t t = 0; t < p.count; ++t) {
    int64_t place = reverse ? p.count - 1 - t : t;
    for (int64_t i = 0; i < size; ++i) {
      int64_t s = reverse ? size - 1 - i : i;
      int64_t step = reverse ? 1 : -1;
      double before = -INFINITY;
      if (t == 0) {
        before = i < 2 ? 0 : -INFINITY;
      } else {
        const double* last = row(t - 1);
        before = last[s];
        if (i >= 1) before = log_of_sum(before, last[s + step]);
        bool skips = i >= 2 && l.skips_to(reverse ? s + 2 : s);
        if (skips) before = log_of_sum(before, last[s + 2 * step]);
      }
      row(t)[s] = before + p.at(place, l[s]);
    }
  }
  return a;
}

// -log of the probability of all paths.
double path_loss(const Places& p, const Spelling& l) {
  if (p.count == 0) return l.size() == 1 ? 0 : INFINITY;
  std::vector<double> a = ways(p, l, false);
  const double* last = a.data() + (p.count - 1) * l.size();
  double total = last[l.size() - 1];
  if (l.size() > 1) total = log_of_sum(total, last[l.size() - 2]);
  return -total;
}

// dx[t][k] = -dy P(a path is in a step of class k at place t | it spells the labels)
void add_path_grads(const Places& p, const Spelling& l, double loss, double dy, double* dx) {
  std::vector<double> a = ways(p, l, false);
  std::vector<double> b = ways(p, l, true);
  for (int64_t t = 0; t < p.count; ++t) {
    for (int64_t s = 0; s < l.size(); ++s) {
      auto i = static_cast<size_t>(t * l.size() + s);
      double both = a[i] + b[i];
      if (both == -INFINITY && std::isfinite(loss)) continue;
      dx[t * p.stride + l[s]] -= dy * std::exp(both - p.at(t, l[s]) + loss);
    }
  }
}

// What a batch is to spell.
struct CtcBatch {
  std::vector<int64_t> input_lengths, target_lengths;
  std::vector<Spelling> spellings;
  bool zero_infinity;

  int64_t size() const { return static_cast<int64_t>(spellings.size()); }
  Places places(const Array& x, int64_t n) const {
    return {x.data<double>() + n * x.size(2), x.size(1) * x.size(2),
            input_lengths[static_cast<size_t>(n)]};
  }
  double loss(const Array& x, int64_t n) const {
    return path_loss(places(x, n), spellings[static_cast<size_t>(n)]);
  }
};

std::vector<int64_t> whole_numbers(const char* what, const Tensor& x) {
  TESSERA_CHECK(x.dtype() == DType::i64 || x.dtype() == DType::i32,
                "[{}] expected {} of i64 or i32, got {}", kCtcLoss, what, x.dtype());
  return x.data().to(DType::i64).to_vector<int64_t>();
}

std::vector<int64_t> lengths_of(const char* what, const Tensor& lengths, int64_t batch,
                                int64_t most) {
  TESSERA_CHECK(lengths.shape() == Dims{batch}, "[{}] expected {} of shape ({},), got {}", kCtcLoss,
                what, batch, lengths.shape());
  std::vector<int64_t> out = whole_numbers(what, lengths);
  for (int64_t length : out) {
    TESSERA_CHECK(length >= 0 && length <= most, "[{}] expected {} in [0, {}], got {}", kCtcLoss,
                  what, most, length);
  }
  return out;
}

// x (T, N, C)
CtcBatch batch_of(const Tensor& x, const Tensor& targets, const Tensor& input_lengths,
                  const Tensor& target_lengths, const CtcLossOptions& options) {
  int64_t batch = x.size(1);
  int64_t classes = x.size(2);
  TESSERA_CHECK(options.blank >= 0 && options.blank < classes,
                "[{}] expected a blank in [0, {}), got {}", kCtcLoss, classes, options.blank);
  bool padded = targets.dim() == 2;
  TESSERA_CHECK((padded && targets.size(0) == batch) || targets.dim() == 1,
                "[{}] expected targets ({}, S) or of one dim, got {}", kCtcLoss, batch,
                targets.shape());
  std::vector<int64_t> all = whole_numbers("targets", targets);
  CtcBatch out{lengths_of("input_lengths", input_lengths, batch, x.size(0)),
               lengths_of("target_lengths", target_lengths, batch, targets.size(-1)),
               {},
               options.zero_infinity};
  int64_t begin = 0;
  for (int64_t n = 0; n < batch; ++n) {
    if (padded) begin = n * targets.size(1);
    int64_t end = begin + out.target_lengths[static_cast<size_t>(n)];
    TESSERA_CHECK(end <= targets.numel(), "[{}] expected as many targets as lengths say, got {}",
                  kCtcLoss, targets.numel());
    std::vector<int64_t> labels(all.begin() + begin, all.begin() + end);
    for (int64_t label : labels) {
      TESSERA_CHECK(label >= 0 && label < classes && label != options.blank,
                    "[{}] expected targets in [0, {}) other than the blank {}, got {}", kCtcLoss,
                    classes, options.blank, label);
    }
    out.spellings.emplace_back(labels, options.blank);
    begin = end;
  }
  TESSERA_CHECK(padded || begin == targets.numel(),
                "[{}] expected {} targets, as lengths say, got {}", kCtcLoss, begin,
                targets.numel());
  return out;
}

// Row-major f64 on the CPU.
Array plain_copy(const Array& x) { return x.to(Device{}).to(DType::f64).contiguous(); }

// The losses (N,) of x (T, N, C).
Tensor ctc_losses(const Tensor& x, const std::shared_ptr<const CtcBatch>& batch) {
  Array values = plain_copy(x.data());
  Array losses = Array::empty({batch->size()}, DType::f64);
  parallel_for(batch->size(), [&](int64_t n) {
    double loss = batch->loss(values, n);
    bool dropped = batch->zero_infinity && loss == INFINITY;
    losses.data<double>()[n] = dropped ? 0 : loss;
  });
  return record(kCtcLoss, losses.to(x.dtype()).to(x.device()), {x},
                [sx = Saved(x), batch](const Tensor& dy, const Node& node) {
                  check_no_graph(kCtcLoss);
                  const Array& x = sx.array(node);
                  Array values = plain_copy(x);
                  Array slopes = plain_copy(dy.data());
                  Array dx = Array::zeros(values.shape(), DType::f64);
                  parallel_for(batch->size(), [&](int64_t n) {
                    double loss = batch->loss(values, n);
                    if (batch->zero_infinity && loss == INFINITY) return;
                    add_path_grads(batch->places(values, n),
                                   batch->spellings[static_cast<size_t>(n)], loss,
                                   slopes.data<double>()[n], dx.data<double>() + n * dx.size(2));
                  });
                  return Grads{Tensor(dx.to(x.dtype()).to(x.device()))};
                });
}

// Losses of which nobody knows anything: on meta.
Tensor unknown_losses(const Tensor& x) {
  Array losses = Array::empty({x.size(1)}, x.dtype(), x.device());
  return record(kCtcLoss, losses, {x}, [sx = Saved(x)](const Tensor&, const Node& node) {
    Array x = sx.array(node);
    return Grads{Tensor(Array::empty(x.shape(), x.dtype(), x.device()))};
  });
}

}  // namespace

Tensor ctc_loss(TensorArg log_probs, TensorArg targets, TensorArg input_lengths,
                TensorArg target_lengths, const CtcLossOptions& options) {
  const Composed scope;
  check_reduction(kCtcLoss, options.reduction);
  LossDType dtype(kCtcLoss, log_probs);
  TESSERA_CHECK(log_probs.dim() == 3 || log_probs.dim() == 2,
                "[{}] expected log_probs (T, N, C) or (T, C), got {}", kCtcLoss, log_probs.shape());
  if (log_probs.dim() == 2) {
    TESSERA_CHECK(
        targets.dim() == 1 && input_lengths.dim() == 0 && target_lengths.dim() == 0,
        "[{}] expected targets (S,) and lengths () for log_probs (T, C), got {}, {} and {}",
        kCtcLoss, targets.shape(), input_lengths.shape(), target_lengths.shape());
    Tensor one = ctc_loss(unsqueeze(log_probs, 1), unsqueeze(targets, 0),
                          unsqueeze(input_lengths, 0), unsqueeze(target_lengths, 0), options);
    return reshape(one, {});
  }
  if (log_probs.device().type == DeviceType::meta) {
    return reduce_losses(unknown_losses(dtype.wide(log_probs)), options.reduction, dtype.result);
  }
  auto batch = std::make_shared<const CtcBatch>(
      batch_of(log_probs, targets, input_lengths, target_lengths, options));
  Tensor losses = ctc_losses(dtype.wide(log_probs), batch);
  if (options.reduction == Reduction::mean) {
    std::vector<double> counts;
    for (int64_t length : batch->target_lengths) {
      counts.push_back(static_cast<double>(std::max<int64_t>(length, 1)));
    }
    Tensor divisor = Array::from(counts, {batch->size()}).to(dtype.compute).to(log_probs.device());
    losses = losses / divisor;
  }
  return reduce_losses(losses, options.reduction, dtype.result);
}

}  // namespace tessera
