#include "autograd/checkpoint.h"

#include <gtest/gtest.h>

#include "autograd/engine.h"
#include "autograd/ops.h"
#include "autograd/running_statistics.h"
#include "core/allocator.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::doubles;
using test::error_of;
using test::random_array;
using test::same_bits;

Tensor leaf(const Dims& shape, uint64_t seed) {
  return Tensor(random_array(shape, DType::f32, seed), true);
}

// A block with parameters of its own and random numbers.
struct Block {
  Tensor weight = leaf({8, 8}, 5);
  Tensor operator()(const Tensor& x) const {
    Tensor hidden = gelu(linear(x, weight));
    return softmax(dropout(hidden, 0.5, true) + tanh(hidden), -1);
  }
};

// The gradients of x and of the block's weight.
std::vector<Array> gradients(bool recompute) {
  manual_seed(3);
  Block block;
  Tensor x = leaf({4, 8}, 6);
  Tensor y = recompute ? checkpoint(block, x) : block(x);
  Tensor z = dropout(y, 0.5, true);  // draws after the block
  sum(z * z).backward();
  Tensor later = dropout(x.detach(), 0.5, true);
  return {x.grad().data(), block.weight.grad().data(), later.data()};
}

TEST(Checkpoint, ReplaysRandomNumbersExactly) {
  auto plain = gradients(false);
  auto again = gradients(true);
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_TRUE(same_bits(plain[i], again[i])) << i;
}

TEST(Checkpoint, KeepsNothingButTheInputs) {
  Tensor x(random_array({1000, 100}), true);
  auto chain = [](const Tensor& in) {
    Tensor y = in;
    for (int i = 0; i < 10; ++i) y = tanh(y);
    return y;
  };
  int64_t before = allocator::stats().current_bytes;
  Tensor plain = chain(x);
  int64_t with_activations = allocator::stats().current_bytes - before;
  plain = {};
  Tensor y = checkpoint(chain, x);
  int64_t kept = allocator::stats().current_bytes - before;
  EXPECT_GE(with_activations, 10 * 400000);
  EXPECT_LT(kept, 2 * 400000);
  sum(y).backward();
  EXPECT_TRUE(x.grad().defined());
}

TEST(Checkpoint, FreesWhatItMadeAgain) {
  Tensor x(random_array({1000, 100}), true);
  auto chain = [](const Tensor& in) { return tanh(tanh(tanh(in))); };
  int64_t before = allocator::stats().current_bytes;
  sum(checkpoint(chain, x)).backward();
  x.set_grad({});
  EXPECT_EQ(allocator::stats().current_bytes, before);
}

TEST(Checkpoint, MayBeNested) {
  auto inner = [](const Tensor& in) { return tanh(dropout(in, 0.3, true) * in); };
  auto outer = [&](const Tensor& in) { return tanh(checkpoint(inner, tanh(in)) * in); };
  auto plain = [&](const Tensor& in) { return tanh(inner(tanh(in)) * in); };
  manual_seed(1);
  Tensor a = leaf({3, 3}, 1);
  sum(plain(a)).backward();
  manual_seed(1);
  Tensor b = leaf({3, 3}, 1);
  sum(checkpoint(outer, b)).backward();
  EXPECT_TRUE(same_bits(a.grad().data(), b.grad().data()));
}

TEST(Checkpoint, WorksWithGradAndHigherOrders) {
  Tensor x = leaf({4}, 2);
  auto cube = [](const Tensor& in) { return in * in * in; };
  Tensor first = grad({sum(checkpoint(cube, x))}, {x}, {}, {.create_graph = true})[0];
  Tensor second = grad({sum(first)}, {x})[0];
  std::vector<double> values = doubles(x.data());
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(doubles(first.data())[i], 3 * values[i] * values[i], 1e-6);
    EXPECT_NEAR(doubles(second.data())[i], 6 * values[i], 1e-6);
  }
}

TEST(Checkpoint, TakesAndReturnsSeveralTensors) {
  Tensor a = leaf({3}, 1);
  Tensor b(random_array({3}, DType::f32, 2));
  auto out = checkpoint(
      [](const std::vector<Tensor>& in) {
        return std::vector<Tensor>{in[0] * in[1], tanh(in[0])};
      },
      std::vector<Tensor>{a, b});
  sum(out[0] + out[1]).backward();
  Tensor c(a.data(), true);
  sum(c * b + tanh(c)).backward();
  EXPECT_TRUE(same_bits(a.grad().data(), c.grad().data()));
}

TEST(Checkpoint, SaysWhenTheFunctionChanges) {
  Tensor x = leaf({3}, 1);
  int calls = 0;
  auto fickle = [&calls](const Tensor& in) { return ++calls == 1 ? tanh(in) : tanh(tanh(in)); };
  Tensor y = sum(checkpoint(fickle, x));
  EXPECT_EQ(error_of([&] { y.backward(); }),
            "[checkpoint] the function saved 2 tensors when it ran again, 1 before: it must do the "
            "same both times");
}

TEST(Checkpoint, SeesAnInputThatWasChanged) {
  Tensor x = leaf({3}, 1);
  Tensor y = sum(checkpoint([](const Tensor& in) { return tanh(in); }, x));
  x.data().storage()->mark_changed("add_");
  EXPECT_TRUE(test::contains(error_of([&] { y.backward(); }), "[checkpoint] backward needs"));
}

TEST(Checkpoint, RunsOnceWithoutGradMode) {
  int calls = 0;
  NoGrad no_grad;
  checkpoint(
      [&calls](const Tensor& in) {
        ++calls;
        return in;
      },
      leaf({3}, 1));
  EXPECT_EQ(calls, 1);
}

// The running mean after batch norm in checkpoints, which are nested this deep.
std::vector<float> mean_after(int checkpoints) {
  Tensor running_mean(Array::zeros({2}));
  Tensor running_var(Array::full({2}, 1));
  Tensor x(Array::from<float>({1, 2, 3, 6}, {2, 2}), true);
  std::function<Tensor(const Tensor&)> norm = [&](const Tensor& input) {
    return batch_norm(input, running_mean, running_var, {}, {}, true);
  };
  for (int i = 0; i < checkpoints; ++i) {
    norm = [inner = norm](const Tensor& input) { return checkpoint(inner, input); };
  }
  sum(square(norm(x))).backward();
  return running_mean.data().to_vector<float>();
}

// The second run sees nothing new, nor does a checkpoint that is made in it.
TEST(Checkpoint, MovesRunningStatisticsOnce) {
  std::vector<float> expected = mean_after(0);
  EXPECT_NE(expected, (std::vector<float>{0, 0}));
  for (int checkpoints : {1, 2, 3}) EXPECT_EQ(mean_after(checkpoints), expected);
}

TEST(Checkpoint, ListsWhatIsObservedOnce) {
  for (int checkpoints : {0, 1, 2, 3}) {
    Observations observations;
    mean_after(checkpoints);
    EXPECT_EQ(observations.list().size(), 2) << checkpoints;  // the mean and the variance
  }
}

}  // namespace
}  // namespace tessera
