// Every operation under everything that must hold for all of them.
#include "tests/support/op_cases.h"

#include <gtest/gtest.h>

#include "autograd/gradcheck.h"
#include "autograd/ops.h"
#include "autograd/record.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::close_to;
using test::contains;
using test::doubles;
using test::error_of;
using test::InputSpecs;
using test::kThreadCounts;
using test::op_cases;
using test::OpCase;
using test::Plain;
using test::random_array;
using test::same_bits;
using test::sample;

// The result, and the gradients of the inputs for an arbitrary gradient of it.
struct Outcome {
  Array out;
  std::vector<Array> grads;
};

Outcome run(const OpCase& row, const std::vector<Tensor>& inputs) {
  Tensor out = row.fn(inputs);
  Array dy = random_array(out.shape(), DType::f32, 77).to(out.dtype());
  out.backward(Tensor(dy));
  Outcome outcome{out.data(), {}};
  for (const Tensor& x : inputs) {
    EXPECT_TRUE(x.grad().defined());
    EXPECT_EQ(x.grad().shape(), x.shape());
    EXPECT_EQ(x.grad().dtype(), x.dtype());
    outcome.grads.push_back(x.grad().data());
  }
  return outcome;
}

void expect_same(const Outcome& a, const Outcome& b, const std::string& what) {
  EXPECT_TRUE(same_bits(a.out, b.out)) << what;
  for (size_t i = 0; i < a.grads.size(); ++i) {
    EXPECT_TRUE(same_bits(a.grads[i], b.grads[i])) << what << ", gradient of input " << i;
  }
}

std::string shapes(const InputSpecs& specs) {
  std::string out;
  for (const auto& spec : specs) out += to_string(spec.shape) + " ";
  return out;
}

class OpCaseTest : public testing::TestWithParam<OpCase> {};

TEST_P(OpCaseTest, GradientAgreesWithDifferences) {
  for (const InputSpecs& specs : GetParam().inputs) {
    SCOPED_TRACE(shapes(specs));
    gradcheck(GetParam().fn, sample(specs, DType::f64));
  }
}

TEST_P(OpCaseTest, SecondGradientAgreesWithDifferences) {
  const OpCase& row = GetParam();
  for (const InputSpecs& specs : row.inputs) {
    SCOPED_TRACE(shapes(specs));
    std::vector<Tensor> inputs = sample(specs, DType::f64);
    if (row.twice_differentiable) {
      gradgradcheck(row.fn, inputs, {.step = 1e-5, .atol = 1e-4, .rtol = 1e-3});
    } else {
      EXPECT_TRUE(contains(error_of([&] { gradgradcheck(row.fn, inputs); }),
                           "its gradient cannot be differentiated"));
    }
  }
}

TEST_P(OpCaseTest, F64AgreesWithPlainLoops) {
  const OpCase& row = GetParam();
  if (!row.reference) return;
  for (const InputSpecs& specs : row.inputs) {
    SCOPED_TRACE(shapes(specs));
    std::vector<Tensor> inputs = sample(specs, DType::f64);
    std::vector<Plain> plain;
    for (const Tensor& x : inputs) plain.push_back({x.shape(), doubles(x.data())});
    Plain expected = row.reference(plain);
    Tensor out = row.fn(inputs);
    EXPECT_EQ(out.shape(), expected.shape);
    EXPECT_TRUE(close_to(doubles(out.data()), expected.values, 1e-11, 1e-11));
  }
}

TEST_P(OpCaseTest, F32AgreesWithF64) {
  const OpCase& row = GetParam();
  if (row.draws) return;
  std::vector<InputSpecs> all = row.inputs;
  all.push_back(row.large);
  for (const InputSpecs& specs : all) {
    SCOPED_TRACE(shapes(specs));
    Outcome single = run(row, sample(specs, DType::f32));
    Outcome twice = run(row, sample(specs, DType::f64));
    EXPECT_EQ(single.out.dtype(), DType::f32);
    double scale = std::sqrt(static_cast<double>(std::max<int64_t>(1, single.out.numel())));
    double tolerance = row.tolerance_f32 * (specs.data() == all.back().data() ? 10 : 1);
    EXPECT_TRUE(close_to(doubles(single.out), doubles(twice.out), tolerance, tolerance));
    for (size_t i = 0; i < specs.size(); ++i) {
      // Sums of many terms lie around zero: their error goes with the number of terms.
      double atol = tolerance * (1 + scale / 30);
      EXPECT_TRUE(close_to(doubles(single.grads[i]), doubles(twice.grads[i]), atol, tolerance))
          << "gradient of input " << i;
    }
  }
}

// Other layouts of the same elements: dims reversed in memory, every other element of a larger
// array, and one dim of stride 0.
std::vector<Array> layouts(const Array& x) {
  std::vector<Array> out;
  Dims reversed;
  for (size_t d = x.dim(); d-- > 0;) reversed.push_back(static_cast<int64_t>(d));
  out.push_back(x.permute(reversed).clone().permute(reversed));
  Dims larger = x.shape();
  for (int64_t& size : larger) size = 2 * size + 3;
  Array piece = Array::full(larger, 5, x.dtype());
  for (size_t d = 0; d < x.dim(); ++d) {
    piece = piece.slice(static_cast<int64_t>(d), 2, 2 + 2 * x.shape()[d], 2);
  }
  piece.copy_(x);
  out.push_back(piece);
  for (size_t d = 0; d < x.dim(); ++d) {
    if (x.shape()[d] == 0) continue;
    auto dim = static_cast<int64_t>(d);
    out.push_back(x.slice(dim, 0, 1).expand(x.shape()));
  }
  return out;
}

