#include "launcher/experiment/config/config.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstdio>
#include <random>

#include "tests/support/error_of.h"

namespace tessera::experiment {
namespace {

struct Tower : Section {
  int64_t layers = 4;
  int64_t heads = 4;
  double dropout = 0.0;
  bool tied = true;
  std::optional<int64_t> window;
  std::optional<double> scale;
  std::optional<bool> causal;
  void visit(FieldVisitor& v) override {
    v("layers", layers, "number of blocks", in_range(1, 1000));
    v("heads", heads, "attention heads of a block", at_least(1));
    v("dropout", dropout, "probability of zeroing", at_least_and_below(0, 1));
    v("tied", tied, "one matrix for both ends");
    v("window", window, "tokens that attention reaches back", at_least(1));
    v("scale", scale, "factor of the logits", greater_than(0));
    v("causal", causal, "whether attention looks back only");
  }
};

struct Flat : Section {
  int64_t hidden = 256;
  void visit(FieldVisitor& v) override { v("hidden", hidden, "units", at_least(1)); }
};

struct Words : Section {
  std::string path = "data/words.txt";
  void visit(FieldVisitor& v) override { v("path", path, "file to read"); }
};

struct Descent : Section {
  double lr = 1e-3;
  void visit(FieldVisitor& v) override { v("lr", lr, "learning rate", greater_than(0)); }
};

struct Constant : Section {
  void visit(FieldVisitor&) override {}
};

Catalog catalog() {
  return {{option<Tower>("tower", "a stack of blocks"), option<Flat>("flat", "one layer")},
          {option<Words>("words", "words of a file")},
          {option<Descent>("descent", "plain descent")},
          {option<Constant>("constant", "always the same")}};
}

Config load(std::string_view text, std::vector<std::string> overrides = {}) {
  return load_config(text, "q.yaml", overrides, catalog());
}

std::string error_of(std::string_view text, std::vector<std::string> overrides = {}) {
  try {
    load(text, std::move(overrides));
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

constexpr std::string_view kValid = R"(# a whole run
run:        {name: quickstart, dir: null, steps: 30, seed: 7, resume: none}
model:
  layers: 3
  name: tower
  window: 16
  dropout: 0.1
data:       {name: words, path: "data/my words.txt"}
optim:      {name: descent, lr: 3.0e-3}
schedule:   {name: constant}
parallel:   {strategy: ddp, reduction: fast, bucket_mib: 2}
compute:    {device: cpu, dtype: f32, threads: 3}
checkpoint: {every: 0, keep: 2}
log:        {every: 5}
)";

TEST(Config, ReadsEverySection) {
  Config config = load(kValid);
  EXPECT_EQ(config.run.name, "quickstart");
  EXPECT_EQ(config.run.dir, std::nullopt);
  EXPECT_EQ(config.run.steps, 30);
  EXPECT_EQ(config.model.name, "tower");
  const auto& tower = config.model.as<Tower>();
  EXPECT_EQ(tower.layers, 3);
  EXPECT_EQ(tower.heads, 4);
  EXPECT_EQ(tower.window, 16);
  EXPECT_EQ(tower.dropout, 0.1);
  EXPECT_EQ(config.data.as<Words>().path, "data/my words.txt");
  EXPECT_EQ(config.optim.as<Descent>().lr, 3.0e-3);
  EXPECT_EQ(config.parallel.reduction, ReductionMode::fast);
  EXPECT_EQ(config.compute.threads.value, 3);
  EXPECT_EQ(config.log.every, 5);
  EXPECT_THROW(config.model.as<Flat>(), Error);
}

TEST(Config, ReadsAndWritesTheWordsOfEnums) {
  Config config = load(
      "parallel: {strategy: zero2, reduction: fast, gradient_dtype: bf16, unused_parameters: zero, "
      "start: broadcast}\ncompute: {dtype: bf16, recompute: blocks}\ncheckpoint: {checksum: "
      "sha256}\n");
  EXPECT_EQ(config.parallel.strategy, Strategy::zero2);
  EXPECT_EQ(config.parallel.reduction, ReductionMode::fast);
  EXPECT_EQ(config.parallel.gradient_dtype, DType::bf16);
  EXPECT_EQ(config.parallel.unused_parameters, UnusedParameters::zero);
  EXPECT_EQ(config.parallel.start, Start::broadcast);
  EXPECT_EQ(config.compute.dtype, DType::bf16);
  EXPECT_EQ(config.compute.recompute, Recompute::blocks);
  EXPECT_EQ(config.checkpoint.checksum, ChecksumKind::sha256);
  std::string text = dump_yaml(config);
  for (const char* line : {"strategy: zero2\n", "reduction: fast\n", "gradient_dtype: bf16\n",
                           "unused_parameters: zero\n", "start: broadcast\n", "device: cpu\n",
                           " dtype: bf16\n", "recompute: blocks\n", "checksum: sha256\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << " in " << text;
  }
  EXPECT_EQ(dump_yaml(load(text)), text);
}

// Of an enum's values only those that can be chosen.
TEST(Config, RefusesWordsThatMeanSomethingElsewhere) {
  EXPECT_EQ(error_of("parallel: {reduction: fast_bf16}"),
            "q.yaml:1:23: parallel.reduction: expected one of exact, fast, got 'fast_bf16'");
  EXPECT_EQ(error_of("compute: {dtype: f64}"),
            "q.yaml:1:18: compute.dtype: expected one of f32, bf16, f16, got 'f64'");
}

TEST(Config, HasDefaultsForAll) {
  Config config = load("{}");
  EXPECT_EQ(config.run.name, "run");
  EXPECT_EQ(config.run.steps, 300);
  EXPECT_EQ(config.model.name, "tower");
  EXPECT_EQ(config.compute.threads, AutoInt{});
  EXPECT_EQ(config.parallel.bucket_mib, 25);
}

TEST(Config, NamesUnknownWords) {
  EXPECT_EQ(error_of("run:\n  steps: 3\nmodel:\n  laers: 3\n"),
            "q.yaml:4:3: unknown key 'laers' in section 'model'; did you mean 'layers'?");
  EXPECT_EQ(
      error_of("model: {name: flat, depth_of_it: 3}"),
      "q.yaml:1:21: unknown key 'depth_of_it' in section 'model'; the keys of model 'flat' are "
      "name, hidden");
  EXPECT_EQ(error_of("log: {colour: 3}"),
            "q.yaml:1:7: unknown key 'colour' in section 'log'; its keys are every");
  EXPECT_EQ(error_of("modle: {}"), "q.yaml:1:1: unknown section 'modle'; did you mean 'model'?");
  EXPECT_EQ(error_of("x: {}"),
            "q.yaml:1:1: unknown section 'x'; the sections are run, init, model, data, optim, "
            "schedule, parallel, compute, checkpoint, log");
  EXPECT_EQ(error_of("model: {name: towr}"),
            "q.yaml:1:15: model.name: expected one of tower, flat, got 'towr'; did you mean "
            "'tower'?");
  EXPECT_EQ(error_of("model: {name: resnet}"),
            "q.yaml:1:15: model.name: expected one of tower, flat, got 'resnet'");
  EXPECT_EQ(error_of("model: {name: null}"),
            "q.yaml:1:15: model.name: expected one of tower, flat, got null");
}

TEST(Config, NamesBadShapes) {
  EXPECT_EQ(error_of("- 1"), "q.yaml:1:1: expected a map of sections, got a list");
  EXPECT_EQ(error_of("null"), "q.yaml:1:1: expected a map of sections, got null");
  EXPECT_EQ(error_of("run: 3"), "q.yaml:1:6: section 'run' must be a map of keys, got '3'");
  EXPECT_EQ(error_of("run: {steps: 1}\nrun: {steps: 2}"),
            "q.yaml:2:1: duplicate key 'run', first on line 1");
  EXPECT_EQ(error_of("run:\n  steps: 1\n  steps: 2\n"),
            "q.yaml:3:3: duplicate key 'steps', first on line 2");
  EXPECT_EQ(error_of("run: {steps: 1"), "q.yaml:2:1: YAML syntax: end of map flow not found");
  EXPECT_EQ(error_of(""), "q.yaml:1:1: there is nothing but blanks and comments");
  EXPECT_EQ(error_of("run: &r {steps: 1}"),
            "q.yaml:1:6: anchors (&name) are not supported in a config");
}

// What the message says about `SECTION: {KEY: VALUE}`, without the place.
std::string value_error(const std::string& section, const std::string& key,
                        const std::string& value) {
  std::string error = error_of(section + ":\n  " + key + ": " + value + "\n");
  std::string place = "q.yaml:2:" + std::to_string(key.size() + 5) + ": " + section + "." + key;
  EXPECT_EQ(error.substr(0, place.size()), place) << error;
  return error.size() > place.size() ? error.substr(place.size() + 2) : error;
}

TEST(Config, ChecksIntegers) {
  for (const char* bad : {"0", "-1", "1.5", "0x10", "abc", "99999999999999999999", "true", ".nan",
                          "1_000", "+", "1 2"}) {
    EXPECT_EQ(value_error("run", "steps", bad),
              fmt::format("expected an integer of at least 1, got '{}'", bad));
  }
  EXPECT_EQ(value_error("run", "steps", "1e3"),
            "expected an integer of at least 1, got '1e3'; in digits that is 1000");
  EXPECT_EQ(value_error("run", "steps", "010"),
            "expected an integer of at least 1, got '010'; in digits that is 10");
  EXPECT_EQ(value_error("run", "steps", "'3'"),
            "expected an integer of at least 1, got the string '3'");
  EXPECT_EQ(value_error("run", "steps", "[1]"), "expected an integer of at least 1, got a list");
  EXPECT_EQ(value_error("run", "steps", "{a: 1}"), "expected an integer of at least 1, got a map");
  EXPECT_EQ(error_of("run: {steps: }"),
            "q.yaml:1:14: run.steps: expected an integer of at least 1, got null");
  EXPECT_EQ(load("run: {steps: 9223372036854775807}").run.steps, INT64_MAX);
  EXPECT_EQ(load("run: {steps: +3}").run.steps, 3);
}

TEST(Config, ChecksNumbersAndWords) {
  for (const char* bad :
       {"0", "-1", "nan", ".inf", "inf", "1e999", "1e-999", "0x1p3", "abc", "1.e"}) {
    EXPECT_EQ(value_error("optim", "lr", bad),
              fmt::format("expected a number greater than 0, got '{}'", bad));
  }
  EXPECT_EQ(value_error("model", "dropout", "1"),
            "expected a number of at least 0 and below 1, got '1'");
  EXPECT_EQ(load("optim: {lr: 3.0e-3}").optim.as<Descent>().lr, 3.0e-3);
  EXPECT_EQ(load("optim: {lr: 2}").optim.as<Descent>().lr, 2.0);
  for (const char* bad : {"yes", "on", "True", "1"}) {
    EXPECT_EQ(value_error("model", "tied", bad),
              fmt::format("expected true or false, got '{}'; did you mean true?", bad));
  }
  EXPECT_EQ(value_error("model", "tied", "FALSE"),
            "expected true or false, got 'FALSE'; did you mean false?");
  EXPECT_EQ(value_error("model", "window", "0"),
            "expected null or an integer of at least 1, got '0'");
  EXPECT_EQ(value_error("parallel", "reduction", "exakt"),
            "expected one of exact, fast, got 'exakt'; did you mean 'exact'?");
  EXPECT_EQ(value_error("parallel", "strategy", "zero4"),
            "expected one of ddp, zero1, zero2, zero3, hybrid, got 'zero4'; did you mean 'zero1'?");
  EXPECT_EQ(value_error("parallel", "strategy", "ZERO3"),
            "expected one of ddp, zero1, zero2, zero3, hybrid, got 'ZERO3'; did you mean 'zero3'?");
  EXPECT_EQ(value_error("compute", "threads", "Auto"),
            "expected auto or an integer from 1 to 1024, got 'Auto'; did you mean auto?");
  EXPECT_EQ(value_error("compute", "threads", "0"),
            "expected auto or an integer from 1 to 1024, got '0'");
  EXPECT_EQ(value_error("run", "name", "../x"), "expected a name without '/', got '../x'");
  EXPECT_EQ(value_error("run", "name", "\"a\\nb\""),
            "expected a name without '/', got 'a\\x0ab': it has control characters");
  EXPECT_EQ(value_error("data", "path", "null"), "expected a string, got null");
  EXPECT_EQ(load("data: {path: 'null'}").data.as<Words>().path, "null");
  EXPECT_EQ(load("compute: {threads: auto}").compute.threads, AutoInt{});
}

TEST(Config, ReadsWhatCheckpointsNeed) {
  Config config = load(
      "run: {resume: auto, stop_after: 7}\n"
      "init: {from: a.safetensors, map: \"h.=blocks.\"}\n"
      "checkpoint: {every: 5, best: true, checksum: sha256, memory_every: 2, memory_copies: 2}\n");
  EXPECT_EQ(config.run.resume, "auto");
  EXPECT_EQ(config.run.stop_after, 7);
  EXPECT_EQ(config.init.from, "a.safetensors");
  EXPECT_EQ(config.checkpoint.memory_copies, 2);
  for (const char* word : {"true", "false", "accuracy"}) {
    Config named = load(fmt::format("checkpoint: {{best: {}}}", word));
    EXPECT_TRUE(test::contains(dump_yaml(named), fmt::format("  best: {}\n", word)));
    EXPECT_EQ(named.checkpoint.best.on, std::string(word) != "false");
  }
  EXPECT_EQ(load("checkpoint: {best: accuracy}").checkpoint.best.name, "accuracy");
  EXPECT_EQ(value_error("checkpoint", "best", "''"),
            "expected true, false or a name, got the string ''");
  EXPECT_EQ(value_error("checkpoint", "every", "-1"),
            "expected an integer of at least 0, got '-1'");
  EXPECT_EQ(value_error("checkpoint", "checksum", "md5"),
            "expected one of xxh3, sha256, got 'md5'");
  EXPECT_EQ(value_error("run", "stop_after", "0"),
            "expected null or an integer of at least 1, got '0'");
}

TEST(Config, OverridesReplace) {
  EXPECT_EQ(load(kValid, {"run.steps=5"}).run.steps, 5);
  EXPECT_EQ(load(kValid, {"run.steps=5", "run.steps=6"}).run.steps, 6);
  EXPECT_EQ(load(kValid, {"run.dir=/tmp/x=y"}).run.dir, "/tmp/x=y");
  EXPECT_EQ(load(kValid, {"model.window=null"}).model.as<Tower>().window, std::nullopt);
  EXPECT_EQ(load(kValid, {"model.window="}).model.as<Tower>().window, std::nullopt);
  EXPECT_EQ(load(kValid, {"data.path='a b'"}).data.as<Words>().path, "a b");
  EXPECT_EQ(load("run: {steps: 0}", {"run.steps=5"}).run.steps, 5);
  Config flat = load("model: {name: tower}", {"model.hidden=3", "model.name=flat"});
  EXPECT_EQ(flat.model.as<Flat>().hidden, 3);
}

TEST(Config, OverridesNameThemselves) {
  EXPECT_EQ(error_of("{}", {"model.laers=3"}),
            "override 'model.laers=3': unknown key 'laers' in section 'model'; did you mean "
            "'layers'?");
  EXPECT_EQ(error_of("{}", {"rum.steps=3"}),
            "override 'rum.steps=3': unknown section 'rum'; did you mean 'run'?");
  EXPECT_EQ(error_of("{}", {"run.steps=0"}),
            "override 'run.steps=0': run.steps: expected an integer of at least 1, got '0'");
  EXPECT_EQ(
      error_of("{}", {"run.steps=[1, 2]"}),
      "override 'run.steps=[1, 2]': run.steps: expected an integer of at least 1, got a list");
  for (const char* bad : {"steps=3", "run.steps", "run", "", "=", "run=a.b"}) {
    EXPECT_EQ(error_of("{}", {bad}), fmt::format("override '{}': expected section.key=value", bad));
  }
  EXPECT_EQ(error_of("{}", {"run.name=[x"}),
            "override 'run.name=[x': a key must be a word; is a bracket left open?");
}

TEST(Config, AnOverrideOfTheNameReplacesTheFilesSection) {
  EXPECT_EQ(load(kValid, {"model.name=flat"}).model.as<Flat>().hidden, 256);
  EXPECT_EQ(load(kValid, {"model.hidden=5", "model.name=flat"}).model.as<Flat>().hidden, 5);
  // The first option is what a file without a name has.
  EXPECT_EQ(load("model: {layers: 9}", {"model.name=flat"}).model.as<Flat>().hidden, 256);
  // The same name changes nothing, and what the overrides say is still looked at.
  EXPECT_EQ(load(kValid, {"model.name=tower"}).model.as<Tower>().layers, 3);
  EXPECT_EQ(load(kValid, {"model.name=flat", "model.name=tower"}).model.as<Tower>().layers, 3);
  EXPECT_EQ(error_of(kValid, {"model.name=flat", "model.layers=2"}),
            "override 'model.layers=2': unknown key 'layers' in section 'model'; the keys of model "
            "'flat' are name, hidden");
}

TEST(Config, PathsKnowTheHomeFolder) {
  setenv("HOME", "/home/someone", 1);
  EXPECT_EQ(load("{}", {"run.dir=~/runs/x"}).run.dir, "/home/someone/runs/x");
  EXPECT_EQ(load("run: {dir: '~'}").run.dir, "/home/someone");
  EXPECT_EQ(load("init: {from: ~/a.safetensors}").init.from, "/home/someone/a.safetensors");
  EXPECT_EQ(load("run: {dir: a~/b}").run.dir, "a~/b");
  EXPECT_EQ(value_error("run", "dir", "~other/x"),
            "expected null or a path, got '~other/x': only ~/ is known, in paths");
  EXPECT_EQ(value_error("run", "dir", "\"a\\tb\""),
            "expected null or a path, got 'a\\x09b': it has control characters");
  EXPECT_EQ(value_error("run", "resume", "Auto"),
            "expected none, auto or a path, got 'Auto'; did you mean 'auto'?");
  EXPECT_EQ(load("run: {resume: autos}").run.resume, "autos");
}

TEST(Config, NumbersThatF32CannotHoldAreRefused) {
  struct Narrow : Section {
    double eps = 1e-8;
    double beta = 0.9;
    void visit(FieldVisitor& v) override {
      v("eps", eps, "small", greater_than(0).in_f32());
      v("beta", beta, "near one", at_least_and_below(0, 1).in_f32());
    }
  };
  Catalog narrow = catalog();
  narrow.optim = {option<Narrow>("narrow", "in f32")};
  auto error = [&](const std::string& text) {
    return test::error_of([&] { load_config("{}", "q.yaml", std::vector{text}, narrow); });
  };
  EXPECT_EQ(error("optim.eps=1e-46"),
            "override 'optim.eps=1e-46': optim.eps: expected a number greater than 0, got '1e-46': "
            "f32 cannot hold it");
  EXPECT_EQ(error("optim.beta=0.99999999999"),
            "override 'optim.beta=0.99999999999': optim.beta: expected a number of at least 0 and "
            "below 1, got '0.99999999999': f32 cannot hold it");
  EXPECT_NE(error("optim.eps=1e39"), "");
  EXPECT_EQ(error("optim.eps=1e-30"), "");
  EXPECT_EQ(error("optim.beta=0"), "");
}

TEST(Config, DumpReadsBack) {
  Config config = load(kValid, {"run.name='null-and: void'", "run.dir='null'", "model.scale=0.1"});
  std::string text = dump_yaml(config);
  Config again = load(text);
  EXPECT_EQ(dump_yaml(again), text);
  EXPECT_EQ(again.run.name, "null-and: void");
  EXPECT_EQ(again.run.dir, "null");
  EXPECT_NE(text.find("  threads: 3\n"), std::string::npos);
  EXPECT_NE(text.find("model:\n  name: tower\n  layers: 3\n"), std::string::npos);
  EXPECT_EQ(dump_yaml(load(dump_yaml(load("{}")))), dump_yaml(load("{}")));
}

TEST(Config, DoublesReadBackExactly) {
  std::mt19937_64 random(1);
  Config config = load("{}");
  for (int i = 0; i < 300; ++i) {
    double lr = std::bit_cast<double>(random() >> 1);
    if (!(lr > 0) || lr > 1e308) continue;
    auto descent = std::make_unique<Descent>();
    descent->lr = lr;
    config.optim.section = std::move(descent);
    ASSERT_EQ(load(dump_yaml(config)).optim.as<Descent>().lr, lr);
  }
}

TEST(Config, ExplainsEverything) {
  std::string text = explain(catalog());
  for (const char* expected :
       {"run:\n  name: run  (a name without '/')\n      name of the run",
        "  steps: 300  (an integer of at least 1)\n      number of optimizer steps\n",
        "model:\n  name: tower  (one of tower, flat)\n", "  model tower: a stack of blocks\n",
        "    window: null  (null or an integer of at least 1)\n", "  model flat: one layer\n",
        "    hidden: 256  (an integer of at least 1)\n        units\n", "data:\n", "optim:\n",
        "schedule:\n", "parallel:\n", "threads: auto  (auto or an integer from 1 to 1024)\n",
        "  every: 0  (an integer of at least 0)\n", "log:\n"}) {
    EXPECT_NE(text.find(expected), std::string::npos) << expected << "\n in \n" << text;
  }
}

TEST(Config, RefusesABrokenSection) {
  struct BadDefault : Section {
    int64_t layers = 0;
    void visit(FieldVisitor& v) override { v("layers", layers, "blocks", at_least(1)); }
  };
  struct Twice : Section {
    int64_t x = 0;
    void visit(FieldVisitor& v) override {
      v("x", x, "x");
      v("x", x, "x");
    }
  };
  struct Named : Section {
    std::string name;
    void visit(FieldVisitor& v) override { v("name", name, "taken"); }
  };
  for (const Option& bad :
       {option<BadDefault>("m", ""), option<Twice>("m", ""), option<Named>("m", "")}) {
    Catalog broken = catalog();
    broken.model = {bad};
    EXPECT_THROW(load_config("{}", "q.yaml", {}, broken), Error);
  }
  EXPECT_THROW(load_config("{}", "q.yaml", {}, Catalog{}), Error);
}

TEST(Config, ReadsFiles) {
  std::string path = testing::TempDir() + "/tessera_config_test.yaml";
  std::FILE* file = std::fopen(path.c_str(), "wb");
  ASSERT_NE(file, nullptr);
  std::fwrite(kValid.data(), 1, kValid.size(), file);
  std::fclose(file);
  EXPECT_EQ(load_config_file(path, {}, catalog()).run.steps, 30);
  std::remove(path.c_str());
  auto error_of_file = [](const char* name) -> std::string {
    try {
      load_config_file(name, {}, catalog());
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(error_of_file("/nowhere/q.yaml"),
            "cannot read config '/nowhere/q.yaml': No such file or directory");
  EXPECT_EQ(error_of_file("/"), "cannot read config '/': Is a directory");
  EXPECT_EQ(error_of_file("/dev/zero"),
            "/dev/zero:1:1: 1048577 bytes is more than a config may have, 1048576");
}

// A valid config with random bytes and pieces changed either loads or is refused.
TEST(Config, SurvivesHostileText) {
  const std::vector<std::string> pieces{
      "{",    "}",   "[",  "]", ":",   ": ", "?",    "? ", "- ", ",", "\n",
      "\n  ", "&a",  "*a", "!", "!!b", "|",  ">",    "'",  "\"", "#", "%",
      "---",  "...", "\t", "~", "\\",  "\r", "null", "<<", "@",  "`", "\xef\xbb\xbf"};
  std::mt19937 random(20240501);
  int loaded = 0;
  constexpr int kRounds = 20000;
  for (int round = 0; round < kRounds; ++round) {
    std::string text(kValid);
    for (unsigned n = 1 + random() % 8; n > 0; --n) {
      size_t at = random() % (text.size() + 1);
      switch (random() % 4) {
        case 0: text.insert(at, pieces[random() % pieces.size()]); break;
        case 1: text.erase(at, random() % 12); break;
        case 2: text.insert(at, 1, static_cast<char>(random() % 256)); break;
        default: text.insert(at, text.substr(random() % text.size(), random() % 40)); break;
      }
    }
    try {
      std::string dumped = dump_yaml(load(text, {"run.name=" + text.substr(0, random() % 20)}));
      ASSERT_EQ(dump_yaml(load(dumped)), dumped);
      ++loaded;
    } catch (const Error&) {
    }
  }
  // The loop is worth something only if both ends are reached.
  EXPECT_GT(loaded, 0);
  EXPECT_LT(loaded, kRounds);
}

}  // namespace
}  // namespace tessera::experiment
