#include "nn/models/lstm.h"
#include "launcher/experiment/components/components.h"

namespace tessera::experiment::models {
namespace {

class LstmSection final : public ModelSection {
 public:
  void visit(FieldVisitor& v) override {
    v("layers", options_.layers, "recurrent layers", in_range(1, 1000));
    v("width", options_.width, "size of a token's vector", in_range(1, 1 << 20));
    v("hidden", options_.hidden, "units of each layer", in_range(1, 1 << 20));
    v("context", options_.context, "tokens seen at once", in_range(1, 1 << 24));
    v("vocabulary", options_.vocabulary, "kinds of tokens; text has 256, its bytes",
      in_range(1, 1 << 24));
    v("dropout", options_.dropout, "probability of dropping an activation",
      at_least_and_below(0, 1).in_f32());
    v("tied", options_.tied,
      "whether the output layer is the token embedding; hidden is width then");
  }
  void check() const override {
    if (options_.tied && options_.hidden != options_.width) {
      throw ConfigError(fmt::format("model.tied: hidden must be width, got {} and {}",
                                    options_.hidden, options_.width));
    }
  }
  std::unique_ptr<nn::Model> make() const override {
    return std::make_unique<nn::LstmModel>(options_);
  }
  data::DataContract contract() const override {
    return data::DataContract::of_tokens(options_.context, options_.vocabulary);
  }

 private:
  nn::LstmModelOptions options_;
};

}  // namespace

Option lstm() { return option<LstmSection>("lstm", "a recurrent language model"); }

}  // namespace tessera::experiment::models
