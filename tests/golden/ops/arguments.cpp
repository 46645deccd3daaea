#include "tests/golden/ops/ops.h"

namespace tessera::test {
namespace {

Tensors both(const MaxPool& pool) { return {pool.values, pool.indices}; }

ConvPadding padding_of(const std::string& word) {
  return word == "same" ? ConvPadding::same : ConvPadding::valid;
}

ScaleFactor factors_of(const GoldenArgs& a, size_t i) {
  return scale_factor(a.at(i).get<std::vector<double>>());
}

void add_losses(GoldenOps& ops) {
  ops["mse_loss_weighted"] = [](const GoldenArgs& a) {
    return Tensors{mse_loss(a.tensor(0), a.tensor(1), reduction_of(a.text(2)), a.tensor(3))};
  };
  ops["l1_loss_weighted"] = [](const GoldenArgs& a) {
    return Tensors{l1_loss(a.tensor(0), a.tensor(1), reduction_of(a.text(2)), a.tensor(3))};
  };
  ops["huber_loss"] = [](const GoldenArgs& a) {
    return Tensors{huber_loss(a.tensor(0), a.tensor(1), reduction_of(a.text(2)), a.number(3))};
  };
  ops["huber_loss_weighted"] = [](const GoldenArgs& a) {
    return Tensors{
        huber_loss(a.tensor(0), a.tensor(1), reduction_of(a.text(2)), a.number(3), a.tensor(4))};
  };
  ops["kl_div"] = [](const GoldenArgs& a) {
    return Tensors{kl_div(a.tensor(0), a.tensor(1), reduction_of(a.text(2)))};
  };
}

void add_numbers(GoldenOps& ops) {
  ops["add_alpha"] = [](const GoldenArgs& a) {
    return Tensors{a.is_tensor(1) ? add(a.tensor(0), a.tensor(1), a.scalar(2))
                                  : add(a.tensor(0), a.scalar(1), a.scalar(2))};
  };
  ops["sub_alpha"] = [](const GoldenArgs& a) {
    return Tensors{a.is_tensor(1) ? sub(a.tensor(0), a.tensor(1), a.scalar(2))
                                  : sub(a.tensor(0), a.scalar(1), a.scalar(2))};
  };
  ops["remainder_number"] = [](const GoldenArgs& a) {
    return Tensors{remainder(a.scalar(0), a.tensor(1))};
  };
  ops["floor_divide_number"] = [](const GoldenArgs& a) {
    return Tensors{floor_divide(a.scalar(0), a.tensor(1))};
  };
  ops["clamp_tensors"] = [](const GoldenArgs& a) {
    return Tensors{clamp(a.tensor(0), TensorArg(a.tensor(1)), TensorArg(a.tensor(2)))};
  };
  ops["clamp_tensor_number"] = [](const GoldenArgs& a) {
    return Tensors{clamp(a.tensor(0), a.tensor(1), a.scalar(2))};
  };
  ops["clamp_number_tensor"] = [](const GoldenArgs& a) {
    return Tensors{clamp(a.tensor(0), a.scalar(1), a.tensor(2))};
  };
  ops["linspace_tensors"] = [](const GoldenArgs& a) {
    return Tensors{linspace(a.tensor(0), a.tensor(1), a.integer(2), a.dtype(3))};
  };
  ops["logspace_tensors"] = [](const GoldenArgs& a) {
    return Tensors{logspace(a.tensor(0), a.tensor(1), a.integer(2), a.number(3), a.dtype(4))};
  };
  ops["hardtanh"] = [](const GoldenArgs& a) {
    return Tensors{hardtanh(a.tensor(0), a.number(1), a.number(2))};
  };
  unary(ops, "softsign", softsign);
}

void add_indices(GoldenOps& ops) {
  ops["searchsorted_full"] = [](const GoldenArgs& a) {
    return Tensors{a.is_tensor(1)
                       ? searchsorted(a.tensor(0), a.tensor(1), a.flag(2), a.flag(3), a.tensor(4))
                       : searchsorted(a.tensor(0), a.scalar(1), a.flag(2), a.flag(3), a.tensor(4))};
  };
  ops["unique_dim"] = [](const GoldenArgs& a) {
    Unique found = unique(a.tensor(0), a.integer(1));
    return Tensors{found.values, found.inverse, found.counts};
  };
  ops["nonzero_tuple"] = [](const GoldenArgs& a) { return nonzero(a.tensor(0), as_tuple); };
  ops["take_along_dim_flat"] = [](const GoldenArgs& a) {
    return Tensors{take_along_dim(a.tensor(0), a.tensor(1))};
  };
  ops["index_add_alpha"] = [](const GoldenArgs& a) {
    return Tensors{index_add(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3), a.scalar(4))};
  };
  ops["scatter_reduced"] = [](const GoldenArgs& a) {
    ScatterOp reduce = a.text(4) == "add" ? ScatterOp::add : ScatterOp::multiply;
    return Tensors{a.is_tensor(3)
                       ? scatter(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3), reduce)
                       : scatter(a.tensor(0), a.integer(1), a.tensor(2), a.scalar(3), reduce)};
  };
  ops["embedding_full"] = [](const GoldenArgs& a) {
    std::optional<int64_t> padding;
    if (!a.is_null(2)) padding = a.integer(2);
    Tensor table = a.tensor(0);
    Tensor out =
        embedding(table, a.tensor(1), padding, a.optional_number(3), a.number(4), a.flag(5));
    return Tensors{out, table};
  };
  ops["embedding_by_frequency"] = [](const GoldenArgs& a) {
    return Tensors{embedding(a.tensor(0), a.tensor(1), a.integer(2), {}, 2, true)};
  };
}

