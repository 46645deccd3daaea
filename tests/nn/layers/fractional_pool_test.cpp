#include "nn/layers/fractional_pool.h"

#include <gtest/gtest.h>

#include "autograd/context.h"
#include "autograd/ops.h"
#include "tests/nn/layers/torch_cases.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"
#include "tests/support/made_values.h"

namespace tessera::nn {
namespace {

using test::contains;
using test::error_of;
using test::LayerCase;
using test::made_array;
using test::same_bits;
using Tensors = std::vector<Tensor>;

LayerCase pooled(const std::string& name, const Dims& input, const Dims& kernel,
                 const Dims& output) {
  return {
      name, {input}, [=](Module&, const Tensors& x) -> Tensors {
        auto dims = static_cast<int64_t>(name.starts_with("image") ? 2 : 3);
        bool batched = static_cast<int64_t>(input.size()) == dims + 2;
        Dims planes{batched ? input[0] : 1, input[batched ? 1 : 0], dims};
        return {fractional_max_pool(x[0], kernel, output, Tensor(made_array(planes, 70, 1, 0.5)))};
      }};
}

TEST(FractionalMaxPool, GivesTheValuesAndGradientsOfTorch) {
  test::expect_as_in_torch("fractional_pool.safetensors",
                           {pooled("images", {2, 3, 9, 11}, {2, 3}, {4, 5}),
                            pooled("images_of_one", {1, 2, 5, 6}, {2}, {1, 3}),
                            pooled("images_no_batch", {3, 8, 8}, {3}, {5}),
                            pooled("volumes", {2, 2, 6, 7, 8}, {2, 3, 2}, {3, 4, 5})});
}

TEST(FractionalMaxPool, DrawsItsWindows) {
  manual_seed(1);
  Tensor x(made_array({2, 3, 12, 16}, 1));
  FractionalMaxPool2d pool(nullptr, "", {2}, {.output_ratio = {0.7}});
  Tensor y = pool(x);
  EXPECT_EQ(y.shape(), (Dims{2, 3, 8, 11}));
  EXPECT_FALSE(same_bits(y.data(), pool(x).data()));
  FractionalMaxPool3d volumes(nullptr, "", {2}, {.output_size = {3, 2, 4}});
  EXPECT_EQ(volumes(Tensor(made_array({2, 6, 5, 7}, 1))).shape(), (Dims{2, 3, 2, 4}));
}

TEST(FractionalMaxPool, TakesAnEmptyBatch) {
  FractionalMaxPool2d pool(nullptr, "", {2}, {.output_size = {3, 4}});
  Tensor x(Array::zeros({0, 3, 6, 8}), true);
  Tensor y = pool(x);
  EXPECT_EQ(y.shape(), (Dims{0, 3, 3, 4}));
  sum(y).backward();
  EXPECT_EQ(x.grad().shape(), x.shape());
}

TEST(FractionalMaxPool, RefusesWhatDoesNotFit) {
  auto error = [](const FractionalMaxPoolOptions& options) {
    return error_of([&] { FractionalMaxPool2d(nullptr, "", {2}, options); });
  };
  EXPECT_TRUE(contains(error({}), "an output_size or an output_ratio, and not both"));
  EXPECT_TRUE(contains(error({{3}, {0.5}}), "and not both"));
  EXPECT_TRUE(contains(error({{}, {0.5, 1}}), "ratios in (0, 1), got 1"));
  EXPECT_TRUE(contains(error({{2, 2, 2}}), "one for each of 2 dims, got (2, 2, 2)"));
  EXPECT_TRUE(contains(error({{0}}), "output sizes of at least 1, got (0,)"));
  FractionalMaxPool2d pool(nullptr, "", {3}, {.output_size = {4}});
  EXPECT_TRUE(contains(error_of([&] {
                         pool(Tensor(made_array({1, 1, 5, 6}, 1)));
                       }),
                       "do not fit into an input of (1, 1, 5, 6)"));
  EXPECT_TRUE(contains(error_of([&] {
                         pool(Tensor(made_array({5, 6}, 1)));
                       }),
                       "an input of 4 dims"));
}

}  // namespace
}  // namespace tessera::nn
