#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

Plain plain_losses(const Plains& in) {
  auto cols = static_cast<size_t>(in[0].shape.back());
  std::vector<int64_t> targets = targets_of(in[0].shape).to_vector<int64_t>();
  Plain out{leading(in[0].shape), {}};
  for (size_t i = 0; i < targets.size(); ++i) {
    const double* row = in[0].values.data() + i * cols;
    out.values.push_back(log_sum_exp(row, cols) - row[targets[i]]);
  }
  return out;
}

}  // namespace

std::vector<OpCase> loss_cases() {
  std::vector<OpCase> out;
  auto loss = [&](std::string name, Reduction reduction, PlainFunction reference) {
    out.push_back({.name = std::move(name),
                   .fn =
                       [reduction](const Inputs& in) {
                         return cross_entropy(in[0], Tensor(targets_of(in[0].shape())), reduction);
                       },
                   .inputs = {{{{3, 4}}}, {{{5}}}, {{{2, 2, 3}}}},
                   .large = {{{600, 130}}},
                   .reference = std::move(reference),
                   .op = "cross_entropy",
                   .twice_differentiable = false,
                   .tolerance_f32 = 2e-5});
  };
  loss("cross_entropy_none", Reduction::none, plain_losses);
  loss("cross_entropy_sum", Reduction::sum, [](const Plains& in) {
    return Plain{{}, {total(plain_losses(in))}};
  });
  loss("cross_entropy_mean", Reduction::mean, [](const Plains& in) {
    Plain losses = plain_losses(in);
    return Plain{{}, {total(losses) / static_cast<double>(losses.values.size())}};
  });
  return out;
}

}  // namespace tessera::test
