// What a user sees after a mistake: one error that names the thing, soon, and the right exit code.
#include <filesystem>

#include "tests/integration/tessera_command.h"

namespace tessera::test {
namespace {

using std::chrono::seconds;

constexpr int kFailed = 1;
constexpr int kBadUsage = 2;

// Runs with a limit that tells waiting from failing.
Outcome run_soon(Command command) {
  command.timeout = seconds(30);
  return run(command);
}

class BadInput : public testing::Test {
 protected:
  // The words of `tessera train` with that file's run going to a folder that is not there yet.
  Words train(const std::string& config, const Words& overrides = {}) const {
    return Words{"train", config, "run.dir=" + run_dir()} + overrides;
  }
  std::string run_dir() const { return folder_ / "run"; }
  bool left_a_run() const { return std::filesystem::exists(run_dir()); }

  // A run's folder with a trained model in it.
  std::string trained(const Words& config) {
    std::string dir = folder_ / "trained";
    Outcome outcome = run(tessera(Words{"train"} + config + Words{"run.dir=" + dir}));
    EXPECT_TRUE(succeeded(outcome));
    return dir;
  }
  std::string trained_language_model() { return trained(Words{kQuickstart} + kTinyModel); }

  // A copy of the file that ends after that part of it.
  std::string truncated(const std::string& path, double part, const std::string& name) {
    std::string copy = folder_ / name;
    std::filesystem::copy_file(path, copy);
    auto size = static_cast<double>(std::filesystem::file_size(copy));
    std::filesystem::resize_file(copy, static_cast<uintmax_t>(size * part));
    return copy;
  }

