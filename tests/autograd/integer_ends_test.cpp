// Integers at the ends of their dtypes: what 128-bit arithmetic gives, taken modulo 2^bits.
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "autograd/ops.h"
#include "tests/support/arrays.h"

namespace tessera {
namespace {

__extension__ using Wide = __int128;
__extension__ using UnsignedWide = unsigned __int128;

// All pairs of numbers at and beside the ends, and near zero, of an integer type.
template <class T>
struct Pairs {
  std::vector<int64_t> first;
  std::vector<int64_t> second;

  Pairs() {
    using Limits = std::numeric_limits<T>;
    std::vector<int64_t> ends{0,
                              1,
                              2,
                              3,
                              7,
                              Limits::max() - 1,
                              Limits::max(),
                              Limits::min(),
                              Limits::min() + 1,
                              Limits::max() / 2 + 1};
    if constexpr (std::is_signed_v<T>) ends.insert(ends.end(), {-1, -2, -3, -7});
    for (int64_t a : ends) {
      for (int64_t b : ends) {
        first.push_back(a);
        second.push_back(b);
      }
    }
  }
};

template <class T>
class IntegerEnds : public testing::Test {
 protected:
  Pairs<T> pairs;
  static constexpr DType kType = dtype_of<T>();
  Tensor a{Array::from(pairs.first, {count()}).to(kType)};
  Tensor b{Array::from(pairs.second, {count()}).to(kType)};

  int64_t count() const { return static_cast<int64_t>(pairs.first.size()); }

