#include "core/array.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>
#include <set>

#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::same_bits;

constexpr DType kAll[] = {DType::f32, DType::f64, DType::bf16, DType::f16,
                          DType::i64, DType::i32, DType::u8,   DType::boolean};

// Where each element lies in its storage, row-major.
std::vector<int64_t> offsets(const Array& x) {
  std::vector<int64_t> out{x.offset()};
  for (size_t d = 0; d < x.dim(); ++d) {
    std::vector<int64_t> next;
    for (int64_t base : out) {
      for (int64_t i = 0; i < x.shape()[d]; ++i) next.push_back(base + i * x.strides()[d]);
    }
    out = std::move(next);
  }
  return out;
}

// 0, 1, 2, ... in the given shape.
Array counting(const Dims& shape, DType dtype = DType::i64) {
  return Array::arange(num_elements(shape), dtype).view(shape);
}

using Values = std::vector<int64_t>;
Values ints(const Array& x) { return x.to_vector<int64_t>(); }

TEST(Array, IsUndefinedByDefault) {
  EXPECT_FALSE(Array().defined());
  EXPECT_TRUE(Array::empty({}).defined());
  EXPECT_TRUE(Array::empty({0}).defined());
}

TEST(Array, DescribesItself) {
  Array x = Array::zeros({2, 3, 4}, DType::bf16);
  EXPECT_EQ(x.shape(), (Dims{2, 3, 4}));
  EXPECT_EQ(x.strides(), (Dims{12, 4, 1}));
  EXPECT_EQ(x.dim(), 3U);
  EXPECT_EQ(x.size(-1), 4);
  EXPECT_EQ(x.size(0), 2);
  EXPECT_EQ(x.numel(), 24);
  EXPECT_EQ(x.nbytes(), 48U);
  EXPECT_EQ(x.dtype(), DType::bf16);
  EXPECT_EQ(x.device(), Device{});
  EXPECT_EQ(error_of([&] { x.size(3); }), "[size] expected a dim in [-3, 3), got 3");
}

TEST(Array, IsMadeFromValues) {
  EXPECT_EQ(ints(Array::from<int64_t>({1, 2, 3, 4}, {2, 2})), (Values{1, 2, 3, 4}));
  EXPECT_EQ(error_of([] {
              Array::from<float>({1, 2, 3}, {2, 2});
            }),
            "[from] expected 4 values for shape (2, 2), got 3");
  EXPECT_EQ(doubles(Array::full({2}, 1.5)), (std::vector<double>{1.5, 1.5}));
  EXPECT_EQ(Array::scalar(2.5, DType::f64).item<float>(), 2.5F);
  EXPECT_EQ(ints(Array::arange(3)), (Values{0, 1, 2}));
  EXPECT_EQ(Array::arange(0).shape(), Dims{0});
  EXPECT_EQ(error_of([] { Array::arange(-1); }), "[arange] expected a count of at least 0, got -1");
  EXPECT_EQ(error_of([] { Array::empty({2, -3}); }), "[empty] negative size in shape (2, -3)");
  EXPECT_TRUE(contains(error_of([] { Array::empty({int64_t{1} << 61}, DType::f64); }),
                       "[empty] shape (2305843009213693952,) of f64 has more bytes"));
}

TEST(Array, GivesItsDataInItsOwnTypeOnly) {
  Array x = Array::zeros({2});
  EXPECT_EQ(error_of([&] { x.data<double>(); }), "[data] expected f64, got an array of f32");
  EXPECT_EQ(error_of([&] { x.item<float>(); }),
            "[item] expected an array of one element, got shape (2,)");
  EXPECT_EQ(counting({1, 1}).item<double>(), 0.0);
}

TEST(Array, CopyingItSharesTheElements) {
  Array x = Array::zeros({2}, DType::i64);
  Array y = x;
  y.fill_(3);
  EXPECT_EQ(ints(x), (Values{3, 3}));
  EXPECT_EQ(x.storage(), y.storage());
  Array z = x.clone();
  z.fill_(4);
  EXPECT_EQ(ints(x), (Values{3, 3}));
}