  TempDir folder_;
};

struct Mistake {
  std::string name;
  Words arguments;
  int exit_code;
  Words expected;  // in the message
};

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }

class BadWords : public testing::TestWithParam<Mistake> {};

TEST_P(BadWords, OneErrorNamesThem) {
  TempDir folder;
  Command command = tessera(GetParam().arguments);
  // Where a default run would go.
  command.cwd = folder.path();
  EXPECT_TRUE(failed(run_soon(command), GetParam().exit_code, GetParam().expected));
  EXPECT_EQ(folder.names(), std::set<std::string>());
}

INSTANTIATE_TEST_SUITE_P(
    CommandLine, BadWords,
    testing::Values(
        Mistake{"NoSubcommand", {}, kBadUsage, {"subcommand"}},
        Mistake{"UnknownSubcommand", {"tarin"}, kBadUsage, {"'tarin'", "did you mean 'train'?"}},
        Mistake{"FarSubcommand", {"brew"}, kBadUsage, {"'brew'", "train, debug, generate"}},
        Mistake{"UnknownFlag", {"train", "--bogus"}, kBadUsage, {"--bogus"}},
        Mistake{"UnknownTopFlag", {"--bogus"}, kBadUsage, {"--bogus"}},
        Mistake{"NoConfig", {"train"}, kBadUsage, {"config"}},
        Mistake{"MissingConfig", {"train", "no.yaml"}, kBadUsage, {"no.yaml", "No such file"}},
        Mistake{"ConfigIsFolder", {"train", "/"}, kBadUsage, {"'/'", "directory"}},
        Mistake{"NoRanks", {"debug", kQuickstart}, kBadUsage, {"-n"}},
        Mistake{"ZeroRanks", {"debug", "-n", "0", kQuickstart}, kBadUsage, {"-n", "0", "1"}},
        Mistake{"RanksAreNoNumber", {"debug", "-n", "two", kQuickstart}, kBadUsage, {"-n", "two"}},
        Mistake{"NoPrompt", {"generate", "x"}, kBadUsage, {"--prompt"}},
        Mistake{"EmptyPrompt", {"generate", "x", "--prompt", ""}, kBadUsage, {"prompt is empty"}},
        Mistake{"NegativeLength",
                {"generate", "x", "--prompt", "a", "--length", "-1"},
                kBadUsage,
                {"--length", "-1"}},
        Mistake{"NegativeSeed",
                {"generate", "x", "--prompt", "a", "--seed", "-1"},
                kBadUsage,
                {"--seed", "from 0 to 18446744073709551615", "'-1'"}},
        Mistake{"SeedBeyond64Bits",
                {"generate", "x", "--prompt", "a", "--seed", "18446744073709551616"},
                kBadUsage,
                {"--seed", "'18446744073709551616'"}},
        Mistake{"TemperatureIsNoNumber",
                {"generate", "x", "--prompt", "a", "--temperature", "nan"},
                kBadUsage,
                {"--temperature", "a number from 0 to 100", "'nan'"}},
        Mistake{"MemoryIsNoNumber",
                {"plan", kQuickstart, "--ranks", "2", "--memory", "nan"},
                kBadUsage,
                {"--memory", "'nan'"}},
        Mistake{"RanksWithAnExponent",
                {"plan", kQuickstart, "--ranks", "1e3"},
                kBadUsage,
                {"--ranks", "an integer from 1 to 65536", "'1e3'", "in digits that is 1000"}},
        Mistake{"HalfARank", {"debug", "-n", "1.5", kQuickstart}, kBadUsage, {"-n", "'1.5'"}},
        Mistake{"HangTimeoutIsNoNumber",
                {"launch", "--hang-timeout", "nan", "--", "true"},
                kBadUsage,
                {"--hang-timeout", "'nan'"}},
        Mistake{"InspectWhat", {"inspect"}, kBadUsage, {"path"}},
        Mistake{"InspectNothing", {"inspect", "/no/such"}, kFailed, {"/no/such: No such file"}},
        Mistake{"GenerateFromNothing",
                {"generate", "/no/such", "--prompt", "a"},
                kFailed,
                {"/no/such: No such file"}}),
    [](const auto& instance) { return instance.param.name; });

Mistake override_mistake(const std::string& name, const std::string& word, const Words& expected) {
  return {name, {"train", kQuickstart, word}, kBadUsage, Words{"'" + word + "'"} + expected};
}

INSTANTIATE_TEST_SUITE_P(
    Overrides, BadWords,
    testing::Values(override_mistake("UnknownKey", "run.stepz=3", {"did you mean 'steps'?"}),
                    override_mistake("UnknownSection", "modle.width=3", {"did you mean 'model'?"}),
                    override_mistake("NoValue", "steps", {"section.key=value"}),
                    override_mistake("IllTyped", "run.steps=many", {"run.steps", "an integer"}),
                    override_mistake("Fraction", "run.steps=1.5", {"run.steps", "an integer"}),
                    override_mistake("OutOfRange", "compute.threads=0",
                                     {"compute.threads", "from 1 to 1024"}),
                    override_mistake("NotANumber", "optim.lr=.nan", {"optim.lr"}),
                    override_mistake("EpsThatF32HasNot", "optim.eps=1e-46",
                                     {"optim.eps", "f32 cannot hold it"}),
                    override_mistake("BetaThatF32HasNot", "optim.beta1=0.99999999999",
                                     {"optim.beta1", "f32 cannot hold it"}),
                    override_mistake("AutoInOtherLetters", "run.resume=Auto",
                                     {"run.resume", "did you mean 'auto'?"}),
                    override_mistake("NewlineInAName", "run.name=\"a\\nb\"",
                                     {"run.name", "control characters"}),
                    override_mistake("HomeOfAnother", "run.dir=~nobody/x", {"run.dir", "~/"}),
                    override_mistake("UnknownModel", "model.name=gtp", {"model.name", "'gpt'"}),
                    override_mistake("UnknownDevice", "compute.device=tpu",
                                     {"compute.device", "one of cpu, cuda"})),
    [](const auto& instance) { return instance.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Values, BadWords,
    testing::Values(Mistake{"MissingText",
                            {"train", kQuickstart, "data.path=/no/text"},
                            kFailed,
                            {"data.path: ", "/no/text: No such file"}},
                    Mistake{"NesterovWithoutAMomentum",
                            {"train", kQuickstart, "optim.name=sgd", "optim.nesterov=true"},
                            kBadUsage,
                            {"optim.nesterov: true needs a momentum above 0"}},
                    Mistake{"SettingOfNoRule",
                            {"train", kQuickstart, "optim.groups='*.bias: bata1=0.5'"},
                            kBadUsage,
                            {"optim.groups: '*.bias': there is no setting 'bata1'; did you mean "
                             "'beta1'?"}},
                    Mistake{"MissingTextOfAFolder",
                            {"train", kQuickstart, "data.path=nope.txt"},
                            kFailed,
                            {"data.path: ", "nope.txt: No such file", "relative to /"}},
                    Mistake{"NotQuiteAuto",
                            {"train", kQuickstart, "run.resume=atuo",
                             "data.path=" + kSourceDir + "/data/kjv.txt"},
                            kBadUsage,
                            {"run.resume: 'atuo'", "did you mean 'auto'?"}},
                    Mistake{"MoreStepsThanCount",
                            {"train", kQuickstart, "run.steps=9223372036854775807",
                             "data.path=" + kSourceDir + "/data/kjv.txt"},
                            kBadUsage,
                            {"run.steps", "more than can be counted"}},
                    Mistake{"DeviceThatCannotTrain",
                            {"train", kQuickstart, "compute.device=cuda"},
                            kBadUsage,
                            {"compute.device: cuda: "}},
                    Mistake{"TextIsFolder", {"train", kQuickstart, "data.path=/"}, kFailed, {"/"}},
                    Mistake{
                        "MissingImages",
                        {"train", kSourceDir + "/configs/mlp_fashion.yaml", "data.path=/no/images"},
                        kFailed,
                        {"/no/images/train-", "No such file"}},
                    Mistake{"HeadsDoNotDivideWidth",
                            {"train", kQuickstart, "model.heads=3",
                             "data.path=" + kSourceDir + "/data/kjv.txt"},
                            kBadUsage,
                            {"model.heads", "3", "128"}},
                    Mistake{"TextForImageModel",
                            {"train", kSourceDir + "/configs/mlp_fashion.yaml", "data.name=text",
                             "data.path=" + kSourceDir + "/data/kjv.txt"},
                            kBadUsage,
                            {"data.name", "language model"}}),
    [](const auto& instance) { return instance.param.name; });

TEST_F(BadInput, ConfigFilesErrorsHaveTheirPlaceAndTheNearestKey) {
  std::string unknown = folder_.write("unknown.yaml", "run:\n  name: a\n  stpes: 3\n");
  EXPECT_TRUE(failed(run_soon(tessera(train(unknown))), kBadUsage,
                     {unknown + ":3:3: ", "'stpes'", "did you mean 'steps'?"}));
  std::string ill_typed = folder_.write("type.yaml", "model: {layers: several}\n");
  EXPECT_TRUE(failed(run_soon(tessera(train(ill_typed))), kBadUsage,
                     {ill_typed + ":1:17: ", "model.layers", "an integer", "'several'"}));
  std::string out_of_range = folder_.write("range.yaml", "data:\n  valid: 1.5\n");
  EXPECT_TRUE(failed(run_soon(tessera(train(out_of_range))), kBadUsage,
                     {out_of_range + ":2:10: ", "data.valid", "'1.5'"}));
  std::string no_yaml = folder_.write("no.yaml", "run: {name: [\n");
  EXPECT_TRUE(failed(run_soon(tessera(train(no_yaml))), kBadUsage, {no_yaml + ":"}));
  EXPECT_FALSE(left_a_run());
}

TEST_F(BadInput, TabsAreNamed) {
  for (const char* text : {"run:\n\tsteps: 3\n", "run:\n  steps: 3\nmodel:\n \tlayers: 1\n"}) {
    std::string tab = folder_.write("tab.yaml", text);
    EXPECT_TRUE(failed(run_soon(tessera(train(tab))), kBadUsage,
                       {tab + ":", "a tab; YAML indents with spaces"}));
  }
}

TEST_F(BadInput, TheHomeFolderIsKnown) {
  Words words = Words{"train", kQuickstart, "run.dir=~/run"} + kTinyModel;
  Command command = tessera(words);
  command.env["HOME"] = folder_.path();
  EXPECT_TRUE(succeeded(run(command)));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "run/config.yaml"));
}

