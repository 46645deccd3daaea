// What Tessera calls for the operations of tests/golden, a function per family.
#pragma once

#include "autograd/ops.h"
#include "core/creation.h"
#include "tests/support/golden.h"

namespace tessera::test {

using Tensors = std::vector<Tensor>;

void add_argument_ops(GoldenOps& ops);
void add_decomposition_ops(GoldenOps& ops);
void add_elementwise_ops(GoldenOps& ops);
void add_index_ops(GoldenOps& ops);
void add_layer_ops(GoldenOps& ops);
void add_linalg_ops(GoldenOps& ops);
void add_loss_ops(GoldenOps& ops);
void add_network_ops(GoldenOps& ops);
void add_operators(GoldenOps& ops);
void add_reduce_ops(GoldenOps& ops);
void add_sampling_ops(GoldenOps& ops);
void add_shape_ops(GoldenOps& ops);

inline Reduction reduction_of(const std::string& name) {
  if (name == "none") return Reduction::none;
  return name == "sum" ? Reduction::sum : Reduction::mean;
}

inline Interpolation interpolation_of(const std::string& name) {
  if (name == "nearest") return Interpolation::nearest;
  if (name == "nearest_exact") return Interpolation::nearest_exact;
  if (name == "linear") return Interpolation::linear;
  if (name == "bilinear") return Interpolation::bilinear;
  if (name == "trilinear") return Interpolation::trilinear;
  return name == "bicubic" ? Interpolation::bicubic : Interpolation::area;
}

// Sizes, of which some may be null.
inline AdaptiveSize adaptive_size_of(const GoldenArgs& a, size_t i) {
  const nlohmann::json& sizes = a.at(i);
  auto one = [&](size_t d) {
    return sizes.at(d).is_null() ? std::nullopt : std::optional(sizes.at(d).get<int64_t>());
  };
  if (sizes.size() == 1) return {one(0)};
  return {one(0), one(1)};
}

inline void unary(GoldenOps& ops, const std::string& name, Tensor (*fn)(TensorArg)) {
  ops[name] = [fn](const GoldenArgs& a) { return Tensors{fn(a.tensor(0))}; };
}

inline void binary(GoldenOps& ops, const std::string& name, Tensor (*fn)(TensorArg, TensorArg)) {
  ops[name] = [fn](const GoldenArgs& a) { return Tensors{fn(a.tensor(0), a.tensor(1))}; };
}

}  // namespace tessera::test