TEST(Slice, FollowsNumPy) {
  Array x = Array::arange(6);
  EXPECT_EQ(ints(x.slice(0, 1, 4)), (Values{1, 2, 3}));
  EXPECT_EQ(ints(x.slice(0, -2, 100)), (Values{4, 5}));
  EXPECT_EQ(ints(x.slice(0, -100, -4)), (Values{0, 1}));
  EXPECT_EQ(ints(x.slice(0, 0, 6, 4)), (Values{0, 4}));
  EXPECT_EQ(ints(x.slice(0, 1, 6, 100)), (Values{1}));
  EXPECT_EQ(ints(x.slice(0, 4, 2)), Values{});
  EXPECT_EQ(ints(x.slice(0, 6, 9)), Values{});
  EXPECT_EQ(ints(x.slice(0, INT64_MIN, INT64_MAX, INT64_MAX)), (Values{0}));
  EXPECT_EQ(ints(counting({2, 3}).slice(-1, 0, 3, 2)), (Values{0, 2, 3, 5}));
  EXPECT_EQ(ints(counting({2, 0}).slice(1, 0, 1)), Values{});
}

TEST(Slice, RefusesABadDimOrStep) {
  Array x = counting({2, 3});
  EXPECT_EQ(error_of([&] { x.slice(2, 0, 1); }), "[slice] expected a dim in [-2, 2), got 2");
  EXPECT_EQ(error_of([&] { x.slice(0, 0, 1, 0); }), "[slice] expected a step of at least 1, got 0");
  EXPECT_EQ(error_of([&] { x.slice(0, 0, 1, -1); }),
            "[slice] expected a step of at least 1, got -1");
  EXPECT_EQ(error_of([] { Array::scalar(1).slice(0, 0, 1); }),
            "[slice] expected a dim in [0, 0), got 0");
}

TEST(Select, DropsTheDim) {
  Array x = counting({2, 3});
  EXPECT_EQ(ints(x.select(0, 1)), (Values{3, 4, 5}));
  EXPECT_EQ(ints(x.select(1, -1)), (Values{2, 5}));
  EXPECT_EQ(x.select(0, 0).select(0, 2).shape(), Dims{});
  EXPECT_EQ(x.select(0, 1).select(0, 2).item<int64_t>(), 5);
  EXPECT_EQ(error_of([&] { x.select(1, 3); }),
            "[select] expected an index in [-3, 3) for dim 1 of shape (2, 3), got 3");
  EXPECT_EQ(error_of([&] { x.select(0, -3); }),
            "[select] expected an index in [-2, 2) for dim 0 of shape (2, 3), got -3");
}