TEST_F(BadInput, AnotherModelReplacesTheFilesSection) {
  Words words{"plan",
              kQuickstart,
              "--ranks",
              "1",
              "model.name=mlp",
              "data.name=idx",
              "data.path=" + kSourceDir + "/data/fashion-mnist"};
  EXPECT_TRUE(succeeded(run_soon(tessera(words))));
}

// One whose tensor, file and metadata have names that a terminal would obey.
std::string odd_safetensors() {
  return kSourceDir + "/tests/fuzz/seeds/command/odd names.safetensors";
}

TEST_F(BadInput, ForeignNamesDoNotReachTheTerminal) {
  std::string copy = folder_ / "copy.safetensors";
  for (const Words& words :
       {Words{"inspect", odd_safetensors()}, Words{"inspect", odd_safetensors(), odd_safetensors()},
        Words{"convert", odd_safetensors(), copy},
        Words{"generate", odd_safetensors(), "--prompt", "a"}, Words{"inspect", "\x1b[31mno\nsuch"},
        Words{"verify", "\x1b[31mno"}}) {
    Outcome outcome = run_soon(tessera(words));
    EXPECT_EQ((outcome.out + outcome.err).find_first_of("\x1b\x07"), std::string::npos);
    EXPECT_EQ((outcome.out + outcome.err).find("\xe2\x80\xae"), std::string::npos);
  }
  Outcome listed = run_soon(tessera({"inspect", odd_safetensors()}));
  EXPECT_TRUE(contains(listed.out, "w\\x1b]0;title\\x07"));
  EXPECT_TRUE(contains(listed.out, "key\\x1b[31m: value\\x0awith\\u202elines"));
}

