// What an operation costs besides its arithmetic: additions of 8 elements, with and without a
// history, and backward through a chain of them. Prints one JSON record a line, in nanoseconds.

#include <algorithm>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>

#include "autograd/ops.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

// The median over 15 runs of fn's time per unit, in nanoseconds.
double median_ns(int units, const std::function<void()>& fn) {
  std::vector<double> times;
  for (int run = 0; run < 15; ++run) {
    auto start = Clock::now();
    fn();
    std::chrono::duration<double, std::nano> taken = Clock::now() - start;
    times.push_back(taken.count() / units);
  }
  std::nth_element(times.begin(), times.begin() + 7, times.end());
  return times[7];
}

void print(const char* name, double value) {
  nlohmann::json record{
      {"name", name}, {"value", value}, {"unit", "ns"}, {"reference", nullptr}, {"ratio", nullptr}};
  printf("%s\n", record.dump().c_str());
}

Tensor chain(const Tensor& x, const Tensor& step, int length) {
  Tensor y = x;
  for (int i = 0; i < length; ++i) y = y + step;
  return y;
}

void check(const Tensor& x, double expected) {
  for (float value : x.data().to_vector<float>()) {
    TESSERA_CHECK(value == static_cast<float>(expected), "expected {}, got {}", expected, value);
  }
}

void run() {
  constexpr int kLength = 1000;
  Tensor step(Array::full({8}, 1));
  Tensor constant(Array::full({8}, 0));
  Tensor leaf(Array::full({8}, 0), true);
  check(chain(constant, step, kLength), kLength);
  print("ops.add_8", median_ns(10 * kLength, [&] {
          for (int i = 0; i < 10 * kLength; ++i) constant + step;
        }));
  std::vector<Tensor> kept(kLength);
  print("ops.add_8_recorded", median_ns(kLength, [&] {
          for (Tensor& result : kept) result = leaf + step;
        }));
  double backward = 0;
  std::vector<double> times;
  for (int i = 0; i < 15; ++i) {
    Tensor y = chain(leaf, step, kLength);
    Tensor dy(Array::full({8}, 1));
    leaf.set_grad({});
    auto start = Clock::now();
    y.backward(dy);
    std::chrono::duration<double, std::nano> taken = Clock::now() - start;
    times.push_back(taken.count() / kLength);
    check(leaf.grad(), 1);
  }
  std::nth_element(times.begin(), times.begin() + 7, times.end());
  backward = times[7];
  print("ops.backward_node", backward);
}

}  // namespace
}  // namespace tessera

int main() {
  try {
    tessera::run();
  } catch (const std::exception& error) {
    fprintf(stderr, "bench_overhead: %s\n", error.what());
    return 1;
  }
  return 0;
}
