// The update of parameters. core/kernels.h has the rules for every family.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "core/array.h"

namespace tessera {

// One of the rules of core/update_rules.inc, by its name, with what all elements share, in the
// rule's order.
struct UpdateArgs {
  static constexpr size_t kMaxFactors = 12;
  static constexpr size_t kMaxStates = 4;

  std::string_view rule;
  std::array<double, kMaxFactors> factors{};
  // Undefined, or a 0-d bool array on the device: where it is false, everything stays as it is.
  Array when = {};
};

class OptimizerFamily {
 public:
  virtual ~OptimizerFamily() = default;
  // param and states, in place, from grad * grad_scale: flat arrays of one length and dtype (f32,
  // f64), of which states has as many as the rule. grad_scale is a 0-d f64 array on the device.
  virtual void update(const UpdateArgs& args, const Array& param, const Array& grad,
                      const Array& grad_scale, std::span<const Array> states) const = 0;
};

}  // namespace tessera
