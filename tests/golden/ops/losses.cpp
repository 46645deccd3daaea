#include "tests/golden/ops/ops.h"

namespace tessera::test {
namespace {

void add_likelihood_losses(GoldenOps& ops) {
  ops["poisson_nll_loss"] = [](const GoldenArgs& a) {
    return Tensors{poisson_nll_loss(a.tensor(0), a.tensor(1),
                                    {.log_input = a.flag(2),
                                     .full = a.flag(3),
                                     .eps = a.number(4),
                                     .reduction = reduction_of(a.text(5))})};
  };
  ops["gaussian_nll_loss"] = [](const GoldenArgs& a) {
    return Tensors{gaussian_nll_loss(
        a.tensor(0), a.tensor(1), a.tensor(2),
        {.full = a.flag(3), .eps = a.number(4), .reduction = reduction_of(a.text(5))})};
  };
}

void add_pair_losses(GoldenOps& ops) {
  ops["margin_ranking_loss"] = [](const GoldenArgs& a) {
    return Tensors{margin_ranking_loss(a.tensor(0), a.tensor(1), a.tensor(2), a.number(3),
                                       reduction_of(a.text(4)))};
  };
  ops["cosine_embedding_loss"] = [](const GoldenArgs& a) {
    return Tensors{cosine_embedding_loss(a.tensor(0), a.tensor(1), a.tensor(2), a.number(3),
                                         reduction_of(a.text(4)))};
  };
  ops["hinge_embedding_loss"] = [](const GoldenArgs& a) {
    return Tensors{
        hinge_embedding_loss(a.tensor(0), a.tensor(1), a.number(2), reduction_of(a.text(3)))};
  };
  ops["soft_margin_loss"] = [](const GoldenArgs& a) {
    return Tensors{soft_margin_loss(a.tensor(0), a.tensor(1), reduction_of(a.text(2)))};
  };
  ops["triplet_margin_loss"] = [](const GoldenArgs& a) {
    return Tensors{triplet_margin_loss(a.tensor(0), a.tensor(1), a.tensor(2),
                                       {.margin = a.number(3),
                                        .p = a.number(4),
                                        .eps = a.number(5),
                                        .swap = a.flag(6),
                                        .reduction = reduction_of(a.text(7))})};
  };
  ops["pairwise_distance"] = [](const GoldenArgs& a) {
    return Tensors{
        pairwise_distance(a.tensor(0), a.tensor(1), a.number(2), a.number(3), a.flag(4))};
  };
}

void add_class_losses(GoldenOps& ops) {
  ops["multi_margin_loss"] = [](const GoldenArgs& a) {
    return Tensors{multi_margin_loss(a.tensor(0), a.tensor(1),
                                     {.p = a.integer(2),
                                      .margin = a.number(3),
                                      .weight = a.tensor(4),
                                      .reduction = reduction_of(a.text(5))})};
  };
  ops["multilabel_margin_loss"] = [](const GoldenArgs& a) {
    return Tensors{multilabel_margin_loss(a.tensor(0), a.tensor(1), reduction_of(a.text(2)))};
  };
  ops["multilabel_soft_margin_loss"] = [](const GoldenArgs& a) {
    return Tensors{multilabel_soft_margin_loss(a.tensor(0), a.tensor(1), a.tensor(2),
                                               reduction_of(a.text(3)))};
  };
}

}  // namespace

void add_loss_ops(GoldenOps& ops) {
  add_likelihood_losses(ops);
  add_pair_losses(ops);
  add_class_losses(ops);
  ops["ctc_loss"] = [](const GoldenArgs& a) {
    return Tensors{ctc_loss(
        log_softmax(a.tensor(0), -1), a.tensor(1), a.tensor(2), a.tensor(3),
        {.blank = a.integer(4), .reduction = reduction_of(a.text(5)), .zero_infinity = a.flag(6)})};
  };
}

}  // namespace tessera::test
