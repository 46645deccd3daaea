#include "core/print.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "tests/support/error_of.h"

namespace tessera {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

std::string floats(const std::vector<float>& values, const Dims& shape) {
  return to_string(Array::from(values, shape));
}

// The elements alone, of a vector of f64.
std::string row(const std::vector<double>& values) {
  std::string text = to_string(Array::from(values, {static_cast<int64_t>(values.size())}));
  return text.substr(0, text.find("\nArray"));
}

TEST(Print, NestsAndAligns) {
  EXPECT_EQ(floats({1, -2.5F, 0, 10}, {2, 2}),
            "[[ 1. , -2.5],\n"
            " [ 0. , 10. ]]\n"
            "Array(shape=(2, 2), dtype=f32)");
  EXPECT_EQ(to_string(Array::arange(8).reshape({2, 2, 2})),
            "[[[0, 1],\n"
            "  [2, 3]],\n"
            "\n"
            " [[4, 5],\n"
            "  [6, 7]]]\n"
            "Array(shape=(2, 2, 2), dtype=i64)");
}

TEST(Print, ZeroDimsZeroSizesAndUndefined) {
  EXPECT_EQ(to_string(Array::scalar(3)), "3.\nArray(shape=(), dtype=f32)");
  EXPECT_EQ(to_string(Array::scalar(3, DType::i32)), "3\nArray(shape=(), dtype=i32)");
  EXPECT_EQ(to_string(Array::empty({0})), "[]\nArray(shape=(0,), dtype=f32)");
  EXPECT_EQ(to_string(Array::empty({2, 0, 3}, DType::u8)), "[]\nArray(shape=(2, 0, 3), dtype=u8)");
  EXPECT_EQ(to_string(Array()), "Array(undefined)");
}

TEST(Print, ChoosesTheFewestDecimals) {
  EXPECT_EQ(row({1, 2, 3}), "[1., 2., 3.]");
  EXPECT_EQ(row({1, 0.5}), "[1. , 0.5]");
  EXPECT_EQ(row({0.125, 2}), "[0.125, 2.   ]");
  EXPECT_EQ(row({1.0 / 3, 2}), "[0.33333333, 2.        ]");
  EXPECT_EQ(row({0.999999999, 2}), "[1., 2.]");
  EXPECT_EQ(row({0}), "[0.]");
  EXPECT_EQ(row({0.1F}), "[0.1]");
  EXPECT_EQ(floats({0.1F}, {1}), "[0.1]\nArray(shape=(1,), dtype=f32)");
}

TEST(Print, UsesExponentsWhereTheRangeAsksForIt) {
  EXPECT_EQ(row({1, 1000}), "[   1., 1000.]");
  EXPECT_EQ(row({1, 1001}), "[1.000e+00, 1.001e+03]");
  EXPECT_EQ(row({99999999}), "[99999999.]");
  EXPECT_EQ(row({1e8}), "[1.e+08]");
  EXPECT_EQ(row({0.0001}), "[0.0001]");
  EXPECT_EQ(row({0.00001, -1}), "[ 1.e-05, -1.e+00]");
  EXPECT_EQ(row({0, 1e-300, 1.5}), "[0.0e+000, 1.0e-300, 1.5e+000]");
}

TEST(Print, SpecialValues) {
  EXPECT_EQ(row({NAN, kInf, -kInf, -0.0, 1.5}), "[ nan,  inf, -inf, -0. ,  1.5]");
  EXPECT_EQ(row({NAN}), "[nan]");
}

TEST(Print, OtherDtypes) {
  EXPECT_EQ(to_string(Array::from(std::vector<int64_t>{-100, 5}, {2})),
            "[-100,    5]\nArray(shape=(2,), dtype=i64)");
  EXPECT_EQ(to_string(Array::from(std::vector<int64_t>{INT64_MIN, INT64_MAX}, {2})),
            "[-9223372036854775808,  9223372036854775807]\nArray(shape=(2,), dtype=i64)");
  EXPECT_EQ(to_string(Array::from(std::vector<uint8_t>{65, 255}, {2})),
            "[ 65, 255]\nArray(shape=(2,), dtype=u8)");
  EXPECT_EQ(to_string(Array::arange(2).to(DType::boolean)),
            "[False,  True]\nArray(shape=(2,), dtype=bool)");
  EXPECT_EQ(to_string(Array::scalar(0.1, DType::bf16)), "0.1\nArray(shape=(), dtype=bf16)");
  EXPECT_EQ(to_string(Array::scalar(0.1, DType::f16)), "0.1\nArray(shape=(), dtype=f16)");
}

TEST(Print, ViewsPrintTheirOwnElements) {
  Array matrix = Array::arange(6).reshape({2, 3});
  EXPECT_EQ(to_string(matrix.transpose(0, 1).slice(0, 1, 3)),
            "[[1, 4],\n [2, 5]]\nArray(shape=(2, 2), dtype=i64)");
  EXPECT_EQ(to_string(Array::scalar(2).expand({2})), "[2., 2.]\nArray(shape=(2,), dtype=f32)");
}

TEST(Print, WrapsLongRows) {
  std::string text = to_string(Array::arange(30).reshape({1, 30}));
  EXPECT_EQ(text,
            "[[ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n"
            "  18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29]]\n"
            "Array(shape=(1, 30), dtype=i64)");
}

TEST(Print, SummarizesAboveAThousand) {
  std::string whole = to_string(Array::arange(1000));
  EXPECT_EQ(whole.find("..."), std::string::npos);
  EXPECT_EQ(to_string(Array::arange(1001)),
            "[   0,    1,    2, ...,  998,  999, 1000]\nArray(shape=(1001,), dtype=i64)");
  EXPECT_EQ(to_string(Array::arange(2100).reshape({700, 3})),
            "[[   0,    1,    2],\n"
            " [   3,    4,    5],\n"
            " [   6,    7,    8],\n"
            " ...,\n"
            " [2091, 2092, 2093],\n"
            " [2094, 2095, 2096],\n"
            " [2097, 2098, 2099]]\n"
            "Array(shape=(700, 3), dtype=i64)");
  // What is not shown does not decide the format.
  Array large = Array::zeros({2000});
  large.slice(0, 5, 6).fill_(1e20);
  EXPECT_EQ(to_string(large), "[0., 0., 0., ..., 0., 0., 0.]\nArray(shape=(2000,), dtype=f32)");
  // A stride of 0 makes a large array without large memory.
  EXPECT_EQ(to_string(Array::scalar(1).expand({int64_t{1} << 40})),
            "[1., 1., 1., ..., 1., 1., 1.]\nArray(shape=(1099511627776,), dtype=f32)");
}

TEST(Print, FollowsOptions) {
  Array x = Array::from(std::vector<double>{1.0 / 3, 1e-5, 3, 4}, {4});
  PrintOptions options;
  options.precision = 3;
  options.suppress = true;
  EXPECT_EQ(elements_string(x, options), "[0.333, 0.   , 3.   , 4.   ]");
  options.threshold = 3;
  options.edge_items = 1;
  EXPECT_EQ(elements_string(x, options), "[0.333, ..., 4.   ]");
  options.threshold = 4;
  options.line_width = 16;
  EXPECT_EQ(elements_string(x, options), "[0.333, 0.   ,\n 3.   , 4.   ]");
}

TEST(Print, RefusesOptionsOutOfRange) {
  auto error = [](PrintOptions options) {
    return test::error_of([&] { to_string(Array::scalar(1), options); });
  };
  EXPECT_EQ(error({.precision = -1}), "[to_string] expected a precision of 0 to 40, got -1");
  EXPECT_EQ(error({.precision = 41}), "[to_string] expected a precision of 0 to 40, got 41");
  EXPECT_EQ(error({.edge_items = 0}), "[to_string] expected at least 1 edge item, got 0");
  EXPECT_EQ(error({.line_width = -1}),
            "[to_string] expected a threshold and a line width of at least 0, got 1000 and -1");
}

TEST(Print, Streams) {
  std::ostringstream out;
  out << Array::scalar(1);
  EXPECT_EQ(out.str(), "1.\nArray(shape=(), dtype=f32)");
}

}  // namespace
}  // namespace tessera
