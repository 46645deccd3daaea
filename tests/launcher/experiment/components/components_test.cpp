#include "launcher/experiment/components/components.h"

#include <gtest/gtest.h>

#include <fstream>

#include "autograd/context.h"
#include "core/io/npz.h"
#include "launcher/experiment/run_schedule.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera::experiment {
namespace {

using test::contains;
using test::error_of;

Config load(const std::string& yaml) {
  return load_config(yaml, "test.yaml", {}, builtin_catalog());
}

// An IDX file of unsigned bytes, all of them 7.
void write_idx(const std::string& path, const std::vector<unsigned char>& sizes) {
  std::string bytes{0, 0, 8, static_cast<char>(sizes.size())};
  size_t count = 1;
  for (unsigned char size : sizes) {
    bytes += std::string{0, 0, 0, static_cast<char>(size)};
    count *= size;
  }
  std::ofstream(path, std::ios::binary) << bytes << std::string(count, 7);
}

TEST(Components, EveryModelOfTheCatalogCanBeMadeFromItsDefaults) {
  Catalog catalog = builtin_catalog();
  for (const Option& entry : catalog.model) {
    Config config = load("model: {name: " + entry.name + "}");
    EXPECT_GT(config.model.as<ModelSection>().make()->num_parameters(), 0) << entry.name;
  }
}

TEST(Components, HeadsThatDoNotDivideTheWidthAreAConfigError) {
  Config config = load("model: {name: gpt, heads: 3, width: 128}");
  EXPECT_THROW(config.model.as<ModelSection>().make(), ConfigError);
}

TEST(Components, TextNeedsALanguageModelThatKnowsAllBytes) {
  Config images = load("model: {name: mlp}");
  EXPECT_THROW(images.data.as<DataSection>().open(images.model.as<ModelSection>()), ConfigError);
  Config small = load("model: {name: gpt, vocabulary: 128}");
  EXPECT_THROW(small.data.as<DataSection>().open(small.model.as<ModelSection>()), ConfigError);
}

TEST(Components, ImagesThatDoNotFitTheModelAreAConfigError) {
  test::TempDir folder;
  for (const char* part : {"train", "t10k"}) {
    write_idx(folder.path() + "/" + part + "-images-idx3-ubyte", {3, 2, 2});
    write_idx(folder.path() + "/" + part + "-labels-idx1-ubyte", {3});
  }
  std::string data = "data: {name: idx, path: " + folder.path() + "}\nmodel: ";
  auto open = [&](const std::string& model) {
    Config config = load(data + model);
    return config.data.as<DataSection>().open(config.model.as<ModelSection>()).train->size();
  };
  EXPECT_EQ(open("{name: mlp, inputs: 4, classes: 8}"), 3);
  EXPECT_THROW(open("{name: mlp, inputs: 5, classes: 8}"), ConfigError);
  EXPECT_THROW(open("{name: mlp, inputs: 4, classes: 7}"), ConfigError);
  EXPECT_THROW(open("{name: gpt}"), ConfigError);
}

TEST(Components, DataWithoutSamplesAreNoData) {
  for (const char* empty : {"train", "t10k"}) {
    test::TempDir folder;
    for (const char* part : {"train", "t10k"}) {
      unsigned char count = part == std::string(empty) ? 0 : 3;
      write_idx(folder.path() + "/" + part + "-images-idx3-ubyte", {count, 2, 2});
      write_idx(folder.path() + "/" + part + "-labels-idx1-ubyte", {count});
    }
    Config config = load("data: {name: idx, path: " + folder.path() +
                         "}\nmodel: {name: mlp, inputs: 4, classes: 8}");
    const auto& data = config.data.as<DataSection>();
    const auto& model = config.model.as<ModelSection>();
    std::string expected = folder.path() + "/" + empty + "-images-idx3-ubyte: no images in it";
    EXPECT_EQ(error_of([&] { open_data(data, model); }), expected);
    EXPECT_EQ(error_of([&] { data.example(model); }), expected);
  }
}

// What the plan of another machine cannot know, it does not ask for.
TEST(Components, AnExampleOfTextNeedsNoText) {
  test::TempDir folder;
  std::string path = folder / "text";
  Config config = load("model: {name: gpt, context: 16}\ndata: {name: text, path: " + path + "}");
  const auto& data = config.data.as<DataSection>();
  const auto& model = config.model.as<ModelSection>();
  EXPECT_EQ(data.example(model).batch.tokens.shape(), (Dims{4, 16}));
  for (const std::string& text : {std::string(), std::string(100, 'a')}) {
    folder.write("text", text);  // a tenth of a hundred bytes holds no window
    std::string error = error_of([&] { data.example(model); });
    EXPECT_TRUE(contains(error, "do not hold one window of context 16")) << text.size();
    EXPECT_NE(error_of([&] { open_data(data, model); }), "");
  }
  folder.write("text", std::string(1000, 'a'));
  EXPECT_EQ(error_of([&] { data.example(model); }), "");
}

class EmptySection final : public DataSection {
 public:
  struct Nothing final : data::Dataset {
    explicit Nothing(int64_t count) : count_(count) {}
    int64_t size() const override { return count_; }
    data::Batch batch(std::span<const int64_t>) const override { return {}; }
    int64_t count_;
  };
  EmptySection(int64_t train, int64_t valid) : train_(train), valid_(valid) {}
  DataSets open(const ModelSection&) const override {
    return {train_ < 0 ? nullptr : std::make_unique<Nothing>(train_),
            valid_ < 0 ? nullptr : std::make_unique<Nothing>(valid_)};
  }

