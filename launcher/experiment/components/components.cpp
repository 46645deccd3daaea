#include "launcher/experiment/components/components.h"

#include "core/allocator.h"
#include "nn/optim/ema.h"
#include "nn/optim/swa.h"

namespace tessera::experiment {

void DataSection::visit(FieldVisitor& v) {
  v("micro_batch", micro_batch, "samples of a leaf", in_range(1, 1 << 24));
  v("leaves", leaves, "leaves of a global batch; at least one for every rank",
    in_range(1, 1 << 24));
}

std::string identity(const DataSets& sets) {
  std::string text = "training: " + sets.train->identity();
  return sets.valid ? text + "\nvalidation: " + sets.valid->identity() : text;
}

DataSets open_data(const DataSection& section, const ModelSection& model) {
  DataSets sets = section.open(model);
  TESSERA_CHECK(sets.train && sets.train->size() >= 1, "data: there are no samples to train on");
  TESSERA_CHECK(!sets.valid || sets.valid->size() >= 1,
                "data: there are no samples to validate on");
  return sets;
}

void check_fit(const data::DataContract& model, const data::DataContract& data,
               const std::string& name, const std::string& place) {
  using Samples = data::DataContract::Samples;
  int64_t vocabulary = data.vocabulary.value_or(1);
  bool reads_text = model.samples == Samples::tokens && model.context.value_or(0) >= 1 &&
                    model.vocabulary.value_or(0) >= vocabulary;
  if (data.samples == Samples::tokens && !reads_text) {
    throw ConfigError(fmt::format(
        "data.name: {} needs a language model with a vocabulary of at least {}", name, vocabulary));
  }
  if (data.samples == Samples::images && model.samples == Samples::tokens) {
    throw ConfigError(fmt::format("data.name: {} has images, and the model is one of text", name));
  }
  if (data.numbers && model.numbers && *data.numbers != *model.numbers) {
    throw ConfigError(
        fmt::format("model.inputs: the images in {} have {} numbers each, and the model takes {}",
                    place, *data.numbers, *model.numbers));
  }
  if (data.classes && model.classes && *data.classes > *model.classes) {
    throw ConfigError(
        fmt::format("model.classes: {} has {} kinds of images, and the model knows {}", place,
                    *data.classes, *model.classes));
  }
}

DataSection::Example DataSection::example(const ModelSection& model) const {
  int64_t before = allocator::stats().current_bytes;
  DataSets sets = open_data(*this, model);
  int64_t data_bytes = allocator::stats().current_bytes - before;
  std::vector<int64_t> indices(static_cast<size_t>(micro_batch));
  for (size_t i = 0; i < indices.size(); ++i) {
    indices[i] = static_cast<int64_t>(i) % sets.train->size();
  }
  data::Batch batch = sets.train->batch(indices);
  Device meta{DeviceType::meta};
  return {data::to(batch, meta), data_bytes};
}

void OptimSection::visit(FieldVisitor& v) {
  v("lr", lr, "highest learning rate", greater_than(0).in_f32());
  v("clip_norm", clip_norm, "largest norm of the whole gradient; 0: any", at_least(0).in_f32());
  v("clip_value", clip_value, "largest size of each element of the gradient, before that; 0: any",
    at_least(0).in_f32());
  v("skip_outliers", skip_outliers,
    "skip steps whose loss or gradient norm is more than so many standard deviations above the "
    "mean "
    "of the last outlier_window steps; null: none",
    greater_than(0));
  v("outlier_window", outlier_window, "steps that outliers are told by", in_range(2, 10000));
  v("ema", ema, "decay of a moving average of every parameter, kept beside it; 0: none",
    at_least_and_below(0, 1).in_f32());
  v("swa_start", swa_start,
    "update from which on a mean of every parameter is kept beside it, with equal weights; null: "
    "none",
    at_least(1));
  v("swa_every", swa_every, "updates from one of the mean's values to the next", at_least(1));
  v("groups", groups,
    "PATTERN: KEY=VALUE, ...; ...: lr, weight_decay and options of the rule for the parameters "
    "whose names match, * standing for any text: '*.bias: weight_decay=0; wte.*: lr=1e-4'");
}

void OptimSection::check() const {
  if (outlier_window != kOutlierWindow && !skip_outliers) {
    throw ConfigError("optim.outlier_window: it is of optim.skip_outliers, which is null");
  }
  if (swa_every != kSwaEvery && !swa_start) {
    throw ConfigError("optim.swa_every: it is of optim.swa_start, which is null");
  }
  std::vector<SectionRule> all = rules();
  if (!all.empty()) check_groups(groups, all);
}

std::unique_ptr<optim::Optimizer> OptimSection::optimizer_of(const nn::Module& module,
                                                             const RuleOf& rule_of) const {
  return std::make_unique<optim::Optimizer>(
      divide_parameters(module, groups, rules(), rule_of, lr));
}

std::unique_ptr<optim::Optimizer> make_optimizer(const OptimSection& section,
                                                 const nn::Module& module) {
  auto optimizer = section.make(module);
  if (section.swa_start) {
    optimizer = std::make_unique<optim::Swa>(*optimizer, *section.swa_start, section.swa_every);
  }
  if (section.ema > 0) optimizer = std::make_unique<optim::Ema>(*optimizer, section.ema);
  return optimizer;
}

}  // namespace tessera::experiment
