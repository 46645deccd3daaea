#include "autograd/print.h"

#include <gtest/gtest.h>

#include <sstream>

#include "autograd/ops.h"
#include "tests/support/error_of.h"

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

TEST(DescribeTensor, SumsUpItsElements) {
  Description d = describe(tensor({1, 3.0}) * tensor({1, 2.0}));
  EXPECT_EQ(to_string(d), "f32 (2,): min 1, max 6, mean 3.5, std 2.5, 0 NaN, 0 inf");
  EXPECT_EQ(test::error_of([] { describe(Tensor()); }),
            "[describe] expected an array, got an undefined one");
}

}  // namespace
}  // namespace tessera
