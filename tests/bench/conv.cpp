// A convolution's forward pass and both gradients against oneDNN called directly with all threads
// on channels-last images, in one run. Prints one JSON record a line: name, value (ms), reference
// (ms), ratio (reference over value; 1 is oneDNN's speed).

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <dnnl.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/cpu/onednn.h"
#include "core/kernels.h"
#include "core/parallel.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;
using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;
constexpr auto kF32 = dnnl::memory::data_type::f32;

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

// OpenMP's threads spin for a while when a call is over and would take the cores from whoever comes
// next, so they are left to fall asleep first.
void measure_calls(const std::function<void()>& fn, std::vector<double>& times) {
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  fn();
  for (int i = 0; i < 5; ++i) times.push_back(milliseconds(fn));
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

void check_equal(const Array& ours, const Array& reference, float tolerance) {
  auto a = ours.to_vector<float>();
  auto b = reference.to_vector<float>();
  for (size_t i = 0; i < a.size(); ++i) {
    TESSERA_CHECK(std::abs(a[i] - b[i]) <= tolerance, "the results differ at {}: {} and {}", i,
                  a[i], b[i]);
  }
}

// The three primitives, with weights in the layouts they ask for.
class Direct {
 public:
  Direct(int64_t n, int64_t c, int64_t size)
      : image_({n, c, size, size}, kF32, Tag::nhwc), weight_({c, c, 3, 3}, kF32, Tag::any) {
    dnnl::memory::dims one{1, 1};
    auto direct = dnnl::algorithm::convolution_direct;
    forward_ = cpu::forward_desc<dnnl::convolution_forward>(
        engine_, {}, dnnl::prop_kind::forward_training, direct, image_, weight_, image_, one, one,
        one);
    input_ = cpu::backward_desc<dnnl::convolution_backward_data>(engine_, forward_, direct, image_,
                                                                 weight_, image_, one, one, one);
    weights_ = cpu::backward_desc<dnnl::convolution_backward_weights>(
        engine_, forward_, direct, image_, weight_, image_, one, one, one);
  }
  void run(const Array& x, const Array& w, const Array& dy, const Array& y, const Array& dx,
           const Array& dw) {
    dnnl::memory plain = plain_weight(w);
    dnnl::memory wf(forward_.weights_desc(), engine_);
    dnnl::reorder(plain, wf).execute(stream_, plain, wf);
    dnnl::convolution_forward(forward_).execute(
        stream_, {{DNNL_ARG_SRC, image(x)}, {DNNL_ARG_WEIGHTS, wf}, {DNNL_ARG_DST, image(y)}});
    dnnl::memory wi(input_.weights_desc(), engine_);
    dnnl::reorder(plain, wi).execute(stream_, plain, wi);
    dnnl::convolution_backward_data(input_).execute(
        stream_,
        {{DNNL_ARG_DIFF_DST, image(dy)}, {DNNL_ARG_WEIGHTS, wi}, {DNNL_ARG_DIFF_SRC, image(dx)}});
    dnnl::memory ww(weights_.diff_weights_desc(), engine_);
    dnnl::convolution_backward_weights(weights_).execute(
        stream_,
        {{DNNL_ARG_SRC, image(x)}, {DNNL_ARG_DIFF_DST, image(dy)}, {DNNL_ARG_DIFF_WEIGHTS, ww}});
    dnnl::memory out = plain_weight(dw);
    dnnl::reorder(ww, out).execute(stream_, ww, out);
  }

 private:
  dnnl::memory image(const Array& x) { return {image_, engine_, x.raw()}; }
  dnnl::memory plain_weight(const Array& w) {
    Desc plain({w.size(0), w.size(1), w.size(2), w.size(3)}, kF32, Tag::oihw);
    return {plain, engine_, w.raw()};
  }
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  Desc image_, weight_;
  dnnl::convolution_forward::primitive_desc forward_;
  dnnl::convolution_backward_data::primitive_desc input_;
  dnnl::convolution_backward_weights::primitive_desc weights_;
};

void measure(int64_t n, int64_t c, int64_t size) {
  Dims image{n, size, size, c};
  Array x = random(image, "x");
  Array dy = random(image, "dy");
  Array w = random({c, c, 3, 3}, "w");
  auto results = [&] {
    return std::array{Array::zeros(image), Array::zeros(image), Array::zeros(w.shape())};
  };
  auto ours = results();
  auto theirs = results();
  ConvArgs args{{1, 1}, {1, 1}, {1, 1}, 1};
  omp_set_num_threads(num_threads());
  Direct direct(n, c, size);
  auto run_direct = [&] { direct.run(x, w, dy, theirs[0], theirs[1], theirs[2]); };
  auto run_ours = [&] {
    const ConvFamily& conv = kernels({}).conv();
    conv.run(x, w, {}, args, ours[0]);
    conv.input_grad(dy, w, args, ours[1]);
    conv.weight_grad(x, dy, args, ours[2]);
  };
  run_direct();
  run_ours();
  check_equal(ours[0], theirs[0], 1e-3F);
  check_equal(ours[1], theirs[1], 1e-3F);
  check_equal(ours[2], theirs[2], 0.2F);
  std::vector<double> own_times;
  std::vector<double> direct_times;
  for (int round = 0; round < 3; ++round) {
    measure_calls(run_direct, direct_times);
    measure_calls(run_ours, own_times);
  }
  nlohmann::json record{{"name", "ops.conv3x3"},
                        {"shape", fmt::format("{} channels, {} x {}, batch {}", c, size, size, n)},
                        {"value", median(own_times)},
                        {"unit", "ms"},
                        {"reference", median(direct_times)},
                        {"reference_name", "oneDNN, NHWC, one call each with all threads"},
                        {"ratio", median(direct_times) / median(own_times)}};
  fmt::print("{}\n", record.dump());
}

}  // namespace
}  // namespace tessera

int main() {
  tessera::measure(32, 64, 56);
  return 0;
}
