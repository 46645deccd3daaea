#include "launcher/experiment/components.h"

#include <filesystem>

#include "core/allocator.h"
#include "core/io/file_system.h"
#include "nn/data/image_dataset.h"
#include "nn/data/text_dataset.h"
#include "nn/models/gpt.h"
#include "nn/models/mlp.h"
#include "nn/optim/adamw.h"
#include "nn/optim/ema.h"
#include "nn/optim/schedule.h"

namespace tessera::experiment {
namespace {

// What read() gives, or its error with the key and the folder that a relative path starts from.
template <class Read>
auto read_data(const std::string& path, Read&& read) {
  try {
    return read();
  } catch (const ConfigError&) {
    throw;
  } catch (const Error& error) {
    std::error_code none;
    std::string from = path.starts_with('/')
                           ? ""
                           : fmt::format("; data.path is relative to {}",
                                         std::filesystem::current_path(none).string());
    throw Error(fmt::format("data.path: {}{}", error.what(), from));
  }
}

class GptSection final : public ModelSection {
 public:
  void visit(FieldVisitor& v) override {
    v("layers", options_.layers, "number of blocks", in_range(1, 10000));
    v("heads", options_.heads, "attention heads; divides width", in_range(1, 10000));
    v("width", options_.width, "size of a token's vector", in_range(1, 1 << 20));
    v("context", options_.context, "tokens seen at once", in_range(1, 1 << 24));
    v("vocabulary", options_.vocabulary, "kinds of tokens; text has 256, its bytes",
      in_range(1, 1 << 24));
    v("activation", activation_, "of the hidden layers: gelu, or its approximation by tanh",
      one_of({"gelu", "gelu_tanh"}));
    v("dropout", options_.dropout, "probability of dropping an activation",
      at_least_and_below(0, 1).in_f32());
  }
  std::unique_ptr<nn::Model> make() const override {
    if (options_.width % options_.heads != 0) {
      throw ConfigError(fmt::format("model.heads: {} heads do not divide a width of {}",
                                    options_.heads, options_.width));
    }
    nn::GptOptions options = options_;
    options.activation = activation_ == "gelu" ? tessera::Gelu::exact : tessera::Gelu::tanh;
    return std::make_unique<nn::Gpt>(options);
  }
  int64_t context() const override { return options_.context; }
  int64_t vocabulary() const override { return options_.vocabulary; }

 private:
  nn::GptOptions options_;
  std::string activation_ = "gelu";
};

class MlpSection final : public ModelSection {
 public:
  void visit(FieldVisitor& v) override {
    v("inputs", options_.inputs, "numbers in a sample", in_range(1, 1 << 24));
    v("hidden1", options_.hidden1, "units of the first hidden layer", in_range(1, 1 << 24));
    v("hidden2", options_.hidden2, "units of the second hidden layer", in_range(1, 1 << 24));
    v("classes", options_.classes, "kinds of samples", in_range(1, 1 << 24));
  }
  std::unique_ptr<nn::Model> make() const override { return std::make_unique<nn::Mlp>(options_); }
  int64_t inputs() const override { return options_.inputs; }
  int64_t classes() const override { return options_.classes; }

 private:
  nn::MlpOptions options_;
};

class TextSection final : public DataSection {
 public:
  void visit(FieldVisitor& v) override {
    v("path", path_, "a text file; its tokens are bytes", path());
    DataSection::visit(v);
    v("valid", valid_, "fraction at the end that is kept for validation", at_least_and_below(0, 1));
  }
  DataSets open(const ModelSection& model) const override {
    check_model(model);
    auto text = read_data(path_, [&] { return data::load_text(path_); });
    size_t split = split_of(text->size());
    DataSets sets;
    sets.train = std::make_unique<data::TextDataset>(text, 0, split, model.context());
    if (valid_ > 0) {
      sets.valid = std::make_unique<data::TextDataset>(text, split, text->size(), model.context());
    }
    return sets;
  }
  Example example(const ModelSection& model) const override {
    check_model(model);
    // A plan may be for another machine, where the text is.
    if (FileSystem::real().kind(path_) != FileKind::none) {
      auto bytes = static_cast<size_t>(FileSystem::real().open(path_)->size());
      auto train_bytes = static_cast<int64_t>(split_of(bytes));
      data::TextDataset::num_windows(train_bytes, model.context());
      int64_t valid_bytes = static_cast<int64_t>(bytes) - train_bytes;
      if (valid_ > 0) data::TextDataset::num_windows(valid_bytes, model.context());
    }
    Array tokens = Array::empty({micro_batch, model.context()}, DType::i64, {DeviceType::meta});
    return {{.tokens = tokens, .targets = tokens}, 0};
  }
  std::string unit() const override { return "tokens"; }
  int64_t units_per_sample(const ModelSection& model) const override { return model.context(); }

