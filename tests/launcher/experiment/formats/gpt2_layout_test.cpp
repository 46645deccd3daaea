// Folders that transformers wrote (scripts/make_gpt2_golden.py), and what nn::Gpt makes of them.
#include "launcher/experiment/formats/gpt2_layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/io/safetensors.h"
#include "launcher/experiment/formats/model_source.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera::experiment {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::contains;
using test::error_of;

constexpr const char* kShard = "model-00002-of-00003.safetensors";
constexpr double kTolerance = 1e-5;

std::string golden(const std::string& name) { return TESSERA_GOLDEN_DIR "/gpt2/" + name; }

// The largest difference between the logits of the model in a folder and the golden ones, as a
// fraction of the largest of these.
double distance(const std::string& folder, const std::string& golden_folder) {
  std::map<std::string, Array> expected;
  for (auto& [name, array] : load_safetensors(golden_folder + "/expected.safetensors").tensors) {
    expected.emplace(name, array);
  }
  LoadedModel loaded = load_model(folder, builtin_catalog());
  loaded.model->eval();
  Array logits = (*loaded.model)({.tokens = expected.at("tokens")}).data();
  EXPECT_EQ(logits.shape(), expected.at("logits").shape());
  std::vector<double> values = test::doubles(logits);
  std::vector<double> wanted = test::doubles(expected.at("logits"));
  double apart = 0;
  double largest = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    apart = std::max(apart, std::abs(values[i] - wanted[i]));
    largest = std::max(largest, std::abs(wanted[i]));
  }
  return apart / largest;
}

// A copy of a golden folder that can be changed.
class Gpt2Layout : public testing::Test {
 protected:
  std::string copy(const std::string& name) {
    fs::remove_all(folder());
    fs::copy(golden(name), folder());
    return folder();
  }
  std::string folder() const { return temp_ / "model"; }
  json read(const std::string& name) const { return json::parse(temp_.read("model/" + name)); }
  void write(const std::string& name, const std::string& text) const {
    temp_.write("model/" + name, text);
  }
  // With "config.json" as it is, but for one key.
  void set_in_config(const std::string& key, const json& value) const {
    json config = read("config.json");
    config[key] = value;
    write("config.json", config.dump());
  }
  // With a file of the weights under another name in the index.
  void set_in_index(const std::string& name) const {
    json index = read("model.safetensors.index.json");
    for (auto& item : index["weight_map"]) {
      if (item == kShard) item = name;
    }
    write("model.safetensors.index.json", index.dump());
  }
  std::string error_of_opening() const {
    return error_of([&] { open_tensors(folder()); });
  }
  // One tensor in model.safetensors, or without a value none of that name.
  void set_tensor(const std::string& name, const Array& value) const {
    std::string path = folder() + "/model.safetensors";
    SafetensorsFile file = load_safetensors(path);
    std::erase_if(file.tensors, [&](const auto& entry) { return entry.first == name; });
    if (value.defined()) file.tensors.emplace_back(name, value);
    save_safetensors(path, file.tensors, file.metadata);
  }

  test::TempDir temp_;
};

TEST_F(Gpt2Layout, LogitsAreThoseOfTransformers) {
  for (const char* name : {"gelu_new", "gelu_sharded"}) {
    EXPECT_LT(distance(golden(name), golden(name)), kTolerance) << name;
  }
}

TEST_F(Gpt2Layout, TheOtherGeluIsNotNear) {
  for (auto [name, other] : {std::pair{"gelu_new", "gelu"}, {"gelu_sharded", "gelu_new"}}) {
    copy(name);
    set_in_config("activation_function", other);
    EXPECT_GT(distance(folder(), golden(name)), 5 * kTolerance) << name;
  }
}

TEST_F(Gpt2Layout, WhatIsNoParameterIsLeftOut) {
  copy("gelu_new");
  SafetensorsFile file = load_safetensors(folder() + "/model.safetensors");
  for (const auto& [name, array] : file.tensors) {
    if (name == "transformer.wte.weight") set_tensor("lm_head.weight", array);
  }
  set_tensor("transformer.h.1.attn.bias", Array::zeros({1, 1, 16, 16}, DType::u8));
  set_tensor("transformer.h.1.attn.masked_bias", Array::zeros({}));
  EXPECT_EQ(open_tensors(folder())->tensors().size(), 28);
  EXPECT_LT(distance(folder(), golden("gelu_new")), kTolerance);
}

