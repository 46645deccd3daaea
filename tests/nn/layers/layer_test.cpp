// Errors inside models name the place in the user's source, and the module.
#include "nn/layers/layer.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "autograd/in_place.h"
#include "autograd/ops.h"
#include "nn/block.h"
#include "nn/layers.h"
#include "nn/models/gpt.h"
#include "nn/models/mlp.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::error_with_place;

std::string place(const std::string& module, int line) {
  std::string text = module.empty() ? "" : fmt::format(", in module '{}'", module);
  return text + fmt::format(", called at {}:{}", __FILE__, line);
}

testing::AssertionResult ends_with(const std::string& text, const std::string& end) {
  if (text.ends_with(end)) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << "expected \"" << end << "\" at the end of \"" << text << '"';
}

constexpr int kLineOfSecond = __LINE__ + 6;
struct Net : Module {
  Linear first{this, "first", 4, 8};
  Linear second{this, "second", 6, 2};
  Tensor operator()(const Tensor& x) const {
    Tensor y = first(x);
    return relu(second(y));
  }
};

struct Deep : Module {
  Sequential body{this, "body"};
  Deep() { body.add<Linear>(4, 8).add<Relu>().add<Sequential>(); }
  Sequential& inner() { return dynamic_cast<Sequential&>(body[2]); }
};

constexpr int kLineOfOwn = __LINE__ + 4;
class Own : public Layer {
 public:
  using Layer::Layer;
  Tensor forward(const Tensor& x) const override { return matmul(x, ones({5, 5})); }
};

TEST(Layer, AnErrorNamesTheUsersLineAndTheModule) {
  Net net;
  std::string error = error_with_place([&] { net(ones({3, 4})); });
  EXPECT_TRUE(ends_with(error, place("second", kLineOfSecond))) << error;
}

TEST(Layer, DeepInSequentialsItIsTheCallOfTheOutermost) {
  Deep net;
  net.inner().add<Linear>(8, 8).add<LayerNorm>(7);
  std::string error = error_with_place([&] { net.body(ones({3, 4})); });
  EXPECT_TRUE(ends_with(error, place("body.2.1", __LINE__ - 1))) << error;
  // Through the interface.
  const Layer& linear = net.inner()[0];
  error = error_with_place([&] { linear(ones({3, 4})); });
  EXPECT_TRUE(ends_with(error, place("body.2.0", __LINE__ - 1))) << error;
}

TEST(Layer, TheUsersOwnLayerHasItsOwnLine) {
  Deep net;
  net.body.add<Own>();
  std::string error = error_with_place([&] { net.body(ones({3, 4})); });
  EXPECT_TRUE(ends_with(error, place("body.3", kLineOfOwn))) << error;
  // What comes after it has the line of the Sequential again.
  Deep other;
  other.inner().add<Linear>(8, 5).add<Own>().add<Linear>(4, 4);
  error = error_with_place([&] { other.body(ones({3, 4})); });
  EXPECT_TRUE(ends_with(error, place("body.2.2", __LINE__ - 1))) << error;
}

TEST(Layer, PartsOfALayerOfOursHaveTheUsersLine) {
  struct Model : Module {
    CausalSelfAttention attn{this, "attn", 8, 2, {}};
    Embedding wte{this, "wte", 5, 8};
  } model;
  std::string error = error_with_place([&] { model.attn(ones({1, 3, 4})); });
  EXPECT_TRUE(ends_with(error, place("attn.c_attn", __LINE__ - 1))) << error;
  error = error_with_place([&] { model.wte(full({1}, 9)); });
  EXPECT_TRUE(ends_with(error, place("wte", __LINE__ - 1))) << error;
}

TEST(Layer, ABlockHasTheLineThatRanIt) {
  Net net;
  std::string error = error_with_place([&] { net.second(ones({3, 4})); });
  EXPECT_TRUE(ends_with(error, place("second", __LINE__ - 1))) << error;
}