TEST(Transpose, SwapsTwoDims) {
  Array x = counting({2, 3});
  EXPECT_EQ(ints(x.transpose(0, 1)), (Values{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(x.transpose(-1, -2).shape(), (Dims{3, 2}));
  EXPECT_TRUE(same_bits(x.transpose(1, 1), x));
  EXPECT_EQ(error_of([&] { x.transpose(0, 2); }), "[transpose] expected a dim in [-2, 2), got 2");
}

TEST(Permute, ReordersDims) {
  Array x = counting({2, 3, 4});
  Array y = x.permute({2, 0, -2});
  EXPECT_EQ(y.shape(), (Dims{4, 2, 3}));
  for (int64_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(same_bits(y.select(0, i), x.select(2, i)));
  }
  EXPECT_EQ(error_of([&] {
              x.permute({0, 1});
            }),
            "[permute] expected 3 dims for shape (2, 3, 4), got (0, 1)");
  EXPECT_EQ(error_of([&] {
              x.permute({0, 1, -2});
            }),
            "[permute] dim 1 is named twice in (0, 1, -2)");
  EXPECT_EQ(Array::scalar(7).permute({}).item<int>(), 7);
}

TEST(Expand, GrowsSizesOfOne) {
  Array x = Array::from<int64_t>({1, 2}, {2, 1});
  EXPECT_EQ(ints(x.expand({2, 3})), (Values{1, 1, 1, 2, 2, 2}));
  EXPECT_EQ(ints(x.expand({2, -1, 2})).size(), 8U);
  EXPECT_EQ(x.expand({3, -1, -1}).shape(), (Dims{3, 2, 1}));
  EXPECT_EQ(x.expand({2, 0}).numel(), 0);
  EXPECT_EQ(ints(Array::scalar(5, DType::i64).expand({2})), (Values{5, 5}));
  EXPECT_EQ(error_of([&] { x.expand({3, 1}); }), "[expand] shape (2, 1) does not expand to (3, 1)");
  EXPECT_EQ(error_of([&] { x.expand({2}); }), "[expand] shape (2, 1) does not expand to (2,)");
  EXPECT_EQ(error_of([&] {
              x.expand({-1, 2, 1});
            }),
            "[expand] shape (2, 1) does not expand to (-1, 2, 1)");
  EXPECT_EQ(error_of([&] {
              x.expand({2, -2});
            }),
            "[expand] shape (2, 1) does not expand to (2, -2)");
}

TEST(Squeeze, UndoesUnsqueeze) {
  Array x = counting({2, 3}).transpose(0, 1);
  for (int64_t dim : {0, 1, 2, -1, -3}) {
    Array y = x.unsqueeze(dim);
    EXPECT_EQ(y.dim(), 3U);
    EXPECT_EQ(y.size(dim), 1);
    EXPECT_TRUE(same_bits(y.squeeze(dim), x));
  }
  EXPECT_TRUE(same_bits(x.squeeze(0), x));
  EXPECT_EQ(Array::scalar(1).unsqueeze(0).shape(), Dims{1});
  EXPECT_EQ(error_of([&] { x.unsqueeze(3); }), "[unsqueeze] expected a dim in [-3, 3), got 3");
  EXPECT_EQ(error_of([&] { x.squeeze(2); }), "[squeeze] expected a dim in [-2, 2), got 2");
}

TEST(View, SharesTheElements) {
  Array x = counting({2, 6});
  Array y = x.view({3, -1});
  EXPECT_EQ(y.shape(), (Dims{3, 4}));
  EXPECT_EQ(y.storage(), x.storage());
  EXPECT_EQ(x.view({1, 2, 1, 6, 1}).shape(), (Dims{1, 2, 1, 6, 1}));
  EXPECT_EQ(counting({1, 1}).view({}).shape(), Dims{});
  EXPECT_EQ(Array::scalar(1).view({1, 1}).shape(), (Dims{1, 1}));
  EXPECT_EQ(counting({2, 0}).view({0, 7}).shape(), (Dims{0, 7}));
}

TEST(View, SaysWhyItCannotBe) {
  Array x = counting({2, 3});
  EXPECT_EQ(error_of([&] { x.transpose(0, 1).view({6}); }),
            "[view] shape (3, 2) with strides (1, 3) cannot be seen as (6,) without a copy");
  EXPECT_EQ(error_of([&] { x.view({4}); }), "[view] 6 elements do not fit shape (4,)");
  EXPECT_EQ(error_of([&] { x.view({-1, 4}); }), "[view] 6 elements do not fit shape (-1, 4)");
  EXPECT_EQ(error_of([&] { x.view({-1, -1}); }), "[view] more than one -1 in shape (-1, -1)");
  EXPECT_EQ(error_of([&] { x.view({-2, 3}); }), "[view] negative size in shape (-2, 3)");
  EXPECT_EQ(error_of([&] {
              x.view({int64_t{1} << 62, 4});
            }),
            "[view] shape (4611686018427387904, 4) is too large");
  EXPECT_EQ(error_of([] {
              counting({0}).view({0, -1});
            }),
            "[view] 0 elements do not fit shape (0, -1)");
  EXPECT_EQ(error_of([&] { x.reshape({4}); }), "[reshape] 6 elements do not fit shape (4,)");
}

TEST(Reshape, CopiesOnlyWhereItMust) {
  Array x = counting({4, 6});
  EXPECT_EQ(x.reshape({24}).storage(), x.storage());
  Array turned = x.transpose(0, 1);
  Array copy = turned.reshape({24});
  EXPECT_NE(copy.storage(), x.storage());
  EXPECT_EQ(ints(copy), ints(turned));
  EXPECT_EQ(turned.reshape({2, 3, 4}).storage(), x.storage());
}

// All shapes of `elements` elements with up to `dims` dims.
void shapes_of(int64_t elements, size_t dims, const Dims& prefix, std::vector<Dims>& out) {
  if (elements == 1) out.push_back(prefix);
  if (prefix.size() == dims) return;
  for (int64_t size = 1; size <= elements; ++size) {
    if (elements % size != 0) continue;
    Dims longer = prefix;
    longer.push_back(size);
    shapes_of(elements / size, dims, longer, out);
  }
}

// Whether strides exist under which the elements at `at` are seen as `shape`.
bool can_be_seen_as(const std::vector<int64_t>& at, const Dims& shape) {
  Dims strides(shape.size(), 0);
  int64_t inner = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    if (shape[d] > 1) strides[d] = at[static_cast<size_t>(inner)] - at[0];
    inner *= shape[d];
  }
  for (size_t i = 0; i < at.size(); ++i) {
    int64_t offset = at[0];
    auto rest = static_cast<int64_t>(i);
    for (size_t d = shape.size(); d-- > 0;) {
      offset += rest % shape[d] * strides[d];
      rest /= shape[d];
    }
    if (offset != at[i]) return false;
  }
  return true;
}

TEST(View, ExistsExactlyWhereStridesForItDo) {
  std::vector<Dims> shapes;
  for (int64_t elements : {1, 4, 6, 8, 12}) shapes_of(elements, 4, {}, shapes);
  std::mt19937 random(5);
  int seen = 0;
  int refused = 0;
  for (const Dims& shape : shapes) {
    std::vector<Dims> targets;
    shapes_of(num_elements(shape), 4, {}, targets);
    for (int variant = 0; variant < 4; ++variant) {
      // A piece of a larger array, its dims permuted, some of them stride 0.
      Dims larger = shape;
      std::vector<int64_t> order;
      for (size_t d = 0; d < shape.size(); ++d) order.push_back(static_cast<int64_t>(d));
      std::shuffle(order.begin(), order.end(), random);
      if (variant == 0) std::sort(order.begin(), order.end());
      for (size_t d = 0; d < shape.size(); ++d) {
        larger[d] = shape[static_cast<size_t>(order[d])];
        if (variant >= 2 && random() % 3 == 0) larger[d] *= 2;
        if (variant == 3 && random() % 3 == 0) larger[d] = 1;
      }
      Array x = counting(larger);
      for (size_t d = 0; d < shape.size(); ++d) {
        int64_t size = shape[static_cast<size_t>(order[d])];
        if (larger[d] == 2 * size) {
          x = x.slice(static_cast<int64_t>(d), 0, 2 * size, random() % 2 == 0 ? 2 : 1);
          x = x.slice(static_cast<int64_t>(d), 0, size);
        }
        Dims grown = x.shape();
        grown[d] = size;
        x = x.expand(grown);
      }
      Dims inverse(shape.size(), 0);
      for (size_t d = 0; d < order.size(); ++d) {
        inverse[static_cast<size_t>(order[d])] = static_cast<int64_t>(d);
      }
      x = x.permute(inverse);
      ASSERT_EQ(x.shape(), shape);
      std::vector<int64_t> at = offsets(x);
      for (const Dims& target : targets) {
        std::string error = error_of([&] { ASSERT_EQ(offsets(x.view(target)), at); });
        ASSERT_EQ(error.empty(), can_be_seen_as(at, target))
            << fmt::format("{} with strides {} as {}: {}", x.shape(), x.strides(), target, error);
        ASSERT_EQ(ints(x.reshape(target)), ints(x));
        ++(error.empty() ? seen : refused);
      }
    }
  }
  EXPECT_GT(seen, 1000);
  EXPECT_GT(refused, 1000);
}

TEST(Array, IsContiguousWhereRowMajor) {
  Array x = counting({2, 3});
  EXPECT_TRUE(x.is_contiguous());
  EXPECT_FALSE(x.transpose(0, 1).is_contiguous());
  EXPECT_FALSE(x.slice(1, 0, 2).is_contiguous());
  EXPECT_TRUE(x.slice(0, 1, 2).is_contiguous());
  EXPECT_TRUE(x.slice(1, 0, 0).is_contiguous());
  EXPECT_TRUE(x.unsqueeze(1).transpose(0, 1).is_contiguous());
  EXPECT_TRUE(counting({1, 4}).transpose(0, 1).is_contiguous());
  EXPECT_EQ(x.contiguous().storage(), x.storage());
  EXPECT_NE(x.transpose(0, 1).contiguous().storage(), x.storage());
}

TEST(Copy, ConvertsBetweenAllDtypes) {
  const std::vector<double> values{0, 1, 2.75, 7, 100};
  for (DType from : kAll) {
    Array source = Array::from<double>(values, {5}).to(from);
    for (DType to : kAll) {
      Array out = source.to(to);
      EXPECT_EQ(out.dtype(), to);
      for (int64_t i = 0; i < 5; ++i) {
        double expected = values[static_cast<size_t>(i)];
        for (DType dtype : {from, to}) {
          if (dtype == DType::boolean) expected = expected != 0;
          else if (!is_floating(dtype)) expected = std::trunc(expected);
        }
        EXPECT_EQ(out.select(0, i).item<double>(), expected) << name(from) << " to " << name(to);
      }
    }
  }
}

TEST(Copy, WalksAnyStridesOfBothSides) {
  std::mt19937 random(7);
  for (DType from : kAll) {
    for (DType to : {DType::f32, DType::u8, from}) {
      for (int round = 0; round < 20; ++round) {
        Array big = counting({6, 7, 4}, DType::u8).to(from);
        Array target = Array::full({5, 12, 9}, 77, to);
        int64_t step = 1 + random() % 2;
        Array source = big.slice(0, random() % 3, 6, step).slice(1, 1, 6).transpose(0, 2);
        Dims shape = source.shape();  // (4, 5, at most 6)
        Array out = target.transpose(0, 1).slice(0, 2, 12, 2).slice(0, 0, shape[0]);
        out = out.slice(2, 1, 1 + shape[2]);
        out.copy_(source);
        EXPECT_EQ(doubles(out), doubles(source.to(to)));
        Array before = Array::full({5, 12, 9}, 77, to);
        before.transpose(0, 1)
            .slice(0, 2, 12, 2)
            .slice(0, 0, shape[0])
            .slice(2, 1, 1 + shape[2])
            .copy_(out);
        EXPECT_TRUE(same_bits(target, before));  // nothing around it was written
      }
    }
  }
}

TEST(Copy, BroadcastsTheSource) {
  Array out = Array::zeros({2, 3}, DType::i64);
  out.copy_(Array::from<float>({1, 2, 3}, {3}));
  EXPECT_EQ(ints(out), (Values{1, 2, 3, 1, 2, 3}));
  out.transpose(0, 1).copy_(Array::scalar(9));
  EXPECT_EQ(ints(out), Values(6, 9));
  EXPECT_EQ(error_of([&] { out.copy_(counting({2})); }),
            "[expand] shape (2,) does not expand to (2, 3)");
  Array::zeros({0, 3}).copy_(Array::zeros({3}));
}

TEST(Copy, SplitsLongRowsAndManyRowsAmongThreads) {
  for (int threads : test::kThreadCounts) {
    test::Threads guard(threads);
    Array x = counting({50001});
    EXPECT_TRUE(same_bits(x.clone(), x));
    Array square = counting({300, 301});
    Array turned = square.transpose(0, 1).clone();
    EXPECT_TRUE(same_bits(turned.transpose(0, 1), square));
  }
}

TEST(Fill, WritesEveryElementOfAViewAndNoOther) {
  for (DType dtype : kAll) {
    Array x = Array::zeros({4, 5}, dtype);
    x.slice(0, 1, 3).slice(1, 0, 5, 2).fill_(1);
    double sum = 0;
    for (double value : doubles(x)) sum += value;
    EXPECT_EQ(sum, 6) << name(dtype);
    EXPECT_EQ(x.select(0, 1).select(0, 2).item<double>(), 1);
    x.transpose(0, 1).fill_(1);
    EXPECT_EQ(doubles(x), std::vector<double>(20, 1));
  }
  Array::zeros({0}).fill_(3);
  Array scalar = Array::scalar(0);
  scalar.fill_(-0.5);
  EXPECT_EQ(scalar.item<double>(), -0.5);
}

TEST(To, GivesItselfForTheSameDtype) {
  Array x = counting({3});
  EXPECT_EQ(x.to(DType::i64).storage(), x.storage());
  Array y = counting({2, 3}).transpose(0, 1).to(DType::f32);
  EXPECT_TRUE(y.is_contiguous());
  EXPECT_EQ(doubles(y), (std::vector<double>{0, 3, 1, 4, 2, 5}));
}

TEST(Array, ReadingAnUndefinedOneIsAnError) {
  Array none;
  EXPECT_FALSE(none.defined());
  for (auto read : std::vector<std::function<void()>>{
           [&] { none.raw(); }, [&] { none.data<float>(); }, [&] { none.device(); },
           [&] { none.item<float>(); }, [&] { none.clone(); }, [&] { none.to_vector<float>(); }}) {
    EXPECT_THROW(read(), Error);
  }
}

}  // namespace
}  // namespace tessera
