// Any model with any optimizer, on ranks that are threads, has one end.
#include "tests/launcher/experiment/run_matrix.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include "distributed/checkpoint/checkpoint_folder.h"
#include "distributed/checkpoint/checkpoint_reader.h"
#include "launcher/experiment/components/group_lines.h"
#include "nn/optim/adamw.h"
#include "nn/optim/muon.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera::test {
namespace {

using namespace experiment;

class RunMatrix : public testing::TestWithParam<std::string> {
 protected:
  RunMatrix() { make_data(folder_.path()); }

  TempDir folder_;
  MatrixRuns runs_{folder_.path(), train_threads};
};

// Whatever it is spread over, and though it is stopped and goes on spread over something else.
TEST_P(RunMatrix, HasOneEnd) {
  int count = 0;
  for (const RunSetting& setting : run_settings()) {
    if (setting.model.name != GetParam() || setting.backend != "thread") continue;
    if (!refusal_of(setting.model, setting.optimizer).empty()) continue;
    ++count;
    try {
      runs_.begin(setting);
      EXPECT_EQ(runs_.end(setting), runs_.expected(setting)) << to_string(setting);
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
      break;
    }
  }
  EXPECT_GE(count, 5);
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const Option& model : builtin_catalog().model) names.push_back(model.name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Models, RunMatrix, testing::ValuesIn(model_names()),
                         [](const auto& param) { return param.param; });

// The tests above would not notice an optimizer that does what another one does.
TEST(RunMatrixRuns, EndDifferentlyByOptimizerAndDtype) {
  TempDir folder;
  make_data(folder.path());
  MatrixRuns runs(folder.path(), train_threads);
  std::set<std::string> ends;
  size_t count = 0;
  for (const OptimizerCase& optimizer : optimizer_cases()) {
    RunSetting setting{.model = model_cases()[1], .optimizer = optimizer};
    for (bool bf16 : {false, true}) {
      setting.bf16 = bf16;
      ends.insert(runs.expected(setting));
      ++count;
    }
  }
  EXPECT_EQ(ends.size(), count);
}

TEST(RunMatrixSettings, HaveEveryPair) {
  std::set<std::string> pairs;
  for (const RunSetting& s : run_settings()) {
    pairs.insert(s.model.name + " " + s.optimizer.name);
    pairs.insert(s.model.name + " " + s.backend);
    for (const std::string& what : {s.model.name, s.optimizer.name}) {
      for (const auto& [when, layout] : {std::pair{"first", s.first}, {"then", s.then}}) {
        pairs.insert(fmt::format("{} {} {}", what, when, name(layout.strategy)));
        pairs.insert(fmt::format("{} {} on {}", what, when, layout.ranks));
      }
      pairs.insert(fmt::format("{} bf16={}", what, s.bf16));
    }
  }
  size_t models = model_cases().size();
  size_t optimizers = optimizer_cases().size();
  EXPECT_EQ(pairs.size(), models * optimizers + models * 2 + (models + optimizers) * (2 * 9 + 2));
}

TEST(RunMatrixSettings, LeaveOutWhatIsRefused) {
  TempDir folder;
  make_data(folder.path());
  size_t refused = 0;
  for (const ModelCase& model : model_cases()) {
    for (const OptimizerCase& optimizer : optimizer_cases()) {
      std::string expected = refusal_of(model, optimizer);
      if (expected.empty()) continue;
      std::string yaml = yaml_of(model.name, model.tiny, optimizer, folder.path());
      std::string error =
          error_of([&] { Trainer trainer(load_config(yaml, "yaml", {}, builtin_catalog())); });
      EXPECT_TRUE(contains(error, expected)) << model.name << " " << optimizer.name;
      ++refused;
    }
  }
  EXPECT_LE(refused, 1U);
}

// What a run says of its parameters: its lines, and its optimizer's model.
struct Told {
  explicit Told(const std::string& yaml)
      : config(load_config(yaml, "yaml", {}, builtin_catalog())) {
    nn::DeferInit defer;
    model = config.model.as<ModelSection>().make();
    const auto& section = config.optim.as<OptimSection>();
    lines = group_lines(*make_optimizer(section, *model), section.lr);
  }
  // Of how many lines' names one is like it, with numbers for *.
  int64_t lines_with(const std::string& name) const {
    return std::count_if(lines.begin(), lines.end(), [&](const std::string& line) {
      std::string kinds = ", " + line.substr(line.rfind(": ") + 2) + ",";
      bool found = kinds.find(", " + name + ",") != std::string::npos;
      std::string kind = std::regex_replace(name, std::regex("\\.[0-9]+(?=\\.)"), ".*");
      return found || kinds.find(", " + kind + ",") != std::string::npos;
    });
  }