TEST(Layer, ModelsOfOursNameTheirCall) {
  Gpt gpt({.layers = 1, .heads = 2, .width = 8, .context = 4, .vocabulary = 5});
  std::string error = error_with_place([&] { gpt({.tokens = full({1, 9}, 1)}); });
  EXPECT_TRUE(ends_with(error, place("", __LINE__ - 1))) << error;
  error = error_with_place([&] { gpt({.tokens = full({1, 3}, 7)}); });
  EXPECT_TRUE(ends_with(error, place("wte", __LINE__ - 1))) << error;
  data::Batch batch{.tokens = full({1, 3}, 1), .targets = full({1, 3, 1}, 1)};
  error = error_with_place([&] { gpt.loss(batch); });
  EXPECT_TRUE(ends_with(error, place("", __LINE__ - 1))) << error;
  Model& model = gpt;
  error = error_with_place([&] { model({.tokens = full({1, 3}, 7)}); });
  EXPECT_TRUE(ends_with(error, place("wte", __LINE__ - 1))) << error;
}

TEST(Layer, AnOperationOutsideOfModulesNamesItsLine) {
  Tensor a = ones({2, 3});
  std::string error = error_with_place([&] {
    Tensor sum = a + a;
    matmul(sum, a);
  });
  EXPECT_TRUE(ends_with(error, place("", __LINE__ - 2))) << error;
  error = error_with_place([&] { cat({a, ones(4)}); });
  EXPECT_TRUE(ends_with(error, place("", __LINE__ - 1))) << error;
  error = error_with_place([&] { einsum("ij,jk->ik", {a, a}); });
  EXPECT_TRUE(ends_with(error, place("", __LINE__ - 1))) << error;
}

TEST(Layer, AnOperationInPlaceNamesItsLine) {
  const Tensor leaf(Array::full({2, 3}, 4), true);
  const std::vector<std::function<void()>> changes = {
      [&] { neg_(leaf); },         [&] { relu_(leaf); },        [&] { leaky_relu_(leaf, 0.1); },
      [&] { add_(leaf, 2); },      [&] { add_(leaf, leaf); },   [&] { fill_(leaf, 2); },
      [&] { zero_(leaf); },        [&] { clamp_(leaf, 0, 1); }, [&] { uniform_(leaf); },
      [&] { bitwise_not_(leaf); }, [&] { digamma_(leaf); },     [&] { copy_(leaf, ones(3)); },
      [&] { leaf += 2; },          [&] { leaf += leaf; },       [&] { leaf[0] = 2; },
      [&] { leaf[0] = ones(7); }};
  for (size_t i = 0; i < changes.size(); ++i) {
    std::string error = error_with_place(changes[i]);
    EXPECT_NE(error.find(fmt::format(", called at {}:", __FILE__)), std::string::npos)
        << i << ": " << error;
  }
}

TEST(Layer, AfterACallThePlaceIsForgotten) {
  Net net;
  EXPECT_NE(error_with_place([&] { net(ones({3, 4})); }), "");
  EXPECT_EQ(call_place.calls, 0);
  EXPECT_EQ(call_place.composed, 0);
  EXPECT_EQ(call_place.module_path, nullptr);
  // Of another kind of error, and of arrays, which know no place.
  EXPECT_EQ(error_with_place([&] { Array::zeros({2}).view({3}); }).find("called at"),
            std::string::npos);
}

TEST(Layer, AnErrorInBackwardNamesTheForwardCall) {
  Tensor x(Array::full({2}, 4), true);
  Tensor y = sqrt(x);
  int line = __LINE__ - 1;
  sum(y).backward({}, /*retain_graph=*/false);
  std::string error = error_with_place([&] { y.backward(ones({2})); });
  EXPECT_TRUE(ends_with(error, place("", line))) << error;
}

}  // namespace
}  // namespace tessera::nn
