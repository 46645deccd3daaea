#include "launcher/experiment/components/components.h"
#include "launcher/experiment/components/datasets/read_data.h"
#include "nn/data/image_dataset.h"

namespace tessera::experiment::datasets {
namespace {

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
    return {open_split("train", model), open_split("t10k", model)};
  }

 private:
  std::unique_ptr<data::ImageDataset> open_split(const std::string& split,
                                                 const ModelSection& model) const {
    std::string prefix = path_ + "/" + split;
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

}  // namespace

Option idx() { return option<IdxSection>("idx", "labelled images in IDX files"); }

}  // namespace tessera::experiment::datasets
