#include "nn/models/vit.h"

#include <cmath>

#include "autograd/ops.h"
#include "nn/models/images.h"

namespace tessera::nn {
namespace {

constexpr LayerNormOptions kViTNorm{.eps = 1e-6};

int64_t hidden_of(const ViTOptions& o) {
  return static_cast<int64_t>(static_cast<double>(o.width) * o.mlp_ratio);
}

const ViTOptions& checked(const ViTOptions& o) {
  TESSERA_CHECK(o.channels >= 1 && o.size >= 1 && o.width >= 1 && o.depth >= 1 && o.classes >= 1,
                "[vit] channels, size, width, depth and classes must be at least 1");
  TESSERA_CHECK(o.patch >= 1 && o.size % o.patch == 0,
                "[vit] patches of {} x {} do not divide images of {} x {}", o.patch, o.patch,
                o.size, o.size);
  TESSERA_CHECK(o.heads >= 1 && o.width % o.heads == 0,
                "[vit] {} heads do not divide a width of {}", o.heads, o.width);
  TESSERA_CHECK(hidden_of(o) >= 1, "[vit] an mlp_ratio of {} leaves no hidden units", o.mlp_ratio);
  return o;
}

// Uniform as Xavier and Glorot say, with biases near zero.
void init_hidden(Linear& linear) {
  auto fans = static_cast<double>(linear.weight.size(0) + linear.weight.size(1));
  linear.set_initial_values(linear.weight, Init::uniform(std::sqrt(6 / fans)));
  linear.set_initial_values(linear.bias, Init::normal(1e-6));
}

}  // namespace

ViTBlock::ViTBlock(Module* parent, std::string name, const ViTOptions& o)
    : OwnLayer({parent, std::move(name)}),
      ln_1_(this, "ln_1", o.width, kViTNorm),
      self_attention_(this, "self_attention", o.width, o.heads,
                      {.dropout = o.attention_dropout, .batch_first = true}),
      dropout_(this, "dropout", o.dropout),
      ln_2_(this, "ln_2", o.width, kViTNorm),
      mlp_(this, "mlp") {
  mlp_.add<Linear>(o.width, hidden_of(o)).add<Gelu>().add<Dropout>(o.dropout);
  mlp_.add<Linear>(hidden_of(o), o.width).add<Dropout>(o.dropout);
  init_hidden(mlp_.get<Linear>("0"));
  init_hidden(mlp_.get<Linear>("3"));
  make_block();
}

Tensor ViTBlock::forward(const Tensor& x) const {
  Tensor normed = ln_1_(x);
  Tensor y = x + dropout_(self_attention_(normed, normed, normed));
  return y + mlp_(ln_2_(y));
}

ViTEncoder::ViTEncoder(Module* parent, std::string name, int64_t tokens, const ViTOptions& o)
    : OwnLayer({parent, std::move(name)}),
      pos_embedding_(add_parameter("pos_embedding", {1, tokens, o.width}, Init::normal(0.02))),
      dropout_(this, "dropout", o.dropout),
      layers_(this, "layers"),
      ln_(this, "ln", o.width, kViTNorm) {
  for (int64_t i = 0; i < o.depth; ++i) {
    blocks_.push_back(std::make_unique<ViTBlock>(&layers_, fmt::format("encoder_layer_{}", i), o));
  }
}

Tensor ViTEncoder::forward(const Tensor& x) const {
  Tensor y = dropout_(x + pos_embedding_);
  for (const auto& block : blocks_) y = (*block)(y);
  return ln_(y);
}

ViT::ViT(const ViTOptions& options)
    : Classifier(options.classes),
      options_(checked(options)),
      conv_proj_(this, "conv_proj", options.channels, options.width, options.patch,
                 {.stride = {options.patch}}),
      encoder_(this, "encoder",
               (options.size / options.patch) * (options.size / options.patch) +
                   (options.pool == ViTPool::token ? 1 : 0),
               options),
      heads_(this, "heads"),
      head_(&heads_, "head", options.width, options.classes) {
  keep_callers_place();
  if (options.pool == ViTPool::token) {
    class_token_ = add_parameter("class_token", {1, 1, options.width}, Init::constant(0));
  }
  auto fan_in = static_cast<double>(options.channels * options.patch * options.patch);
  conv_proj_.set_initial_values(conv_proj_.weight, Init::normal(std::sqrt(1 / fan_in)));
  conv_proj_.set_initial_values(conv_proj_.bias, Init::constant(0));
  head_.set_initial_values(head_.weight, Init::constant(0));
  head_.set_initial_values(head_.bias, Init::constant(0));
}

Tensor ViT::forward(const data::Batch& batch) {
  Tensor x = images_of(batch, "vit", options_.channels, options_.size, head_.weight.dtype());
  // (B, width, rows, columns) -> (B, patches, width)
  x = transpose(flatten(conv_proj_(channels_last(x)), 2), 1, 2);
  if (class_token_.defined()) {
    x = cat({expand(class_token_, {x.size(0), 1, options_.width}), x}, 1);
  }
  x = encoder_(x);
  return head_(class_token_.defined() ? select(x, 1, 0) : mean(x, {1}));
}

}  // namespace tessera::nn