void expect_close(const Outcome& a, const Outcome& b, double tolerance) {
  EXPECT_TRUE(close_to(doubles(a.out), doubles(b.out), tolerance, tolerance));
  for (size_t i = 0; i < a.grads.size(); ++i) {
    EXPECT_TRUE(close_to(doubles(a.grads[i]), doubles(b.grads[i]), tolerance, tolerance)) << i;
  }
}

TEST_P(OpCaseTest, DoesNotDependOnTheLayout) {
  const OpCase& row = GetParam();
  std::vector<InputSpecs> all = row.inputs;
  all.push_back(row.large);
  for (const InputSpecs& specs : all) {
    std::vector<Tensor> inputs = sample(specs, DType::f32);
    for (size_t i = 0; i < inputs.size(); ++i) {
      for (const Array& layout : layouts(inputs[i].data())) {
        SCOPED_TRACE(fmt::format("{}input {} with strides {}", shapes(specs), i, layout.strides()));
        std::vector<Tensor> contiguous = sample(specs, DType::f32);
        std::vector<Tensor> strided = sample(specs, DType::f32);
        contiguous[i] = Tensor(layout.clone(), true);
        strided[i] = Tensor(layout, true);
        Outcome a = run(row, strided);
        Outcome b = run(row, contiguous);
        if (row.layout_changes_bits) expect_close(a, b, 10 * row.tolerance_f32);
        else expect_same(a, b, "strided against contiguous");
      }
    }
  }
}

TEST_P(OpCaseTest, BitsDoNotDependOnTheNumberOfThreads) {
  const OpCase& row = GetParam();
  for (DType dtype : {DType::f32, DType::f64}) {
    Outcome expected;
    for (int threads : kThreadCounts) {
      test::Threads guard(threads);
      Outcome outcome = run(row, sample(row.large, dtype));
      if (threads == 1) expected = outcome;
      expect_same(outcome, expected, fmt::format("{} threads, {}", threads, dtype));
    }
  }
}

// An operation computes with integers what it gives for the same numbers in f64, or it says by name
// that it takes none.
TEST_P(OpCaseTest, TakesIntegersOrRefusesThemByName) {
  const OpCase& row = GetParam();
  std::vector<Tensor> inputs = sample(row.inputs[0], DType::i64);
  // A zero among them may be what no integer can be divided by.
  for (const Tensor& x : inputs) {
    for (int64_t i = 0; i < x.numel(); ++i) {
      int64_t& value = x.data().data<int64_t>()[i];
      if (value == 0) value = 1;
    }
  }
  Tensor result;
  std::string error = error_of([&] { result = row.fn(inputs); });
  if (row.any_dtype) {
    EXPECT_EQ(error, "");
  }
  if (!error.empty()) {
    bool names_op = contains(error, "[" + row.op + "] ") && contains(error, "i64");
    // The power of an integer is an integer.
    EXPECT_TRUE(names_op || contains(error, "[pow] expected powers of integers")) << error;
    return;
  }
  std::vector<Tensor> floats;
  for (const Tensor& x : inputs) floats.emplace_back(x.data().to(DType::f64));
  std::vector<double> expected = doubles(row.fn(floats).data());
  // A quotient may be an integer but for its last bits.
  if (row.cuts_integers) {
    for (double& x : expected) x = std::trunc(x + std::copysign(1e-9, x));
  }
  EXPECT_TRUE(close_to(doubles(result.data()), expected, 1e-5, 1e-5));
}

TEST_P(OpCaseTest, RecordsNothingForConstants) {
  const OpCase& row = GetParam();
  std::vector<Tensor> inputs;
  for (const Tensor& x : sample(row.inputs[0], DType::f32)) inputs.push_back(x.detach());
  EXPECT_FALSE(row.fn(inputs).requires_grad());
  inputs = sample(row.inputs[0], DType::f32);
  NoGrad no_grad;
  EXPECT_FALSE(row.fn(inputs).requires_grad());
}

// Each input alone requires a gradient: the others' absence changes nothing.
TEST_P(OpCaseTest, GivesEachInputItsGradientAlone) {
  const OpCase& row = GetParam();
  for (const InputSpecs& specs : row.inputs) {
    Outcome whole = run(row, sample(specs, DType::f32));
    for (size_t i = 0; i < specs.size() && specs.size() > 1; ++i) {
      SCOPED_TRACE(fmt::format("{}input {}", shapes(specs), i));
      std::vector<Tensor> inputs = sample(specs, DType::f32);
      for (size_t j = 0; j < inputs.size(); ++j) inputs[j].set_requires_grad(j == i);
      Tensor out = row.fn(inputs);
      out.backward(Tensor(random_array(out.shape(), DType::f32, 77)));
      for (size_t j = 0; j < inputs.size(); ++j) EXPECT_EQ(inputs[j].grad().defined(), j == i);
      EXPECT_TRUE(same_bits(inputs[i].grad().data(), whole.grads[i]));
    }
  }
}

// Nodes of an operation made of others have the place of the call in op_cases/ too, not one of
// ours.
TEST_P(OpCaseTest, KeepsThePlaceOfTheCall) {
  Tensor out = GetParam().fn(sample(GetParam().inputs[0], DType::f32));
  std::vector<const Node*> nodes{out.grad_fn().get()};
  for (size_t i = 0; i < nodes.size(); ++i) {
    const char* file = nodes[i]->site().file;
    EXPECT_TRUE(file && contains(file, "/op_cases/"))
        << nodes[i]->op() << ": " << (file ? file : "");
    for (const Edge& edge : nodes[i]->edges()) {
      if (edge && !edge.node->is_leaf()) nodes.push_back(edge.node.get());
    }
  }
  EXPECT_EQ(call_place.calls, 0);
}

INSTANTIATE_TEST_SUITE_P(Ops, OpCaseTest, testing::ValuesIn(op_cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tessera
