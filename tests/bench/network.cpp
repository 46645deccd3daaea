// The kernels of a network that move more than they compute: addition, softmax, layer norm, gelu,
// batch norm and AdamW against the bandwidth of copying in the same run, and cross-entropy in
// milliseconds. Prints one JSON record a line: of the former, value and reference are GB/s (bytes
// read and written over time) and ratio is value over reference.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/kernels.h"
#include "core/parallel.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kMiB = int64_t{1} << 20;

Array random(const Dims& shape, const char* name, double low = -1, double high = 1) {
  Array x = Array::empty(shape);
  kernels({}).random().uniform(parameter_stream(1, name), 0, low, high, x);
  return x;
}

double seconds(const std::function<void()>& fn) {
  Clock::time_point start = Clock::now();
  fn();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Copies 64 MiB out of place with all threads, by the C library.
class Copy {
 public:
  void run() const {
    constexpr int64_t kPiece = kMiB;
    const auto* from = static_cast<const char*>(from_.raw());
    auto* to = static_cast<char*>(to_.raw());
    int64_t piece = 64 * kMiB / num_threads() / kPiece * kPiece;
    parallel_tiles(64 * kMiB, piece, [&](int64_t begin, int64_t end) {
      std::memcpy(to + begin, from + begin, static_cast<size_t>(end - begin));
    });
  }
  static constexpr double kBytes = 2.0 * 64 * kMiB;

 private:
  Array from_ = random({16 * kMiB}, "from");
  Array to_ = random({16 * kMiB}, "to");
};

// Times fn and the copy in turns, so that both see the same machine.
void measure(const std::string& name, double bytes, const std::function<void()>& fn) {
  static const Copy copy;
  fn();
  std::vector<double> times;
  std::vector<double> copies;
  for (int i = 0; i < 15; ++i) {
    copies.push_back(seconds([] { copy.run(); }));
    times.push_back(seconds(fn));
  }
  double speed = bytes / median(times) / 1e9;
  double reference = Copy::kBytes / median(copies) / 1e9;
  nlohmann::json record{{"name", name},
                        {"value", speed},
                        {"unit", "GB/s"},
                        {"reference", reference},
                        {"reference_name", "memcpy of 64 MiB by all threads"},
                        {"ratio", speed / reference},
                        {"ms", median(times) * 1e3}};
  fmt::print("{}\n", record.dump());
}

void check_near(double value, double expected, const char* what) {
  TESSERA_CHECK(std::abs(value - expected) <= 1e-3 * std::abs(expected) + 1e-5,
                "{}: expected {}, got {}", what, expected, value);
}

void measure_softmax(int64_t cols) {
  int64_t rows = 16 * kMiB / cols;
  Array x = random({rows, cols, 1}, "x", -4, 4);
  Array dy = random({rows, cols, 1}, "dy");
  Array y = Array::empty(x.shape());
  Array dx = Array::empty(x.shape());
  auto bytes = static_cast<double>(x.nbytes());
  const SoftmaxFamily& softmax = kernels({}).softmax();
  auto name = [&](const char* what) { return fmt::format("ops.{}_64MiB.{}_columns", what, cols); };
  measure(name("softmax"), 2 * bytes, [&] { softmax.softmax(x, y); });
  double sum = 0;
  for (float value : y.select(0, rows - 1).to_vector<float>()) sum += static_cast<double>(value);
  check_near(sum, 1, "softmax");
  measure(name("softmax_backward"), 3 * bytes, [&] { softmax.softmax_grad(y, dy, dx); });
  measure(name("log_softmax"), 2 * bytes, [&] { softmax.log_softmax(x, y); });
  measure(name("log_softmax_backward"), 3 * bytes, [&] { softmax.log_softmax_grad(y, dy, dx); });
}

void measure_layer_norm(int64_t cols) {
  int64_t rows = 16 * kMiB / cols;
  Array x = random({rows, cols}, "x", -4, 4);
  Array dy = random({rows, cols}, "dy");
  Array w = Array::full({cols}, 1);
  Array b = Array::full({cols}, 0.5);
  Array y = Array::empty(x.shape());
  Array dx = Array::empty(x.shape());
  Array mean = Array::empty({rows});
  Array rstd = Array::empty({rows});
  Array dw = Array::empty({cols});
  Array db = Array::empty({cols});
  auto bytes = static_cast<double>(x.nbytes());
  const NormalizeFamily& family = kernels({}).normalize();
  measure(fmt::format("ops.layer_norm_64MiB.{}_columns", cols), 2 * bytes,
          [&] { family.layer_norm(x, w, b, 1e-5, y, mean, rstd); });
  double sum = 0;
  for (float value : y.select(0, rows - 1).to_vector<float>()) sum += static_cast<double>(value);
  check_near(sum / static_cast<double>(cols), 0.5, "layer_norm");
  measure(fmt::format("ops.layer_norm_backward_64MiB.{}_columns", cols), 3 * bytes,
          [&] { family.layer_norm_grad(x, w, mean, rstd, dy, dx, dw, db); });
}

// Out of place, as operations on tensors run: the result is a new array each time.
void measure_add() {
  Array x = random({16 * kMiB}, "x");
  Array y = random({16 * kMiB}, "y");
  measure("ops.add_64MiB", 3 * static_cast<double>(x.nbytes()), [&] {
    Array out = Array::empty(x.shape());
    kernels({}).binary().run(BinaryOp::add, x, y, out);
  });
}

void measure_gelu() {
  Array x = random({16 * kMiB}, "x", -4, 4);
  Array dy = random({16 * kMiB}, "dy");
  Array y = Array::empty(x.shape());
  auto bytes = static_cast<double>(x.nbytes());
  measure("ops.gelu_64MiB", 2 * bytes, [&] { kernels({}).unary().run(UnaryOp::gelu, x, y); });
  measure("ops.gelu_backward_64MiB", 3 * bytes,
          [&] { kernels({}).binary().run(BinaryOp::gelu_grad, x, dy, y); });
}

void measure_batch_norm(const char* name, const Dims& shape) {
  Dims channels{shape[1]};
  Array x = random(shape, "x", -4, 4);
  Array dy = random(shape, "dy");
  Array y = Array::empty(shape);
  Array w = Array::full(channels, 1);
  Array mean = Array::empty({2, channels[0]});
  Array var = Array::empty(channels);
  Array rstd = Array::empty(channels);
  Array dw = Array::empty(channels);
  Array db = Array::empty(channels);
  auto bytes = static_cast<double>(x.nbytes());
  const BatchNormFamily& family = kernels({}).batch_norm();
  // x twice and y; x and dy twice and dx.
  measure(fmt::format("ops.batch_norm_64MiB.{}", name), 3 * bytes, [&] {
    family.moments(x, 1e-5, mean, var, rstd);
    family.normalize(x, w, w, mean, rstd, y);
  });
  measure(fmt::format("ops.batch_norm_backward_64MiB.{}", name), 5 * bytes,
          [&] { family.grad(x, w, mean, rstd, true, dy, y, dw, db); });
}

void measure_adamw() {
  constexpr int64_t kCount = 10'000'000;
  AdamWArgs args{.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.1};
  Array param = random({kCount}, "param");
  Array grad = random({kCount}, "grad");
  Array m = Array::zeros({kCount});
  Array v = Array::zeros({kCount});
  Array one = Array::scalar(1, DType::f64);
  // Four arrays read, three of them written.
  measure("ops.adamw_10M", 7.0 * 4 * kCount, [&] {
    kernels({}).optimizer().adamw(args, param, grad, one, m, v);
    ++args.step;
  });
}

void measure_cross_entropy() {
  constexpr int64_t kRows = 1024;
  constexpr int64_t kClasses = 50257;
  Array logits = random({kRows, kClasses}, "logits", -4, 4);
  Array targets = Array::arange(kRows);
  auto rows = [] { return Array::empty({kRows}); };
  Array losses = rows();
  Array lse = rows();
  Array weights = rows();
  Array dlosses = Array::full({kRows}, 1.0 / kRows);
  Array dlogits = Array::empty(logits.shape());
  auto bytes = static_cast<double>(logits.nbytes());
  const SoftmaxFamily& softmax = kernels({}).softmax();
  measure("ops.cross_entropy_50257.forward", bytes,
          [&] { softmax.cross_entropy(logits, targets, {}, losses, lse, weights); });
  measure("ops.cross_entropy_50257.backward", 2 * bytes,
          [&] { softmax.cross_entropy_grad(logits, targets, {}, lse, dlosses, dlogits); });
  measure("ops.cross_entropy_50257", 3 * bytes, [&] {
    softmax.cross_entropy(logits, targets, {}, losses, lse, weights);
    softmax.cross_entropy_grad(logits, targets, {}, lse, dlosses, dlogits);
  });
  double sum = 0;
  for (float value : dlogits.select(0, 7).to_vector<float>()) sum += static_cast<double>(value);
  TESSERA_CHECK(std::abs(sum) < 1e-5, "a row of the gradient sums to {}", sum);
}

void run() {
  measure_softmax(1024);
  measure_softmax(16384);
  measure_layer_norm(768);
  measure_layer_norm(4096);
  measure_add();
  measure_gelu();
  measure_batch_norm("channels_last", {64 * 1024, 256, 1});
  measure_batch_norm("planes", {64, 64, 4096});
  measure_adamw();
  measure_cross_entropy();
}

}  // namespace
}  // namespace tessera

int main() {
  tessera::run();
  return 0;
}
