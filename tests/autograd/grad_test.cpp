// grad(outputs, inputs), gradients of gradients, hooks on nodes, nodes of several results.
#include <gtest/gtest.h>

#include "autograd/engine.h"
#include "autograd/function.h"
#include "autograd/ops.h"
#include "autograd/record.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::contains;
using test::doubles;
using test::error_of;

using test::Values;

Tensor leaf(std::vector<double> values) {
  auto size = static_cast<int64_t>(values.size());
  return Tensor(Array::from(values, {size}), true);
}
Values values(const Tensor& x) { return doubles(x.data()); }

TEST(Grad, ReturnsGradientsAndTouchesNone) {
  Tensor x = leaf({1, 2});
  Tensor w = leaf({3, 4});
  auto grads = grad({sum(x * w)}, {w, x});
  EXPECT_EQ(values(grads[0]), (Values{1, 2}));
  EXPECT_EQ(values(grads[1]), (Values{3, 4}));
  EXPECT_FALSE(x.grad().defined());
  EXPECT_FALSE(w.grad().defined());
}

TEST(Grad, OfAResultOnTheWay) {
  Tensor x = leaf({1, 2});
  Tensor middle = x * 3.0;
  Tensor y = sum(middle * middle);
  auto grads = grad({y}, {middle, x});
  EXPECT_EQ(values(grads[0]), (Values{6, 12}));
  EXPECT_EQ(values(grads[1]), (Values{18, 36}));
}

TEST(Grad, RunsOnlyWhatLeadsToTheInputs) {
  Tensor x = leaf({1, 2});
  Tensor z = leaf({1, 2});
  bool ran = false;
  Tensor other = record("other", z.data(), {z}, [&ran](const Tensor& dy, const Node&) {
    ran = true;
    return Grads{dy};
  });
  EXPECT_EQ(values(grad({sum(x * other)}, {x})[0]), (Values{1, 2}));
  EXPECT_FALSE(ran);
}

TEST(Grad, SumsOverOutputsWithTheirGradients) {
  Tensor x = leaf({1, 2});
  Tensor a = x * 2.0;
  Tensor b = square(x);
  Tensor da(Array::from(Values{1, 10}, {2}));
  Tensor db(Array::from(Values{100, 1000}, {2}));
  EXPECT_EQ(values(grad({a, b}, {x}, {da, db}, {.retain_graph = true})[0]),
            (Values{2 + 200, 20 + 4000}));
  // The same output twice, and an output that leads to another.
  EXPECT_EQ(values(grad({a, a}, {x}, {da, da}, {.retain_graph = true})[0]), (Values{4, 40}));
  Tensor c = sum(a);
  EXPECT_EQ(values(grad({c, a}, {x}, {Tensor(), da})[0]), (Values{4, 22}));
}

TEST(Grad, AnUnusedInputIsAnErrorUnlessAllowed) {
  Tensor x = leaf({1, 2});
  Tensor unused = leaf({1});
  EXPECT_EQ(error_of([&] {
              grad({sum(x)}, {x, unused});
            }),
            "[grad] no output depends on input 1; allow_unused gives it no gradient");
  auto grads = grad({sum(x)}, {x, unused}, {}, {.allow_unused = true});
  EXPECT_EQ(values(grads[0]), (Values{1, 1}));
  EXPECT_FALSE(grads[1].defined());
  EXPECT_EQ(error_of([&] { grad({sum(x)}, {x.detach()}); }),
            "[grad] input 0 does not require a gradient");
  EXPECT_EQ(error_of([&] { grad({sum(x)}, {}); }), "[grad] expected at least one input");
  EXPECT_TRUE(contains(error_of([&] {
                         grad({sum(x)}, {x}, {Tensor(), Tensor()});
                       }),
                       "[backward] expected a gradient for each of 1 outputs, got 2"));
}

TEST(Grad, GoesOnToHigherOrders) {
  Tensor x = leaf({2});
  Tensor y = square(x) * square(x);  // x^4
  Values expected{32, 48, 48, 24, 0};
  for (size_t order = 0; order < 4; ++order) {
    y = grad({y}, {x}, {}, {.create_graph = true})[0];
    EXPECT_EQ(values(y)[0], expected[order]) << order;
  }
}

TEST(Grad, APenaltyOnTheGradientTrains) {
  Tensor x = leaf({1, 2});
  Tensor w = leaf({3, 4});
  // d/dx sum(w x^2) = 2 w x; penalty sum((2 w x)^2), its derivative by w = 8 w x^2.
  Tensor dx = grad({sum(w * square(x))}, {x}, {}, {.create_graph = true})[0];
  sum(square(dx)).backward();
  EXPECT_EQ(values(w.grad()), (Values{24, 128}));
  EXPECT_EQ(values(x.grad()), (Values{8 * 9, 8 * 16 * 2}));
}

