#include "nn/models/moe.h"
#include "launcher/experiment/components/components.h"
#include "launcher/experiment/components/models/llama_fields.h"

namespace tessera::experiment::models {
namespace {

class MoeSection final : public ModelSection {
 public:
  void visit(FieldVisitor& v) override {
    visit_llama(v, options_.llama);
    v("experts", options_.experts, "experts of a layer, each a gated layer of hidden units",
      in_range(1, 10000));
    v("top_k", options_.top_k, "experts that a token meets", in_range(1, 10000));
    v("normalized", options_.normalized, "whether their weights sum to 1");
    v("balance", options_.balance, "what keeping experts in balance counts, in each leaf by itself",
      at_least(0).in_f32());
  }
  void check() const override {
    check_llama(options_.llama);
    if (options_.top_k > options_.experts) {
      throw ConfigError(fmt::format("model.top_k: there are {} experts, and a token meets {}",
                                    options_.experts, options_.top_k));
    }
  }
  std::unique_ptr<nn::Model> make() const override {
    return std::make_unique<nn::MoeModel>(options_);
  }
  data::DataContract contract() const override {
    return data::DataContract::of_tokens(options_.llama.context, options_.llama.vocabulary);
  }

 private:
  nn::MoeModelOptions options_;
};

}  // namespace

Option moe() {
  return option<MoeSection>("moe", "a decoder-only transformer with a mixture of experts");
}

}  // namespace tessera::experiment::models
