#include "nn/models/lstm.h"

#include "autograd/ops.h"

namespace tessera::nn {
namespace {

const LstmModelOptions& checked(const LstmModelOptions& o) {
  TESSERA_CHECK(
      o.layers >= 1 && o.width >= 1 && o.hidden >= 1 && o.context >= 1 && o.vocabulary >= 1,
      "[lstm] layers, width, hidden, context and vocabulary must be at least 1");
  TESSERA_CHECK(!o.tied || o.hidden == o.width,
                "[lstm] a tied output layer needs hidden to be width, got {} and {}", o.hidden,
                o.width);
  return o;
}

}  // namespace

LstmModel::LstmModel(const LstmModelOptions& options)
    : options_(checked(options)),
      encoder_(this, "encoder", options.vocabulary, options.width),
      dropout_(this, "dropout", options.dropout),
      rnn_(this, "rnn", options.width, options.hidden,
           {.layers = options.layers, .batch_first = true, .dropout = options.dropout}) {
  keep_callers_place();
  encoder_.set_initial_values(encoder_.weight, Init::uniform(0.1));
  rnn_.make_block();
  if (options.tied) return;
  decoder_.emplace(this, "decoder", options.hidden, options.vocabulary);
  decoder_->make_block();
}

Tensor LstmModel::hidden(const data::Batch& batch) {
  const Tensor& tokens = batch.tokens;
  TESSERA_CHECK(tokens.defined(), "[lstm] expected a batch with tokens");
  TESSERA_CHECK(tokens.dim() == 2 && tokens.size(1) <= options_.context,
                "[lstm] expected tokens (B, T) with T up to {}, got {}", options_.context,
                tokens.shape());
  return dropout_(rnn_(dropout_(encoder_(tokens))).output);
}

Tensor LstmModel::forward(const data::Batch& batch) {
  Tensor x = hidden(batch);
  return decoder_ ? (*decoder_)(x) : linear(x, encoder_.weight);
}

Loss LstmModel::compute_loss(const data::Batch& batch) {
  const Tensor& targets = batch.targets;
  if (hooks() || !targets.defined() || !makes_many_logits(targets.numel(), options_.vocabulary)) {
    return Model::compute_loss(batch);
  }
  const CallScope here(*this, call_place.site);
  Tensor x = hidden(batch);
  if (decoder_) return decoder_->loss(x, targets);
  return linear_cross_entropy_loss(x, encoder_.weight, {}, targets);
}

}  // namespace tessera::nn