  Config config;
  std::unique_ptr<nn::Model> model;
  std::vector<std::string> lines;
};

TEST(GroupLines, HaveEveryParameterOfEveryModelOnce) {
  for (const ModelCase& model : model_cases()) {
    for (const OptimizerCase& optimizer : optimizer_cases()) {
      if (!refusal_of(model, optimizer).empty()) continue;
      Told told(yaml_of(model.name, model.tiny, optimizer, "data"));
      for (const auto& [name, parameter] : told.model->named_parameters()) {
        EXPECT_EQ(told.lines_with(name), 1) << model.name << " " << optimizer.name << ": " << name;
      }
    }
  }
}

TEST(GroupLines, SayWhichRuleTrainsWhat) {
  const std::string gpt =
      "model: {name: gpt, layers: 2, heads: 2, width: 16, context: 8}\ndata: {name: text}\noptim: ";
  Told muon(gpt + "{name: muon, lr: 0.02, adamw_lr: 0.01}");
  std::string rule = optim::MuonRule({}).describe();
  std::string other = optim::AdamWRule({.beta2 = 0.95}).describe();
  EXPECT_EQ(muon.lines,
            (std::vector<std::string>{
                other + ": lr 0.01, weight decay 0.1, 2 parameters with 4224 elements: "
                        "wte.weight, wpe.weight",
                other + ": lr 0.01, weight decay 0, 18 parameters with 448 elements: "
                        "blocks.*.ln1.weight, blocks.*.ln1.bias, blocks.*.attn.c_attn.bias, "
                        "blocks.*.attn.c_proj.bias, blocks.*.ln2.weight, blocks.*.ln2.bias, "
                        "blocks.*.c_fc.bias, blocks.*.c_proj.bias, ln_f.weight, ln_f.bias",
                rule + ": lr 0.02, weight decay 0.1, 8 parameters with 6144 elements: "
                       "blocks.*.attn.c_attn.weight, blocks.*.attn.c_proj.weight, "
                       "blocks.*.c_fc.weight, blocks.*.c_proj.weight"}));
  // Numbers that matter stay.
  Told group(gpt + "{name: sgd, groups: 'blocks.1.c_fc.*: lr=0'}");
  EXPECT_EQ(group.lines_with("blocks.0.c_fc.weight"), 1);
  EXPECT_EQ(group.lines_with("blocks.1.c_fc.weight"), 1);
  std::string last = group.lines.back();
  EXPECT_TRUE(contains(last, "lr 0, ") && contains(last, "blocks.1.c_fc.")) << last;
}

// By what it does: the first step of each rule is that of a run which has only this one.
TEST(GroupLines, AreTrue) {
  TempDir folder;
  make_data(folder.path());
  auto weights_of = [&](const std::string& optim) {
    std::string yaml = yaml_of("gpt", model_cases()[0].tiny, {"", optim}, folder.path());
    std::string dir = folder / "run";
    EXPECT_EQ(train_threads(2,
                            [&] {
                              return std::make_unique<Trainer>(load_config(
                                  yaml, "yaml",
                                  std::vector<std::string>{"run.steps=1", "run.eval_batches=1",
                                                           "data.leaves=2", "run.dir=" + dir},
                                  builtin_catalog()));
                            }),
              0);
    CheckpointReader reader(CheckpointFolder(dir + "/checkpoints").checkpoint(1));
    std::map<std::string, std::vector<float>> weights;
    for (const TensorInfo& tensor : reader.tensors()) {
      weights[tensor.name] = reader.read(tensor).to_vector<float>();
    }
    std::string log = folder.read("run/log/rank-0.txt");
    EXPECT_TRUE(contains(log, "optim: ")) << log;
    std::filesystem::remove_all(dir);
    return weights;
  };
  auto both = weights_of("name: muon, lr: 0.02, adamw_lr: 0.01");
  auto adamw = weights_of("name: adamw, lr: 0.01");
  Told told(yaml_of("gpt", model_cases()[0].tiny, {"", "name: muon"}, "data"));
  size_t count = 0;
  for (const auto& [name, parameter] : told.model->named_parameters()) {
    std::string kind = std::regex_replace(name, std::regex("\\.[0-9]+(?=\\.)"), ".*");
    auto line = std::find_if(told.lines.begin(), told.lines.end(), [&](const std::string& text) {
      return contains(text + ",", " " + kind + ",");
    });
    ASSERT_NE(line, told.lines.end()) << name;
    bool by_adamw = line->starts_with("adamw");
    EXPECT_EQ(both[name] == adamw[name], by_adamw) << name << ": " << *line;
    count += by_adamw ? 0 : 1;
  }
  EXPECT_EQ(count, 8U);
}

}  // namespace
}  // namespace tessera::test
