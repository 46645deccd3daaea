// How parameters get their first values, and when.
#include "nn/init.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "autograd/context.h"
#include "autograd/ops.h"
#include "tests/nn/small_modules.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::same_bits;

TEST(Init, DependsOnSeedAndNameOnly) {
  manual_seed(5);
  Free one;
  Free part_of_one(&one, "part");
  Tensor a = part_of_one.add("w", {300});
  Tensor b = part_of_one.add("v", {300});

  manual_seed(5);
  Free two;
  two.add("other", {1000});
  rand({77});
  Free more(&two, "more");
  more.add("w", {5}, Init::uniform(1));
  Free part_of_two(&two, "part");
  Tensor b_again = part_of_two.add("v", {300});
  Tensor a_again = part_of_two.add("w", {300});
  EXPECT_TRUE(same_bits(a.data(), a_again.data()));
  EXPECT_TRUE(same_bits(b.data(), b_again.data()));
  EXPECT_FALSE(same_bits(a.data(), b.data()));

  manual_seed(6);
  Free three;
  Free part_of_three(&three, "part");
  EXPECT_FALSE(same_bits(a.data(), part_of_three.add("w", {300}).data()));
  // The same last name elsewhere is another parameter.
  manual_seed(5);
  Free four;
  EXPECT_FALSE(same_bits(a.data(), four.add("w", {300}).data()));
}

TEST(Init, OneElementDoesNotDependOnTheShape) {
  manual_seed(5);
  Free one;
  Free two;
  Array longer = one.add("w", {40, 10}).data();
  Array shorter = two.add("w", {10, 10}).data();
  EXPECT_TRUE(same_bits(longer.slice(0, 0, 10), shorter));
}

TEST(Init, HasTheAskedDistribution) {
  manual_seed(1);
  Free root;
  constexpr int64_t kCount = 100000;
  auto moments = [](const Tensor& x) {
    double total = 0;
    double squares = 0;
    double largest = 0;
    for (double v : doubles(x.data())) {
      total += v;
      squares += v * v;
      largest = std::max(largest, std::abs(v));
    }
    return std::vector<double>{total / kCount, std::sqrt(squares / kCount), largest};
  };
  auto normal = moments(root.add("normal", {kCount}, Init::normal(0.02)));
  EXPECT_NEAR(normal[0], 0, 0.0003);
  EXPECT_NEAR(normal[1], 0.02, 0.0003);
  EXPECT_GT(normal[2], 0.07);
  auto uniform = moments(root.add("uniform", {kCount}, Init::uniform(0.5)));
  EXPECT_NEAR(uniform[0], 0, 0.005);
  EXPECT_NEAR(uniform[1], 0.5 / std::sqrt(3), 0.005);
  EXPECT_LE(uniform[2], 0.5);
  EXPECT_EQ(doubles(root.add("constant", {3}, Init::constant(2)).data()),
            std::vector<double>(3, 2));
}

TEST(DeferInit, LeavesValuesToWhoeverWantsThem) {
  manual_seed(11);
  Blocks whole;
  manual_seed(11);
  std::optional<DeferInit> defer(std::in_place);
  Blocks deferred;
  defer.reset();
  EXPECT_EQ(deferred.in.weight.device().type, DeviceType::meta);
  EXPECT_EQ(deferred.in.weight.shape(), (Dims{4, 3}));
  for (size_t i = 0; i < whole.parameters().size(); ++i) {
    const Tensor expected = whole.parameters()[i];
    const Tensor parameter = deferred.parameters()[i];
    // Any interval of them, from any element on.
    for (int64_t first : {0, 1, 5}) {
      int64_t count = expected.numel() - first;
      if (count <= 0) continue;
      Array made = Array::empty({count});
      deferred.initial_values(parameter).fill(first, made);
      Array flat = expected.data().view({expected.numel()});
      EXPECT_TRUE(same_bits(made, flat.slice(0, first, expected.numel()))) << first;
    }
  }
  deferred.materialize();
  for (size_t i = 0; i < whole.parameters().size(); ++i) {
    EXPECT_TRUE(same_bits(deferred.parameters()[i].data(), whole.parameters()[i].data()));
  }
  EXPECT_EQ(error_of([&] { deferred.initial_values(Tensor(Array::zeros({2}))); }),
            "[initial_values] the tensor is no parameter of the module");
}

// Halves of powers of two, by the element's place.
void powers(int64_t first, const Array& out) {
  for (int64_t i = 0; i < out.numel(); ++i) {
    out.data<float>()[i] = std::ldexp(1.0F, -static_cast<int>(first + i));
  }
}

struct OwnStart : Module {
  Linear layer{this, "layer", 3, 2};
  OwnStart() {
    set_initial_values(layer.weight, Init::custom(powers));
    set_initial_values(layer.bias, Init::constant(0.5).with_zeros(1, 2));
  }
};

TEST(DeferInit, ModelsSayHowTheyStart) {
  OwnStart whole;
  EXPECT_EQ(whole.layer.weight.data().to_vector<float>(),
            (std::vector<float>{1, 0.5, 0.25, 0.125, 0.0625, 0.03125}));
  EXPECT_EQ(whole.layer.bias.data().to_vector<float>(), (std::vector<float>{0.5, 0}));
  std::optional<DeferInit> defer(std::in_place);
  OwnStart deferred;
  defer.reset();
  deferred.materialize();
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(same_bits(deferred.parameters()[i].data(), whole.parameters()[i].data()));
  }
  EXPECT_EQ(error_of([&] { whole.set_initial_values(Tensor(Array::zeros({2})), {}); }),
            "[set_initial_values] the tensor is no parameter of the module");
}

// They would be lost without a word.
TEST(DeferInit, RefusesValuesForWhatHasNoMemoryYet) {
  DeferInit defer;
  Blocks module;
  const char* expected = "written to before it has memory";
  EXPECT_TRUE(contains(error_of([&] { module.in.weight.data().fill_(1); }), expected));
  EXPECT_TRUE(contains(error_of([&] { module.in.bias.data().slice(0, 0, 2).fill_(0); }), expected));
  EXPECT_TRUE(contains(error_of([&] {
                         module.in.weight.data().copy_(Array::zeros({4, 3}));
                       }),
                       expected));
  StateDict state;
  for (const auto& [name, tensor] : module.named_state()) {
    state.emplace_back(name, Array::zeros(tensor.shape()));
  }
  EXPECT_TRUE(contains(error_of([&] { module.load_state_dict(state); }), expected));
  NoGrad no_grad;
  std::string error = error_of([&] {
    mul_(module.in.weight, 2.0);
    module.materialize();
  });
  EXPECT_TRUE(contains(error, "before it ha")) << error;
}

}  // namespace
}  // namespace tessera::nn