TEST_F(BadInput, BoolsThatAreNoneAreNotPassedOn) {
  std::string copy = folder_ / "copy.safetensors";
  EXPECT_TRUE(failed(run_soon(tessera({"convert", odd_safetensors(), copy})), kFailed,
                     {"expected bools of 0 or 1, got a byte of 2"}));
  EXPECT_FALSE(std::filesystem::exists(copy));
}

TEST_F(BadInput, AFileIsNotReplacedUnlessToldTo) {
  std::string dir = trained_language_model();
  for (const char* name : {"a.safetensors", "a.npz"}) {
    std::string out = folder_.write(name, "mine");
    EXPECT_TRUE(failed(run_soon(tessera({"convert", dir, out})), kFailed, {out, "--force"}));
    EXPECT_EQ(folder_.read(name), "mine");
    EXPECT_TRUE(succeeded(run_soon(tessera({"convert", dir, out, "--force"}))));
    EXPECT_TRUE(succeeded(run_soon(tessera({"inspect", out}))));
  }
  EXPECT_TRUE(failed(run_soon(tessera({"convert", dir, folder_ / "g", "--gpt2", "--force"})),
                     kBadUsage, {"--force"}));
}

TEST_F(BadInput, WhatIsBesideACheckpointLeadsToIt) {
  std::string checkpoints = trained_language_model() + "/checkpoints";
  Outcome whole = run_soon(tessera({"inspect", checkpoints + "/step-00000002", "--digest"}));
  ASSERT_TRUE(succeeded(whole));
  for (const char* name : {"", "/", "/latest", "/step-00000002/manifest.json"}) {
    Outcome digest = run_soon(tessera({"inspect", checkpoints + name, "--digest"}));
    EXPECT_TRUE(succeeded(digest)) << name;
    EXPECT_EQ(digest.out, whole.out) << name;
    EXPECT_TRUE(succeeded(run_soon(tessera({"verify", checkpoints + name})))) << name;
  }
}

