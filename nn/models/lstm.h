// A language model of a recurrent network.
#pragma once

#include <optional>

#include "nn/layers.h"
#include "nn/models/model.h"
#include "nn/models/output_layer.h"

namespace tessera::nn {

struct LstmModelOptions {
  int64_t layers = 2;
  int64_t width = 128;   // size of a token's vector
  int64_t hidden = 256;  // of each layer
  int64_t context = 128;
  int64_t vocabulary = 256;
  double dropout = 0;  // on tokens' vectors and on each layer's outputs
  bool tied = false;   // the output layer is the token embedding; hidden is width then
};

// An embedding (encoder), an Lstm (rnn) and a linear layer (decoder), which start as these layers
// do but for the embedding: uniform in (-0.1, 0.1) (Zaremba et al. 2014). Every text starts from a
// state of zeros.
class LstmModel final : public LanguageModel {
 public:
  explicit LstmModel(const LstmModelOptions& options);
  // batch.tokens i64 (B, T) with T up to the context -> logits (B, T, vocabulary).
  Tensor forward(const data::Batch& batch) override;

 protected:
  Loss compute_loss(const data::Batch& batch) override;

 private:
  // What the output layer takes: (B, T, hidden).
  Tensor hidden(const data::Batch& batch);

  LstmModelOptions options_;
  Embedding encoder_;
  Dropout dropout_;
  Lstm rnn_;
  std::optional<OutputLayer> decoder_;
};

}  // namespace tessera::nn
