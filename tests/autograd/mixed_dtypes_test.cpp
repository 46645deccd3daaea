// Operands of unlike dtypes: an operation gives what it gives for operands converted to their
// common dtype, with gradients in the dtypes of its inputs, or it says by name that it takes none
// such.
#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "core/promotion.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"
#include "tests/support/op_cases.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::error_of;
using test::InputSpecs;
using test::op_cases;
using test::OpCase;
using test::random_array;
using test::sample;

// The name in an error's brackets is the op's, or the one that the row is named after.
bool names_op(const OpCase& row, const std::string& error) {
  size_t end = error.find(']');
  if (error.empty() || error[0] != '[' || end == std::string::npos) return false;
  std::string op = error.substr(1, end - 1);
  return op == row.op || row.name.starts_with(op);
}

// What normalizes, writes into its first operand or measures it against the second keeps the dtype
// of one of them, as in PyTorch, and not always their common one.
bool is_of_an_input(DType dtype, const std::vector<Tensor>& inputs) {
  return std::any_of(inputs.begin(), inputs.end(),
                     [&](const Tensor& x) { return x.dtype() == dtype; });
}

// How far results of one dtype may lie apart when operands are rounded to it before or not at all:
// a number beside an array, a 0-d tensor too, takes part in full precision.
double rounding(DType dtype) {
  if (dtype == DType::bf16) return 2e-2;
  return dtype == DType::f16 ? 2e-3 : 1e-5;
}

class MixedDTypes : public testing::TestWithParam<OpCase> {
 protected:
  // Gradients are those of the converted operands, rounded to their own dtype.
  static void expect_gradient(const Tensor& mixed, const Tensor& converted, size_t input,
                              double tolerance) {
    ASSERT_TRUE(mixed.grad().defined()) << input;
    EXPECT_EQ(mixed.grad().dtype(), mixed.dtype()) << input;
    EXPECT_EQ(mixed.grad().shape(), mixed.shape()) << input;
    tolerance = std::max(tolerance, rounding(mixed.dtype()));
    EXPECT_TRUE(close_to(doubles(mixed.grad().data()), doubles(converted.grad().data()), tolerance,
                         tolerance))
        << "gradient of input " << input;
  }

  static void expect_promoted(const OpCase& row, const InputSpecs& specs, size_t input,
                              DType narrow, DType others) {
    std::vector<Tensor> mixed;
    std::vector<Tensor> converted;
    ResultType type;
    for (size_t i = 0; i < specs.size(); ++i) {
      Tensor x = sample(specs, DType::f32)[i];
      Array own = x.data().to(i == input ? narrow : others);
      mixed.emplace_back(own, is_floating(own.dtype()));
      type.add(own);
    }
    for (const Tensor& x : mixed) {
      Array own = x.data().to(type.get());
      converted.emplace_back(own, is_floating(own.dtype()));
    }
    Tensor out;
    std::string error = error_of([&] { out = row.fn(mixed); });
    if (!error.empty()) {
      EXPECT_TRUE(names_op(row, error)) << error;
      return;
    }
    Tensor expected = row.fn(converted);
    DType dtype = out.dtype();
    EXPECT_TRUE(dtype == expected.dtype() || is_of_an_input(dtype, mixed)) << dtype;
    // Written into integers, elements are converted to them.
    if (!is_floating(dtype) && dtype != expected.dtype()) return;
    double tolerance = std::max(rounding(dtype), rounding(expected.dtype()));
    EXPECT_TRUE(close_to(doubles(out.data()), doubles(expected.data()), tolerance, tolerance));
    if (!out.requires_grad()) return;
    Array dy = random_array(out.shape(), DType::f32, 77).to(DType::bf16);
    out.backward(Tensor(dy.to(out.dtype())));
    expected.backward(Tensor(dy.to(expected.dtype())));
    for (size_t i = 0; i < mixed.size(); ++i) {
      if (mixed[i].requires_grad()) expect_gradient(mixed[i], converted[i], i, tolerance);
    }
  }
};

TEST_P(MixedDTypes, ArePromotedOrRefusedByName) {
  const OpCase& row = GetParam();
  if (row.draws) return;
  for (const InputSpecs& specs : row.inputs) {
    for (size_t input = 0; input < specs.size() && specs.size() > 1; ++input) {
      for (DType other : {DType::f64, DType::bf16, DType::f16, DType::i64, DType::u8}) {
        SCOPED_TRACE(fmt::format("input {} is {} of shape {}, the others f32", input, other,
                                 specs[input].shape));
        expect_promoted(row, specs, input, other, DType::f32);
      }
      SCOPED_TRACE(fmt::format("input {} is u8, the others i64", input));
      expect_promoted(row, specs, input, DType::u8, DType::i64);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, MixedDTypes, testing::ValuesIn(op_cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tessera
