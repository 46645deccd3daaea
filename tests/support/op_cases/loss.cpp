#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

// x (N, C) -> targets (N,), x (C,) -> (), x (N, C, ...) -> (N, ...).
Array class_targets(const Dims& x) {
  Dims shape = x;
  shape.erase(x.size() == 1 ? 0 : 1);
  return indices(shape, x[x.size() == 1 ? 0 : 1]);
}

// The classes' weights that rows with weights use.
Array class_weights(int64_t classes, DType dtype) {
  return random_array({classes}, DType::f64, 9, 0.5, 2).to(dtype);
}

constexpr double kSmoothing = 0.1;
constexpr int64_t kIgnored = 1;

// The losses and what their mean divides by.
struct PlainLosses {
  Plain losses;
  double total = 0;
};

PlainLosses plain_losses(const Plain& x, bool weighted, bool ignore, double smoothing) {
  bool one = x.shape.size() == 1;
  auto classes = static_cast<size_t>(x.shape[one ? 0 : 1]);
  std::vector<int64_t> targets = class_targets(x.shape).to_vector<int64_t>();
  std::vector<double> w(classes, 1);
  if (weighted) w = doubles(class_weights(static_cast<int64_t>(classes), DType::f64));
  size_t inner = 1;
  for (size_t d = 2; d < x.shape.size(); ++d) inner *= static_cast<size_t>(x.shape[d]);
  PlainLosses out{{class_targets(x.shape).shape(), {}}, 0};
  for (size_t i = 0; i < targets.size(); ++i) {
    std::vector<double> row;
    for (size_t c = 0; c < classes; ++c) {
      row.push_back(x.values[(i / inner * classes + c) * inner + i % inner]);
    }
    double lse = log_sum_exp(row.data(), classes);
    auto t = static_cast<size_t>(targets[i]);
    double loss = (1 - smoothing) * w[t] * (lse - row[t]);
    for (size_t c = 0; c < classes; ++c) {
      loss += smoothing / static_cast<double>(classes) * w[c] * (lse - row[c]);
    }
    bool ignored = ignore && targets[i] == kIgnored;
    out.losses.values.push_back(ignored ? 0 : loss);
    out.total += ignored ? 0 : w[t];
  }
  return out;
}

Plain plain_reduce(const Plain& losses, Reduction reduction, double total_weight) {
  if (reduction == Reduction::none) return losses;
  double sum = total(losses);
  return {{}, {reduction == Reduction::sum ? sum : sum / total_weight}};
}

OpCase class_case(std::string name, Reduction reduction, bool weighted, bool ignore,
                  double smoothing) {
  return {.name = std::move(name),
          .fn =
              [=](const Inputs& in) {
                CrossEntropyOptions options{.reduction = reduction, .label_smoothing = smoothing};
                if (weighted) {
                  int64_t classes = in[0].size(in[0].dim() == 1 ? 0 : 1);
                  options.weight =
                      Tensor(class_weights(classes, DType::f32)
                                 .to(is_floating(in[0].dtype()) ? in[0].dtype() : DType::f32));
                }
                if (ignore) options.ignore_index = kIgnored;
                return cross_entropy(in[0], class_targets(in[0].shape()), options);
              },
          .inputs = {{{{3, 4}}}, {{{5}}}, {{{2, 3, 2}}}, {{{1, 2, 2, 2}}}},
          .large = {{{600, 130}}},
          .reference =
              [=](const Plains& in) {
                PlainLosses plain = plain_losses(in[0], weighted, ignore, smoothing);
                return plain_reduce(plain.losses, reduction, plain.total);
              },
          .op = "cross_entropy",
          .tolerance_f32 = 2e-5};
}

void add_class_losses(std::vector<OpCase>& out) {
  out.push_back(class_case("cross_entropy_none", Reduction::none, false, false, 0));
  out.push_back(class_case("cross_entropy_sum", Reduction::sum, false, false, 0));
  out.push_back(class_case("cross_entropy_mean", Reduction::mean, false, false, 0));
  out.push_back(class_case("cross_entropy_smoothed", Reduction::mean, false, true, kSmoothing));
  for (double smoothing : {0.0, kSmoothing}) {
    std::string suffix = smoothing > 0 ? "_weighted_smoothed" : "_weighted";
    OpCase row = class_case("cross_entropy" + suffix, Reduction::mean, true, true, smoothing);
    row.reference = nullptr;  // the weights are rounded to f32: compared in losses_test
    out.push_back(row);
  }
  out.push_back({.name = "cross_entropy_probabilities",
                 .fn =
                     [](const Inputs& in) {
                       return cross_entropy(in[0], in[1], {.label_smoothing = kSmoothing});
                     },
                 .inputs = {{{{3, 4}}, {{3, 4}, 0, 1}},
                            {{{2, 3, 2}}, {{2, 3, 2}, 0, 1}},
                            {{{3}}, {{3}, 0, 1}}},
                 .large = {{{600, 130}}, {{600, 130}, 0, 1}},
                 .op = "cross_entropy",
                 .tolerance_f32 = 2e-5});
  out.push_back({.name = "linear_cross_entropy",
                 .fn =
                     [](const Inputs& in) {
                       Array targets = class_targets({in[0].size(0), in[1].size(0)});
                       return linear_cross_entropy(in[0], in[1], in[2], targets.to(in[0].device()),
                                                   {.label_smoothing = kSmoothing});
                     },
                 .inputs = {{{{3, 2}}, {{4, 2}}, {{4}}}},
                 .large = {{{600, 30}}, {{130, 30}}, {{130}}},
                 .layout_changes_bits = true,
                 .tolerance_f32 = 2e-5});
  out.push_back({.name = "nll_loss",
                 .fn =
                     [](const Inputs& in) {
                       return nll_loss(in[0], class_targets(in[0].shape()),
                                       {.ignore_index = kIgnored});
                     },
                 .inputs = {{{{3, 4}}}, {{{5}}}, {{{2, 3, 2}}}},
                 .large = {{{600, 130}}},
                 .tolerance_f32 = 2e-5});
}