  // fn's elements against expected(a, b) in the dtype of the result.
  void expect(const char* name, const Tensor& result,
              const std::function<Wide(Wide, Wide)>& expected) const {
    std::vector<int64_t> got = result.data().to(DType::i64).template to_vector<int64_t>();
    ASSERT_EQ(got.size(), pairs.first.size()) << name;
    for (size_t i = 0; i < got.size(); ++i) {
      Wide exact = expected(pairs.first[i], pairs.second[i]);
      bool keeps = result.dtype() == kType;
      int64_t wrapped =
          keeps ? static_cast<int64_t>(static_cast<T>(exact)) : static_cast<int64_t>(exact);
      EXPECT_EQ(got[i], wrapped) << name << " of " << pairs.first[i] << " and " << pairs.second[i];
    }
  }
};

Wide floor_quotient(Wide a, Wide b) { return a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0); }

using IntegerTypes = testing::Types<int64_t, int32_t, uint8_t>;
TYPED_TEST_SUITE(IntegerEnds, IntegerTypes);

TYPED_TEST(IntegerEnds, ArithmeticWraps) {
  const Tensor& a = this->a;
  const Tensor& b = this->b;
  this->expect("add", add(a, b), [](Wide x, Wide y) { return x + y; });
  this->expect("sub", sub(a, b), [](Wide x, Wide y) { return x - y; });
  this->expect("mul", mul(a, b), [](Wide x, Wide y) { return x * y; });
  this->expect("neg", neg(a), [](Wide x, Wide) { return -x; });
  this->expect("abs", abs(a), [](Wide x, Wide) { return x < 0 ? -x : x; });
  this->expect("square", square(a), [](Wide x, Wide) { return x * x; });
  this->expect("sign", sign(a), [](Wide x, Wide) { return (x > 0) - (x < 0); });
  this->expect("addcmul", addcmul(a, a, b), [](Wide x, Wide y) { return x + x * y; });
  this->expect("pow", pow(a, 3), [](Wide x, Wide) {
    auto u = static_cast<UnsignedWide>(x);
    return static_cast<Wide>(u * u * u);
  });
}

TYPED_TEST(IntegerEnds, OrderIsExact) {
  const Tensor& a = this->a;
  const Tensor& b = this->b;
  this->expect("maximum", maximum(a, b), [](Wide x, Wide y) { return std::max(x, y); });
  this->expect("minimum", minimum(a, b), [](Wide x, Wide y) { return std::min(x, y); });
  this->expect("fmax", fmax(a, b), [](Wide x, Wide y) { return std::max(x, y); });
  this->expect("eq", eq(a, b), [](Wide x, Wide y) { return x == y; });
  this->expect("ne", ne(a, b), [](Wide x, Wide y) { return x != y; });
  this->expect("lt", lt(a, b), [](Wide x, Wide y) { return x < y; });
  this->expect("le", le(a, b), [](Wide x, Wide y) { return x <= y; });
  this->expect("gt", gt(a, b), [](Wide x, Wide y) { return x > y; });
  this->expect("ge", ge(a, b), [](Wide x, Wide y) { return x >= y; });
  this->expect("isclose", isclose(a, b, 0, 0), [](Wide x, Wide y) { return x == y; });
  this->expect("clamp", clamp(a, b, maximum(b, a)), [](Wide x, Wide y) { return std::max(x, y); });
  this->expect("where", where(lt(a, b), a, b), [](Wide x, Wide y) { return std::min(x, y); });
}

TYPED_TEST(IntegerEnds, DivisionIsExactAndNeverTraps) {
  // By zero there is no number; the smallest by -1 has none in its dtype.
  Tensor safe = where(eq(this->b, 0), ones_like(this->b), this->b);
  this->expect("floor_divide", floor_divide(this->a, safe),
               [](Wide x, Wide y) { return floor_quotient(x, y == 0 ? 1 : y); });
  this->expect("trunc_divide", trunc_divide(this->a, safe),
               [](Wide x, Wide y) { return x / (y == 0 ? 1 : y); });
  this->expect("remainder", remainder(this->a, safe), [](Wide x, Wide y) {
    y = y == 0 ? 1 : y;
    return x - floor_quotient(x, y) * y;
  });
  this->expect("fmod", fmod(this->a, safe), [](Wide x, Wide y) { return x % (y == 0 ? 1 : y); });
}

TYPED_TEST(IntegerEnds, BitsAreExact) {
  this->expect("and", bitwise_and(this->a, this->b), [](Wide x, Wide y) { return x & y; });
  this->expect("or", bitwise_or(this->a, this->b), [](Wide x, Wide y) { return x | y; });
  this->expect("xor", bitwise_xor(this->a, this->b), [](Wide x, Wide y) { return x ^ y; });
  this->expect("not", bitwise_not(this->a), [](Wide x, Wide) { return ~x; });
}

TYPED_TEST(IntegerEnds, ReductionsOfPairsAreExact) {
  Tensor both = stack({this->a, this->b});
  auto wrapped = [](Wide x) { return static_cast<Wide>(static_cast<int64_t>(x)); };
  this->expect("sum", sum(both, 0), [&](Wide x, Wide y) { return wrapped(x + y); });
  this->expect("prod", prod(both, 0), [&](Wide x, Wide y) { return wrapped(x * y); });
  this->expect("cumsum", select(cumsum(both, 0), 0, 1),
               [&](Wide x, Wide y) { return wrapped(x + y); });
  this->expect("cumprod", select(cumprod(both, 0), 0, 1),
               [&](Wide x, Wide y) { return wrapped(x * y); });
  this->expect("amax", amax(both, 0), [](Wide x, Wide y) { return std::max(x, y); });
  this->expect("amin", amin(both, 0), [](Wide x, Wide y) { return std::min(x, y); });
  this->expect("max", max(both, 0).values, [](Wide x, Wide y) { return std::max(x, y); });
  this->expect("argmax", argmax(both, 0), [](Wide x, Wide y) { return x < y; });
  this->expect("argmin", argmin(both, 0), [](Wide x, Wide y) { return x > y; });
  this->expect("cummax", select(cummax(both, 0).values, 0, 1),
               [](Wide x, Wide y) { return std::max(x, y); });
  this->expect("sort", select(sort(both, 0).values, 0, 0),
               [](Wide x, Wide y) { return std::min(x, y); });
  this->expect("topk", select(topk(both, 1, 0).values, 0, 0),
               [](Wide x, Wide y) { return std::max(x, y); });
  this->expect("kthvalue", kthvalue(both, 2, 0).values,
               [](Wide x, Wide y) { return std::max(x, y); });
  this->expect("median", median(both, 0).values, [](Wide x, Wide y) { return std::min(x, y); });
  this->expect("any", any(both, 0), [](Wide x, Wide y) { return x != 0 || y != 0; });
  this->expect("all", all(both, 0), [](Wide x, Wide y) { return x != 0 && y != 0; });
  this->expect("count_nonzero", count_nonzero(both, 0),
               [](Wide x, Wide y) { return (x != 0) + (y != 0); });
}

// Products of integer matrices, and what moves or adds elements by index.
TYPED_TEST(IntegerEnds, ProductsAndIndicesAreExact) {
  auto wrapped = [](Wide x) { return static_cast<Wide>(static_cast<TypeParam>(x)); };
  Tensor rows = unsqueeze(stack({this->a, this->b}, 1), 1);
  Tensor columns = unsqueeze(stack({this->b, this->a}, 1), 2);
  this->expect("bmm", reshape(bmm(rows, columns), {-1}),
               [&](Wide x, Wide y) { return wrapped(2 * wrapped(x * y)); });
  Tensor index = zeros({1, this->count()}, DType::i64);
  Tensor base = unsqueeze(this->a, 0);
  Tensor source = unsqueeze(this->b, 0);
  this->expect("scatter_add", select(scatter_add(base, 0, index, source), 0, 0),
               [](Wide x, Wide y) { return x + y; });
  this->expect("scatter", select(scatter(base, 0, index, source), 0, 0),
               [](Wide, Wide y) { return y; });
  this->expect("index_add", select(index_add(base, 0, zeros({1}, DType::i64), source), 0, 0),
               [](Wide x, Wide y) { return x + y; });
}

// A Scalar beside an array is exact too.
TYPED_TEST(IntegerEnds, NumbersBesideArraysAreExact) {
  for (int64_t c : {int64_t{std::numeric_limits<TypeParam>::max()},
                    int64_t{std::numeric_limits<TypeParam>::max()} - 1,
                    int64_t{std::numeric_limits<TypeParam>::min()}}) {
    SCOPED_TRACE(c);
    this->expect("add", add(this->a, c), [c](Wide x, Wide) { return x + c; });
    this->expect("mul", mul(this->a, c), [c](Wide x, Wide) { return x * c; });
    this->expect("eq", eq(this->a, c), [c](Wide x, Wide) { return x == c; });
    this->expect("lt", lt(this->a, c), [c](Wide x, Wide) { return x < c; });
    this->expect("full_like", full_like(this->a, c), [c](Wide, Wide) { return Wide{c}; });
    this->expect("clamp", clamp(this->a, {}, Scalar(c)),
                 [c](Wide x, Wide) { return std::min(x, Wide{c}); });
    this->expect("masked_fill", masked_fill(this->a, eq(this->a, 0), c),
                 [c](Wide x, Wide) { return x == 0 ? Wide{c} : x; });
    this->expect("where", where(eq(this->a, 0), this->a, c),
                 [c](Wide x, Wide) { return x == 0 ? x : Wide{c}; });
  }
}

}  // namespace
}  // namespace tessera
