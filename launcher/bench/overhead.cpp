// What an operation costs besides its arithmetic: additions of 8 elements, with and without a
// history, and backward through a chain of them.
#include "launcher/bench/families.h"
#include "launcher/bench/operands.h"

namespace tessera::bench {
namespace {

constexpr int kOverheadRepetitions = 15;
constexpr int kLength = 1000;
constexpr double kNs = 1e9;

Tensor chain(const Tensor& x, const Tensor& step) {
  Tensor y = x;
  for (int i = 0; i < kLength; ++i) y = y + step;
  return y;
}

void check_all(const Tensor& x, double expected, const char* what) {
  for (float value : x.data().to_vector<float>()) {
    check_near(static_cast<double>(value), expected, 0, what);
  }
}

Tensor eight(double value, bool requires_grad = false) {
  return Tensor(Array::full({8}, value), requires_grad);
}

Measured measure_add(const Settings& settings) {
  Tensor x = eight(0);
  Tensor step = eight(1);
  check_all(chain(x, step), kLength, "a sum");
  auto add = [&] {
    for (int i = 0; i < 10 * kLength; ++i) x + step;
  };
  return in_turns(settings, kOverheadRepetitions,
                  {.value = [&] { return seconds_of(add) / (10 * kLength) * kNs; }});
}

Measured measure_recorded_add(const Settings& settings) {
  Tensor leaf = eight(0, true);
  Tensor step = eight(1);
  check_all(chain(leaf, step), kLength, "a recorded sum");
  std::vector<Tensor> kept(kLength);
  auto add = [&] {
    for (Tensor& result : kept) result = leaf + step;
  };
  return in_turns(settings, kOverheadRepetitions,
                  {.value = [&] { return seconds_of(add) / kLength * kNs; }});
}

Measured measure_backward(const Settings& settings) {
  Tensor leaf = eight(0, true);
  Tensor step = eight(1);
  Tensor dy = eight(1);
  auto sample = [&] {
    Tensor y = chain(leaf, step);
    leaf.set_grad({});
    double seconds = seconds_of([&] { y.backward(dy); });
    check_all(leaf.grad(), 1, "a gradient");
    return seconds / kLength * kNs;
  };
  return in_turns(settings, kOverheadRepetitions, {.value = sample});
}

}  // namespace

void add_overhead(std::vector<Benchmark>& to) {
  to.push_back({"ops.add_8", "ns", "addition of 8 elements", measure_add});
  to.push_back(
      {"ops.add_8_recorded", "ns", "the same with a history to record", measure_recorded_add});
  to.push_back(
      {"ops.backward_node", "ns", "backward through an addition of 8 elements", measure_backward});
}

}  // namespace tessera::bench