TEST_F(BadInput, OtherKindsOfFilesAreSaidToBeSuch) {
  std::string seeds = kSourceDir + "/tests/fuzz/seeds/command";
  std::string pickle = folder_.write("old.pth", std::string("\x80\x02}q\x00.", 6));
  std::string empty = folder_.write("empty", "");
  std::string json = folder_.write("config.json", "{\"a\": 1}");
  for (const auto& [path, kind] :
       std::vector<std::pair<std::string, std::string>>{{seeds + "/model.pt", "a PyTorch pickle"},
                                                        {pickle, "a pickle"},
                                                        {seeds + "/base.yaml", "a text file"},
                                                        {json, "a JSON file"},
                                                        {empty, "an empty file"},
                                                        {TESSERA_BINARY, "a program"}}) {
    for (const char* command : {"inspect", "verify"}) {
      EXPECT_TRUE(failed(run_soon(tessera({command, path})), kFailed, {path + ": this is " + kind}))
          << command;
    }
  }
}

TEST_F(BadInput, AMapThatFitsNothingIsRefused) {
  std::string dir = trained_language_model();
  Words words = train(kQuickstart, kTinyModel + Words{"init.from=" + dir, "init.map=nope.=x."});
  EXPECT_TRUE(failed(run_soon(tessera(words)), kFailed, {"init.map: nope.=x."}));
}

TEST_F(BadInput, AModelOfOtherTokensThanBytesWritesNoText) {
  std::string dir = trained(Words{kQuickstart, "model.vocabulary=70000"} + kTinyModel);
  EXPECT_TRUE(failed(run_soon(tessera({"generate", dir, "--prompt", "a"})), kFailed,
                     {"70000 kinds of tokens", "bytes"}));
}

TEST_F(BadInput, WeightsThatAreNoNumbersWriteNoText) {
  std::string out = folder_ / "w.safetensors";
  ASSERT_TRUE(succeeded(run_soon(tessera({"convert", trained_language_model(), out}))));
  // The last float of the data.
  std::string content = folder_.read("w.safetensors");
  for (size_t i = content.size() - 400; i < content.size(); i += 4) {
    content.replace(i, 4, std::string("\x00\x00\xc0\x7f", 4));
  }
  folder_.write("w.safetensors", content);
  EXPECT_TRUE(failed(run_soon(tessera({"generate", out, "--prompt", "a", "--length", "5"})),
                     kFailed, {"not finite"}));
}

TEST_F(BadInput, AWrongNumberOfThreadsInTheEnvironmentIsBadUsage) {
  Command command = tessera(train(kQuickstart));
  command.env["TESSERA_NUM_THREADS"] = "0";
  Outcome outcome = run(command);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("TESSERA_NUM_THREADS: expected an integer from 1 to 1024, got '0'"),
            std::string::npos)
      << outcome.err;
  EXPECT_FALSE(left_a_run());
}

TEST_F(BadInput, MoreRanksThanLeavesAreRefusedOnce) {
  Outcome processes = run_soon(mpirun(2, train(kQuickstart, {"data.leaves=1"})));
  EXPECT_TRUE(failed(processes, kBadUsage, {"data.leaves", "1 leaf", "2 ranks"}));
  EXPECT_FALSE(left_a_run());
  Words debug{"debug", "-n", "3", kQuickstart, "data.leaves=2", "run.dir=" + run_dir()};
  EXPECT_TRUE(failed(run_soon(tessera(debug)), kBadUsage, {"data.leaves", "2 leaves", "3 ranks"}));
  EXPECT_FALSE(left_a_run());
}

