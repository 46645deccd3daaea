#include "core/kernels/optimizer.h"

#include "core/kernels.h"
#include "tests/core/cuda/cuda_test.h"

namespace tessera::test {
namespace {

using CudaOptimizer = CudaTest;

// Any numbers do for the factors.
UpdateArgs rule(std::string_view name) {
  return {name, {0.9, 0.125, 1.5, 0.25, 0.5, 0.75, 0.875, 0.0625, 0.375, 0.625}};
}

struct Arrays {
  Array param, grad, scale;
  std::vector<Array> states;

  explicit Arrays(DType dtype, size_t num_states) {
    param = random_array({1000}, dtype, 1);
    grad = random_array({1000}, dtype, 2);
    scale = Array::scalar(0.25, DType::f64);
    for (size_t i = 0; i < num_states; ++i)
      states.push_back(random_array({1000}, dtype, 3 + i, 0, 1));
  }
  Arrays on(Device device) const {
    Arrays out = *this;
    out.param = param.to(device);
    out.grad = grad.to(device);
    out.scale = scale.to(device);
    for (Array& state : out.states) state = state.to(device);
    return out;
  }
  void update(const UpdateArgs& args) const {
    kernels(param.device()).optimizer().update(args, param, grad, scale, states);
  }
};

TEST_F(CudaOptimizer, RulesAgreeWithTheCpu) {
  const std::vector<std::pair<const char*, int>> rules{{"adamw", 2},
                                                       {"sgd", 0},
                                                       {"sgd_momentum", 1},
                                                       {"adam", 2},
                                                       {"adam_amsgrad", 3},
                                                       {"adamax", 2},
                                                       {"rmsprop", 1},
                                                       {"rmsprop_momentum", 2},
                                                       {"rmsprop_centered", 2},
                                                       {"rmsprop_centered_momentum", 3},
                                                       {"adagrad", 1},
                                                       {"adadelta", 2},
                                                       {"lion", 1},
                                                       {"sgd_schedule_free", 2},
                                                       {"adamw_schedule_free", 3}};
  for (const auto& [name, num_states] : rules) {
    for (DType dtype : {DType::f32, DType::f64}) {
      SCOPED_TRACE(fmt::format("{} {}", name, dtype));
      Arrays here(dtype, static_cast<size_t>(num_states));
      Arrays there = here.on(kCuda);
      here.update(rule(name));
      there.update(rule(name));
      EXPECT_TRUE(near(there.param, here.param));
      for (size_t i = 0; i < here.states.size(); ++i) {
        EXPECT_TRUE(near(there.states[i], here.states[i]));
      }
    }
  }
}

TEST_F(CudaOptimizer, NothingChangesWhereTheDeviceSaysSo) {
  for (Device device : {Device{}, kCuda}) {
    const Arrays before(DType::f32, 2);
    Arrays now = before.on(kCuda).on(device);
    UpdateArgs args = rule("adamw");
    args.when = Array::scalar(0, DType::boolean).to(device);
    now.update(args);
    EXPECT_TRUE(same_bits(now.param.to(Device{}), before.param));
    EXPECT_TRUE(same_bits(now.states[0].to(Device{}), before.states[0]));
    args.when = Array::scalar(1, DType::boolean).to(device);
    now.update(args);
    EXPECT_FALSE(same_bits(now.param.to(Device{}), before.param));
  }
}

TEST_F(CudaOptimizer, AnUnknownRuleIsNamed) {
  Arrays arrays = Arrays(DType::f32, 0).on(kCuda);
  EXPECT_EQ(error_of([&] { arrays.update(rule("none")); }),
            "[optimizer] there is no rule 'none' in core/update_rules.inc");
}

}  // namespace
}  // namespace tessera::test
