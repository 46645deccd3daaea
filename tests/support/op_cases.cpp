#include "tests/support/op_cases.h"

#include <cmath>
#include <ostream>

#include "tests/support/arrays.h"

namespace tessera::test {
namespace {

std::vector<OpCase> make_op_cases() {
  std::vector<OpCase> out;
  for (auto* family : {activation_cases,      argument_cases,    arithmetic_cases,
                       attention_cases,       bag_cases,         conv_cases,
                       decomposition_cases,   diagonal_cases,    index_cases,
                       index_write_cases,     interpolate_cases, join_cases,
                       likelihood_loss_cases, linalg_cases,      loss_cases,
                       margin_loss_cases,     matmul_cases,      normalize_cases,
                       patches_cases,         pool_cases,        random_cases,
                       reduce_cases,          scan_cases,        shape_cases,
                       shrink_cases,          softmax_cases,     sort_cases,
                       special_cases,         stacking_cases,    transcendental_cases,
                       vectors_cases,         volume_cases,      where_cases}) {
    for (OpCase& row : family()) {
      if (row.op.empty()) row.op = row.name;
      if (row.large.empty()) row.large = row.inputs.back();
      out.push_back(std::move(row));
    }
  }
  return out;
}

}  // namespace

const std::vector<OpCase>& op_cases() {
  static const std::vector<OpCase> cases = make_op_cases();
  return cases;
}

std::ostream& operator<<(std::ostream& out, const OpCase& op_case) { return out << op_case.name; }

std::vector<Tensor> sample(const InputSpecs& specs, DType dtype, uint64_t seed) {
  std::vector<Tensor> out;
  for (size_t i = 0; i < specs.size(); ++i) {
    const InputSpec& spec = specs[i];
    Array x = random_array(spec.shape, DType::f32, 1000 * seed + i, spec.low, spec.high);
    auto* values = x.data<float>();
    for (int64_t j = 0; j < x.numel(); ++j) {
      auto gap = static_cast<float>(spec.gap);
      if (std::abs(values[j]) < gap) values[j] = std::copysign(gap, values[j]) + values[j];
    }
    out.emplace_back(x.to(dtype), is_floating(dtype));
  }
  return out;
}

}  // namespace tessera::test