void add_images(GoldenOps& ops) {
  ops["conv2d_padded"] = [](const GoldenArgs& a) {
    return Tensors{conv2d(a.tensor(0), a.tensor(1), a.tensor(2), a.dims(3), padding_of(a.text(4)),
                          a.dims(5), a.integer(6))};
  };
  ops["conv1d_padded"] = [](const GoldenArgs& a) {
    return Tensors{conv1d(a.tensor(0), a.tensor(1), a.tensor(2), a.integer(3),
                          padding_of(a.text(4)), a.integer(5), a.integer(6))};
  };
  ops["max_pool1d_indices"] = [](const GoldenArgs& a) {
    return both(max_pool1d_with_indices(a.tensor(0), a.integer(1), a.integer(2), a.integer(3),
                                        a.integer(4), a.flag(5)));
  };
  ops["adaptive_max_pool2d_indices"] = [](const GoldenArgs& a) {
    return both(adaptive_max_pool2d_with_indices(a.tensor(0), adaptive_size_of(a, 1)));
  };
  ops["adaptive_max_pool1d_indices"] = [](const GoldenArgs& a) {
    return both(adaptive_max_pool1d_with_indices(a.tensor(0), a.integer(1)));
  };
  ops["avg_pool2d_divisor"] = [](const GoldenArgs& a) {
    return Tensors{avg_pool2d(a.tensor(0), a.dims(1), a.dims(2), a.dims(3), a.flag(4), a.flag(5),
                              a.integer(6))};
  };
  ops["interpolate_full"] = [](const GoldenArgs& a) {
    return Tensors{
        interpolate(a.tensor(0), a.dims(1), interpolation_of(a.text(2)), a.flag(3), a.flag(4))};
  };
  ops["interpolate_scale"] = [](const GoldenArgs& a) {
    return Tensors{interpolate(a.tensor(0), factors_of(a, 1), interpolation_of(a.text(2)),
                               a.flag(3), a.flag(4), a.flag(5))};
  };
}

}  // namespace

void add_argument_ops(GoldenOps& ops) {
  add_losses(ops);
  add_numbers(ops);
  add_indices(ops);
  add_images(ops);
}

}  // namespace tessera::test