using Loss = Tensor (*)(const Tensor& x, const Tensor& target, Reduction reduction);

// x from [low, high) and target from [target_low, target_high).
void add_pair_loss(std::vector<OpCase>& out, const std::string& name, const std::string& op,
                   Loss loss, double (*reference)(double, double), InputSpec x, InputSpec target) {
  auto specs = [&](const Dims& shape) {
    InputSpecs both{x, target};
    for (InputSpec& spec : both) spec.shape = shape;
    return both;
  };
  for (Reduction reduction : {Reduction::none, Reduction::sum, Reduction::mean}) {
    const char* suffix = reduction == Reduction::none  ? "_none"
                         : reduction == Reduction::sum ? "_sum"
                                                       : "";
    out.push_back({.name = name + suffix,
                   .fn = [=](const Inputs& in) { return loss(in[0], in[1], reduction); },
                   .inputs = {specs({2, 3}), specs({}), specs({5})},
                   .large = specs({130, 301}),
                   .reference =
                       [=](const Plains& in) {
                         Plain losses = each_pair(reference)(in);
                         return plain_reduce(losses, reduction,
                                             static_cast<double>(losses.values.size()));
                       },
                   .op = op,
                   .tolerance_f32 = 2e-5});
  }
}

void add_distances(std::vector<OpCase>& out) {
  InputSpec x{{}, -2, 0};
  InputSpec target{{}, 0.1, 2};
  add_pair_loss(
      out, "mse_loss", "mse_loss",
      [](const Tensor& x, const Tensor& t, Reduction r) { return mse_loss(x, t, r); },
      [](double x, double t) { return (x - t) * (x - t); }, x, target);
  add_pair_loss(
      out, "l1_loss", "l1_loss",
      [](const Tensor& x, const Tensor& t, Reduction r) { return l1_loss(x, t, r); },
      [](double x, double t) { return std::abs(x - t); }, x, target);
  add_pair_loss(
      out, "smooth_l1_loss", "smooth_l1_loss",
      [](const Tensor& x, const Tensor& t, Reduction r) { return smooth_l1_loss(x, t, r, 1.5); },
      [](double x, double t) {
        double d = std::abs(x - t);
        return d < 1.5 ? d * d / 3 : d - 0.75;
      },
      x, target);
  add_pair_loss(
      out, "huber_loss", "huber_loss",
      [](const Tensor& x, const Tensor& t, Reduction r) { return huber_loss(x, t, r, 1.5); },
      [](double x, double t) {
        double d = std::abs(x - t);
        return d < 1.5 ? d * d / 2 : 1.5 * (d - 0.75);
      },
      x, target);
}

void add_probability_losses(std::vector<OpCase>& out) {
  InputSpec inside{{}, 0.1, 0.9};
  add_pair_loss(
      out, "binary_cross_entropy", "binary_cross_entropy",
      [](const Tensor& x, const Tensor& t, Reduction r) {
        return binary_cross_entropy(x, t, {}, r);
      },
      [](double x, double t) { return -(t * std::log(x) + (1 - t) * std::log(1 - x)); }, inside,
      inside);
  add_pair_loss(
      out, "binary_cross_entropy_with_logits", "binary_cross_entropy_with_logits",
      [](const Tensor& x, const Tensor& t, Reduction r) {
        return binary_cross_entropy_with_logits(x, t, {}, {}, r);
      },
      [](double x, double t) { return (1 - t) * x + std::log1p(std::exp(-x)); }, {{}, -2, 2},
      inside);
  add_pair_loss(
      out, "kl_div", "kl_div",
      [](const Tensor& x, const Tensor& t, Reduction r) { return kl_div(x, t, r); },
      [](double x, double t) { return t * (std::log(t) - x); }, {{}, -3, -0.1}, inside);
  add_pair_loss(
      out, "kl_div_log_target", "kl_div",
      [](const Tensor& x, const Tensor& t, Reduction r) { return kl_div(x, t, r, true); },
      [](double x, double t) { return std::exp(t) * (t - x); }, {{}, -3, -0.1}, {{}, -3, -0.1});
}

}  // namespace

std::vector<OpCase> loss_cases() {
  std::vector<OpCase> out;
  add_class_losses(out);
  add_distances(out);
  add_probability_losses(out);
  return out;
}

}  // namespace tessera::test
