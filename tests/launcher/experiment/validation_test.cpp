#include "launcher/experiment/validation.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "autograd/context.h"
#include "launcher/experiment/config/config_error.h"
#include "nn/models/mlp.h"
#include "nn/optim/sgd.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"
#include "tests/support/ranks.h"

namespace tessera::experiment {
namespace {

using test::contains;
using test::error_of;
using Indices = std::vector<int64_t>;

TEST(ValidationBatches, AreAllOfTheDataOrSpreadOverThem) {
  struct Case {
    int64_t samples, batch_size, most;
    std::vector<Indices> batches;
  };
  const std::vector<Case> cases{
      {7, 3, 0, {{0, 1, 2}, {3, 4, 5}, {6}}},
      {7, 3, 3, {{0, 1, 2}, {3, 4, 5}, {6}}},
      {7, 3, 99, {{0, 1, 2}, {3, 4, 5}, {6}}},
      {7, 3, 2, {{0, 1, 2}, {3, 4, 5}}},
      {13, 3, 2, {{0, 2, 4}, {6, 8, 10}}},
      {13, 3, 1, {{0, 4, 8}}},
      {11, 3, 2, {{0, 1, 3}, {5, 7, 9}}},
      {6, 3, 0, {{0, 1, 2}, {3, 4, 5}}},
      {2, 3, 1, {{0, 1}}},
      {1, 1, 0, {{0}}},
  };
  for (const Case& c : cases) {
    ValidationBatches batches(c.samples, c.batch_size, c.most);
    std::vector<Indices> got;
    for (int64_t i = 0; i < batches.size(); ++i) got.push_back(batches.samples_of(i));
    EXPECT_EQ(got, c.batches) << c.samples << " in " << c.most;
  }
  constexpr int64_t kMany = int64_t{1} << 60;
  EXPECT_EQ(ValidationBatches(kMany, 16, 2).samples_of(1)[15], kMany / 32 * 31);
  EXPECT_TRUE(contains(error_of([] { ValidationBatches(0, 1, 0); }), "[validation]"));
}

constexpr int64_t kInputs = 6;
constexpr int64_t kClasses = 7;

// Sample i is an image made from i, of class 3 i mod 7.
class Made final : public data::Dataset {
 public:
  explicit Made(int64_t size) : size_(size) {}
  int64_t size() const override { return size_; }
  data::Batch batch(std::span<const int64_t> indices) const override {
    auto rows = static_cast<int64_t>(indices.size());
    Array images = Array::empty({rows, kInputs}, DType::f32);
    std::vector<int64_t> targets;
    for (int64_t row = 0; row < rows; ++row) {
      int64_t sample = indices[static_cast<size_t>(row)];
      images.select(0, row).copy_(
          test::random_array({kInputs}, DType::f32, static_cast<uint64_t>(sample)));
      targets.push_back(3 * sample % kClasses);
    }
    return {.images = images, .targets = Array::from(targets, {rows})};
  }

