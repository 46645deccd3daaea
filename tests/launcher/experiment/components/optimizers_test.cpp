// The sections of optimizers: what they make, what groups may set, and what is refused.
#include <gtest/gtest.h>

#include <map>

#include "launcher/experiment/components/components.h"
#include "nn/optim/adadelta.h"
#include "nn/optim/adafactor.h"
#include "nn/optim/adagrad.h"
#include "nn/optim/adamax.h"
#include "nn/optim/adamw.h"
#include "nn/optim/lbfgs.h"
#include "nn/optim/lion.h"
#include "nn/optim/muon.h"
#include "nn/optim/nadam.h"
#include "nn/optim/radam.h"
#include "nn/optim/rmsprop.h"
#include "nn/optim/schedule_free.h"
#include "nn/optim/sgd.h"
#include "tests/support/error_of.h"

namespace tessera::experiment {
namespace {

using test::contains;
using test::error_of;

constexpr const char* kSmallGpt =
    "model: {name: gpt, layers: 2, heads: 2, width: 16, context: 16}\n";
constexpr const char* kMlp = "model: {name: mlp, inputs: 8, hidden1: 6, hidden2: 4, classes: 2}\n";

Config load(const std::string& yaml) {
  return load_config(yaml, "test.yaml", {}, builtin_catalog());
}

// What a parameter has in the optimizer that the config describes.
struct Settings {
  double weight_decay;
  double lr_scale;
  optim::RulePtr rule;
};

struct Made {
  explicit Made(const std::string& yaml)
      : config(load(yaml)),
        model(config.model.as<ModelSection>().make()),
        optimizer(make_optimizer(config.optim.as<OptimSection>(), *model)) {
    for (const optim::ParamGroup& group : optimizer->groups()) {
      for (const std::string& name : group.names) {
        of[name] = {group.weight_decay, group.lr_scale, group.rule};
      }
    }
  }
  std::string rule(const std::string& name) const { return of.at(name).rule->describe(); }