TEST(Backward, WithCreateGraphGivesGradientsAHistory) {
  Tensor x = leaf({3});
  (x * x * x).backward({}, false, /*create_graph=*/true);
  EXPECT_EQ(values(x.grad()), (Values{27}));
  Tensor dx = x.grad();
  x.set_grad({});
  dx.backward();
  EXPECT_EQ(values(x.grad()), (Values{18}));
}

TEST(Backward, OfANonLeafGradientIsNotRecordedByDefault) {
  Tensor x = leaf({3});
  (x * x).backward();
  EXPECT_FALSE(x.grad().requires_grad());
}

TEST(SeveralResults, GetTheirGradientsTogether) {
  Tensor x = leaf({1, 2, 3, 4});
  Array a = x.data().slice(0, 0, 2);
  Array b = x.data().slice(0, 2, 4);
  std::vector<bool> seen;
  auto halves = record_many("halves", {a, b}, {x}, [&seen](const Grads& dys, const Node&) {
    for (const Tensor& dy : dys) seen.push_back(dy.defined());
    Array dx = Array::zeros({4}, DType::f64);
    if (dys[0].defined()) dx.slice(0, 0, 2).copy_(dys[0].data());
    if (dys[1].defined()) dx.slice(0, 2, 4).copy_(dys[1].data());
    return Grads{Tensor(dx)};
  });
  (sum(halves[0] * 3.0) + sum(halves[1] * halves[1])).backward({}, true);
  EXPECT_EQ(values(x.grad()), (Values{3, 3, 6, 8}));
  x.set_grad({});
  sum(halves[1]).backward();
  EXPECT_EQ(values(x.grad()), (Values{0, 0, 1, 1}));
  EXPECT_EQ(seen, (std::vector<bool>{true, true, false, true}));
}

TEST(NodeHooks, SeeAndReplaceGradients) {
  Tensor x = leaf({1, 2});
  Tensor y = x * 2.0;
  y.grad_fn()->register_prehook([](const Grads& dys) { return Grads{dys[0] * 10.0}; });
  Values seen;
  y.grad_fn()->register_hook([&](const Grads& dxs, const Grads& dys) {
    seen = values(dys[0]);
    return Grads{dxs[0] + 1.0};
  });
  sum(y).backward();
  EXPECT_EQ(seen, (Values{10, 10}));
  EXPECT_EQ(values(x.grad()), (Values{21, 21}));
  Tensor z = x * 2.0;
  z.grad_fn()->register_hook([](const Grads&, const Grads&) { return Grads(3); });
  EXPECT_EQ(error_of([&] { sum(z).backward(); }),
            "[register_hook] expected the hook to return 1 gradients or none, got 3");
}

// x^3 with a gradient of its own, scaled so that it is told from the true one.
class Cube : public Function {
 public:
  const char* name() const override { return "cube"; }
  std::vector<Tensor> forward(FunctionContext& saved, const std::vector<Tensor>& inputs) override {
    saved.save_for_backward({inputs[0]});
    saved.save_result(1);
    return {inputs[0] * inputs[0] * inputs[0], square(inputs[0])};
  }
  Grads backward(const FunctionContext& saved, const Grads& dys) override {
    const Tensor& x = saved.saved()[0];
    const Tensor& squared = saved.saved()[1];
    Tensor dx = dys[0].defined() ? dys[0] * squared * 30.0 : Tensor();
    if (dys[1].defined()) dx = dx.defined() ? dx + dys[1] * x * 2.0 : dys[1] * x * 2.0;
    return {dx};
  }
};

TEST(UserFunction, GivesItsOwnGradient) {
  Tensor x = leaf({2});
  auto cube = std::make_shared<Cube>();
  auto out = cube->apply({x});
  EXPECT_EQ(values(out[0]), (Values{8}));
  Tensor dx = grad({out[0]}, {x}, {}, {.create_graph = true})[0];
  EXPECT_EQ(values(dx), (Values{120}));
  // 30 x^2 through the saved result, whose gradient is the function's own: 60 x.
  EXPECT_EQ(values(grad({dx}, {x})[0]), (Values{120}));
  EXPECT_FALSE(cube->apply({x.detach()})[0].requires_grad());
}

class Careless : public Function {
 public:
  const char* name() const override { return "careless"; }
  std::vector<Tensor> forward(FunctionContext&, const std::vector<Tensor>& inputs) override {
    return {inputs[0] * 1.0};
  }
  Grads backward(const FunctionContext&, const Grads&) override { return {}; }
};

TEST(UserFunction, MustReturnAGradientForEachInput) {
  Tensor x = leaf({2});
  Tensor y = std::make_shared<Careless>()->apply({x})[0];
  EXPECT_EQ(error_of([&] { y.backward(); }),
            "[careless] expected backward to return 1 gradients, one for each input, got 0");
}

}  // namespace
}  // namespace tessera
