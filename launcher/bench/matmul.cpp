// Matrix products against oneDNN called directly with all threads.
#include <omp.h>

#include <algorithm>
#include <dnnl.hpp>

#include "core/cpu/onednn.h"
#include "core/parallel.h"
#include "launcher/bench/families.h"
#include "launcher/bench/onednn_calls.h"
#include "launcher/bench/operands.h"

namespace tessera::bench {
namespace {

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
Tensor matrix(int64_t rows, int64_t cols, bool transposed) {
  if (!transposed) return random({rows, cols}, -0.5, 0.5);
  return random({cols, rows}, -0.5, 0.5).data().transpose(0, 1);
}

// out = a b as one call of oneDNN.
class Direct {
 public:
  Direct(const Tensor& a, const Tensor& b, const Tensor& out)
      : a_(memory_of(a.data())), b_(memory_of(b.data())), out_(memory_of(out.data())) {
    omp_set_num_threads(num_threads());
    product_ = dnnl::matmul(cpu::forward_desc<dnnl::matmul>(engine_, {}, a_.get_desc(),
                                                            b_.get_desc(), out_.get_desc()));
  }
  void run() {
    product_.execute(stream_, {{DNNL_ARG_SRC, a_}, {DNNL_ARG_WEIGHTS, b_}, {DNNL_ARG_DST, out_}});
    stream_.wait();
  }

 private:
  dnnl::memory memory_of(const Array& x) {
    dnnl::memory::desc desc({x.size(0), x.size(1)}, dnnl::memory::data_type::f32,
                            dnnl::memory::dims{x.strides()[0], x.strides()[1]});
    return {desc, engine_, x.raw()};
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::memory a_, b_, out_;
  dnnl::matmul product_;
};

Measured measure(const Shape& shape, const Settings& settings) {
  manual_seed(1);
  int64_t cut = settings.quick ? 4 : 1;
  int64_t m = shape.m / cut;
  int64_t n = shape.n / cut;
  int64_t k = shape.k / cut;
  Tensor a = matrix(m, k, shape.transposed_a);
  Tensor b = matrix(k, n, shape.transposed_b);
  Tensor theirs = empty({m, n});
  Direct direct(a, b, theirs);
  auto own = [&] { return matmul(a, b); };
  direct.run();
  check_close(own(), theirs, 1e-6F * static_cast<float>(k), "a product");

  double flops = 2.0 * static_cast<double>(m * n * k);
  int calls = settings.quick ? 1 : std::clamp(static_cast<int>(2e10 / flops), 5, 50);
  auto rate = [=](const std::function<void()>& fn) {
    return flops / 1e9 / median_of_calls(fn, calls);
  };
  return in_turns(settings, 9,
                  {.value = [&] { return rate([&] { own(); }); },
                   .reference = [&] { return rate([&] { direct.run(); }); },
                   .reference_name = "oneDNN, one call with all threads",
                   .warm_up = false});
}

}  // namespace

void add_matmul(std::vector<Benchmark>& to) {
  for (const Shape& shape : kShapes) {
    to.push_back({fmt::format("ops.matmul.{}", shape.name), "GFLOP/s",
                  fmt::format("({}, {}) by ({}, {})", shape.m, shape.k, shape.k, shape.n),
                  [&shape](const Settings& settings) { return measure(shape, settings); }});
  }
}

}  // namespace tessera::bench