 private:
  static void check_model(const ModelSection& model) {
    constexpr int64_t kBytes = 256;
    if (model.context() < 1 || model.vocabulary() < kBytes) {
      throw ConfigError("data.name: text needs a language model with a vocabulary of at least 256");
    }
  }
  // Where validation begins in a text of that many bytes.
  size_t split_of(size_t bytes) const {
    return bytes - static_cast<size_t>(valid_ * static_cast<double>(bytes));
  }

  std::string path_ = "data/kjv.txt";
  double valid_ = 0.1;
};

class IdxSection final : public DataSection {
 public:
  void visit(FieldVisitor& v) override {
    v("path", path_,
      "folder with train- and t10k- images-idx3-ubyte and labels-idx1-ubyte; the latter validate",
      path());
    DataSection::visit(v);
  }
  DataSets open(const ModelSection& model) const override {
    if (model.context() > 0) {
      throw ConfigError("data.name: idx has images, and the model is one of text");
    }
    return {open_part("train", model), open_part("t10k", model)};
  }

 private:
  std::unique_ptr<data::ImageDataset> open_part(const std::string& part,
                                                const ModelSection& model) const {
    std::string prefix = path_ + "/" + part;
    auto set = read_data(path_, [&] {
      return std::make_unique<data::ImageDataset>(prefix + "-images-idx3-ubyte",
                                                  prefix + "-labels-idx1-ubyte");
    });
    TESSERA_CHECK(set->size() >= 1 && set->pixels() >= 1, "{}-images-idx3-ubyte: no images in it",
                  prefix);
    if (model.inputs() > 0 && set->pixels() != model.inputs()) {
      throw ConfigError(
          fmt::format("model.inputs: the images in {} have {} numbers each, and the "
                      "model takes {}",
                      path_, set->pixels(), model.inputs()));
    }
    if (model.classes() > 0 && set->num_classes() > model.classes()) {
      throw ConfigError(
          fmt::format("model.classes: {} has {} kinds of images, and the model knows {}", path_,
                      set->num_classes(), model.classes()));
    }
    return set;
  }

  std::string path_ = "data/fashion-mnist";
};

class AdamWSection final : public OptimSection {
 public:
  void visit(FieldVisitor& v) override {
    OptimSection::visit(v);
    v("weight_decay", weight_decay_, "decoupled weight decay of tensors with two dims or more",
      at_least(0).in_f32());
    v("beta1", options_.beta1, "decay of the gradient's mean", at_least_and_below(0, 1).in_f32());
    v("beta2", options_.beta2, "decay of the squared gradient's mean",
      at_least_and_below(0, 1).in_f32());
    v("eps", options_.eps, "added to the denominator", greater_than(0).in_f32());
  }
  std::unique_ptr<optim::Optimizer> make(const nn::Module& module) const override {
    optim::ParamGroup decayed{{}, weight_decay_};
    optim::ParamGroup plain{{}, 0};
    for (const Tensor& param : module.parameters()) {
      (param.dim() >= 2 ? decayed : plain).params.push_back(param);
    }
    return std::make_unique<optim::AdamW>(std::vector{decayed, plain}, options_);
  }

 private:
  double weight_decay_ = 0.1;
  optim::AdamW::Options options_{.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8};
};

class CosineSection final : public ScheduleSection {
 public:
  void visit(FieldVisitor& v) override {
    v("warmup", warmup_, "steps of linear rise at the start", at_least(0));
    v("final_fraction", final_fraction_, "what is left of the learning rate at the end",
      in_range(0, 1));
  }
  double lr_at(int64_t step, int64_t steps, double lr) const override {
    return optim::CosineSchedule{lr, warmup_, steps, final_fraction_}.at(step);
  }

 private:
  int64_t warmup_ = 20;
  double final_fraction_ = 0.1;
};

class ConstantSection final : public ScheduleSection {
 public:
  void visit(FieldVisitor&) override {}
  double lr_at(int64_t, int64_t, double lr) const override { return lr; }
};

}  // namespace

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
  v("ema", ema, "decay of a moving average of every parameter, kept beside it; 0: none",
    at_least_and_below(0, 1).in_f32());
}

std::unique_ptr<optim::Optimizer> make_optimizer(const OptimSection& section,
                                                 const nn::Module& module) {
  auto optimizer = section.make(module);
  if (section.ema == 0) return optimizer;
  return std::make_unique<optim::Ema>(std::move(optimizer), section.ema);
}

Catalog builtin_catalog() {
  return {
      .model = {option<GptSection>("gpt", "a decoder-only transformer"),
                option<MlpSection>("mlp", "two hidden layers with ReLU")},
      .data = {option<TextSection>("text", "windows of a text, byte by byte"),
               option<IdxSection>("idx", "labelled images in IDX files")},
      .optim = {option<AdamWSection>("adamw", "Adam with decoupled weight decay")},
      .schedule = {option<CosineSection>("cosine", "linear warm-up, then half a cosine"),
                   option<ConstantSection>("constant", "the same rate at every step")},
  };
}

}  // namespace tessera::experiment