TEST_F(BadInput, ManyRanksPrintOneError) {
  EXPECT_TRUE(failed(run_soon(mpirun(3, train(kQuickstart, {"run.stepz=1"}))), kBadUsage,
                     {"'run.stepz=1'"}));
  EXPECT_TRUE(failed(run_soon(mpirun(3, train(kQuickstart, {"data.path=/no/text"}))), kFailed,
                     {"/no/text"}));
  EXPECT_TRUE(failed(run_soon(mpirun(3, {"trian"})), kBadUsage, {"'trian'"}));
  EXPECT_FALSE(left_a_run());
}

TEST_F(BadInput, TheRankThatSpeaksIsHeardWhereTheOthersAreFaster) {
  Words wrong{TESSERA_BINARY, "trian"};
  Words later{"sh", "-c", "sleep 0.5; exec " TESSERA_BINARY " trian"};
  EXPECT_TRUE(failed(run_soon(mpirun_each({later, wrong, wrong})), kBadUsage, {"'trian'"}));
}

TEST_F(BadInput, ARunThatDivergesEndsWithTheStep) {
  Words diverging = kTinyModel + Words{"optim.lr=1e30", "optim.clip_norm=0", "run.steps=50"};
  Outcome outcome = run_soon(mpirun(2, train(kQuickstart, diverging)));
  EXPECT_TRUE(failed(outcome, kFailed, {"step ", "loss", "nan"}));
}

TEST_F(BadInput, TruncatedCheckpointsAreNamed) {
  std::string whole = folder_ / "whole.safetensors";
  ASSERT_TRUE(succeeded(run_soon(tessera({"convert", trained_language_model(), whole}))));
  int count = 0;
  for (double part : {0.0, 0.0001, 0.01, 0.5, 0.99}) {
    std::string path = truncated(whole, part, std::to_string(++count) + ".safetensors");
    for (const Words& words : {Words{"inspect", path}, Words{"inspect", "--digest", path},
                               Words{"generate", path, "--prompt", "a"}}) {
      EXPECT_TRUE(failed(run_soon(tessera(words)), kFailed, {path + ": "})) << part;
    }
  }
}

TEST_F(BadInput, ATruncatedArrayIsNamed) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }";
  header.resize(117, ' ');
  std::string file = std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n";
  std::string whole = folder_.write("whole.npy", file + std::string(16, '\0'));
  EXPECT_TRUE(succeeded(run_soon(tessera({"inspect", whole}))));
  int count = 0;
  for (size_t length : {size_t{0}, size_t{7}, size_t{60}, file.size(), file.size() + 15}) {
    std::string content = (file + std::string(16, '\0')).substr(0, length);
    std::string path = folder_.write(std::to_string(++count) + ".npy", content);
    EXPECT_TRUE(failed(run_soon(tessera({"inspect", path})), kFailed, {path + ": "})) << length;
  }
}

TEST_F(BadInput, ATruncatedArchiveIsNamed) {
  std::ifstream seed(kSourceDir + "/tests/fuzz/seeds/npz/two", std::ios::binary);
  std::string file{std::istreambuf_iterator<char>(seed), {}};
  std::string whole = folder_.write("whole.npz", file);
  Outcome listed = run_soon(tessera({"inspect", whole}));
  EXPECT_TRUE(succeeded(listed));
  EXPECT_TRUE(contains(listed.out, "(2, 3)")) << listed.out;
  EXPECT_TRUE(succeeded(run_soon(tessera({"inspect", "--digest", whole}))));
  for (size_t length : {size_t{0}, size_t{7}, file.size() / 2, file.size() - 1}) {
    std::string path = folder_.write(std::to_string(length) + ".npz", file.substr(0, length));
    EXPECT_TRUE(failed(run_soon(tessera({"inspect", path})), kFailed, {path + ": "})) << length;
  }
}

