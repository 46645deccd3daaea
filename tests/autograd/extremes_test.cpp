// Every operation at the ends of what its numbers can be: f32 against f64 on the same numbers,
// values and gradients; integers against exact ones; operands of unlike dtypes against converted
// ones.
#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <limits>

#include "autograd/ops.h"
#include "core/promotion.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"
#include "tests/support/op_cases.h"

namespace tessera {
namespace {

using test::doubles;
using test::error_of;
using test::InputSpecs;
using test::op_cases;
using test::OpCase;
using test::random_array;
using test::sample;
using test::Values;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Terms from here on may overflow in f32 where their sum would not.
constexpr double kLargestTerm = double{FLT_MAX} / 100;

// What an ordinary number x at place i becomes.
struct Pattern {
  const char* name;
  double (*value)(double x, size_t i);
};

constexpr Pattern kPatterns[] = {
    {"zeros", [](double, size_t) { return 0.0; }},
    {"negative zeros", [](double, size_t) { return -0.0; }},
    {"denormal", [](double x, size_t) { return x * 1e-40; }},
    {"small", [](double x, size_t) { return x * 1e-30; }},
    {"20 times", [](double x, size_t) { return x * 20; }},
    {"100 times", [](double x, size_t) { return x * 100; }},
    {"large", [](double x, size_t) { return x * 1e30; }},
    {"largest", [](double x, size_t) { return std::copysign(double{FLT_MAX}, x); }},
    {"an infinity", [](double x, size_t i) { return i == 0 ? kInf : x; }},
    {"a negative infinity", [](double x, size_t i) { return i == 0 ? -kInf : x; }},
    {"a NaN", [](double x, size_t i) { return i == 0 ? kNaN : x; }},
    {"equal", [](double, size_t) { return double{14.7F}; }},
    {"far from zero", [](double x, size_t) { return 1e7 + std::round(8 * x); }},
};

// The f32 numbers of a pattern in inputs of ordinary ones; `only` is the input that it changes, or
// -1.
std::vector<Values> numbers(const InputSpecs& specs, const Pattern& pattern, int only) {
  std::vector<Values> out;
  std::vector<Tensor> ordinary = sample(specs, DType::f32);
  for (size_t k = 0; k < ordinary.size(); ++k) {
    Values values = doubles(ordinary[k].data());
    for (size_t i = 0; i < values.size() && (only < 0 || only == static_cast<int>(k)); ++i) {
      values[i] = static_cast<double>(static_cast<float>(pattern.value(values[i], i)));
    }
    out.push_back(values);
  }
  return out;
}

// A result's elements and the inputs' gradients.
struct Outcome {
  std::vector<Values> parts;
};

Outcome run(const OpCase& row, const InputSpecs& specs, const std::vector<Values>& values,
            DType dtype) {
  std::vector<Tensor> inputs;
  for (size_t k = 0; k < specs.size(); ++k) {
    Array x = Array::from(values[k], {static_cast<int64_t>(values[k].size())});
    inputs.emplace_back(x.reshape(specs[k].shape).to(dtype), true);
  }
  Tensor out = row.fn(inputs);
  out.backward(Tensor(random_array(out.shape(), DType::f32, 77).to(dtype)));
  Outcome outcome{{doubles(out.data())}};
  for (const Tensor& x : inputs) outcome.parts.push_back(doubles(x.grad().data()));
  return outcome;
}

// How far f64 moves when the inputs move by a unit of f32's rounding.
std::vector<Values> spread(const OpCase& row, const InputSpecs& specs,
                           const std::vector<Values>& values, const Outcome& exact) {
  std::vector<Values> out;
  for (const Values& part : exact.parts) out.emplace_back(part.size(), 0.0);
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    std::vector<Values> moved = values;
    for (size_t k = 0; k < moved.size(); ++k) {
      Values by = doubles(
          random_array({static_cast<int64_t>(moved[k].size())}, DType::f32, 91 * seed + k, -1, 1));
      for (size_t i = 0; i < by.size(); ++i) {
        moved[k][i] += by[i] * (std::abs(moved[k][i]) * FLT_EPSILON + double{FLT_TRUE_MIN});
      }
    }
    Outcome other = run(row, specs, moved, DType::f64);
    for (size_t p = 0; p < out.size(); ++p) {
      for (size_t i = 0; i < out[p].size(); ++i) {
        double distance = std::abs(other.parts[p][i] - exact.parts[p][i]);
        out[p][i] = std::max(out[p][i], std::isnan(distance) ? kInf : distance);
      }
    }
  }
  return out;
}

// Whether an element in f32 is what f64 says, rounded, or within `slack` of it. Where a slack says
// that terms come near the largest number, their sum may overflow on the way.
bool agrees(double single, double exact, double slack) {
  if (std::isnan(exact)) return std::isnan(single);
  if (!std::isfinite(single) && slack > kLargestTerm * FLT_EPSILON) return true;
  if (std::isnan(single)) return false;
  if (std::abs(exact) >= FLT_MAX) return std::abs(single) >= 0.99 * FLT_MAX && single * exact > 0;
  if (single == exact) return true;
  return std::abs(single - exact) <= slack;
}

// Rows whose errors go with a power of their largest input (at least 1) rather than with the
// result: what rounding leaves of numbers that cancel, in PyTorch too.
struct Cancelling {
  const char* family;
  int power;
  const char* why;
};
constexpr Cancelling kCancelling[] = {
    {"gelu", 1, "x (1 + erf x): the tail of erf"},
    {"softmax", 0, "a gradient p (1 - p) of a p near 1"},
    {"softmin", 0, "likewise"},
    {"tanhshrink", 1, "x - tanh x of a small x"},
    {"log_softmax", 0, "the logarithm of a sum that is 1 and a little"},
    {"cross_entropy", 0, "likewise"},
    {"attention", 2, "p (dp - sum of p dp), times a key"},
    {"self_attention", 2, "likewise"},
    {"poisson_nll_loss", 2, "x - t log x and log t!"},
    {"triplet_margin_loss", 1, "one distance less the other"},
    {"triplet_margin_with_distance_loss", 1, "likewise"},
    {"corrcoef", 0, "a gradient of quotients that are 1"},
};

// Where f32 has no room for a step on the way to a result that it would hold, in PyTorch too.
struct Overflowing {
  const char* family;
  const char* patterns;
  const char* why;
};
constexpr Overflowing kOverflowing[] = {
    {"layer_norm", "largest", "x - mean"},
    {"rms_norm", "largest", "dy x"},
    {"group_norm", "largest", "x - mean"},
    {"batch_norm", "largest", "x - mean"},
    {"instance_norm", "largest", "x - mean"},
    {"attention", "largest", "q k"},
    {"self_attention", "largest", "q k"},
    {"mse_loss_weighted", "denormal small large largest", "the sum of w (x - t)^2"},
    {"l1_loss_weighted", "denormal small large largest", "the sum of w |x - t|"},
    {"cosine_embedding_loss", "largest", "lengths"},
    {"triplet_margin_loss", "largest", "a - b"},
    {"triplet_margin_with_distance_loss", "largest", "a - b"},
    {"lp_pool", "denormal small large largest", "x^p"},
    {"grid_sample", "largest", "(x + 1) W"},
    {"local_response_norm", "large largest", "squares"},
    {"corrcoef", "denormal small large largest", "variances"},
    {"cov_weights", "largest", "x - mean"},
};

bool overflows(const OpCase& row, const Pattern& pattern) {
  for (const Overflowing& known : kOverflowing) {
    if (row.name.starts_with(known.family) &&
        std::string_view(known.patterns).find(pattern.name) != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

double largest_of(const Values& values) {
  double largest = 0;
  for (double x : values) {
    if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
  }
  return largest;
}

double largest_of(const std::vector<Values>& all) {
  double largest = 1;
  for (const Values& values : all) largest = std::max(largest, largest_of(values));
  return largest;
}

double cancelled(const OpCase& row, const std::vector<Values>& values) {
  for (const Cancelling& known : kCancelling) {
    if (row.name.starts_with(known.family)) return std::pow(largest_of(values), known.power);
  }
  return 0;
}

// What a gradient inherits of the rounding of results: (1 - y) y of a y near 1.
double inherited(const Values& x, const Values& y) {
  return largest_of(x) == 0 ? 0 : largest_of(y) / largest_of(x);
}

// Where f32 differs from f64 by more than 20 units of rounding of the result, of what f64 moves
// when inputs move by a unit, and of what is known to cancel; "" if nowhere.
std::string differences(const OpCase& row, const InputSpecs& specs, const Pattern& pattern,
                        int only) {
  if (overflows(row, pattern)) return "";
  std::vector<Values> values = numbers(specs, pattern, only);
  Outcome single;
  Outcome exact;
  std::string error = error_of([&] { exact = run(row, specs, values, DType::f64); });
  std::string own_error = error_of([&] { single = run(row, specs, values, DType::f32); });
  if (error != own_error)
    return fmt::format("  {}: {} for f32, {} for f64\n", pattern.name, own_error, error);
  if (!error.empty()) return "";  // numbers that the operation refuses
  std::vector<Values> moves;
  double smallest = 4 * double{FLT_TRUE_MIN} * largest_of(values);
  // Of a result beyond f32 no gradient can be made.
  size_t num_parts = largest_of(exact.parts[0]) < FLT_MAX ? exact.parts.size() : 1;
  for (size_t p = 0; p < num_parts; ++p) {
    double scale = cancelled(row, values);
    if (p > 0) scale += inherited(values[p - 1], exact.parts[0]);
    for (size_t i = 0; i < exact.parts[p].size(); ++i) {
      double x = single.parts[p][i];
      double y = exact.parts[p][i];
      double slack = smallest + 20 * FLT_EPSILON * (std::abs(y) + scale);
      if (agrees(x, y, slack)) continue;
      if (moves.empty()) moves = spread(row, specs, values, exact);
      if (agrees(x, y, slack + 20 * moves[p][i])) continue;
      return fmt::format(
          "  {} {}, {}: element {} is {} where f64 has {} (spread {})\n", pattern.name,
          only < 0 ? std::string("everywhere") : fmt::format("in input {}", only),
          p == 0 ? std::string("value") : fmt::format("gradient {}", p - 1), i, x, y, moves[p][i]);
    }
  }
  return "";
}

class ExtremeNumbers : public testing::TestWithParam<OpCase> {};

TEST_P(ExtremeNumbers, F32AgreesWithF64) {
  const OpCase& row = GetParam();
  if (row.draws || row.factors) return;
  for (const InputSpecs& specs : row.inputs) {
    std::string found;
    for (const Pattern& pattern : kPatterns) {
      for (int only = -1; only < (specs.size() > 1 ? static_cast<int>(specs.size()) : 0); ++only) {
        found += differences(row, specs, pattern, only);
      }
    }
    std::string shapes;
    for (const auto& spec : specs) shapes += to_string(spec.shape) + " ";
    EXPECT_EQ(found, "") << shapes;
  }
}

// The check can fail: a length by way of squares overflows and vanishes.
TEST(ExtremeNumbersControl, CatchesSquaresThatOverflow) {
  OpCase naive{.name = "naive_length",
               .fn = [](const std::vector<Tensor>& in) { return sqrt(sum(square(in[0]))); },
               .inputs = {{{{3}}}}};
  std::vector<std::string> caught;
  for (const Pattern& pattern : kPatterns) {
    if (!differences(naive, naive.inputs[0], pattern, -1).empty()) caught.push_back(pattern.name);
  }
  EXPECT_EQ(caught, (std::vector<std::string>{"denormal", "small", "large"}));
}

INSTANTIATE_TEST_SUITE_P(Ops, ExtremeNumbers, testing::ValuesIn(op_cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tessera
