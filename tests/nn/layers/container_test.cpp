#include "nn/layers/container.h"

#include <gtest/gtest.h>

#include "nn/layers.h"
#include "tests/support/arrays.h"

namespace tessera::nn {
namespace {

using test::random_array;
using test::same_bits;

TEST(Sequential, RunsItsLayersInOrderAndNumbersThem) {
  struct Net : Module {
    Sequential body{this, "body"};
    Net() {
      body.add<Conv2d>(3, 4, Dims{3}, Conv2dOptions{.padding = {1}, .bias = false})
          .add<BatchNorm2d>(4)
          .add<Relu>()
          .add<MaxPool2d>(Dims{2})
          .add<Flatten>()
          .add<Linear>(4 * 4 * 4, 10);
    }
  } net;
  std::vector<std::string> names;
  for (const auto& [name, value] : net.state_dict()) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"body.0.weight", "body.1.weight", "body.1.bias",
                                             "body.1.running_mean", "body.1.running_var",
                                             "body.1.num_batches_tracked", "body.5.weight",
                                             "body.5.bias"}));
  Tensor x(random_array({2, 3, 8, 8}));
  net.eval();
  Tensor y = x;
  for (size_t i = 0; i < net.body.size(); ++i) y = net.body[i](y);
  EXPECT_EQ(y.shape(), (Dims{2, 10}));
  EXPECT_TRUE(same_bits(net.body(x).data(), y.data()));
}

TEST(Sequential, WithoutLayersIsTheIdentity) {
  Module root;
  Tensor x(random_array({2, 3}));
  EXPECT_EQ(Sequential(&root, "none")(x).shared(), x.shared());
  EXPECT_EQ(Identity(&root, "same")(x).shared(), x.shared());
}

TEST(Flatten, JoinsTheDimsItIsTold) {
  Module root;
  Tensor x(random_array({2, 3, 4, 5}));
  EXPECT_EQ(Flatten(&root, "all_but_first")(x).shape(), (Dims{2, 60}));
  EXPECT_EQ(Flatten(&root, "some", 1, 2)(x).shape(), (Dims{2, 12, 5}));
}

}  // namespace
}  // namespace tessera::nn
