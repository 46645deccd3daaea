#include "nn/models/gpt.h"
#include "launcher/experiment/components/components.h"
#include "launcher/experiment/components/models/gpt_words.h"

namespace tessera::experiment::models {
namespace {

class GptSection final : public ModelSection {
 public:
  void visit(FieldVisitor& v) override {
    v("layers", options_.layers, "number of blocks", in_range(1, 10000));
    v("heads", options_.heads, "attention heads; divides width", in_range(1, 10000));
    v("width", options_.width, "size of a token's vector", in_range(1, 1 << 20));
    v("context", options_.context, "tokens seen at once", in_range(1, 1 << 24));
    v("vocabulary", options_.vocabulary, "kinds of tokens; text has 256, its bytes",
      in_range(1, 1 << 24));
    v("activation", options_.activation,
      "of the hidden layers: gelu, or its approximation by tanh");
    v("dropout", options_.dropout, "probability of dropping an activation",
      at_least_and_below(0, 1).in_f32());
  }
  std::unique_ptr<nn::Model> make() const override {
    if (options_.width % options_.heads != 0) {
      throw ConfigError(fmt::format("model.heads: {} heads do not divide a width of {}",
                                    options_.heads, options_.width));
    }
    return std::make_unique<nn::Gpt>(options_);
  }
  data::DataContract contract() const override {
    return data::DataContract::of_tokens(options_.context, options_.vocabulary);
  }

 private:
  nn::GptOptions options_;
};

}  // namespace

Option gpt() { return option<GptSection>("gpt", "a decoder-only transformer"); }

}  // namespace tessera::experiment::models
