// The ways of torch.nn.init in which a parameter may start.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/shape.h"
#include "core/kernels.h"
#include "core/kernels/random.h"
#include "core/kernels/unary.h"
#include "nn/init.h"

namespace tessera::nn {
namespace {

struct Fans {
  double in, out;

  explicit Fans(const Dims& shape) {
    TESSERA_CHECK(shape.size() >= 2, "[Init] expected a shape with two dims or more, got {}",
                  shape);
    int64_t kernel = 1;
    for (size_t d = 2; d < shape.size(); ++d) kernel *= shape[d];
    in = static_cast<double>(shape[1] * kernel);
    out = static_cast<double>(shape[0] * kernel);
  }
};

// The standard deviation of Kaiming's values.
double kaiming_std(const Dims& shape, const KaimingOptions& options) {
  Fans fans(shape);
  double fan = options.mode == FanMode::fan_in ? fans.in : fans.out;
  return calculate_gain(options.nonlinearity, options.slope) / std::sqrt(fan);
}

double xavier_std(const Dims& shape, double gain) {
  Fans fans(shape);
  return gain * std::sqrt(2 / (fans.in + fans.out));
}

// P(X <= x) for a standard normal X.
double normal_cdf(double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }

void fill_truncated(const RandomStream& stream, int64_t first, double mean, double std, double low,
                    double high, const Array& out) {
  const NoGrad constant;
  double from = 2 * normal_cdf((low - mean) / std) - 1;
  double to = 2 * normal_cdf((high - mean) / std) - 1;
  kernels(out.device()).random().uniform(stream, first, from, to, out);
  // Bounds in the far tails round to -1 or 1, where the inverse is infinite: the tails end a digit
  // before, and bounds that lie beyond that are what all values are.
  double last = 1 - std::numeric_limits<float>::epsilon() / 2;
  out.copy_(clamp(Tensor(out), -last, last).data());
  kernels(out.device()).unary().run(UnaryOp::erfinv, out, out);
  Tensor values = affine(Tensor(out), std * std::numbers::sqrt2, mean);
  out.copy_(clamp(values, low, high).data());
}

double dot_product(const double* a, const double* b, int64_t size) {
  double sum = 0;
  for (int64_t i = 0; i < size; ++i) sum += a[i] * b[i];
  return sum;
}

// Takes from row `last` of v (rows, size) its parts along the rows from `begin` on, which are of
// length 1 and at right angles, and gives it length 1.
void straighten_row(double* v, int64_t size, int64_t begin, int64_t last) {
  double* row = v + last * size;
  for (int64_t i = begin; i < last; ++i) {
    const double* other = v + i * size;
    double along = dot_product(row, other, size);
    for (int64_t j = 0; j < size; ++j) row[j] -= along * other[j];
  }
  double length = std::sqrt(dot_product(row, row, size));
  for (int64_t j = 0; j < size; ++j) row[j] /= length;
}

// Rows of v (f64, no more rows than columns) at right angles and of length 1: Gram and Schmidt's, a
// block of rows after the other, each twice for the digits that the first time leaves.
void orthonormalize(const Array& v) {
  const NoGrad constant;
  constexpr int64_t kBlock = 32;
  int64_t size = v.size(1);
  for (int64_t begin = 0; begin < v.size(0); begin += kBlock) {
    int64_t end = std::min(begin + kBlock, v.size(0));
    Array block = v.slice(0, begin, end);
    for (int pass = 0; pass < 2; ++pass) {
      if (begin > 0) {
        Tensor before = v.slice(0, 0, begin);
        Tensor parts = matmul(matmul(block, transpose(before, 0, 1)), before);
        block.copy_((Tensor(block) - parts).data());
      }
      for (int64_t row = begin; row < end; ++row) {
        straighten_row(v.data<double>(), size, begin, row);
      }
    }
  }
}

void fill_orthogonal(const RandomStream& stream, int64_t first, int64_t rows, int64_t cols,
                     double gain, const Array& out) {
  bool wide = rows < cols;
  Array v = Array::empty({std::min(rows, cols), std::max(rows, cols)}, DType::f64);
  kernels({}).random().normal(stream, 0, 0, 1, v);
  orthonormalize(v);
  Array whole = (wide ? v : v.permute({1, 0})).contiguous().view({rows * cols});
  const NoGrad constant;
  out.copy_(affine(Tensor(whole.slice(0, first, first + out.numel())), gain, 0).data());
}

void fill_sparse(const RandomStream& stream, int64_t first, int64_t rows, int64_t cols,
                 int64_t zeros, double std, const Array& out) {
  kernels({}).random().normal(stream, first, 0, std, out);
  auto* values = out.data<float>();
  // A permutation of rows for each column, from numbers that no value is made of.
  RandomStream of_columns{stream.key, ~stream.counter_high};
  for (int64_t col = 0; col < cols; ++col) {
    auto words = philox_block(of_columns, static_cast<uint64_t>(col));
    uint64_t seed = uint64_t{words[0]} << 32 | words[1];
    for (int64_t i = 0; i < zeros; ++i) {
      auto row = static_cast<int64_t>(
          permute_index(seed, static_cast<uint64_t>(i), static_cast<uint64_t>(rows)));
      int64_t at = row * cols + col - first;
      if (at >= 0 && at < out.numel()) values[at] = 0;
    }
  }
}

// Ones at these places of the whole, zeros elsewhere.
Init ones_at(std::string form, std::vector<int64_t> places) {
  return Init::drawn(std::move(form), [places = std::move(places)](
                                          const RandomStream&, int64_t first, const Array& out) {
    out.fill_(0);
    auto* values = out.data<float>();
    for (int64_t place : places) {
      int64_t at = place - first;
      if (at >= 0 && at < out.numel()) values[at] = 1;
    }
  });
}

}  // namespace

double calculate_gain(Nonlinearity nonlinearity, double slope) {
  switch (nonlinearity) {
    case Nonlinearity::tanh: return 5.0 / 3;
    case Nonlinearity::relu: return std::numbers::sqrt2;
    case Nonlinearity::leaky_relu: return std::sqrt(2 / (1 + slope * slope));
    case Nonlinearity::selu: return 0.75;
    case Nonlinearity::linear:
    case Nonlinearity::sigmoid: break;
  }
  return 1;
}

Init Init::drawn(std::string form, Draw draw) {
  Init init{Kind::drawn};
  init.form = std::move(form);
  init.draw = std::move(draw);
  return init;
}

Init Init::normal(double mean, double std) {
  TESSERA_CHECK(std >= 0, "[Init] expected a std of at least 0, got {}", std);
  return drawn(fmt::format("normal {} {}", mean, std),
               [=](const RandomStream& stream, int64_t first, const Array& out) {
                 kernels({}).random().normal(stream, first, mean, std, out);
               });
}

Init Init::uniform(double low, double high) {
  TESSERA_CHECK(low <= high, "[Init] expected low <= high, got {} and {}", low, high);
  return drawn(fmt::format("uniform {} {}", low, high),
               [=](const RandomStream& stream, int64_t first, const Array& out) {
                 kernels({}).random().uniform(stream, first, low, high, out);
               });
}

Init Init::trunc_normal(double mean, double std, double low, double high) {
  TESSERA_CHECK(std > 0 && low < high,
                "[Init] expected a std above 0 and low < high, got {}, {}, {}", std, low, high);
  return drawn(fmt::format("truncated normal {} {} {} {}", mean, std, low, high),
               [=](const RandomStream& stream, int64_t first, const Array& out) {
                 fill_truncated(stream, first, mean, std, low, high, out);
               });
}

Init Init::kaiming_uniform(const Dims& shape, KaimingOptions options) {
  return uniform(std::numbers::sqrt3 * kaiming_std(shape, options));
}

Init Init::kaiming_normal(const Dims& shape, KaimingOptions options) {
  return normal(kaiming_std(shape, options));
}

Init Init::xavier_uniform(const Dims& shape, double gain) {
  return uniform(std::numbers::sqrt3 * xavier_std(shape, gain));
}

Init Init::xavier_normal(const Dims& shape, double gain) { return normal(xavier_std(shape, gain)); }

Init Init::orthogonal(const Dims& shape, double gain) {
  TESSERA_CHECK(shape.size() >= 2 && num_elements(shape) > 0,
                "[Init] expected a shape with two dims or more and elements, got {}", shape);
  int64_t rows = shape[0];
  int64_t cols = num_elements(shape) / rows;
  return drawn(fmt::format("orthogonal {} {}", shape, gain),
               [=](const RandomStream& stream, int64_t first, const Array& out) {
                 fill_orthogonal(stream, first, rows, cols, gain, out);
               });
}

Init Init::sparse(const Dims& shape, double sparsity, double std) {
  TESSERA_CHECK(shape.size() == 2, "[Init] expected a shape of two dims, got {}", shape);
  TESSERA_CHECK(sparsity >= 0 && sparsity <= 1, "[Init] expected a sparsity in [0, 1], got {}",
                sparsity);
  int64_t rows = shape[0];
  int64_t cols = shape[1];
  auto zeros = static_cast<int64_t>(std::ceil(sparsity * static_cast<double>(rows)));
  return drawn(fmt::format("sparse {} {} {}", shape, sparsity, std),
               [=](const RandomStream& stream, int64_t first, const Array& out) {
                 fill_sparse(stream, first, rows, cols, zeros, std, out);
               });
}

Init Init::eye(const Dims& shape) {
  TESSERA_CHECK(shape.size() == 2, "[Init] expected a shape of two dims, got {}", shape);
  std::vector<int64_t> places;
  for (int64_t i = 0; i < std::min(shape[0], shape[1]); ++i) places.push_back(i * shape[1] + i);
  return ones_at(fmt::format("eye {}", shape), std::move(places));
}

Init Init::dirac(const Dims& shape, int64_t groups) {
  TESSERA_CHECK(shape.size() >= 3 && shape.size() <= 5,
                "[Init] expected a shape of three to five dims, got {}", shape);
  TESSERA_CHECK(groups >= 1 && shape[0] % groups == 0,
                "[Init] expected groups that divide {} channels, got {}", shape[0], groups);
  int64_t kernel = 1;
  int64_t middle = 0;
  for (size_t d = 2; d < shape.size(); ++d) {
    kernel *= shape[d];
    middle = middle * shape[d] + shape[d] / 2;
  }
  int64_t each = shape[0] / groups;
  std::vector<int64_t> places;
  for (int64_t group = 0; group < groups; ++group) {
    for (int64_t i = 0; i < std::min(each, shape[1]); ++i) {
      places.push_back(((group * each + i) * shape[1] + i) * kernel + middle);
    }
  }
  return ones_at(fmt::format("dirac {} {}", shape, groups), std::move(places));
}

}  // namespace tessera::nn
