#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

// 1 and -1.
Tensor signs_of(const Dims& shape, Device device = {}) {
  Array out = indices(shape, 2);
  for (int64_t i = 0; i < out.numel(); ++i) {
    int64_t& value = out.data<int64_t>()[i];
    value = 2 * value - 1;
  }
  return Tensor(out.to(device));
}

double sign_at(const Dims& shape, size_t i) { return doubles(signs_of(shape).data())[i]; }

Dims without_classes(const Dims& x) { return x.size() == 1 ? Dims{} : Dims{x[0]}; }

// Labels of each row, -1 behind them: row i has i % C + 1, and one behind its end counts for
// nothing.
Tensor labels_of(const Dims& x, Device device) {
  int64_t classes = x.back();
  std::vector<int64_t> values;
  for (int64_t i = 0; i < num_elements(x); ++i) {
    int64_t row = i / classes;
    int64_t at = i % classes;
    values.push_back(at == row % classes + 1 ? -1 : (at + row) % classes);
  }
  return Tensor(Array::from(values, x).to(device));
}

void add_pairs(std::vector<OpCase>& out) {
  std::vector<InputSpecs> two{{{{2, 3}}, {{2, 3}}}, {{{3}}, {{3}}}};
  out.push_back({.name = "margin_ranking_loss",
                 .fn =
                     [](const Inputs& in) {
                       return margin_ranking_loss(in[0], in[1],
                                                  signs_of(in[0].shape(), in[0].device()), 0.5,
                                                  Reduction::none);
                     },
                 .inputs = two,
                 .large = {{{70, 301}}, {{70, 301}}},
                 .reference =
                     [](const Plains& in) {
                       Plain y = in[0];
                       for (size_t i = 0; i < y.values.size(); ++i) {
                         double apart = sign_at(y.shape, i) * (y.values[i] - in[1].values[i]);
                         y.values[i] = std::max(0.0, 0.5 - apart);
                       }
                       return y;
                     }});
  out.push_back({.name = "hinge_embedding_loss",
                 .fn =
                     [](const Inputs& in) {
                       return hinge_embedding_loss(in[0], signs_of(in[0].shape(), in[0].device()),
                                                   0.5);
                     },
                 .inputs = {{{{2, 3}}}, {{{5}}}},
                 .large = {{{70, 301}}}});
  out.push_back({.name = "soft_margin_loss",
                 .fn =
                     [](const Inputs& in) {
                       return soft_margin_loss(in[0], signs_of(in[0].shape(), in[0].device()),
                                               Reduction::none);
                     },
                 .inputs = {{{{2, 3}}}, {{{}}}},
                 .large = {{{70, 301}}},
                 .reference =
                     [](const Plains& in) {
                       Plain y = in[0];
                       for (size_t i = 0; i < y.values.size(); ++i) {
                         y.values[i] = std::log1p(std::exp(-sign_at(y.shape, i) * y.values[i]));
                       }
                       return y;
                     }});
  out.push_back({.name = "cosine_embedding_loss",
                 .fn =
                     [](const Inputs& in) {
                       Tensor target = signs_of(without_classes(in[0].shape()), in[0].device());
                       return cosine_embedding_loss(in[0], in[1], target, 0.1);
                     },
                 .inputs = two,
                 .large = {{{70, 301}}, {{70, 301}}}});
  for (bool swap : {false, true}) {
    out.push_back({.name = swap ? "triplet_margin_loss_swap" : "triplet_margin_loss",
                   .fn =
                       [swap](const Inputs& in) {
                         return triplet_margin_loss(in[0], in[1], in[2], {.swap = swap});
                       },
                   .inputs = {{{{2, 3}}, {{2, 3}}, {{2, 3}}}, {{{3}}, {{3}}, {{3}}}},
                   .large = {{{70, 301}}, {{70, 301}}, {{70, 301}}},
                   .op = "triplet_margin_loss"});
    out.push_back({.name = swap ? "triplet_margin_with_distance_loss_swap"
                                : "triplet_margin_with_distance_loss",
                   .fn =
                       [swap](const Inputs& in) {
                         auto distance = [](const Tensor& a, const Tensor& b) {
                           return sum(abs(a - b), {-1});
                         };
                         return triplet_margin_with_distance_loss(in[0], in[1], in[2], distance,
                                                                  {.swap = swap});
                       },
                   .inputs = {{{{2, 3}}, {{2, 3}}, {{2, 3}}}},
                   .large = {{{70, 301}}, {{70, 301}}, {{70, 301}}},
                   .op = "triplet_margin_with_distance_loss"});
  }
}

void add_classes(std::vector<OpCase>& out) {
  for (int64_t p : {1, 2}) {
    out.push_back({.name = p == 1 ? "multi_margin_loss" : "multi_margin_loss_squares",
                   .fn =
                       [p](const Inputs& in) {
                         Array target = indices(without_classes(in[0].shape()), in[0].size(-1));
                         return multi_margin_loss(in[0], target.to(in[0].device()),
                                                  {.p = p, .reduction = Reduction::sum});
                       },
                   .inputs = {{{{4, 3}}}, {{{3}}}},
                   .large = {{{200, 61}}},
                   .op = "multi_margin_loss"});
  }
  out.push_back({.name = "multilabel_margin_loss",
                 .fn =
                     [](const Inputs& in) {
                       return multilabel_margin_loss(
                           in[0], labels_of(in[0].shape(), in[0].device()), Reduction::none);
                     },
                 .inputs = {{{{4, 3}}}, {{{3}}}},
                 .large = {{{50, 31}}}});
  out.push_back({.name = "multilabel_soft_margin_loss",
                 .fn =
                     [](const Inputs& in) {
                       return multilabel_soft_margin_loss(in[0], in[1], {}, Reduction::none);
                     },
                 .inputs = {{{{2, 3}}, {{2, 3}, 0, 1}}, {{{3}}, {{3}, 0, 1}}},
                 .large = {{{70, 301}}, {{70, 301}, 0, 1}}});
}

}  // namespace

std::vector<OpCase> margin_loss_cases() {
  std::vector<OpCase> out;
  add_pairs(out);
  add_classes(out);
  return out;
}

}  // namespace tessera::test
