// The tessera command with data of one's own, made as they are asked for, and a model of them.
//   own_dataset train own_dataset.yaml
#include <autograd/ops.h>
#include <launcher/experiment/run.h>
#include <nn/layers/linear.h>

using namespace tessera;

// Sample i is the point x = i / size of one period of a sine: an image of one number, to be learnt
// as another one.
struct Sine final : data::Dataset {
  int64_t points;
  explicit Sine(int64_t size) : points(size) {}
  int64_t size() const override { return points; }
  data::Batch batch(std::span<const int64_t> indices) const override {
    Tensor i = Array::from(std::vector<int64_t>(indices.begin(), indices.end()),
                           {static_cast<int64_t>(indices.size()), 1});
    Tensor x = to(i, DType::f32) / static_cast<double>(points);
    return {.images = x, .targets = sin(x * 6.2831853)};
  }
};

class SineSection final : public experiment::DataSection {
 public:
  void visit(experiment::FieldVisitor& v) override {
    DataSection::visit(v);
    v("points", points_, "samples to train on", experiment::in_range(1, 1 << 24));
  }
  experiment::DataSets open(const experiment::ModelSection&) const override {
    return {std::make_unique<Sine>(points_), std::make_unique<Sine>(100)};
  }

 private:
  int64_t points_ = 1000;
};

struct Curve final : nn::Model {
  nn::Linear fc1{this, "fc1", 1, 64}, fc2{this, "fc2", 64, 1};
  Curve() { fc1.make_block(), fc2.make_block(); }  // what zero3 gathers at once
  Tensor forward(const data::Batch& batch) override { return fc2(tanh(fc1(batch.images * 8.0))); }
  nn::Loss compute_loss(const data::Batch& batch) override {
    return nn::mse_loss((*this)(batch), batch.targets);
  }
};

struct CurveSection final : experiment::ModelSection {
  void visit(experiment::FieldVisitor&) override {}
  std::unique_ptr<nn::Model> make() const override { return std::make_unique<Curve>(); }
};

int main(int argc, char** argv) {
  experiment::Catalog catalog = experiment::builtin_catalog();
  catalog.data.push_back(experiment::option<SineSection>("sine", "points of a sine"));
  catalog.model.push_back(experiment::option<CurveSection>("curve", "a function of one number"));
  return run(argc, argv, catalog);
}