TEST_F(BadInput, ForeignFilesAreNoCheckpoints) {
  std::string text = folder_.write("text.safetensors", "In the beginning God created the heaven");
  EXPECT_TRUE(failed(run_soon(tessera({"inspect", text})), kFailed, {text + ": "}));
  std::string empty = folder_ / "nothing";
  std::filesystem::create_directory(empty);
  EXPECT_TRUE(
      failed(run_soon(tessera({"inspect", empty})), kFailed, {empty, "no complete checkpoint"}));
  std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  std::string file = std::string(1, static_cast<char>(header.size())) + std::string(7, '\0');
  std::string other = folder_.write("other.safetensors", file + header + "1234");
  EXPECT_TRUE(succeeded(run_soon(tessera({"inspect", other}))));
  EXPECT_TRUE(failed(run_soon(tessera({"generate", other, "--prompt", "a"})), kFailed,
                     {other + ": ", "not a Tessera checkpoint"}));
}

TEST_F(BadInput, AnImageModelWritesNoText) {
  std::string dir = trained({kSourceDir + "/configs/mlp_fashion.yaml", "run.steps=1",
                             "run.eval_batches=1", "compute.threads=1"});
  EXPECT_TRUE(failed(run_soon(tessera({"generate", dir, "--prompt", "a"})), kFailed,
                     {dir, "'mlp'", "not a language model"}));
}

TEST_F(BadInput, AFolderWithARunIsNotOverwritten) {
  std::string dir = trained_language_model();
  Words again = Words{"train", kQuickstart, "run.dir=" + dir} + kTinyModel;
  EXPECT_TRUE(failed(run_soon(tessera(again)), kFailed, {dir, "already"}));
  EXPECT_TRUE(failed(run_soon(mpirun(2, again)), kFailed, {dir, "already"}));
}

TEST_F(BadInput, AFolderThatCannotBeMadeIsNamed) {
  std::string file = folder_.write("file", "");
  for (const std::string& dir : {file, file + "/run"}) {
    Words words = Words{"train", kQuickstart, "run.dir=" + dir} + kTinyModel;
    EXPECT_TRUE(failed(run_soon(tessera(words)), kFailed, {dir, "Not a directory"}));
    EXPECT_TRUE(failed(run_soon(mpirun(2, words)), kFailed, {dir, "Not a directory"}));
  }
}

class Help : public testing::TestWithParam<Words> {};

TEST_P(Help, IsPrintedAndEndsWell) {
  Outcome outcome = run_soon(tessera(GetParam()));
  EXPECT_TRUE(succeeded(outcome));
  EXPECT_FALSE(outcome.out.empty());
}

INSTANTIATE_TEST_SUITE_P(Everywhere, Help,
                         testing::Values(Words{"--help"}, Words{"-h"}, Words{"--version"},
                                         Words{"train", "--help"}, Words{"debug", "--help"},
                                         Words{"generate", "--help"}, Words{"inspect", "--help"},
                                         Words{"doctor", "--help"}, Words{"train", "--explain"},
                                         Words{"train", "--explain", kQuickstart},
                                         Words{"doctor"}));

TEST(Explain, OfAConfigSaysWhichRuleTrainsWhat) {
  Outcome outcome =
      run_soon(tessera(Words{"train", "--explain", kSourceDir + "/configs/quickstart_muon.yaml"}));
  ASSERT_TRUE(succeeded(outcome));
  EXPECT_TRUE(contains(outcome.out, "gpt: 842496 parameters\n")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "\noptim: muon, ")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out,
                       ": lr 0.02, weight decay 0.1, 16 parameters with 786432 "
                       "elements: blocks.*.attn.c_attn.weight, "))
      << outcome.out;
  EXPECT_TRUE(contains(outcome.out,
                       ": lr 0.003, weight decay 0, 1 parameter with 16384 elements: "
                       "wpe.weight\n"))
      << outcome.out;
  EXPECT_TRUE(
      failed(run_soon(tessera({"train", "--explain", kQuickstart, "optim.groups='x: lr=1'"})),
             kBadUsage, {"optim.groups: 'x' matches no parameter"}));
}

}  // namespace
}  // namespace tessera::test
