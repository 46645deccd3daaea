// x[i] and compound assignment.
#include "autograd/ops/compound.h"

#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "autograd/record.h"
#include "tests/support/error_of.h"
#include "tests/support/tensors.h"

namespace tessera {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::floats;
using test::grad_of;
using test::Values;

Values of(const Tensor& x) { return doubles(x.data()); }

TEST(ElementIndexing, GivesAViewOfOneElementOfTheFirstDim) {
  Tensor x(Array::from<float>({1, 2, 3, 4, 5, 6}, {3, 2}));
  EXPECT_EQ(x[1].shape(), Dims{2});
  EXPECT_EQ(of(x[1]), (Values{3, 4}));
  EXPECT_EQ(of(x[-1]), (Values{5, 6}));
  EXPECT_EQ(x[2][0].shape(), Dims{});
  EXPECT_EQ(x[size_t{2}][0].item<float>(), 5);
  EXPECT_EQ(x[0].data().storage(), x.data().storage());
  EXPECT_TRUE(x[0].is_view());
}

TEST(ElementIndexing, NamesWhatIsOutside) {
  Tensor x = zeros({3, 2});
  EXPECT_EQ(error_of([&] { x[3]; }),
            "[index] expected an index in [-3, 3) for shape (3, 2), got 3");
  EXPECT_TRUE(contains(error_of([&] { x[-4]; }), "got -4"));
  EXPECT_EQ(error_of([&] { zeros({})[0]; }),
            "[index] expected at least one dim to index, got a 0-d tensor");
  EXPECT_TRUE(contains(error_of([&] { zeros({0, 2})[0]; }), "[0, 0)"));
}

TEST(ElementIndexing, PassesTheGradientAndKnowsTheCall) {
  Tensor x = floats({1, 2, 3});
  Tensor y = x[1] * 5;
  EXPECT_EQ(grad_of(x, y), (Values{0, 5, 0}));
  int line = __LINE__ + 1;
  Tensor z = x[2];
  EXPECT_TRUE(contains(z.grad_fn()->site().file, "compound_test.cpp"));
  EXPECT_EQ(z.grad_fn()->site().line, line);
}

TEST(ElementIndexing, AssignmentWritesIntoTheElements) {
  Tensor x = zeros({2, 2});
  x[0] = 3;
  x[1] = Tensor(Array::from<double>({1, 2}, {2}));
  x[1][0] = 7.5;
  EXPECT_EQ(of(x), (Values{3, 3, 7.5, 2}));
  Tensor row = x[0];
  row = x[1];  // a variable is assigned, not written through
  EXPECT_EQ(of(x), (Values{3, 3, 7.5, 2}));
  Tensor leaf = floats({1, 2});
  Tensor y = leaf * 1;
  y[0] = leaf[1] * 3;
  EXPECT_EQ(grad_of(leaf, y), (Values{0, 4}));
  EXPECT_TRUE(contains(error_of([&] { leaf[0] = 1; }), "a view of a leaf"));
  EXPECT_TRUE(contains(error_of([&] { x[0] = zeros({3}); }), "(3,)"));
}

TEST(CompoundAssignment, WritesInPlace) {
  Tensor x(Array::from<float>({1, 2, 3, 4}, {4}));
  Tensor same = x;
  x += 2;
  x *= x;
  x -= Tensor(Array::from<float>({1, 1, 2, 2}, {4}));
  x /= 2;
  x %= 7.5;
  EXPECT_EQ(of(same), (Values{4, 0, 4, 2}));
  x += x[0];
  EXPECT_EQ(of(same), (Values{8, 4, 8, 6}));
  x[1] += 1;
  x[-1] *= 2;
  EXPECT_EQ(of(same), (Values{8, 5, 8, 12}));
}

TEST(CompoundAssignment, OfIntegersAndBits) {
  Tensor x(Array::from<int64_t>({1, 6, 12}, {3}));
  x |= 1;
  x &= Tensor(Array::from<int64_t>({-1, 5, 12}, {3}));
  x ^= 2;
  x <<= 1;
  x += 1;
  x >>= Tensor(Array::from<int64_t>({0, 1, 2}, {3}));
  x %= 5;
  EXPECT_EQ(of(x), (Values{2, 2, 2}));
  Tensor flags(Array::from<int64_t>({1, 0}, {2}).to(DType::boolean));
  flags &= true;
  flags ^= flags;
  EXPECT_EQ(of(flags), (Values{0, 0}));
}

TEST(CompoundAssignment, IsRecorded) {
  Tensor x = floats({1, 2});
  Tensor y = x * 3;
  y += x;
  y *= 2;
  y -= 5;
  y /= x;
  // y = (8 x - 5) / x, so dy / dx = 5 / x^2
  EXPECT_EQ(grad_of(x, y), (Values{5, 1.25}));
  Tensor kept = x * 1;
  Tensor squared = kept * kept;
  kept += 1;
  EXPECT_TRUE(contains(error_of([&] { sum(squared).backward(); }), "add_"));
}

TEST(CompoundAssignment, RefusesWhatTheTensorCannotHold) {
  Tensor integers(Array::from<int64_t>({1, 2}, {2}));
  EXPECT_TRUE(contains(error_of([&] { integers += 1.5; }), "[add_] a result of f32 cannot be"));
  EXPECT_TRUE(contains(error_of([&] { integers /= 2; }), "[div_] a result of f32 cannot be"));
  EXPECT_TRUE(contains(error_of([&] { integers *= zeros({2}); }), "[mul_] a result of f32"));
  Tensor flags(Array::zeros({2}, DType::boolean));
  EXPECT_TRUE(contains(error_of([&] { flags += 1; }), "[add_] a result of i64 cannot be"));
  Tensor small = zeros({2});
  EXPECT_TRUE(contains(error_of([&] {
                         small += zeros({3, 2});
                       }),
                       "[add_] a result of shape (3, 2)"));
  EXPECT_TRUE(contains(error_of([&] { small &= 1; }), "[bitwise_and] expected integers"));
  Tensor leaf = floats({1, 2});
  EXPECT_TRUE(contains(error_of([&] { leaf += 1; }), "[add_] a leaf that requires a gradient"));
  NoGrad no_grad;
  leaf += 1;
  EXPECT_EQ(of(leaf), (Values{2, 3}));
}

}  // namespace
}  // namespace tessera
