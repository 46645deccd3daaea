#include "nn/models/llama.h"
#include "launcher/experiment/components/components.h"
#include "launcher/experiment/components/models/llama_fields.h"

namespace tessera::experiment::models {
namespace {

void visit_rotary(FieldVisitor& v, nn::RotaryOptions& r) {
  v("rope_theta", r.theta, "base of the rotary positions' angles", greater_than(1).in_f32());
  v("rope_scaling", r.scaling, "how angles are made smaller for longer texts");
  v("rope_factor", r.factor, "how much longer", at_least(1).in_f32());
  v("rope_original_context", r.original_context, "tokens of a text in training (llama3, yarn)",
    in_range(1, 1 << 24));
  v("rope_low_freq_factor", r.low_freq_factor, "turns in a text up to which llama3 scales",
    greater_than(0).in_f32());
  v("rope_high_freq_factor", r.high_freq_factor, "turns from which on llama3 does not",
    greater_than(0).in_f32());
  v("rope_beta_slow", r.beta_slow, "turns in a text up to which yarn scales",
    greater_than(0).in_f32());
  v("rope_beta_fast", r.beta_fast, "turns from which on yarn does not", greater_than(0).in_f32());
}

void check_rotary(const nn::RotaryOptions& r, int64_t head_dim) {
  if (head_dim % 2 != 0) {
    throw ConfigError(
        fmt::format("model.head_dim: rotary positions need an even one, got {}", head_dim));
  }
  if (r.scaling == nn::RotaryScaling::ntk && head_dim <= 2) {
    throw ConfigError("model.rope_scaling: ntk needs a head_dim above 2");
  }
  if (r.low_freq_factor >= r.high_freq_factor) {
    throw ConfigError("model.rope_low_freq_factor: it must be below rope_high_freq_factor");
  }
  if (r.beta_slow >= r.beta_fast) {
    throw ConfigError("model.rope_beta_slow: it must be below rope_beta_fast");
  }
}

class LlamaSection final : public ModelSection {
 public:
  void visit(FieldVisitor& v) override { visit_llama(v, options_); }
  void check() const override { check_llama(options_); }
  std::unique_ptr<nn::Model> make() const override { return std::make_unique<nn::Llama>(options_); }
  data::DataContract contract() const override {
    return data::DataContract::of_tokens(options_.context, options_.vocabulary);
  }

 private:
  nn::LlamaOptions options_;
};

}  // namespace

void visit_llama(FieldVisitor& v, nn::LlamaOptions& o) {
  v("layers", o.layers, "number of blocks", in_range(1, 10000));
  v("heads", o.heads, "attention heads", in_range(1, 10000));
  v("kv_heads", o.kv_heads,
    "heads of keys and values, which serve several heads each; divides heads; 0: heads",
    in_range(0, 10000));
  v("width", o.width, "size of a token's vector", in_range(1, 1 << 20));
  v("head_dim", o.head_dim, "size of a head, even; 0: width / heads", in_range(0, 1 << 16));
  v("hidden", o.hidden, "units of a gated layer", in_range(1, 1 << 24));
  v("context", o.context, "tokens seen at once", in_range(1, 1 << 24));
  v("vocabulary", o.vocabulary, "kinds of tokens; text has 256, its bytes", in_range(1, 1 << 24));
  v("norm_eps", o.norm_eps, "added to means of squares", greater_than(0).in_f32());
  v("qkv_bias", o.qkv_bias, "biases of queries, keys and values (Qwen 2)");
  v("output_bias", o.output_bias, "a bias of attention's output projection");
  v("qk_norm", o.qk_norm, "norms of each head's queries and keys (Qwen 3)");
  v("window", o.window, "tokens that one sees, itself included (Mistral); 0: all before",
    in_range(0, 1 << 24));
  v("tied", o.tied, "whether the output layer is the token embedding");
  visit_rotary(v, o.rotary);
}

void check_llama(const nn::LlamaOptions& o) {
  int64_t kv_heads = o.kv_heads == 0 ? o.heads : o.kv_heads;
  if (o.heads % kv_heads != 0) {
    throw ConfigError(fmt::format("model.kv_heads: {} do not divide {} heads", kv_heads, o.heads));
  }
  if (o.head_dim == 0 && o.width % o.heads != 0) {
    throw ConfigError(
        fmt::format("model.heads: {} heads do not divide a width of {}", o.heads, o.width));
  }
  check_rotary(o.rotary, o.head_dim == 0 ? o.width / o.heads : o.head_dim);
}

Option llama() {
  return option<LlamaSection>("llama", "a decoder-only transformer as Llama, Qwen and Mistral are");
}

}  // namespace tessera::experiment::models