 private:
  int64_t size_;
};

// What all of them give on that many ranks, each of which has the same.
Validation of_ranks(int ranks, Strategy strategy, const ValidationBatches& batches, int64_t size) {
  std::vector<Validation> all(static_cast<size_t>(ranks));
  test::run_ranks(ranks, [&](Communicator& comm) {
    manual_seed(5);
    nn::Mlp model({.inputs = kInputs, .hidden1 = 8, .hidden2 = 8, .classes = kClasses});
    optim::Sgd optimizer({{model.parameters(), 0}}, {});
    Mesh mesh(comm, {.group = strategy == Strategy::hybrid ? 2 : 1});
    TrainStep step(model, optimizer, mesh, {.leaves = ranks, .strategy = strategy});
    all[static_cast<size_t>(comm.rank())] = validate(step, model, Made(size), batches, DType::f32);
    EXPECT_TRUE(model.training());
  });
  for (const Validation& one : all) {
    EXPECT_EQ(one.loss, all[0].loss);
    EXPECT_EQ(MetricRecord({.metrics = one.metrics}).number("accuracy"),
              MetricRecord({.metrics = all[0].metrics}).number("accuracy"));
  }
  return all[0];
}

// The share of right answers among the first `size` samples, one by one.
double share_of_right_answers(int64_t size) {
  manual_seed(5);
  nn::Mlp model({.inputs = kInputs, .hidden1 = 8, .hidden2 = 8, .classes = kClasses});
  double right = 0;
  for (int64_t i = 0; i < size; ++i) {
    data::Batch one = Made(size).batch(std::array{i});
    right += nn::accuracy(model(one), one.targets).sum.item<double>();
  }
  return right / static_cast<double>(size);
}

TEST(Validation, IsTheSameOnAnyRanksAndCountsExactly) {
  constexpr int64_t kSamples = 23;
  ValidationBatches batches(kSamples, 4, 0);  // six, the last one of three samples
  ASSERT_EQ(batches.size(), 6);
  Validation one = of_ranks(1, Strategy::ddp, batches, kSamples);
  ASSERT_EQ(one.metrics.size(), 2U);
  EXPECT_EQ(std::get<double>(one.metrics[0].value), share_of_right_answers(kSamples));
  EXPECT_GT(std::get<double>(one.metrics[1].value), 0.5) << "five of seven classes";
  // Some ranks have no batch, and in some rounds.
  for (int ranks : {2, 3, 4, 7}) {
    for (Strategy strategy : {Strategy::ddp, Strategy::zero3, Strategy::hybrid}) {
      if (strategy == Strategy::hybrid && ranks % 2 != 0) continue;
      Validation many = of_ranks(ranks, strategy, batches, kSamples);
      EXPECT_EQ(many.loss, one.loss) << ranks << " ranks, " << name(strategy);
      for (size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(many.metrics[i].value, one.metrics[i].value) << ranks << " " << name(strategy);
      }
    }
  }
}

TEST(BestBy, IsTheLossOrAMetricOfTheModel) {
  nn::Mlp model({.inputs = 2, .hidden1 = 2, .hidden2 = 2, .classes = 7});
  EXPECT_EQ(best_by({true, ""}, model).metric, "");
  EXPECT_EQ(best_by({true, "loss"}, model).metric, "");
  EXPECT_EQ(best_by({true, "top5"}, model).metric, "top5");
  EXPECT_TRUE(best_by({true, "top5"}, model).higher_is_better);
  std::string error;
  try {
    best_by({true, "acuracy"}, model);
  } catch (const ConfigError& e) {
    error = e.what();
  }
  EXPECT_EQ(error, "checkpoint.best: the model has no metric 'acuracy'; did you mean 'accuracy'?");
}

TEST(Validation, LeavesAModelTrainingWhereABatchThrows) {
  struct Broken final : data::Dataset {
    int64_t size() const override { return 4; }
    data::Batch batch(std::span<const int64_t>) const override { throw Error("no such sample"); }
  };
  auto comm = make_self_communicator();
  nn::Mlp model({.inputs = kInputs, .hidden1 = 8, .hidden2 = 8, .classes = kClasses});
  optim::Sgd optimizer({{model.parameters(), 0}}, {});
  Mesh mesh(*comm, {});
  TrainStep step(model, optimizer, mesh, {});
  EXPECT_EQ(
      error_of([&] { validate(step, model, Broken(), ValidationBatches(4, 2, 0), DType::f32); }),
      "no such sample");
  EXPECT_TRUE(model.training());
}

TEST(Validation, RefusesMetricsThatWouldHaveOneNameInRecords) {
  auto error = [](const std::vector<nn::MetricInfo>& metrics) {
    return error_of([&] { check_metrics(metrics); });
  };
  EXPECT_EQ(error({{.name = "accuracy"}, {.name = "top5"}}), "");
  EXPECT_TRUE(contains(error({{.name = "l1"}, {.name = "l1"}}), "of different names"));
  EXPECT_TRUE(contains(error({{.name = "loss"}}), "got 'loss'"));
  EXPECT_TRUE(contains(error({{.name = ""}}), "got ''"));
}

TEST(Validation, NamesWhatItRecords) {
  Validation validation{0.25, {{"accuracy", 0.5, true}}};
  std::vector<Metric> records = validation.records();
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].name, "valid_loss");
  EXPECT_EQ(records[1].name, "valid_accuracy");
  EXPECT_TRUE(records[1].is_share);
}

}  // namespace
}  // namespace tessera::experiment
