#include "nn/layers/container.h"

#include <gtest/gtest.h>

#include "nn/layers.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::doubles;
using test::error_of;
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

TEST(ModuleDict, HoldsModulesByName) {
  struct Net : Module {
    ModuleDict<Layer> heads{this, "heads"};
    Net() {
      heads.emplace<Linear>("first", 3, 2);
      heads.emplace<Relu>("act");
    }
  } net;
  EXPECT_EQ(net.heads.keys(), (std::vector<std::string>{"first", "act"}));
  EXPECT_TRUE(net.heads.contains("act"));
  EXPECT_FALSE(net.heads.contains("second"));
  EXPECT_EQ(net.heads["first"](random_array({4, 3})).shape(), (Dims{4, 2}));
  EXPECT_EQ(net.named_parameters()[0].first, "heads.first.weight");
  EXPECT_EQ(error_of([&] { net.heads["second"]; }),
            "[ModuleDict] there is no module 'second' in 'heads'");
  EXPECT_NE(error_of([&] { net.heads.emplace<Relu>("act"); }), "");
  EXPECT_EQ(net.heads.size(), 2U);
}

TEST(ParameterListAndDict, HoldParameters) {
  struct Net : Module {
    ParameterList scales{this, "scales"};
    ParameterDict named{this, "named"};
    Net() {
      for (int64_t i = 1; i <= 2; ++i) scales.append({i}, Init::constant(static_cast<double>(i)));
      named.emplace("shift", {3}, Init::constant(5));
    }
  } net;
  std::vector<std::string> names;
  for (const auto& [name, value] : net.state_dict()) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"scales.0", "scales.1", "named.shift"}));
  EXPECT_EQ(doubles(net.scales[1].data()), (std::vector<double>{2, 2}));
  EXPECT_EQ(doubles(net.named["shift"].data()), (std::vector<double>{5, 5, 5}));
  EXPECT_EQ(net.named.keys(), std::vector<std::string>{"shift"});
  EXPECT_EQ(error_of([&] { net.scales[2]; }), "[ParameterList] expected an index below 2, got 2");
  EXPECT_EQ(error_of([&] { net.named["scale"]; }),
            "[ParameterDict] there is no parameter 'scale' in 'named'");
}

}  // namespace
}  // namespace tessera::nn
