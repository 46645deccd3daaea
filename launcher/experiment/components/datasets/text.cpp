#include "core/io/file_system.h"
#include "launcher/experiment/components/components.h"
#include "launcher/experiment/components/datasets/read_data.h"
#include "nn/data/text_dataset.h"

namespace tessera::experiment::datasets {
namespace {

class TextSection final : public DataSection {
 public:
  void visit(FieldVisitor& v) override {
    v("path", path_, "a text file; its tokens are bytes", path());
    DataSection::visit(v);
    v("valid", valid_, "fraction at the end that is kept for validation", at_least_and_below(0, 1));
  }
  DataSets open(const ModelSection& model) const override {
    int64_t context = checked_context(model);
    auto text = read_data(path_, [&] { return data::load_text(path_); });
    size_t split = split_of(text->size());
    DataSets sets;
    sets.train = std::make_unique<data::TextDataset>(text, 0, split, context);
    if (valid_ > 0) {
      sets.valid = std::make_unique<data::TextDataset>(text, split, text->size(), context);
    }
    return sets;
  }
  Example example(const ModelSection& model) const override {
    int64_t context = checked_context(model);
    // A plan may be for another machine, where the text is.
    if (FileSystem::real().kind(path_) != FileKind::none) {
      auto bytes = static_cast<size_t>(FileSystem::real().open(path_)->size());
      auto train_bytes = static_cast<int64_t>(split_of(bytes));
      data::TextDataset::num_windows(train_bytes, context);
      int64_t valid_bytes = static_cast<int64_t>(bytes) - train_bytes;
      if (valid_ > 0) data::TextDataset::num_windows(valid_bytes, context);
    }
    Array tokens = Array::empty({micro_batch, context}, DType::i64, {DeviceType::meta});
    return {{.tokens = tokens, .targets = tokens}, 0};
  }
  std::string unit() const override { return "tokens"; }
  int64_t units_per_sample(const ModelSection& model) const override {
    return checked_context(model);
  }

 private:
  // How many tokens the model sees at once.
  int64_t checked_context(const ModelSection& model) const {
    constexpr int64_t kBytes = 256;
    data::DataContract contract = model.contract();
    check_fit(contract, {.samples = data::DataContract::Samples::tokens, .vocabulary = kBytes},
              "text", path_);
    return *contract.context;
  }
  // Where validation begins in a text of that many bytes.
  size_t split_of(size_t bytes) const {
    return bytes - static_cast<size_t>(valid_ * static_cast<double>(bytes));
  }

  std::string path_ = "data/kjv.txt";
  double valid_ = 0.1;
};

}  // namespace

Option text() { return option<TextSection>("text", "windows of a text, byte by byte"); }

}  // namespace tessera::experiment::datasets
