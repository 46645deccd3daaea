#include "nn/layers/rotary.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "autograd/ops.h"
#include "autograd/record.h"

namespace tessera::nn {
namespace {

void check_rotary(int64_t head_dim, const RotaryOptions& o) {
  TESSERA_CHECK(head_dim >= 2 && head_dim % 2 == 0, "[rotary] expected an even head_dim, got {}",
                head_dim);
  TESSERA_CHECK(o.theta > 1 && std::isfinite(o.theta), "[rotary] expected a theta above 1, got {}",
                o.theta);
  TESSERA_CHECK(o.factor >= 1 && std::isfinite(o.factor),
                "[rotary] expected a factor of at least 1, got {}", o.factor);
  TESSERA_CHECK(o.original_context >= 1, "[rotary] expected an original_context of at least 1");
  TESSERA_CHECK(o.low_freq_factor > 0 && o.low_freq_factor < o.high_freq_factor,
                "[rotary] expected a positive low_freq_factor below high_freq_factor, got {} and "
                "{}",
                o.low_freq_factor, o.high_freq_factor);
  TESSERA_CHECK(o.beta_slow > 0 && o.beta_slow < o.beta_fast,
                "[rotary] expected a positive beta_slow below beta_fast, got {} and {}",
                o.beta_slow, o.beta_fast);
  TESSERA_CHECK(o.scaling != RotaryScaling::ntk || head_dim > 2,
                "[rotary] ntk needs a head_dim above 2");
}

double llama3_frequency(double frequency, const RotaryOptions& o) {
  double turns = static_cast<double>(o.original_context) * frequency / (2 * std::numbers::pi);
  double kept =
      std::clamp((turns - o.low_freq_factor) / (o.high_freq_factor - o.low_freq_factor), 0.0, 1.0);
  return (1 - kept) * frequency / o.factor + kept * frequency;
}

// The element of half a head that turns so often in a text of the training.
double yarn_place(double turns, int64_t head_dim, const RotaryOptions& o) {
  double tokens = static_cast<double>(o.original_context) / (2 * std::numbers::pi * turns);
  return static_cast<double>(head_dim) * std::log(tokens) / (2 * std::log(o.theta));
}

double yarn_frequency(double frequency, int64_t i, int64_t head_dim, const RotaryOptions& o) {
  double first = std::max(std::floor(yarn_place(o.beta_fast, head_dim, o)), 0.0);
  double last =
      std::min(std::ceil(yarn_place(o.beta_slow, head_dim, o)), static_cast<double>(head_dim - 1));
  if (first == last) last += 0.001;
  double scaled = std::clamp((static_cast<double>(i) - first) / (last - first), 0.0, 1.0);
  return scaled * frequency / o.factor + (1 - scaled) * frequency;
}

Tensor turned(const Tensor& x, const Tensor& cos, const Tensor& sin) {
  std::vector<Tensor> halves = chunk(x, 2, -1);
  Tensor a = halves[0] * cos - halves[1] * sin;
  Tensor b = halves[1] * cos + halves[0] * sin;
  return tessera::to(cat({a, b}, -1), x.dtype());
}

Tensor recorded_turn(const Tensor& x, const Tensor& cos, const Tensor& sin) {
  Array y;
  {
    const NoGrad constants;
    y = turned(x, cos, sin).data();
  }
  return record("rotate", y, {x}, [cos, sin](const Tensor& dy, const Node&) {
    return Grads{recorded_turn(dy, cos, -sin)};
  });
}

}  // namespace

std::vector<double> rotary_frequencies(int64_t head_dim, const RotaryOptions& o) {
  check_rotary(head_dim, o);
  auto width = static_cast<double>(head_dim);
  double theta = o.theta;
  if (o.scaling == RotaryScaling::ntk) theta *= std::pow(o.factor, width / (width - 2));
  std::vector<double> out;
  for (int64_t i = 0; i < head_dim / 2; ++i) {
    double frequency = std::pow(theta, -2 * static_cast<double>(i) / width);
    switch (o.scaling) {
      case RotaryScaling::none:
      case RotaryScaling::ntk: break;
      case RotaryScaling::linear: frequency /= o.factor; break;
      case RotaryScaling::llama3: frequency = llama3_frequency(frequency, o); break;
      case RotaryScaling::yarn: frequency = yarn_frequency(frequency, i, head_dim, o); break;
    }
    out.push_back(frequency);
  }
  return out;
}

double rotary_magnitude(const RotaryOptions& options) {
  return options.scaling == RotaryScaling::yarn ? 0.1 * std::log(options.factor) + 1 : 1;
}

RotaryTable rotary_table(const Tensor& positions, int64_t head_dim, const RotaryOptions& options) {
  const Composed scope;
  std::vector<double> frequencies = rotary_frequencies(head_dim, options);
  auto half = static_cast<int64_t>(frequencies.size());
  Array row = Array::from(frequencies, {half}).to(DType::f32).to(positions.device());
  Tensor angles =
      unsqueeze(tessera::to(positions.detach(), DType::f32), -1) * Tensor(std::move(row));
  double magnitude = rotary_magnitude(options);
  if (magnitude == 1) return {cos(angles), sin(angles)};
  return {cos(angles) * magnitude, sin(angles) * magnitude};
}

Tensor rotate(TensorArg x, const RotaryTable& table) {
  const Composed scope;
  TESSERA_CHECK(x.dim() >= 1 && x.size(-1) % 2 == 0 && x.size(-1) == 2 * table.cos.size(-1),
                "[rotate] expected a last dim of {}, got {}", 2 * table.cos.size(-1), x.shape());
  Dims leading = x.shape();
  Dims of_table = table.cos.shape();
  leading.erase(leading.size() - 1);
  of_table.erase(of_table.size() - 1);
  TESSERA_CHECK(broadcast_shapes(leading, of_table, "rotate") == leading,
                "[rotate] expected a table whose leading dims broadcast to those of x {}, got {}",
                x.shape(), table.cos.shape());
  return recorded_turn(x, table.cos.detach(), table.sin.detach());
}

}  // namespace tessera::nn
