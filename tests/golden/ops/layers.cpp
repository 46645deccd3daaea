#include "tests/golden/ops/ops.h"

namespace tessera::test {
namespace {

Tensors both(const MaxPool& pool) { return {pool.values, pool.indices}; }

AdaptiveSize volume_size_of(const GoldenArgs& a, size_t i) {
  const nlohmann::json& sizes = a.at(i);
  auto one = [&](size_t d) {
    const nlohmann::json& size = sizes.at(sizes.size() == 1 ? 0 : d);
    return size.is_null() ? std::nullopt : std::optional(size.get<int64_t>());
  };
  return {one(0), one(1), one(2)};
}

EmbeddingBagOptions bag_options_of(const GoldenArgs& a) {
  EmbeddingBagOptions options{.per_sample_weights = a.tensor(4),
                              .scale_grad_by_freq = a.flag(7),
                              .include_last_offset = a.flag(6)};
  std::string mode = a.text(3);
  options.mode = mode == "sum" ? BagMode::sum : mode == "max" ? BagMode::max : BagMode::mean;
  if (!a.is_null(5)) options.padding_idx = a.integer(5);
  return options;
}

void add_volume_convolutions(GoldenOps& ops) {
  ops["conv3d"] = [](const GoldenArgs& a) {
    return Tensors{conv3d(a.tensor(0), a.tensor(1), a.tensor(2), a.dims(3), a.dims(4), a.dims(5),
                          a.integer(6))};
  };
  ops["conv_transpose3d"] = [](const GoldenArgs& a) {
    return Tensors{conv_transpose3d(a.tensor(0), a.tensor(1), a.tensor(2), a.dims(3), a.dims(4),
                                    a.dims(5), a.integer(6), a.dims(7))};
  };
  ops["conv_transpose1d"] = [](const GoldenArgs& a) {
    return Tensors{conv_transpose1d(a.tensor(0), a.tensor(1), a.tensor(2), a.integer(3),
                                    a.integer(4), a.integer(5), a.integer(6), a.integer(7))};
  };
}

void add_volume_pools(GoldenOps& ops) {
  ops["max_pool3d"] = [](const GoldenArgs& a) {
    return both(max_pool3d_with_indices(a.tensor(0), a.dims(1), a.dims(2), a.dims(3), a.dims(4),
                                        a.flag(5)));
  };
  ops["avg_pool3d"] = [](const GoldenArgs& a) {
    std::optional<int64_t> divisor;
    if (!a.is_null(6)) divisor = a.integer(6);
    return Tensors{
        avg_pool3d(a.tensor(0), a.dims(1), a.dims(2), a.dims(3), a.flag(4), a.flag(5), divisor)};
  };
  ops["adaptive_avg_pool3d"] = [](const GoldenArgs& a) {
    return Tensors{adaptive_avg_pool3d(a.tensor(0), volume_size_of(a, 1))};
  };
  ops["adaptive_max_pool3d"] = [](const GoldenArgs& a) {
    return both(adaptive_max_pool3d_with_indices(a.tensor(0), volume_size_of(a, 1)));
  };
}

}  // namespace

void add_layer_ops(GoldenOps& ops) {
  add_volume_convolutions(ops);
  add_volume_pools(ops);
  ops["embedding_bag"] = [](const GoldenArgs& a) {
    EmbeddingBagOptions options = bag_options_of(a);
    return Tensors{a.is_null(2) ? embedding_bag(a.tensor(0), a.tensor(1), options)
                                : embedding_bag(a.tensor(0), a.tensor(1), a.tensor(2), options)};
  };
  ops["local_response_norm"] = [](const GoldenArgs& a) {
    return Tensors{
        local_response_norm(a.tensor(0), a.integer(1), a.number(2), a.number(3), a.number(4))};
  };
  ops["channel_shuffle"] = [](const GoldenArgs& a) {
    return Tensors{channel_shuffle(a.tensor(0), a.integer(1))};
  };
  ops["bilinear"] = [](const GoldenArgs& a) {
    return Tensors{bilinear(a.tensor(0), a.tensor(1), a.tensor(2), a.tensor(3))};
  };
}

}  // namespace tessera::test
