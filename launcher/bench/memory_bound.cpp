// Operations that move more than they compute, against the bandwidth of copying in the same run:
// GB/s are bytes read and written over time.
#include <algorithm>
#include <cstring>
#include <memory>

#include "core/parallel.h"
#include "launcher/bench/families.h"
#include "launcher/bench/operands.h"
#include "nn/optim/adamw.h"

namespace tessera::bench {
namespace {

constexpr int kCopyRepetitions = 15;

// Of 64 MiB in f32.
int64_t num_floats(const Settings& settings) { return (settings.quick ? 1 : 64) * kMiB / 4; }

// Copies 64 MiB out of place with all threads, by the C library.
class Copy {
 public:
  explicit Copy(int64_t bytes)
      : bytes_(bytes), from_(random({bytes / 4}).data()), to_(random({bytes / 4}).data()) {}
  void run() const {
    const auto* from = static_cast<const char*>(from_.raw());
    auto* to = static_cast<char*>(to_.raw());
    constexpr int64_t kPage = 4096;
    int64_t piece = std::max(kPage, bytes_ / num_threads() / kPage * kPage);
    parallel_tiles(bytes_, piece, [&](int64_t begin, int64_t end) {
      std::memcpy(to + begin, from + begin, static_cast<size_t>(end - begin));
    });
  }
  double moved() const { return 2 * static_cast<double>(bytes_); }

