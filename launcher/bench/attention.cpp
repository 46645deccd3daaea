// Attention forward and backward against the matrix products and the softmax that it is made of.
#include "launcher/bench/families.h"
#include "launcher/bench/operands.h"

namespace tessera::bench {
namespace {

struct AttentionShape {
  const char* name;
  int64_t batch, heads, tokens, width;
  bool causal;
};

constexpr AttentionShape kAttentionShapes[] = {
    {"72x256x64", 12, 6, 256, 64, false},
    {"72x256x64_causal", 12, 6, 256, 64, true},
    {"4x2048x64_causal", 1, 4, 2048, 64, true},
};

// Queries, keys and values, and both ways from them to a result.
class Heads {
 public:
  Heads(const AttentionShape& shape, const Settings& settings) : causal_(shape.causal) {
    manual_seed(1);
    int64_t tokens = settings.quick ? shape.tokens / 8 : shape.tokens;
    Dims dims{shape.batch, shape.heads, tokens, shape.width};
    for (Tensor* one : {&q_, &k_, &v_}) *one = random_leaf(dims, -0.5, 0.5);
    dout_ = random(dims, -0.5, 0.5);
    scale_ = 1 / std::sqrt(static_cast<double>(shape.width));
    // Added to the scores of keys that a query does not see.
    if (causal_) hidden_ = (1 - tri(tokens)) * -1e30;
  }
  Tensor fused() const { return scaled_dot_product_attention(q_, k_, v_, {}, 0, causal_); }
  Tensor composed() const {
    Tensor scores = matmul(q_, Tensor(transpose(k_, -2, -1))) * scale_;
    return matmul(softmax(causal_ ? scores + hidden_ : scores), v_);
  }
  std::vector<Tensor> gradients(const Tensor& out) const {
    return grad({out}, {q_, k_, v_}, {dout_}, {.retain_graph = true});
  }
  void check() const {
    Tensor own = fused();
    Tensor other = composed();
    check_close(own, other, 1e-4F, "attention");
    std::vector<Tensor> own_gradients = gradients(own);
    std::vector<Tensor> others = gradients(other);
    for (size_t i = 0; i < 3; ++i) {
      check_close(own_gradients[i], others[i], 1e-3F, "attention's gradients");
    }
  }

 private:
  bool causal_;
  double scale_ = 1;
  Tensor q_, k_, v_, dout_, hidden_;
};

constexpr const char* kComposed = "matrix products and softmax of this library";

Measured measure_forward(const AttentionShape& shape, const Settings& settings) {
  Heads heads(shape, settings);
  heads.check();
  const NoGrad no_history;
  return in_turns(settings, 15,
                  {.value = milliseconds_of([&] { heads.fused(); }),
                   .reference = milliseconds_of([&] { heads.composed(); }),
                   .reference_name = kComposed});
}

Measured measure_backward_of(const AttentionShape& shape, const Settings& settings) {
  Heads heads(shape, settings);
  heads.check();
  Tensor fused = heads.fused();
  Tensor composed = heads.composed();
  return in_turns(settings, 15,
                  {.value = milliseconds_of([&] { heads.gradients(fused); }),
                   .reference = milliseconds_of([&] { heads.gradients(composed); }),
                   .reference_name = kComposed});
}

}  // namespace

void add_attention(std::vector<Benchmark>& to) {
  for (const AttentionShape& shape : kAttentionShapes) {
    std::string doc = fmt::format("{} heads of {} tokens, {} wide{}", shape.batch * shape.heads,
                                  shape.tokens, shape.width, shape.causal ? ", causal" : "");
    to.push_back({fmt::format("ops.attention_forward.{}", shape.name), "ms", doc,
                  [&shape](const Settings& s) { return measure_forward(shape, s); }});
    to.push_back({fmt::format("ops.attention_backward.{}", shape.name), "ms", doc,
                  [&shape](const Settings& s) { return measure_backward_of(shape, s); }});
  }
}

}  // namespace tessera::bench
