#include "tests/golden/ops/ops.h"

namespace tessera::test {
namespace {

void add_convolutions(GoldenOps& ops) {
  ops["conv2d"] = [](const GoldenArgs& a) {
    return Tensors{conv2d(a.tensor(0), a.tensor(1), a.tensor(2), a.dims(3), a.dims(4), a.dims(5),
                          a.integer(6))};
  };
  ops["conv1d"] = [](const GoldenArgs& a) {
    return Tensors{conv1d(a.tensor(0), a.tensor(1), a.tensor(2), a.integer(3), a.integer(4),
                          a.integer(5), a.integer(6))};
  };
  ops["conv_transpose2d"] = [](const GoldenArgs& a) {
    return Tensors{conv_transpose2d(a.tensor(0), a.tensor(1), a.tensor(2), a.dims(3), a.dims(4),
                                    a.dims(5), a.integer(6), a.dims(7))};
  };
}

void add_pooling(GoldenOps& ops) {
  ops["max_pool2d"] = [](const GoldenArgs& a) {
    MaxPool pool =
        max_pool2d_with_indices(a.tensor(0), a.dims(1), a.dims(2), a.dims(3), a.dims(4), a.flag(5));
    return Tensors{pool.values, pool.indices};
  };
  ops["max_pool1d"] = [](const GoldenArgs& a) {
    return Tensors{
        max_pool1d(a.tensor(0), a.integer(1), a.integer(2), a.integer(3), a.integer(4), a.flag(5))};
  };
  ops["avg_pool2d"] = [](const GoldenArgs& a) {
    return Tensors{avg_pool2d(a.tensor(0), a.dims(1), a.dims(2), a.dims(3), a.flag(4), a.flag(5))};
  };
  ops["avg_pool1d"] = [](const GoldenArgs& a) {
    return Tensors{
        avg_pool1d(a.tensor(0), a.integer(1), a.integer(2), a.integer(3), a.flag(4), a.flag(5))};
  };
  ops["adaptive_avg_pool2d"] = [](const GoldenArgs& a) {
    return Tensors{adaptive_avg_pool2d(a.tensor(0), adaptive_size_of(a, 1))};
  };
  ops["adaptive_avg_pool1d"] = [](const GoldenArgs& a) {
    return Tensors{adaptive_avg_pool1d(a.tensor(0), a.integer(1))};
  };
  ops["adaptive_max_pool2d"] = [](const GoldenArgs& a) {
    return Tensors{adaptive_max_pool2d(a.tensor(0), adaptive_size_of(a, 1))};
  };
}

void add_images(GoldenOps& ops) {
  ops["interpolate"] = [](const GoldenArgs& a) {
    return Tensors{interpolate(a.tensor(0), a.dims(1), interpolation_of(a.text(2)), a.flag(3))};
  };
  ops["pixel_shuffle"] = [](const GoldenArgs& a) {
    return Tensors{pixel_shuffle(a.tensor(0), a.integer(1))};
  };
  ops["pixel_unshuffle"] = [](const GoldenArgs& a) {
    return Tensors{pixel_unshuffle(a.tensor(0), a.integer(1))};
  };
}

void add_normalization(GoldenOps& ops) {
  ops["softmax"] = [](const GoldenArgs& a) { return Tensors{softmax(a.tensor(0), a.integer(1))}; };
  ops["log_softmax"] = [](const GoldenArgs& a) {
    return Tensors{log_softmax(a.tensor(0), a.integer(1))};
  };
  ops["layer_norm"] = [](const GoldenArgs& a) {
    return Tensors{layer_norm(a.tensor(0), a.dims(1), a.tensor(2), a.tensor(3), a.number(4))};
  };
  ops["rms_norm"] = [](const GoldenArgs& a) {
    return Tensors{rms_norm(a.tensor(0), a.dims(1), a.tensor(2), a.optional_number(3))};
  };
  ops["group_norm"] = [](const GoldenArgs& a) {
    return Tensors{group_norm(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3), a.number(4))};
  };
  ops["batch_norm"] = [](const GoldenArgs& a) {
    return Tensors{batch_norm(a.tensor(0), a.tensor(1), a.tensor(2), a.tensor(3), a.tensor(4),
                              a.flag(5), a.number(6), a.number(7))};
  };
  ops["instance_norm"] = [](const GoldenArgs& a) {
    return Tensors{instance_norm(a.tensor(0), {}, {}, a.tensor(1), a.tensor(2),
                                 /*use_input_stats=*/true, /*momentum=*/0.1, a.number(3))};
  };
}

void add_losses(GoldenOps& ops) {
  ops["cross_entropy"] = [](const GoldenArgs& a) {
    return Tensors{cross_entropy(a.tensor(0), a.tensor(1),
                                 {.reduction = reduction_of(a.text(4)),
                                  .weight = a.tensor(2),
                                  .ignore_index = a.integer(3),
                                  .label_smoothing = a.number(5)})};
  };
  ops["mse_loss"] = [](const GoldenArgs& a) {
    return Tensors{mse_loss(a.tensor(0), a.tensor(1), reduction_of(a.text(2)))};
  };
  ops["l1_loss"] = [](const GoldenArgs& a) {
    return Tensors{l1_loss(a.tensor(0), a.tensor(1), reduction_of(a.text(2)))};
  };
  ops["smooth_l1_loss"] = [](const GoldenArgs& a) {
    return Tensors{smooth_l1_loss(a.tensor(0), a.tensor(1), reduction_of(a.text(2)))};
  };
  ops["binary_cross_entropy_with_logits"] = [](const GoldenArgs& a) {
    return Tensors{binary_cross_entropy_with_logits(a.tensor(0), a.tensor(1), {}, {},
                                                    reduction_of(a.text(2)))};
  };
}

}  // namespace

void add_network_ops(GoldenOps& ops) {
  add_convolutions(ops);
  add_pooling(ops);
  add_images(ops);
  add_normalization(ops);
  add_losses(ops);
  ops["embedding"] = [](const GoldenArgs& a) {
    return Tensors{embedding(a.tensor(0), a.tensor(1))};
  };
  ops["dropout_off"] = [](const GoldenArgs& a) {
    return Tensors{dropout(a.tensor(0), a.number(1), false)};
  };
  ops["scaled_dot_product_attention"] = [](const GoldenArgs& a) {
    return Tensors{scaled_dot_product_attention(a.tensor(0), a.tensor(1), a.tensor(2), a.tensor(3),
                                                /*dropout_p=*/0, a.flag(4), {}, a.flag(5))};
  };
}

}  // namespace tessera::test
