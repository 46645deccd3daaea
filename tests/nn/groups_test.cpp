#include "nn/optim/groups.h"

#include <gtest/gtest.h>

#include "nn/layers.h"
#include "nn/models/gpt.h"
#include "nn/optim/adamw.h"
#include "nn/optim/muon.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::optim {
namespace {

using test::contains;
using test::doubles;
using test::error_of;

struct Net : nn::Module {
  nn::Linear fc1{this, "fc1", 3, 4};
  nn::LayerNorm norm{this, "norm", 4};
  nn::Linear fc2{this, "fc2", 4, 2};
};

TEST(Groups, TakeParametersByTheirNames) {
  Net net;
  net.fc1.bias.set_requires_grad(false);
  auto groups = groups_of(
      net,
      {names_like("*.bias", {.weight_decay = 0}), names_like("norm.weight", {.lr_scale = 0.5})},
      {.weight_decay = 0.1});
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(groups[0].names, (std::vector<std::string>{"norm.bias", "fc2.bias"}));
  EXPECT_EQ(groups[1].names, (std::vector<std::string>{"norm.weight"}));
  EXPECT_EQ(groups[1].lr_scale, 0.5);
  EXPECT_EQ(groups[2].names, (std::vector<std::string>{"fc1.weight", "fc2.weight"}));
  EXPECT_EQ(groups[2].weight_decay, 0.1);
  EXPECT_EQ(groups[2].params[0].shared(), net.fc1.weight.shared());
}

TEST(Groups, RefuseWhatMatchesNothingOrTwice) {
  Net net;
  EXPECT_EQ(error_of([&] { groups_of(net, {names_like("*.wieght")}); }),
            "[groups_of] '*.wieght' takes no parameter of the model that is trained");
  EXPECT_EQ(error_of([&] {
              groups_of(net, {names_like("fc1.*"), names_like("*.bias")});
            }),
            "[groups_of] 'fc1.bias' is in two groups, 'fc1.*' and '*.bias'");
}

TEST(Groups, HaveARateAndARuleOfTheirOwn) {
  Net net;
  for (const Tensor& parameter : net.parameters()) {
    parameter.data().fill_(1);
    parameter.set_grad(Tensor(Array::full(parameter.shape(), 1)));
  }
  auto matrices = [](const std::string&, const Tensor& p) { return p.dim() == 2; };
  ParamGroup muon{.rule = std::make_shared<MuonRule>(MuonRule::Options{})};
  Optimizer optimizer(
      groups_of(net, {{"matrices", matrices, muon}, names_like("norm.*", {.lr_scale = 10})}),
      std::make_shared<AdamWRule>(AdamWRule::Options{}));
  optimizer.step(0.01);
  EXPECT_NEAR(doubles(net.fc2.bias.data())[0], 0.99, 1e-6);
  EXPECT_NEAR(doubles(net.norm.bias.data())[0], 0.9, 1e-6);
  EXPECT_TRUE(contains(optimizer.describe(), "muon"));
  EXPECT_TRUE(contains(optimizer.describe(), "; adamw"));
  std::vector<std::string> names;
  for (const auto& [name, array] : optimizer.state_dict()) names.push_back(name);
  EXPECT_EQ(names[1], "momentum_buffer/fc1.weight");
  EXPECT_EQ(error_of([&] { Optimizer({{.params = {net.fc1.weight}}}); }),
            "[Optimizer] expected a rule for each group");
}

TEST(Optimizer, RefusesNamesThatAreThereTwice) {
  Net a;
  Net b;
  auto groups = groups_of(a, {});
  groups.push_back(groups_of(b, {})[0]);
  EXPECT_EQ(error_of([&] { AdamW(groups, {}); }),
            "[Optimizer] two parameters are named 'fc1.weight'");
}

TEST(Optimizer, ListsAllThatIsWrongWithAState) {
  Net net;
  AdamW optimizer(groups_of(net, {}), {});
  for (const Tensor& p : net.parameters()) p.set_grad(Tensor(Array::full(p.shape(), 1)));
  optimizer.step(0.1);
  nn::StateDict state = optimizer.state_dict();
  ASSERT_EQ(state.size(), 18U);
  state[1].second = Array::zeros({9});
  state[3].first = "stepp/fc1.bias";
  std::string error = error_of([&] { optimizer.load_state_dict(state); });
  EXPECT_EQ(error,
            "[Optimizer::load_state_dict] 'exp_avg/fc1.weight': expected f32 (4, 3), got f32 (9,); "
            "of 'fc1.bias' only a part is there; the optimizer has no 'stepp/fc1.bias'");
  state = optimizer.state_dict();
  state[0].second = Array::scalar(-5, DType::i64);
  EXPECT_TRUE(contains(error_of([&] { optimizer.load_state_dict(state); }),
                       "'step/fc1.weight': expected a number of steps"));
}

}  // namespace
}  // namespace tessera::optim
