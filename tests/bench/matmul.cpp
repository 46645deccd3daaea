// Matrix products against oneDNN called directly with all threads, in one run. Prints one JSON
// record a line: name, value, unit, reference, ratio (value over reference; 1 is oneDNN's speed).

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <dnnl.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <string_view>
#include <thread>

#include "core/cpu/onednn.h"
#include "core/kernels.h"
#include "core/parallel.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

struct Shape {
  const char* name;
  int64_t m, n, k;
  bool transposed_a, transposed_b;
};

// The products of one step of configs/gpt_char.yaml and configs/quickstart.yaml, and squares.
constexpr Shape kShapes[] = {
    {"qkv_forward", 3072, 1152, 384, false, true},
    {"proj_forward", 3072, 384, 384, false, true},
    {"up_forward", 3072, 1536, 384, false, true},
    {"down_forward", 3072, 384, 1536, false, true},
    {"head_forward", 3072, 256, 384, false, true},
    {"qkv_input_grad", 3072, 384, 1152, false, false},
    {"up_input_grad", 3072, 384, 1536, false, false},
    {"down_input_grad", 3072, 1536, 384, false, false},
    {"qkv_weight_grad", 1152, 384, 3072, true, false},
    {"proj_weight_grad", 384, 384, 3072, true, false},
    {"up_weight_grad", 1536, 384, 3072, true, false},
    {"down_weight_grad", 384, 1536, 3072, true, false},
    {"quickstart_qkv_forward", 512, 384, 128, false, true},
    {"quickstart_up_weight_grad", 512, 128, 512, true, false},
    {"256", 256, 256, 256, false, false},
    {"2048", 2048, 2048, 2048, false, false},
};

// (rows, cols), or its transpose's view.
Array matrix(int64_t rows, int64_t cols, bool transposed, const char* name) {
  Array x = Array::empty(transposed ? Dims{cols, rows} : Dims{rows, cols});
  kernels({}).random().uniform(parameter_stream(1, name), 0, -0.5, 0.5, x);
  return transposed ? x.transpose(0, 1) : x;
}

dnnl::memory memory_of(const Array& x, dnnl::engine& engine) {
  dnnl::memory::desc desc({x.size(0), x.size(1)}, dnnl::memory::data_type::f32,
                          dnnl::memory::dims{x.strides()[0], x.strides()[1]});
  return {desc, engine, x.raw()};
}

double seconds(const std::function<void()>& fn) {
  Clock::time_point start = Clock::now();
  fn();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// One call after the other, as in a step of training. OpenMP's threads spin for a while when a call
// is over and would take the cores from whoever comes next, so they are left to fall asleep first;
// then the kernel needs some milliseconds to put threads that wake up on cores of their own.
void measure_calls(const std::function<void()>& fn, int calls, std::vector<double>& times) {
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  Clock::time_point warm = Clock::now() + std::chrono::milliseconds(60);
  while (Clock::now() < warm) fn();
  for (int i = 0; i < calls; ++i) times.push_back(seconds(fn));
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

void check_equal(const Array& ours, const Array& reference, int64_t k) {
  auto a = ours.to_vector<float>();
  auto b = reference.to_vector<float>();
  for (size_t i = 0; i < a.size(); ++i) {
    TESSERA_CHECK(std::abs(a[i] - b[i]) <= 1e-6F * static_cast<float>(k),
                  "the products differ at {}: {} and {}", i, a[i], b[i]);
  }
}

void measure(const Shape& s) {
  Array a = matrix(s.m, s.k, s.transposed_a, "a");
  Array b = matrix(s.k, s.n, s.transposed_b, "b");
  Array ours = Array::empty({s.m, s.n});
  Array theirs = Array::empty({s.m, s.n});

  omp_set_num_threads(num_threads());
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  dnnl::memory am = memory_of(a, engine);
  dnnl::memory bm = memory_of(b, engine);
  dnnl::memory cm = memory_of(theirs, engine);
  dnnl::matmul direct(
      cpu::forward_desc<dnnl::matmul>(engine, {}, am.get_desc(), bm.get_desc(), cm.get_desc()));
  auto run_direct = [&] {
    direct.execute(stream, {{DNNL_ARG_SRC, am}, {DNNL_ARG_WEIGHTS, bm}, {DNNL_ARG_DST, cm}});
  };
  auto run_ours = [&] {
    kernels({}).matmul().run(a.unsqueeze(0), b.unsqueeze(0), {}, ours.unsqueeze(0));
  };
  run_direct();
  run_ours();
  check_equal(ours, theirs, s.k);

  double flops = 2.0 * static_cast<double>(s.m * s.n * s.k);
  int calls = std::clamp(static_cast<int>(2e10 / flops), 5, 50);
  std::vector<double> own_times;
  std::vector<double> direct_times;
  for (int round = 0; round < 9; ++round) {
    measure_calls(run_direct, calls, direct_times);
    measure_calls(run_ours, calls, own_times);
  }
  double value = flops / median(own_times) / 1e9;
  double reference = flops / median(direct_times) / 1e9;
  nlohmann::json record{{"name", std::string("ops.matmul.") + s.name},
                        {"value", value},
                        {"unit", "GFLOP/s"},
                        {"reference", reference},
                        {"reference_name", "oneDNN, one call with all threads"},
                        {"ratio", value / reference}};
  fmt::print("{}\n", record.dump());
  std::fflush(stdout);
}

}  // namespace
}  // namespace tessera

// usage: bench_matmul [PART OF A NAME]
int main(int argc, char** argv) {
  for (const auto& shape : tessera::kShapes) {
    if (argc < 2 || std::string_view(shape.name).find(argv[1]) != std::string_view::npos) {
      tessera::measure(shape);
    }
  }
  return 0;
}
