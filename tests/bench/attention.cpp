// Attention forward and backward. Prints one JSON record a line: name, value (ms), unit, and
// workspace_bytes, the memory that the call took beside its arguments and results.
// tests/bench/attention.py sets them against PyTorch in one run.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/allocator.h"
#include "core/kernels.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

struct Shape {
  const char* name;
  int64_t batch, heads, tokens, width;
  bool causal;
};

constexpr Shape kShapes[] = {
    {"72x256x64", 12, 6, 256, 64, false},
    {"72x256x64_causal", 12, 6, 256, 64, true},
    {"4x2048x64_causal", 1, 4, 2048, 64, true},
};

Array random(const Dims& shape, const char* name) {
  Array x = Array::empty(shape);
  kernels({}).random().uniform(parameter_stream(1, name), 0, -0.5, 0.5, x);
  return x;
}

double milliseconds(const std::function<void()>& fn) {
  Clock::time_point start = Clock::now();
  fn();
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

void report(const Shape& s, const char* pass, const std::function<void()>& fn) {
  int64_t before = allocator::stats().current_bytes;
  allocator::reset_peak();
  fn();
  int64_t workspace = allocator::stats().peak_bytes - before;
  std::vector<double> times;
  for (int i = 0; i < 15; ++i) times.push_back(milliseconds(fn));
  std::nth_element(times.begin(), times.begin() + 7, times.end());
  nlohmann::json record{{"name", fmt::format("ops.attention_{}.{}", pass, s.name)},
                        {"value", times[7]},
                        {"unit", "ms"},
                        {"workspace_bytes", workspace}};
  fmt::print("{}\n", record.dump());
  std::fflush(stdout);
}

// The last query of the last head against its definition; it sees all keys, causal or not.
void check_last_row(const Array& q, const Array& k, const Array& v, double scale,
                    const Array& out) {
  auto last_head = [](const Array& x) { return x.select(0, -1).select(0, -1); };
  auto query = last_head(q).select(0, -1).to_vector<float>();
  auto result = last_head(out).select(0, -1).to_vector<float>();
  auto keys = last_head(k).to_vector<float>();
  auto values = last_head(v).to_vector<float>();
  std::vector<double> expected(query.size());
  double total = 0;
  for (size_t s = 0; s < keys.size(); s += query.size()) {
    double score = 0;
    for (size_t d = 0; d < query.size(); ++d) {
      score += static_cast<double>(query[d]) * static_cast<double>(keys[s + d]);
    }
    double weight = std::exp(scale * score);
    total += weight;
    for (size_t d = 0; d < query.size(); ++d) {
      expected[d] += weight * static_cast<double>(values[s + d]);
    }
  }
  for (size_t d = 0; d < query.size(); ++d) {
    TESSERA_CHECK(std::abs(static_cast<double>(result[d]) - expected[d] / total) < 1e-5,
                  "the results differ at {}: {} and {}", d, result[d], expected[d] / total);
  }
}

void measure(const Shape& s) {
  Dims shape{s.batch, s.heads, s.tokens, s.width};
  Array q = random(shape, "q");
  Array k = random(shape, "k");
  Array v = random(shape, "v");
  Array dout = random(shape, "dout");
  Array out = Array::empty(shape);
  Array lse = Array::empty({s.batch, s.heads, s.tokens});
  Array dq = Array::empty(shape);
  Array dk = Array::empty(shape);
  Array dv = Array::empty(shape);
  AttentionArgs args{.scale = 1 / std::sqrt(static_cast<double>(s.width)), .causal = s.causal};
  const AttentionFamily& family = kernels({}).attention();
  auto forward = [&] { family.run(q, k, v, args, out, lse); };
  auto backward = [&] { family.grad(q, k, v, out, lse, dout, args, dq, dk, dv, {}); };
  forward();
  check_last_row(q, k, v, args.scale, out);
  report(s, "forward", forward);
  report(s, "backward", backward);
}

}  // namespace
}  // namespace tessera

int main() {
  for (const auto& shape : tessera::kShapes) tessera::measure(shape);
  return 0;
}