TEST_F(Gpt2Layout, AnOutputLayerOfItsOwnIsRefused) {
  for (const Array& head : {Array::zeros({48, 16}), Array::zeros({48, 8})}) {
    copy("gelu_new");
    set_tensor("lm_head.weight", head);
    EXPECT_TRUE(contains(error_of_opening(), "its lm_head.weight differs from wte.weight"));
  }
}

TEST_F(Gpt2Layout, NamesMayLackTheirPrefix) {
  copy("gelu_new");
  SafetensorsFile file = load_safetensors(folder() + "/model.safetensors");
  for (auto& [name, array] : file.tensors) name = name.substr(std::string("transformer.").size());
  save_safetensors(folder() + "/model.safetensors", file.tensors);
  EXPECT_LT(distance(folder(), golden("gelu_new")), kTolerance);
}

TEST_F(Gpt2Layout, HalvesAreWidened) {
  copy("gelu_new");
  SafetensorsFile file = load_safetensors(folder() + "/model.safetensors");
  for (auto& [name, array] : file.tensors) array = array.to(DType::f16);
  save_safetensors(folder() + "/model.safetensors", file.tensors);
  double apart = distance(folder(), golden("gelu_new"));
  EXPECT_GT(apart, kTolerance);
  EXPECT_LT(apart, 0.01);
}

TEST_F(Gpt2Layout, ComesBackAsItWas) {
  for (const char* name : {"gelu_new", "gelu_sharded"}) {
    std::string path = temp_ / name;
    auto source = open_tensors(golden(name));
    write_gpt2(path + "/", *source, config_of(*source, builtin_catalog()));
    auto again = open_gpt2(path);
    ASSERT_EQ(again->tensors().size(), source->tensors().size());
    for (const TensorInfo& tensor : source->tensors()) {
      ASSERT_TRUE(again->find(tensor.name)) << tensor.name;
      EXPECT_TRUE(test::same_bits(again->read(*again->find(tensor.name)), source->read(tensor)));
    }
    EXPECT_EQ(again->metadata(), source->metadata());
    EXPECT_LT(distance(path, golden(name)), kTolerance);
  }
  EXPECT_EQ(temp_.names(), (std::set<std::string>{"gelu_new", "gelu_sharded"}));
}

TEST_F(Gpt2Layout, RunsOfATransposedTensorAreRead) {
  auto source = open_tensors(golden("gelu_new"));
  const TensorInfo& tensor = *source->find("blocks.0.c_fc.weight");
  Array whole = source->read(tensor).view({64 * 16});
  ReadTarget target{tensor.name, {17, 50}, Array::empty({33})};
  source->read(std::span(&target, 1));
  EXPECT_TRUE(test::same_bits(target.data, whole.slice(0, 17, 50)));
}

TEST_F(Gpt2Layout, ConfigsOfOtherModelsAreRefused) {
  struct Case {
    const char* key;
    json value;
    const char* error;
  };
  std::vector<Case> cases{
      {"model_type", "gpt_neo", "expected the model_type gpt2, got \"gpt_neo\""},
      {"model_type", nullptr, "expected the model_type gpt2, got null"},
      {"n_inner", 32, "expected 64 for 'n_inner', got 32"},
      {"n_inner", "64", "expected 64 for 'n_inner', got \"64\""},
      {"activation_function", "relu", "gelu_pytorch_tanh, got \"relu\""},
      {"activation_function", nullptr, "gelu_pytorch_tanh, got null"},
      {"layer_norm_epsilon", 1e-6, "expected 1e-05 for 'layer_norm_epsilon', got 1e-06"},
      {"layer_norm_epsilon", "1e-5", "expected 1e-05 for 'layer_norm_epsilon', got \"1e-5\""},
      {"tie_word_embeddings", false, "expected true for 'tie_word_embeddings', got false"},
      {"scale_attn_weights", 1, "expected true for 'scale_attn_weights', got 1"},
      {"scale_attn_by_inverse_layer_idx", true, "expected false for"},
      {"add_cross_attention", nullptr, "expected false for 'add_cross_attention', got null"},
      {"n_head", 3, "an n_head of 3 does not divide an n_embd of 16"},
      {"n_head", 9000, "an n_head of 9000 does not divide"},
      {"n_layer", 1, "has 16 tensors, got 28"},
      {"n_layer", 3, "has a blocks.2.ln1.weight, which is missing"},
      {"n_layer", INT32_MAX, "has a blocks.2.ln1.weight, which is missing"},
      {"n_embd", 1 << 30, "has a wte.weight of shape (48, 1073741824), got (48, 16)"},
      {"n_positions", 15, "has a wpe.weight of shape (15, 16), got (16, 16)"},
      {"vocab_size", INT32_MAX, "has a wte.weight of shape (2147483647, 16), got (48, 16)"},
  };
  for (const char* key : {"n_layer", "n_head", "n_embd", "n_positions", "vocab_size"}) {
    for (const json& value : std::vector<json>{0, -1, 2.5, "2", nullptr, true, json::array({2}),
                                               uint64_t{1} << 31, UINT64_MAX, 1e300}) {
      cases.push_back({key, value, "expected a number of at least 1"});
    }
  }
  for (const Case& entry : cases) {
    copy("gelu_new");
    set_in_config(entry.key, entry.value);
    std::string error = error_of_opening();
    EXPECT_TRUE(contains(error, entry.error)) << entry.key << ' ' << entry.value;
    EXPECT_TRUE(contains(error, folder() + "/config.json")) << entry.key << ' ' << entry.value;
  }
}

