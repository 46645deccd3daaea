// The tessera command with a model of one's own.
#include <launcher/experiment/run.h>
#include <tessera.h>

namespace {

using namespace tessera;

class Line final : public nn::Model {
 public:
  Line(int64_t inputs, int64_t classes) : inputs_(inputs), layer_(this, "layer", inputs, classes) {}
  Tensor forward(const data::Batch& batch) override {
    return layer_(reshape(batch.images, {batch.images.size(0), inputs_}));
  }

 private:
  int64_t inputs_;
  nn::Linear layer_;
};

class LineSection final : public experiment::ModelSection {
 public:
  void visit(experiment::FieldVisitor& v) override {
    v("inputs", inputs_, "numbers in a sample", experiment::in_range(1, 1 << 20));
    v("classes", classes_, "kinds of samples", experiment::in_range(1, 1 << 20));
  }
  std::unique_ptr<nn::Model> make() const override {
    return std::make_unique<Line>(inputs_, classes_);
  }

 private:
  int64_t inputs_ = 784;
  int64_t classes_ = 10;
};

}  // namespace

int main(int argc, char** argv) {
  experiment::Catalog catalog = experiment::builtin_catalog();
  catalog.model.push_back(experiment::option<LineSection>("line", "one layer"));
  return run(argc, argv, catalog);
}
