// A convolution's forward pass and both gradients against oneDNN called directly with all threads
// on channels-last images.
#include <omp.h>

#include <dnnl.hpp>

#include "core/cpu/onednn.h"
#include "core/parallel.h"
#include "launcher/bench/families.h"
#include "launcher/bench/onednn_calls.h"
#include "launcher/bench/operands.h"

namespace tessera::bench {
namespace {

using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;
constexpr auto kF32 = dnnl::memory::data_type::f32;

// The three primitives, with weights in the layouts they ask for. Images are (N, H, W, C) here.
class DirectConv {
 public:
  DirectConv(int64_t n, int64_t c, int64_t size)
      : image_({n, c, size, size}, kF32, Tag::nhwc), weight_({c, c, 3, 3}, kF32, Tag::any) {
    omp_set_num_threads(num_threads());
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
    stream_.wait();
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

// The image (N, C, H, W) whose memory is that of x (N, H, W, C).
Array as_image(const Tensor& x) { return x.data().permute({0, 3, 1, 2}); }

Measured measure_conv(const Settings& settings) {
  manual_seed(1);
  int64_t n = settings.quick ? 2 : 32;
  int64_t size = settings.quick ? 14 : 56;
  constexpr int64_t kChannels = 64;
  Dims image{n, size, size, kChannels};
  Tensor x = random(image, -0.5, 0.5);
  Tensor dy = random(image, -0.5, 0.5);
  Tensor w = random_leaf({kChannels, kChannels, 3, 3}, -0.5, 0.5);
  Tensor y = zeros(image);
  Tensor dx = zeros(image);
  Tensor dw = zeros(w.shape());
  DirectConv direct(n, kChannels, size);
  auto run_direct = [&] {
    direct.run(x.data(), w.data(), dy.data(), y.data(), dx.data(), dw.data());
  };
  Tensor input(as_image(x), true);
  Tensor dout(as_image(dy));
  auto run_own = [&] {
    Tensor out = conv2d(input, w, {}, {1}, {1});
    std::vector<Tensor> gradients = grad({out}, {input, w}, {dout});
    return std::vector<Tensor>{out, gradients[0], gradients[1]};
  };
  run_direct();
  std::vector<Tensor> own = run_own();
  check_close(own[0], Tensor(as_image(y)), 1e-3F, "a convolution");
  check_close(own[1], Tensor(as_image(dx)), 1e-3F, "a convolution's input gradient");
  check_close(own[2], dw, 0.2F, "a convolution's weight gradient");
  int calls = settings.quick ? 1 : 5;
  return in_turns(settings, 3,
                  {.value = [&] { return 1e3 * median_of_calls([&] { run_own(); }, calls); },
                   .reference = [&] { return 1e3 * median_of_calls(run_direct, calls); },
                   .reference_name = "oneDNN, NHWC, one call each with all threads",
                   .warm_up = false});
}

}  // namespace

void add_conv(std::vector<Benchmark>& to) {
  to.push_back(
      {"ops.conv3x3", "ms", "64 channels, 56 x 56, batch 32, forward and gradients", measure_conv});
}

}  // namespace tessera::bench