TEST_F(Gpt2Layout, MissingSizesAreRefused) {
  for (const char* key : {"n_layer", "n_head", "n_embd", "n_positions", "vocab_size"}) {
    copy("gelu_new");
    json config = read("config.json");
    config.erase(key);
    write("config.json", config.dump());
    EXPECT_TRUE(contains(error_of_opening(), folder() + "/config.json: expected a number")) << key;
  }
}

TEST_F(Gpt2Layout, BrokenJsonIsRefused) {
  using namespace std::string_literals;
  for (const std::string& broken : {""s, R"({"model_type": "gpt2")"s, "[]"s, "\"gpt2\""s, "{}}"s,
                                    "{\"a\": \"\xff\"}"s, std::string(100000, '[')}) {
    copy("gelu_sharded");
    write("config.json", broken);
    EXPECT_TRUE(contains(error_of_opening(), folder() + "/config.json: expected a JSON object"));
    copy("gelu_sharded");
    write("model.safetensors.index.json", broken);
    EXPECT_TRUE(contains(error_of_opening(), "index.json: expected a JSON object"));
  }
}

TEST_F(Gpt2Layout, AnIndexWithoutNamesOfFilesIsRefused) {
  for (const char* index : {"{}", R"({"weight_map": []})", R"({"weight_map": {"a": 1}})"}) {
    copy("gelu_sharded");
    write("model.safetensors.index.json", index);
    EXPECT_TRUE(contains(error_of_opening(), "model.safetensors.index.json: expected")) << index;
  }
  write("model.safetensors.index.json", R"({"weight_map": {}})");
  EXPECT_TRUE(contains(error_of_opening(), "wte.weight, which is missing"));
}

TEST_F(Gpt2Layout, FilesOutsideTheFolderAreRefused) {
  copy("gelu_sharded");
  // They are there, and would be good.
  fs::copy(folder() + "/" + kShard, temp_ / "outside.safetensors");
  fs::create_directory(folder() + "/sub");
  fs::copy(folder() + "/" + kShard, folder() + "/sub/inside.safetensors");
  for (const std::string& name :
       {std::string("../outside.safetensors"), temp_ / "outside.safetensors", std::string(".."),
        std::string("sub/../../outside.safetensors"), std::string("sub/inside.safetensors"),
        std::string(), std::string("a\0b", 3)}) {
    copy("gelu_sharded");
    set_in_index(name);
    EXPECT_TRUE(contains(error_of_opening(), "expected names of files in the folder")) << name;
  }
}

TEST_F(Gpt2Layout, LinksAreNotFollowed) {
  struct Case {
    const char* folder;
    const char* file;
  };
  for (auto [name, file] : {Case{"gelu_sharded", kShard},
                            {"gelu_sharded", "model.safetensors.index.json"},
                            {"gelu_sharded", "config.json"},
                            {"gelu_new", "model.safetensors"}}) {
    copy(name);
    fs::rename(folder() + "/" + file, temp_ / "elsewhere");
    fs::create_symlink(temp_ / "elsewhere", folder() + "/" + file);
    EXPECT_TRUE(contains(error_of_opening(), folder() + "/" + file + ": ")) << file;
    // The file itself is good.
    fs::remove(folder() + "/" + file);
    fs::rename(temp_ / "elsewhere", folder() + "/" + file);
    EXPECT_EQ(error_of_opening(), "") << file;
  }
}