  Config config;
  std::unique_ptr<nn::Model> model;
  std::unique_ptr<optim::Optimizer> optimizer;
  std::map<std::string, Settings> of;
};

std::string error(const std::string& optim, const std::string& model = kMlp) {
  return error_of([&] { Made made(model + "optim: {" + optim + "}"); });
}

TEST(Optimizers, DefaultsAreThoseOfTheRules) {
  EXPECT_EQ(Made("optim: {name: sgd}").optimizer->describe(), optim::SgdRule({}).describe());
  EXPECT_EQ(Made("optim: {name: adafactor}").optimizer->describe(),
            optim::AdafactorRule({}).describe());
  EXPECT_EQ(Made(std::string(kSmallGpt) + "optim: {name: muon}").rule("blocks.0.c_fc.weight"),
            optim::MuonRule({}).describe());
  std::string adamw = optim::AdamWRule({.beta2 = 0.95}).describe();
  EXPECT_EQ(Made("optim: {name: adamw}").optimizer->describe(), adamw);
  EXPECT_EQ(Made(std::string(kSmallGpt) + "optim: {name: muon}").rule("wte.weight"), adamw);
  EXPECT_EQ(load("optim: {name: sgd}").optim.as<OptimSection>().lr, 1e-3);
  EXPECT_EQ(load("optim: {name: adafactor}").optim.as<OptimSection>().lr, 1e-2);
}

// What a section says, and the rule that it makes; those of elements alone.
struct SectionCase {
  const char* optim;
  std::string rule;
};
std::vector<SectionCase> section_cases() {
  return {
      {"name: adam", optim::AdamRule({}).describe()},
      {"name: adam, beta1: 0.8, beta2: 0.9, eps: 1e-6, amsgrad: true",
       optim::AdamRule({.beta1 = 0.8, .beta2 = 0.9, .eps = 1e-6, .amsgrad = true}).describe()},
      {"name: adamw, beta2: 0.9, amsgrad: true",
       optim::AdamWRule({.beta2 = 0.9, .amsgrad = true}).describe()},
      {"name: nadam", optim::NAdamRule({}).describe()},
      {"name: nadam, momentum_decay: 0.01, decoupled_weight_decay: true",
       optim::NAdamRule({.momentum_decay = 0.01, .decoupled_weight_decay = true}).describe()},
      {"name: radam", optim::RAdamRule({}).describe()},
      {"name: radam, beta1: 0.5, decoupled_weight_decay: true",
       optim::RAdamRule({.beta1 = 0.5, .decoupled_weight_decay = true}).describe()},
      {"name: adamax", optim::AdamaxRule({}).describe()},
      {"name: adamax, beta1: 0.8, beta2: 0.9, eps: 1e-6",
       optim::AdamaxRule({.beta1 = 0.8, .beta2 = 0.9, .eps = 1e-6}).describe()},
      {"name: rmsprop", optim::RmspropRule({}).describe()},
      {"name: rmsprop, alpha: 0.9, eps: 1e-6, momentum: 0.5, centered: true",
       optim::RmspropRule({.alpha = 0.9, .eps = 1e-6, .momentum = 0.5, .centered = true})
           .describe()},
      {"name: adagrad", optim::AdagradRule({}).describe()},
      {"name: adagrad, lr_decay: 0.1, initial_accumulator_value: 0.5, eps: 1e-6",
       optim::AdagradRule({.lr_decay = 0.1, .initial_accumulator_value = 0.5, .eps = 1e-6})
           .describe()},
      {"name: adadelta", optim::AdadeltaRule({}).describe()},
      {"name: adadelta, rho: 0.8, eps: 1e-4",
       optim::AdadeltaRule({.rho = 0.8, .eps = 1e-4}).describe()},
      {"name: lion", optim::LionRule({}).describe()},
      {"name: lion, beta1: 0.95, beta2: 0.98",
       optim::LionRule({.beta1 = 0.95, .beta2 = 0.98}).describe()},
      {"name: adamw_schedule_free", optim::AdamWScheduleFreeRule({}).describe()},
      {"name: adamw_schedule_free, beta1: 0.8, beta2: 0.9, eps: 1e-6, warmup_steps: 7",
       optim::AdamWScheduleFreeRule({.beta1 = 0.8, .beta2 = 0.9, .eps = 1e-6, .warmup_steps = 7})
           .describe()},
      {"name: sgd_schedule_free", optim::SgdScheduleFreeRule({}).describe()},
      {"name: sgd_schedule_free, momentum: 0.5, warmup_steps: 7",
       optim::SgdScheduleFreeRule({.momentum = 0.5, .warmup_steps = 7}).describe()}};
}

TEST(Optimizers, SectionsOfOneRuleMakeIt) {
  for (const SectionCase& section : section_cases()) {
    Made made(std::string(kMlp) + "optim: {" + section.optim +
              ", groups: '*.bias: lr=1e-5, weight_decay=0.5'}");
    EXPECT_EQ(made.optimizer->describe(), section.rule) << section.optim;
    EXPECT_EQ(made.of["fc1.bias"].weight_decay, 0.5) << section.optim;
    EXPECT_LT(made.of["fc1.bias"].lr_scale, 1) << section.optim;
    EXPECT_EQ(made.of["fc1.weight"].weight_decay,
              std::string(section.optim).starts_with("name: adamw,") ? 0.1 : 0)
        << section.optim;
  }
}

// By the state that its update leaves behind, which no other parameter has.
TEST(Optimizers, EachParameterIsTouchedByItsRuleAndNoOther) {
  Made made(std::string(kSmallGpt) +
            "optim: {name: muon, adamw_amsgrad: false, groups: 'blocks.1.*: adamw_amsgrad=true, "
            "momentum=0.5; blocks.0.ln1.*: adamw_amsgrad=true'}");
  for (const auto& [name, parameter] : made.model->named_parameters()) {
    parameter.set_grad(Tensor(Array::full(parameter.shape(), 0.5)));
  }
  made.optimizer->step(0.01);
  std::map<std::string, std::string> states;
  for (const auto& [name, array] : made.optimizer->state_dict()) {
    size_t slash = name.find('/');
    std::string state = name.substr(0, slash);
    if (state != "step") states[name.substr(slash + 1)] += state + " ";
  }
  for (const auto& [name, parameter] : made.model->named_parameters()) {
    bool by_muon = parameter.dim() == 2 && name != "wte.weight" && name != "wpe.weight";
    bool by_amsgrad = name.starts_with("blocks.1.") || name.starts_with("blocks.0.ln1.");
    std::string expected = by_muon      ? "momentum_buffer "
                           : by_amsgrad ? "exp_avg exp_avg_sq max_exp_avg_sq "
                                        : "exp_avg exp_avg_sq ";
    EXPECT_EQ(states[name], expected) << name;
    EXPECT_EQ(made.rule(name).starts_with("muon"), by_muon) << name;
    EXPECT_EQ(made.rule(name).ends_with("amsgrad"), by_amsgrad && !by_muon) << name;
    states.erase(name);
  }
  EXPECT_TRUE(states.empty());
}

TEST(Optimizers, AveragesAreStatesBesideTheRules) {
  auto names = [](const std::string& optim) {
    Made made(std::string(kMlp) + "optim: {" + optim + "}");
    std::string text;
    for (const optim::StateInfo& state : made.of["fc1.weight"].rule->states({8, 6})) {
      text += state.name + " ";
    }
    return text;
  };
  EXPECT_EQ(names("name: lion"), "exp_avg ");
  EXPECT_EQ(names("name: lion, swa_start: 5"), "exp_avg swa ");
  EXPECT_EQ(names("name: lion, swa_start: 5, swa_every: 3, ema: 0.9"), "exp_avg swa ema ");
  EXPECT_EQ(Made("optim: {name: lion, swa_start: 5, swa_every: 3}").optimizer->describe(),
            optim::LionRule({}).describe() + ", swa from update 5 every 3");
  EXPECT_TRUE(contains(error("name: lion, swa_start: 0"), "optim.swa_start: expected"));
  EXPECT_EQ(error("name: lion, swa_every: 3"),
            "optim.swa_every: it is of optim.swa_start, which is null");
  EXPECT_EQ(error("name: lion, outlier_window: 3"),
            "optim.outlier_window: it is of optim.skip_outliers, which is null");
  EXPECT_EQ(error("name: lion, swa_every: 1, outlier_window: 100"), "");
}

TEST(Optimizers, KeysReachTheRules) {
  EXPECT_EQ(Made("optim: {name: sgd, momentum: 0.5, nesterov: true}").optimizer->describe(),
            optim::SgdRule({.momentum = 0.5, .nesterov = true}).describe());
  EXPECT_EQ(Made("optim: {name: sgd, momentum: 0.5, dampening: 0.25}").optimizer->describe(),
            optim::SgdRule({.momentum = 0.5, .dampening = 0.25}).describe());
  EXPECT_EQ(Made("optim: {name: adafactor, beta2_decay: -0.5, eps2: 0.01, clip: 2}")
                .optimizer->describe(),
            optim::AdafactorRule({.beta2_decay = -0.5, .eps2 = 0.01, .clip = 2}).describe());
  Made muon(std::string(kSmallGpt) +
            "optim: {name: muon, momentum: 0.5, nesterov: false, iterations: 3, eps: 1e-6, "
            "scale: match_rms_adamw, adamw_beta1: 0.8, adamw_beta2: 0.9, adamw_eps: 1e-6}");
  EXPECT_EQ(muon.rule("blocks.1.c_fc.weight"),
            optim::MuonRule({.momentum = 0.5,
                             .nesterov = false,
                             .iterations = 3,
                             .eps = 1e-6,
                             .scale = optim::MuonScale::match_rms_adamw})
                .describe());
  EXPECT_EQ(muon.rule("ln_f.weight"),
            optim::AdamWRule({.beta1 = 0.8, .beta2 = 0.9, .eps = 1e-6}).describe());
}

TEST(Optimizers, OfOneRuleHaveTwoGroupsByDims) {
  for (const char* name : {"adamw", "sgd", "adafactor"}) {
    Made made(std::string(kSmallGpt) + "optim: {weight_decay: 0.25, name: " + name + "}");
    const auto& groups = made.optimizer->groups();
    ASSERT_EQ(groups.size(), 2U) << name;
    EXPECT_EQ(groups[0].weight_decay, 0.25);
    EXPECT_EQ(groups[1].weight_decay, 0);
    EXPECT_EQ(groups[0].rule, groups[1].rule) << "parameters with one rule share buckets";
    std::vector<std::string> expected;
    for (const auto& [parameter, tensor] : made.model->named_parameters()) {
      EXPECT_EQ(made.of.at(parameter).lr_scale, 1);
      if (tensor.dim() >= 2) expected.push_back(parameter);
    }
    EXPECT_EQ(groups[0].names, expected) << name;
  }
}

TEST(Optimizers, MuonLeavesEmbeddingsAndWhatIsNoMatrixToAdamW) {
  Made gpt(std::string(kSmallGpt) +
           "optim: {name: muon, lr: 0.02, weight_decay: 0.01, adamw_lr: 0.005, "
           "adamw_weight_decay: 0.2}");
  for (const auto& [name, tensor] : gpt.model->named_parameters()) {
    bool embedding = name == "wte.weight" || name == "wpe.weight";
    bool by_muon = tensor.dim() == 2 && !embedding;
    EXPECT_EQ(gpt.rule(name).starts_with("muon"), by_muon) << name;
    EXPECT_EQ(gpt.of[name].weight_decay, by_muon ? 0.01 : embedding ? 0.2 : 0) << name;
    EXPECT_EQ(gpt.of[name].lr_scale, by_muon ? 1 : 0.25) << name;
  }
  // Without a rate of its own AdamW has Muon's.
  EXPECT_EQ(
      Made(std::string(kSmallGpt) + "optim: {name: muon, lr: 0.02}").of["wte.weight"].lr_scale, 1);
}

TEST(Optimizers, WhatMuonLeavesToAdamWCanBeChosen) {
  Made mlp(std::string(kMlp) + "optim: {name: muon, adamw_for: 'fc3.*, fc1.w*'}");
  EXPECT_TRUE(mlp.rule("fc1.weight").starts_with("adamw"));
  EXPECT_TRUE(mlp.rule("fc2.weight").starts_with("muon"));
  EXPECT_TRUE(mlp.rule("fc2.bias").starts_with("adamw"));
  EXPECT_TRUE(mlp.rule("fc3.weight").starts_with("adamw"));
  Made all(std::string(kSmallGpt) + "optim: {name: muon, adamw_for: ''}");
  EXPECT_TRUE(all.rule("wte.weight").starts_with("muon"));
  EXPECT_EQ(error("name: muon, adamw_for: 'fc3.*, fc9.*'"),
            "optim.adamw_for: 'fc9.*' matches no parameter of the model");
  EXPECT_EQ(error("name: muon, adamw_for: 'fc3.*,'"),
            "optim.adamw_for: '' matches no parameter of the model");
  EXPECT_EQ(error("name: muon, adamw_for: '*'"),
            "optim.adamw_for: of the model, no matrix is left for muon to update");
}

TEST(Optimizers, ValuesOutOfBoundsAreNamedByTheirPlace) {
  EXPECT_EQ(error("name: sgd, momentum: 1"),
            "test.yaml:2:30: optim.momentum: expected a number of at least 0 and below 1, got '1'");
  EXPECT_TRUE(contains(error("name: sgd, dampening: 1.5"),
                       "optim.dampening: expected a number fr"
                       "om 0 to 1, got '1.5'"));
  EXPECT_TRUE(contains(error("name: adafactor, beta2_decay: 0.8"),
                       "optim.beta2_decay: expected a number of at most 0, got '0.8'"));
  EXPECT_TRUE(contains(error("name: adafactor, clip: 0.5"),
                       "optim.clip: expected a number of at least 1, got '0.5'"));
  EXPECT_TRUE(contains(error("name: muon, iterations: 100"),
                       "optim.iterations: expected an integer from 1 to 99, got '100'"));
  EXPECT_TRUE(contains(error("name: muon, scale: match_rms_adam"),
                       "optim.scale: expected one of original, match_rms_adamw, got "
                       "'match_rms_adam'; did you mean 'match_rms_adamw'?"));
  EXPECT_TRUE(contains(
      error("name: sgd, beta1: 0.5"),
      "unknown key 'beta1' in section 'optim'; the keys of optim 'sgd' are name, "
      "lr, clip_norm, clip_value, skip_outliers, outlier_window, ema, swa_start, swa_every, "
      "groups, weight_decay, momentum, "
      "dampening, nesterov"));
  EXPECT_TRUE(contains(error("name: mion"), "did you mean 'muon'?"));
}

TEST(Optimizers, OptionsThatContradictEachOtherAreNamed) {
  EXPECT_EQ(error("name: sgd, nesterov: true"), "optim.nesterov: true needs a momentum above 0");
  EXPECT_EQ(error("name: sgd, nesterov: true, momentum: 0.9, dampening: 0.1"),
            "optim.nesterov: true needs a dampening of 0, got 0.1");
  EXPECT_EQ(error("name: sgd, nesterov: true, momentum: 0.9"), "");
  EXPECT_EQ(error("name: sgd, nesterov: true, momentum: 0.9, groups: '*.bias: momentum=0'"),
            "optim.groups: '*.bias': nesterov: true needs a momentum above 0");
  EXPECT_EQ(error("name: sgd, nesterov: true, momentum: 0.9, "
                  "groups: '*.bias: momentum=0, nesterov=false'"),
            "");
  // Where no parameter has them, too.
  EXPECT_EQ(error("name: sgd, nesterov: true, groups: '*: momentum=0.9'"),
            "optim.nesterov: true needs a momentum above 0");
  EXPECT_THROW(Made(std::string(kMlp) + "optim: {name: sgd, nesterov: true}"), ConfigError);
}

TEST(Optimizers, GroupsSetOptionsOfTheRule) {
  Made adamw(std::string(kSmallGpt) +
             "optim: {name: adamw, groups: '*.bias: beta1=0.5; *ln*.weight: beta2 = 0.99, lr=0; "
             "wte.*: beta1=0.5'}");
  EXPECT_EQ(adamw.rule("wte.weight"), optim::AdamWRule({.beta1 = 0.5, .beta2 = 0.95}).describe());
  EXPECT_EQ(adamw.rule("ln_f.weight"), optim::AdamWRule({.beta2 = 0.99}).describe());
  EXPECT_EQ(adamw.of["ln_f.weight"].lr_scale, 0);
  EXPECT_EQ(adamw.rule("wpe.weight"), optim::AdamWRule({.beta2 = 0.95}).describe());
  // Equal settings make one group, whichever pattern says them; equal options make one rule.
  EXPECT_EQ(adamw.optimizer->groups().size(), 4U);
  EXPECT_EQ(adamw.of["wte.weight"].rule, adamw.of["ln_f.bias"].rule);
  // Which ranks compare before they train together.
  EXPECT_EQ(adamw.optimizer->describe(),
            "adamw, betas 0.5 and 0.95, eps 1e-08; adamw, betas 0.9 and 0.95, eps 1e-08; "
            "adamw, betas 0.9 and 0.99, eps 1e-08");
  Made sgd(std::string(kMlp) +
           "optim: {name: sgd, momentum: 0.9, groups: '*.bias: momentum=0.5, nesterov=true'}");
  EXPECT_EQ(sgd.rule("fc2.bias"), optim::SgdRule({.momentum = 0.5, .nesterov = true}).describe());
  EXPECT_EQ(sgd.rule("fc2.weight"), optim::SgdRule({.momentum = 0.9}).describe());
  EXPECT_TRUE(contains(Made("optim: {name: adafactor, groups: 'wte.*: clip=2'}").rule("wte.weight"),
                       "clip 2"));
}

TEST(Optimizers, GroupsThatSayWhatTheSectionSaysChangeNothing) {
  Made plain(std::string(kMlp) + "optim: {name: adamw}");
  Made same(std::string(kMlp) + "optim: {name: adamw, groups: 'fc1.*: beta1=0.9, lr=0.001'}");
  ASSERT_EQ(same.optimizer->groups().size(), plain.optimizer->groups().size());
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(same.optimizer->groups()[i].names, plain.optimizer->groups()[i].names);
    EXPECT_EQ(same.optimizer->groups()[i].rule, same.optimizer->groups()[0].rule);
  }
}

TEST(Optimizers, GroupsOfMuonSetWhatTheParametersRuleHas) {
  Made gpt(std::string(kSmallGpt) +
           "optim: {name: muon, lr: 0.02, adamw_lr: 0.01, groups: 'blocks.0.*: momentum=0.5, "
           "scale=match_rms_adamw, adamw_beta2=0.9, lr=0.04; wte.*: lr=0.002, weight_decay=0'}");
  EXPECT_TRUE(contains(gpt.rule("blocks.0.c_fc.weight"), "muon, momentum 0.5"));
  EXPECT_TRUE(contains(gpt.rule("blocks.0.c_fc.weight"), "match_rms_adamw"));
  EXPECT_EQ(gpt.rule("blocks.0.c_fc.bias"), optim::AdamWRule({.beta2 = 0.9}).describe());
  EXPECT_EQ(gpt.of["blocks.0.c_fc.weight"].lr_scale, 2);
  EXPECT_EQ(gpt.of["blocks.0.c_fc.bias"].lr_scale, 2);
  EXPECT_EQ(gpt.of["blocks.1.c_fc.bias"].lr_scale, 0.5);
  EXPECT_DOUBLE_EQ(gpt.of["wte.weight"].lr_scale, 0.1);
  EXPECT_EQ(gpt.of["wte.weight"].weight_decay, 0);
  EXPECT_EQ(error("name: muon, groups: '*.bias: momentum=0.5'"),
            "optim.groups: '*.bias': momentum: its parameters are updated by adamw, which has no "
            "such option");
  EXPECT_EQ(error("name: muon, groups: '*.weight: adamw_beta1=0.5'"),
            "optim.groups: '*.weight': adamw_beta1: its parameters are updated by muon, which has "
            "no such option");
  EXPECT_EQ(error("name: muon, groups: '*.bias: adamw_lr=0.5'"),
            "optim.groups: '*.bias': there is no setting 'adamw_lr'; did you mean 'lr'?");
}

TEST(Optimizers, MistakesInGroupsNamePatternAndKey) {
  auto of_group = [](const std::string& text) {
    return error("name: adamw, groups: '" + text + "'");
  };
  EXPECT_EQ(of_group("*.bias: beta1=1"),
            "optim.groups: '*.bias': beta1: expected a number of at least 0 and below 1, got '1'");
  EXPECT_EQ(of_group("*.bias: eps=1e-46"),
            "optim.groups: '*.bias': eps: expected a number greater than 0, got '1e-46': f32 "
            "cannot hold it");
  EXPECT_EQ(of_group("*.bias: bata1=0.5"),
            "optim.groups: '*.bias': there is no setting 'bata1'; did you mean 'beta1'?");
  EXPECT_EQ(of_group("*.bias: momentum=0.5"),
            "optim.groups: '*.bias': there is no setting 'momentum'; there are lr, weight_decay, "
            "beta1, beta2, eps, amsgrad");
  EXPECT_EQ(of_group("*.bias: beta1=0.5, beta1=0.6"),
            "optim.groups: '*.bias': there are two values of beta1");
  EXPECT_EQ(of_group("*.bias: beta1"), "optim.groups: '*.bias': expected KEY=VALUE, got 'beta1'");
  EXPECT_EQ(of_group("*.bias: beta1="),
            "optim.groups: '*.bias': beta1: expected a number of at least 0 and below 1, got ''");
  EXPECT_EQ(error("name: sgd, momentum: 0.9, groups: '*.bias: nesterov=yes'"),
            "optim.groups: '*.bias': nesterov: expected true or false, got 'yes'; did you mean "
            "true?");
  EXPECT_EQ(error("name: muon, groups: '*.weight: scale=orginal'"),
            "optim.groups: '*.weight': scale: expected one of original, match_rms_adamw, got "
            "'orginal'; did you mean 'original'?");
  EXPECT_EQ(error("name: muon, groups: '*.weight: iterations=2.5'"),
            "optim.groups: '*.weight': iterations: expected an integer from 1 to 99, got '2.5'");
}

// Of the common keys it has only lr.
TEST(Optimizers, LbfgsMovesAllParametersAlike) {
  EXPECT_EQ(Made("optim: {name: lbfgs, max_iter: 5, max_eval: 7, tolerance_grad: 0.1, "
                 "tolerance_change: 0.2, history_size: 3, line_search: none}")
                .optimizer->describe(),
            optim::LbfgsRule({.max_iter = 5,
                              .max_eval = 7,
                              .tolerance_grad = 0.1,
                              .tolerance_change = 0.2,
                              .history_size = 3})
                .describe());
  Made made(std::string(kSmallGpt) + "optim: {name: lbfgs}");
  EXPECT_EQ(made.optimizer->groups().size(), 1U);
  EXPECT_EQ(made.config.optim.as<OptimSection>().lr, 1);
  EXPECT_EQ(made.config.optim.as<OptimSection>().clip_norm, 0);
  for (std::string key :
       {"clip_norm: 1", "ema: 0.9", "skip_outliers: 3", "groups: 'a: lr=1'", "weight_decay: 0.1"}) {
    EXPECT_TRUE(contains(error("name: lbfgs, " + key), key.substr(0, key.find(':')))) << key;
  }
  EXPECT_TRUE(
      contains(error("name: lbfgs, line_search: wolfe"), "expected one of none, strong_wolfe"));
  EXPECT_TRUE(contains(error("name: lbfgs, history_size: 0"), "optim.history_size: expected"));
}

TEST(Optimizers, AreExplained) {
  std::string text = explain(builtin_catalog());
  for (const char* expected :
       {"  name: adamw  (one of adamw, sgd, muon, adafactor, adam, nadam, radam, adamax, "
        "rmsprop, adagrad, adadelta, lion, lbfgs, adamw_schedule_free, "
        "sgd_schedule_free)\n",
        "    momentum: 0  (a number of at least 0 and below 1)\n",
        "    scale: original  (one of original, match_rms_adamw)\n",
        "    adamw_lr: null  (null or a number greater than 0)\n",
        "    adamw_beta1: 0.9  (a number of at least 0 and below 1)\n",
        "    beta2_decay: -0.8  (a number of at most 0)\n"}) {
    EXPECT_TRUE(contains(text, expected));
  }
}

}  // namespace
}  // namespace tessera::experiment
