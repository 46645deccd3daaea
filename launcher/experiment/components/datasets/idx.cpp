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
    check_fit(model.contract(), {.samples = data::DataContract::Samples::images}, "idx", path_);
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
    check_fit(model.contract(), data::DataContract::of_images(set->pixels(), set->num_classes()),
              "idx", path_);
    return set;
  }

  std::string path_ = "data/fashion-mnist";
};

}  // namespace

Option idx() { return option<IdxSection>("idx", "labelled images in IDX files"); }

}  // namespace tessera::experiment::datasets