 private:
  int64_t bytes_;
  Array from_;
  Array to_;
};

Measured against_copy(const Settings& settings, double bytes, const std::function<void()>& fn,
                      const std::function<void()>& before = {}) {
  Copy copy(4 * num_floats(settings));
  return in_turns(settings, kCopyRepetitions,
                  {.value = rate_of(bytes / 1e9, fn, before),
                   .reference = rate_of(copy.moved() / 1e9, [&] { copy.run(); }),
                   .reference_name = "memcpy of 64 MiB by all threads"});
}

using Op = std::function<Tensor(const Tensor& x)>;
using Check = std::function<void(const Tensor& x, const Tensor& y)>;

double bytes_of(const Tensor& x) { return static_cast<double>(x.data().nbytes()); }

// y = op(x), which reads x and writes y as often as `moves` says.
Measured forward(const Settings& settings, const Dims& shape, double moves, const Op& op,
                 const Check& check) {
  manual_seed(1);
  Tensor x = random(shape, -4, 4);
  auto run = [&] {
    const NoGrad no_history;
    return op(x);
  };
  check(x, run());
  return against_copy(settings, moves * bytes_of(x), [&] { run(); });
}

// The gradients of all that `op` takes from `leaves` (x first) for a random dy.
Measured backward(const Settings& settings, const Dims& shape, double moves, const Op& op,
                  std::vector<Tensor> leaves = {}) {
  manual_seed(1);
  Tensor x = random_leaf(shape, -4, 4);
  Tensor y = op(x);
  Tensor dy = random(shape);
  leaves.insert(leaves.begin(), x);
  auto run = [&] { return grad({y}, leaves, {dy}, {.retain_graph = true}); };
  Tensor dx = run()[0];
  double total = static_cast<double>(sum(dx).item<float>());
  TESSERA_CHECK(dx.shape() == x.shape() && std::isfinite(total), "a gradient sums to {}", total);
  return against_copy(settings, moves * bytes_of(x), [&] { run(); });
}

Tensor last_row(const Tensor& y) { return reshape(Tensor(y.data().select(0, -1)), {-1}); }

void check_row_sums_to(const Tensor& y, double expected, const char* what) {
  check_near(static_cast<double>(sum(last_row(y)).item<float>()), expected, 1e-3, what);
}

void check_gelu(const Tensor& x, const Tensor& y) {
  for (int64_t i : {0, 1000, 100'000}) {
    auto at = static_cast<double>(x.data().select(0, i).item<float>());
    check_near(static_cast<double>(y.data().select(0, i).item<float>()),
               at * 0.5 * (1 + std::erf(at / std::sqrt(2.0))), 1e-5, "gelu");
  }
}

void add_pointwise(std::vector<Benchmark>& to) {
  auto flat = [](const Settings& settings) { return Dims{num_floats(settings)}; };
  Op activation = [](const Tensor& x) { return gelu(x); };
  to.push_back({"ops.add_64MiB", "GB/s", "addition of two arrays", [=](const Settings& s) {
                  Tensor other = random(flat(s));
                  Op add = [&](const Tensor& x) { return x + other; };
                  return forward(s, flat(s), 3, add, [&](const Tensor& x, const Tensor& y) {
                    check_close(y - x, other, 1e-5F, "a sum");
                  });
                }});
  to.push_back({"ops.gelu_64MiB", "GB/s", "gelu, by erf",
                [=](const Settings& s) { return forward(s, flat(s), 2, activation, check_gelu); }});
  to.push_back({"ops.gelu_backward_64MiB", "GB/s", "its gradient",
                [=](const Settings& s) { return backward(s, flat(s), 3, activation); }});
  to.push_back({"ops.sum_64MiB", "GB/s", "the sum of all elements", [=](const Settings& s) {
                  Op total = [](const Tensor& x) { return sum(x); };
                  return forward(s, flat(s), 1, total, [](const Tensor& x, const Tensor& y) {
                    double expected = 0;
                    for (float value : x.data().to_vector<float>()) {
                      expected += static_cast<double>(value);
                    }
                    check_near(static_cast<double>(y.item<float>()), expected, 1, "a sum");
                  });
                }});
}

// A function of rows and its gradient, two benchmarks.
void add_rows(std::vector<Benchmark>& to, const std::string& name, int64_t columns, const Op& op,
              const Check& check) {
  auto shape = [=](const Settings& s) { return Dims{num_floats(s) / columns, columns}; };
  std::string doc = fmt::format("rows of {}", columns);
  to.push_back({fmt::format("ops.{}_64MiB.{}_columns", name, columns), "GB/s", doc,
                [=](const Settings& s) { return forward(s, shape(s), 2, op, check); }});
  to.push_back({fmt::format("ops.{}_backward_64MiB.{}_columns", name, columns), "GB/s",
                "its gradient", [=](const Settings& s) { return backward(s, shape(s), 3, op); }});
}

void add_softmax(std::vector<Benchmark>& to) {
  for (int64_t columns : {1024, 16384}) {
    add_rows(
        to, "softmax", columns, [](const Tensor& x) { return softmax(x); },
        [](const Tensor&, const Tensor& y) { check_row_sums_to(y, 1, "softmax"); });
    add_rows(
        to, "log_softmax", columns, [](const Tensor& x) { return log_softmax(x); },
        [](const Tensor&, const Tensor& y) { check_row_sums_to(exp(y), 1, "log_softmax"); });
  }
}

void add_layer_norm(std::vector<Benchmark>& to) {
  for (int64_t columns : {768, 4096}) {
    Op op = [=](const Tensor& x) {
      return layer_norm(x, {columns}, ones(columns), full(columns, 0.5));
    };
    add_rows(to, "layer_norm", columns, op, [=](const Tensor&, const Tensor& y) {
      check_row_sums_to(y, 0.5 * static_cast<double>(columns), "layer_norm");
    });
  }
}

void add_batch_norm(std::vector<Benchmark>& to) {
  struct Layout {
    const char* name;
    int64_t channels, positions;
  };
  for (const Layout& layout : {Layout{"channels_last", 256, 1}, Layout{"planes", 64, 4096}}) {
    const char* name = layout.name;
    int64_t channels = layout.channels;
    int64_t positions = layout.positions;
    auto shape = [=](const Settings& s) {
      return Dims{num_floats(s) / (channels * positions), channels, positions};
    };
    Op op = [=](const Tensor& x) {
      return batch_norm(x, {}, {}, ones(channels), ones(channels), true);
    };
    auto check = [](const Tensor&, const Tensor& y) {
      check_near(static_cast<double>(mean(y).item<float>()), 1, 1e-3, "batch_norm");
    };
    // x is read twice; x and dy are.
    to.push_back({fmt::format("ops.batch_norm_64MiB.{}", name), "GB/s", "in training",
                  [=](const Settings& s) { return forward(s, shape(s), 3, op, check); }});
    to.push_back({fmt::format("ops.batch_norm_backward_64MiB.{}", name), "GB/s", "its gradient",
                  [=](const Settings& s) { return backward(s, shape(s), 5, op); }});
  }
}

Measured measure_adamw(const Settings& settings) {
  manual_seed(1);
  int64_t count = settings.quick ? 100'000 : 10'000'000;
  Tensor param = random_leaf({count});
  Tensor before = param.data().clone();
  param.set_grad(random({count}));
  optim::AdamW optimizer({{{param}, 0.1}}, {});
  optimizer.step(1e-3);
  // The first step moves every element by lr, and a ten thousandth towards 0.
  check_near(static_cast<double>(mean(abs(param.detach() - before)).item<float>()), 1e-3, 1e-4,
             "AdamW's first step");
  // Four arrays read, three of them written.
  return against_copy(settings, 7.0 * 4 * static_cast<double>(count),
                      [&] { optimizer.step(1e-3); });
}

// Logits of 1,024 tokens over GPT-2's vocabulary.
class CrossEntropy {
 public:
  explicit CrossEntropy(const Settings& settings) {
    manual_seed(1);
    int64_t rows = settings.quick ? 16 : 1024;
    logits_ = random_leaf({rows, 50257}, -4, 4);
    targets_ = arange(rows);
  }
  double bytes() const { return bytes_of(logits_); }
  Tensor loss() const { return cross_entropy(logits_, targets_); }
  Tensor gradient(const Tensor& loss) const {
    return grad({loss}, {logits_}, {}, {.retain_graph = true})[0];
  }
  void check() const {
    Tensor loss_now = loss();
    // Uniform logits in [-4, 4): log of the mean of exp, sinh(4) / 4, times the classes.
    check_near(static_cast<double>(loss_now.item<float>()), std::log(50257 * std::sinh(4.0) / 4), 4,
               "cross-entropy");
    check_near(static_cast<double>(sum(last_row(gradient(loss_now))).item<float>()), 0, 1e-5,
               "a row of cross-entropy's gradient");
  }

 private:
  Tensor logits_;
  Tensor targets_;
};

void add_cross_entropy(std::vector<Benchmark>& to) {
  auto add = [&](const char* name, const char* doc, double moves, auto make_run) {
    to.push_back({name, "GB/s", doc, [=](const Settings& settings) {
                    CrossEntropy one(settings);
                    one.check();
                    return against_copy(settings, moves * one.bytes(), make_run(one));
                  }});
  };
  add("ops.cross_entropy_50257", "1,024 rows of 50,257, forward and backward", 3,
      [](const CrossEntropy& one) { return [&one] { one.gradient(one.loss()); }; });
  add("ops.cross_entropy_50257.forward", "the same, forward", 1, [](const CrossEntropy& one) {
    return [&one] {
      const NoGrad no_history;
      one.loss();
    };
  });
  add("ops.cross_entropy_50257.backward", "the same, backward", 2,
      [](const CrossEntropy& one) { return [&one, loss = one.loss()] { one.gradient(loss); }; });
}

}  // namespace

void add_memory_bound(std::vector<Benchmark>& to) {
  add_pointwise(to);
  add_softmax(to);
  add_layer_norm(to);
  add_batch_norm(to);
  to.push_back({"ops.adamw_10M", "GB/s", "AdamW on 10 million parameters", measure_adamw});
  add_cross_entropy(to);
}

}  // namespace tessera::bench