 private:
  int64_t train_;
  int64_t valid_;
};

TEST(Components, DataOfOnesOwnNeedSamplesToo) {
  Config config = load("model: {name: gpt}");
  const auto& model = config.model.as<ModelSection>();
  auto error = [&](int64_t train, int64_t valid) {
    return error_of([&] { open_data(EmptySection(train, valid), model); });
  };
  EXPECT_EQ(error(1, -1), "");
  EXPECT_EQ(error(1, 1), "");
  EXPECT_EQ(error(0, 1), "data: there are no samples to train on");
  EXPECT_EQ(error(-1, 1), "data: there are no samples to train on");
  EXPECT_EQ(error(1, 0), "data: there are no samples to validate on");
}

TEST(Components, TheIdentityOfDataIsThatOfTheirSamples) {
  test::TempDir folder;
  auto of = [&](const std::string& text, const std::string& more = "") {
    Config config = load("model: {name: gpt, context: 16}\ndata: {name: text, path: " +
                         folder.write("text", text) + more + "}");
    return identity(open_data(config.data.as<DataSection>(), config.model.as<ModelSection>()));
  };
  std::string text(1000, 'a');
  std::string whole = of(text);
  EXPECT_TRUE(contains(whole, "training: 56 samples, 900 bytes, xxh3:"));
  EXPECT_TRUE(contains(whole, "\nvalidation: 6 samples, 100 bytes, xxh3:"));
  EXPECT_EQ(of(text), whole);
  EXPECT_NE(of(text, ", valid: 0.2"), whole);
  text[950] = 'b';
  std::string changed = of(text);
  EXPECT_NE(changed, whole);
  EXPECT_EQ(changed.substr(0, changed.find('\n')), whole.substr(0, whole.find('\n')));
  EXPECT_NE(of(text.substr(0, 990)), changed);
}

TEST(Components, MissingDataAreNamed) {
  Config text = load("data: {name: text, path: no/such/text}");
  EXPECT_TRUE(
      contains(error_of([&] { text.data.as<DataSection>().open(text.model.as<ModelSection>()); }),
               "no/such/text"));
  Config idx = load("data: {name: idx, path: no/such/folder}\nmodel: {name: mlp}");
  EXPECT_TRUE(
      contains(error_of([&] { idx.data.as<DataSection>().open(idx.model.as<ModelSection>()); }),
               "no/such/folder/train-images-idx3-ubyte"));
}

TEST(Components, OnlyTensorsOfTwoDimsOrMoreDecay) {
  Config config = load("optim: {name: adamw, weight_decay: 0.25}");
  auto model = config.model.as<ModelSection>().make();
  auto optimizer = config.optim.as<OptimSection>().make(*model);
  size_t count = 0;
  for (const optim::ParamGroup& group : optimizer->groups()) {
    for (const Tensor& param : group.params) {
      EXPECT_EQ(group.weight_decay, param.dim() >= 2 ? 0.25 : 0.0);
      ++count;
    }
  }
  EXPECT_EQ(count, model->parameters().size());
}

TEST(Components, GroupsHaveSettingsOfTheirOwn) {
  Config config = load(
      "model: {name: gpt, layers: 1, width: 16, heads: 2}\n"
      "optim: {name: adamw, lr: 0.01, weight_decay: 0.25, groups: 'wte.*: lr=0.001; "
      "*.attn.*.weight: weight_decay = 0.5, lr=0.02'}");
  auto model = config.model.as<ModelSection>().make();
  auto optimizer = config.optim.as<OptimSection>().make(*model);
  size_t count = 0;
  for (const optim::ParamGroup& group : optimizer->groups()) {
    for (size_t i = 0; i < group.params.size(); ++i, ++count) {
      const std::string& name = group.names[i];
      bool attention = name.find(".attn.") != std::string::npos && name.ends_with(".weight");
      double decay = group.params[i].dim() >= 2 ? 0.25 : 0;
      EXPECT_EQ(group.weight_decay, attention ? 0.5 : decay) << name;
      EXPECT_DOUBLE_EQ(group.lr_scale, attention ? 2 : name == "wte.weight" ? 0.1 : 1) << name;
    }
  }
  EXPECT_EQ(count, model->parameters().size());
}

TEST(Components, GroupsThatMeanNothingAreRefused) {
  auto error = [](const std::string& groups) {
    return error_of([&] {
      Config config = load("model: {name: mlp}\noptim: {name: adamw, groups: '" + groups + "'}");
      auto model = config.model.as<ModelSection>().make();
      config.optim.as<OptimSection>().make(*model);
    });
  };
  EXPECT_EQ(error("fc1.*: lr=0.1"), "");
  EXPECT_EQ(error("fc9.*: lr=0.1"), "optim.groups: 'fc9.*' matches no parameter of the model");
  EXPECT_EQ(error("fc1.*: lr=0.1; *.bias: lr=0.2"),
            "optim.groups: 'fc1.bias' is in two groups, 'fc1.*' and '*.bias'");
  EXPECT_EQ(error("fc1.* lr=0.1"),
            "optim.groups: expected PATTERN: KEY=VALUE, ..., got 'fc1.* lr=0.1'");
  EXPECT_EQ(error("fc1.*: lr=0.1;"), "optim.groups: expected PATTERN: KEY=VALUE, ..., got ''");
  EXPECT_EQ(error("fc1.*: lr"), "optim.groups: 'fc1.*': expected KEY=VALUE, got 'lr'");
  EXPECT_EQ(error("fc1.*: lr=fast"),
            "optim.groups: 'fc1.*': lr: expected a number of at least 0, got 'fast'");
  EXPECT_EQ(error("fc1.*: lr=-1"),
            "optim.groups: 'fc1.*': lr: expected a number of at least 0, got '-1'");
  EXPECT_EQ(error("fc1.*: lr=1, lr=2"), "optim.groups: 'fc1.*': there are two values of lr");
  EXPECT_EQ(error("fc1.*: weight_deca=1"),
            "optim.groups: 'fc1.*': there is no setting 'weight_deca'; did you mean "
            "'weight_decay'?");
}

TEST(Components, TheSameSeedMakesTheSameModel) {
  Config config = load("model: {name: gpt, layers: 1, width: 16, heads: 2}");
  auto first_value = [&](uint64_t seed) {
    manual_seed(seed);
    return config.model.as<ModelSection>().make()->parameters()[0].data().to_vector<float>();
  };
  EXPECT_EQ(first_value(1), first_value(1));
  EXPECT_NE(first_value(1), first_value(2));
}

TEST(Components, SchedulesFollowTheirSettings) {
  Config config = load("schedule: {name: cosine, warmup: 10, final_fraction: 0.1}");
  const auto& cosine = config.schedule.as<ScheduleSection>();
  EXPECT_DOUBLE_EQ(cosine.lr_at(0, 100, 1.0), 0.1);
  EXPECT_DOUBLE_EQ(cosine.lr_at(9, 100, 1.0), 1.0);
  EXPECT_NEAR(cosine.lr_at(99, 100, 1.0), 0.1, 1e-12);
  Config constant = load("schedule: {name: constant}");
  EXPECT_DOUBLE_EQ(constant.schedule.as<ScheduleSection>().lr_at(57, 100, 0.5), 0.5);
}

std::vector<double> rates(const std::string& schedule, int64_t steps = 80, double lr = 0.5) {
  Config config = load("schedule: {" + schedule + "}");
  std::vector<double> out;
  for (int64_t step = 0; step < steps; ++step) {
    out.push_back(config.schedule.as<ScheduleSection>().lr_at(step, steps, lr));
  }
  return out;
}

// The rise to 0.5, and what follows it as if it were a run of its own.
TEST(Components, SchedulesMayBeginWithAWarmUp) {
  for (std::string name : {"linear", "step", "exponential", "polynomial", "cosine_restarts", "wsd",
                           "inverse_sqrt, timescale: 50"}) {
    std::vector<double> warm = rates("name: " + name + ", warmup: 10");
    std::vector<double> plain = rates("name: " + name + ", warmup: 0", 70);
    for (size_t i = 0; i < 10; ++i) {
      EXPECT_DOUBLE_EQ(warm[i], 0.05 * static_cast<double>(i + 1)) << name;
    }
    EXPECT_EQ(std::vector<double>(warm.begin() + 10, warm.end()), plain) << name;
  }
  // But for steps that are named.
  std::vector<double> falls = rates("name: multi_step, milestones: '30', warmup: 10");
  EXPECT_DOUBLE_EQ(falls[29], 0.5);
  EXPECT_DOUBLE_EQ(falls[30], 0.05);
}

// Its rate is lr until evaluations say otherwise, of which those of the rise do not count.
TEST(Components, APlateauFollowsEvaluations) {
  std::vector<double> before = rates("name: plateau, warmup: 10");
  EXPECT_DOUBLE_EQ(before[0], 0.05);
  for (size_t step = 9; step < 80; ++step) EXPECT_EQ(before[step], 0.5);
  Config config = load(
      "run: {eval_every: 5}\noptim: {name: adamw, lr: 0.5}\n"
      "schedule: {name: plateau, warmup: 10, patience: 0, factor: 0.5, min_lr: 0.2}");
  RunSchedule schedule(config);
  for (int64_t step : {5, 10, 15}) {
    schedule.observe(step, 1.0);
    EXPECT_EQ(schedule.lr_at(60), step < 15 ? 0.5 : 0.25) << step;
  }
  RunSchedule again(config);
  EXPECT_EQ(again.restore(schedule.state() + "1 2 "), "1 2 ");
  EXPECT_EQ(again.lr_at(60), 0.25);
  again.observe(20, 2.0);
  EXPECT_EQ(again.lr_at(60), 0.2);
  EXPECT_EQ(planned_lr(config, 20), std::nullopt);
  // Others take no notice, and leave what is no line of theirs.
  RunSchedule constant(load("schedule: {name: constant}"));
  EXPECT_EQ(constant.state(), "");
  EXPECT_EQ(constant.restore("1 2 "), "1 2 ");
  EXPECT_EQ(constant.restore(schedule.state()), "");
}

TEST(Components, SchedulesEndWithTheRun) {
  EXPECT_DOUBLE_EQ(rates("name: linear").back(), 0);
  EXPECT_DOUBLE_EQ(rates("name: linear, start_factor: 0.5, end_factor: 1").back(), 0.5);
  EXPECT_DOUBLE_EQ(rates("name: polynomial, power: 2").back(), 0);
  EXPECT_DOUBLE_EQ(rates("name: one_cycle, div_factor: 10, final_div_factor: 5").back(), 0.01);
  EXPECT_DOUBLE_EQ(rates("name: wsd, decay: 30, decay_shape: sqrt, final_fraction: 0.1").back(),
                   0.05);
  EXPECT_DOUBLE_EQ(rates("name: cyclic, step_size_up: 79, mode: triangular2").back(), 0.5);
}

TEST(Components, ASequenceHasStagesOfItsOwnSteps) {
  std::vector<double> golden;
  for (const auto& [name, array] : load_npz(TESSERA_GOLDEN_DIR "/optim/schedules.npz")) {
    if (name == "sequence") golden = array.to_vector<double>();
  }
  std::vector<double> made = rates(
      "name: sequence, stages: '10 linear: start_factor=0.1, end_factor=1, total_iters=10; "
      "20 exponential: gamma=0.9; step: step_size=15, gamma=0.5'");
  ASSERT_EQ(made.size(), golden.size());
  for (size_t i = 0; i < made.size(); ++i) EXPECT_NEAR(made[i], golden[i], 1e-9) << i;
  // A stage's schedule ends with its stage.
  made = rates("name: sequence, stages: '20 constant; 40 linear; linear: end_factor=0.5'");
  EXPECT_DOUBLE_EQ(made[19], 0.5);
  EXPECT_DOUBLE_EQ(made[59], 0);
  EXPECT_DOUBLE_EQ(made[60], 0.5);
  EXPECT_DOUBLE_EQ(made[79], 0.25);
  EXPECT_EQ(rates("name: sequence")[79], 0.5);
}

// A comma within a value is no end of it.
TEST(Components, AStageHasSeveralMilestones) {
  std::vector<double> made = rates(
      "name: sequence, stages: '10 constant; multi_step: milestones=20, 40, gamma=0.5, warmup=0'");
  EXPECT_EQ(made[29], 0.5);
  EXPECT_EQ(made[30], 0.25);
  EXPECT_EQ(made[49], 0.25);
  EXPECT_EQ(made[50], 0.125);
}

TEST(Components, MistakesInSchedulesAreNamed) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"name: multi_step, milestones: '30, 20'",
       "schedule.milestones: expected ascending steps of at least 1, got '20'"},
      {"name: multi_step, milestones: 'soon'", "got 'soon'"},
      {"name: cyclic, mode: triangle", "did you mean 'triangular'?"},
      {"name: one_cycle, pct_start: 0.6, three_phase: true",
       "schedule.pct_start: of three phases, the first is at most half: 0.5"},
      {"name: one_cycle, pct_start: 1.5", "schedule.pct_start: expected a number from 0 to 1"},
      {"name: sequence, stages: '10 linear: start=1; constant'",
       "schedule.stages: '10 linear: start=1': there is no setting 'start'"},
      {"name: sequence, stages: '10 linaer; constant'",
       "there is no schedule 'linaer'; did you mean "
       "'linear'?"},
      {"name: sequence, stages: 'linear; constant'",
       "schedule.stages: 'linear': expected STEPS NAME, with a number of at least 1"},
      {"name: sequence, stages: '0 linear; constant'", "expected STEPS NAME"},
      {"name: sequence, stages: '10 linear'", "there is no schedule '10 linear'"},
      {"name: sequence, stages: '10 linear: end_factor=2; constant'",
       "end_factor: expected a number from 0 to 1, got '2'"},
      {"name: sequence, stages: 'linear: end_factor=0, end_factor=1'",
       "there are two values of end_factor"},
      {"name: sequence, stages: 'linear: end_factor'", "expected KEY=VALUE, got 'end_factor'"},
      {"name: sequence, stages: 'multi_step: milestones=x'",
       "schedule.stages: 'multi_step: milestones=x': schedule.milestones: expected"},
      {"name: sequence, stages: 'multi_step: milestones=20, x'", "got 'x'"},
      {"name: sequence, stages: 'sequence'", "there is no schedule 'sequence'"},
      {"name: sequence, stages: '5 plateau; constant'",
       "plateau follows the validation loss, which no stage of a sequence does"}};
  for (const auto& [schedule, message] : cases) {
    std::string error = error_of([&] { load("schedule: {" + schedule + "}"); });
    EXPECT_TRUE(contains(error, message)) << error;
  }
}

}  // namespace
}  // namespace tessera::experiment
