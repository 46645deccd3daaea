#include "autograd/print.h"

#include <gtest/gtest.h>

#include <sstream>

#include "autograd/ops.h"

namespace tessera {
namespace {

TEST(PrintTensor, SaysWhereItComesFrom) {
  Tensor w = tensor({1.5, -2.0});
  EXPECT_EQ(to_string(w), "[ 1.5, -2. ]\nTensor(shape=(2,), dtype=f32)");
  w.set_requires_grad(true);
  EXPECT_EQ(to_string(w), "[ 1.5, -2. ]\nTensor(shape=(2,), dtype=f32, requires_grad=true)");
  std::ostringstream out;
  out << w * w;
  EXPECT_EQ(out.str(), "[2.25, 4.  ]\nTensor(shape=(2,), dtype=f32, grad_fn=mul)");
  EXPECT_EQ(to_string(Tensor()), "Tensor(undefined)");
}

TEST(PrintTensor, FollowsOptions) {
  EXPECT_EQ(to_string(tensor({1.0 / 3}), {.precision = 2}),
            "[0.33]\nTensor(shape=(1,), dtype=f32)");
}

}  // namespace
}  // namespace tessera