TEST_F(Gpt2Layout, WrongTensorsAreRefused) {
  struct Case {
    const char* name;
    Array value;
    const char* error;
  };
  const std::vector<Case> cases{
      {"transformer.h.0.mlp.c_fc.weight", {}, "blocks.0.c_fc.weight, which is missing"},
      {"transformer.h.0.mlp.c_fc.weight", Array::zeros({64, 16}), "got (16, 64)"},
      {"transformer.h.0.mlp.c_fc.weight", Array::zeros({64}), "expected two dims, got (64,)"},
      {"transformer.h.2.ln_1.weight", Array::zeros({16}), "has 28 tensors, got 29"},
      {"transformer.h.0.ln_3.weight", Array::zeros({16}), "is no tensor of a GPT-2 model"},
      {"transformer.h.0.ln_1.scale", Array::zeros({16}), "is no tensor of a GPT-2 model"},
      {"transformer.h", Array::zeros({16}), "is no tensor of a GPT-2 model"},
      {"h.0.ln_1.weight", Array::zeros({16}), "is there twice"},
  };
  for (const Case& entry : cases) {
    copy("gelu_new");
    set_tensor(entry.name, entry.value);
    std::string error = error_of_opening();
    EXPECT_TRUE(contains(error, entry.error)) << entry.name;
    EXPECT_TRUE(contains(error, folder())) << entry.name;
  }
  copy("gelu_new");
  set_tensor("transformer.ln_f.bias", Array::zeros({16}, DType::i64));
  EXPECT_TRUE(contains(error_of([&] { load_model(folder(), builtin_catalog()); }), "ln_f.bias"));
}

TEST_F(Gpt2Layout, WhatIsThereIsNotOverwritten) {
  auto source = open_tensors(golden("gelu_new"));
  Config config = config_of(*source, builtin_catalog());
  fs::create_directory(temp_ / "folder");
  temp_.write("file", "mine");
  fs::create_symlink("nowhere", temp_ / "link");
  temp_.write("new.partial", "mine");
  for (const char* name : {"folder", "folder/", "file", "link", "new"}) {
    EXPECT_TRUE(contains(error_of([&] { write_gpt2(temp_ / name, *source, config); }),
                         "there is something already"))
        << name;
  }
  for (const char* name : {"", "/"}) {
    EXPECT_TRUE(contains(error_of([&] { write_gpt2(name, *source, config); }),
                         "expected a path that ends in a new folder's name"));
  }
  EXPECT_EQ(temp_.names(), (std::set<std::string>{"file", "folder", "link", "new.partial"}));
  EXPECT_TRUE(fs::is_empty(temp_ / "folder"));
}

TEST_F(Gpt2Layout, OtherModelsAreNotWritten) {
  auto source = open_tensors(golden("gelu_new"));
  auto error_with = [&](const std::string& model) {
    Config config = load_config("model: {" + model + "}", "test.yaml", {}, builtin_catalog());
    return error_of([&] { write_gpt2(temp_ / "out", *source, config); });
  };
  std::string sizes = "name: gpt, heads: 2, width: 16, context: 16, vocabulary: 48, layers: ";
  EXPECT_TRUE(contains(error_with("name: mlp"), "expected a model named gpt, got 'mlp'"));
  EXPECT_TRUE(contains(error_with(sizes + "1"), "has 16 tensors, got 28"));
  EXPECT_TRUE(contains(error_with(sizes + "3"), "blocks.2.ln1.weight, which is missing"));
  EXPECT_EQ(temp_.names(), std::set<std::string>());
  EXPECT_EQ(error_with(sizes + "2"), "");
}

// A source that fails after the first tensors.
class Failing final : public TensorSource {
 public:
  explicit Failing(const TensorSource& source) : source_(source) {}
  const std::string& path() const override { return source_.path(); }
  const std::vector<TensorInfo>& tensors() const override { return source_.tensors(); }
  void read(std::span<const ReadTarget> targets) const override {
    if (++reads_ > 5) throw Error("the disk is gone");
    source_.read(targets);
  }

 private:
  const TensorSource& source_;
  mutable int reads_ = 0;
};

TEST_F(Gpt2Layout, AFailureLeavesNothing) {
  auto source = open_tensors(golden("gelu_new"));
  Config config = config_of(*source, builtin_catalog());
  EXPECT_TRUE(contains(error_of([&] { write_gpt2(temp_ / "out", Failing(*source), config); }),
                       "the disk is gone"));
  EXPECT_EQ(temp_.names(), std::set<std::string>());
}

}  // namespace
}  // namespace tessera::experiment
