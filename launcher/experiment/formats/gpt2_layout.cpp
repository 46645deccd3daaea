#include "launcher/experiment/formats/gpt2_layout.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/io/elements.h"
#include "core/io/safetensors.h"
#include "core/json_text.h"
#include "launcher/experiment/components/models/gpt_words.h"

namespace tessera::experiment {
namespace {

using nlohmann::json;

constexpr const char* kConfig = "config.json";
constexpr const char* kModel = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::string_view kPrefix = "transformer.";
constexpr std::string_view kHeadName = "lm_head.weight";
constexpr uint64_t kMaxJsonBytes = uint64_t{64} << 20;

// A part of a block: a LayerNorm, or a projection, whose weight is transposed.
struct Part {
  std::string_view ours;
  std::string_view theirs;
  int64_t out = 1;  // outputs and inputs of a projection, in widths
  int64_t in = 0;
};
constexpr std::array kParts{Part{"ln1.", "ln_1."},
                            Part{"attn.c_attn.", "attn.c_attn.", 3, 1},
                            Part{"attn.c_proj.", "attn.c_proj.", 1, 1},
                            Part{"ln2.", "ln_2."},
                            Part{"c_fc.", "mlp.c_fc.", 4, 1},
                            Part{"c_proj.", "mlp.c_proj.", 1, 4}};
constexpr std::string_view kOurBlocks = "blocks.";
constexpr std::string_view kTheirBlocks = "h.";

// name with the first part of the other layout; nothing if it is none of a block's.
std::optional<std::string> translate(std::string_view name, bool to_ours) {
  std::string_view from_blocks = to_ours ? kTheirBlocks : kOurBlocks;
  std::string_view to_blocks = to_ours ? kOurBlocks : kTheirBlocks;
  if (!name.starts_with(from_blocks)) {
    for (std::string_view known : {"wte.weight", "wpe.weight", "ln_f.weight", "ln_f.bias"}) {
      if (name == known) return std::string(name);
    }
    return std::nullopt;
  }
  name.remove_prefix(from_blocks.size());
  size_t dot = name.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  std::string_view index = name.substr(0, dot);
  name.remove_prefix(dot + 1);
  for (const Part& known : kParts) {
    std::string_view from = to_ours ? known.theirs : known.ours;
    std::string_view to = to_ours ? known.ours : known.theirs;
    if (!name.starts_with(from)) continue;
    name.remove_prefix(from.size());
    if (name != "weight" && name != "bias") return std::nullopt;
    return fmt::format("{}{}.{}{}", to_blocks, index, to, name);
  }
  return std::nullopt;
}

bool is_transposed(std::string_view our_name) {
  return our_name.ends_with("c_attn.weight") || our_name.ends_with("c_proj.weight") ||
         our_name.ends_with("c_fc.weight");
}

// What their models keep besides parameters: the causal mask, and the output layer, which is wte.
bool is_no_parameter(std::string_view name) {
  return name == kHeadName ||
         (name.starts_with(kTheirBlocks) &&
          (name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias")));
}

struct Sizes {
  int64_t layers;
  int64_t heads;
  int64_t width;
  int64_t context;
  int64_t vocabulary;
};

// That source has the tensors of a model of these sizes, and no others: before memory is taken for
// such a model. Errors begin with `where`.
void check_tensors(const TensorSource& source, const Sizes& sizes, const std::string& where) {
  size_t count = 0;
  auto expect = [&](const std::string& name, const Dims& shape) {
    const TensorInfo* found = source.find(name);
    TESSERA_CHECK(found, "{}: a model of these sizes has a {}, which is missing", where, name);
    TESSERA_CHECK(found->shape == shape, "{}: a model of these sizes has a {} of shape {}, got {}",
                  where, name, shape, found->shape);
    ++count;
  };
  int64_t width = sizes.width;
  expect("wte.weight", {sizes.vocabulary, width});
  expect("wpe.weight", {sizes.context, width});
  for (int64_t layer = 0; layer < sizes.layers; ++layer) {
    for (const Part& part : kParts) {
      std::string name = fmt::format("{}{}.{}", kOurBlocks, layer, part.ours);
      Dims bias{part.out * width};
      expect(name + "weight", part.in > 0 ? Dims{part.out * width, part.in * width} : bias);
      expect(name + "bias", bias);
    }
  }
  expect("ln_f.weight", {width});
  expect("ln_f.bias", {width});
  TESSERA_CHECK(count == source.tensors().size(),
                "{}: a model of these sizes has {} tensors, got {}", where, count,
                source.tensors().size());
}

json read_json(const std::string& folder, const std::string& name) {
  auto file = FileSystem::real().open_beneath(folder, name);
  TESSERA_CHECK(file->size() <= kMaxJsonBytes, "{}/{}: expected at most {} bytes", folder, name,
                kMaxJsonBytes);
  std::string text(file->size(), '\0');
  file->read(0, std::as_writable_bytes(std::span(text)));
  json value = json::parse(text, nullptr, false);
  TESSERA_CHECK(value.is_object(), "{}/{}: expected a JSON object", folder, name);
  return value;
}

std::string folder_path(const std::string& folder, const std::string& name) {
  // Opened once through open_beneath, so that no link leads out of the folder.
  FileSystem::real().open_beneath(folder, name);
  return folder + "/" + name;
}

// A value from outside, for a message.
std::string shown(const json& value) { return value.dump(-1, ' ', true).substr(0, 100); }

int64_t size_in(const json& config, const char* key, const std::string& where) {
  auto found = config.find(key);
  bool good = found != config.end() && found->is_number_unsigned() && found->get<uint64_t>() >= 1 &&
              found->get<uint64_t>() <= INT32_MAX;
  TESSERA_CHECK(good, "{}: expected a number of at least 1 for '{}'", where, key);
  return found->get<int64_t>();
}

Sizes sizes_in(const json& config, const std::string& where) {
  Sizes sizes{.layers = size_in(config, "n_layer", where),
              .heads = size_in(config, "n_head", where),
              .width = size_in(config, "n_embd", where),
              .context = size_in(config, "n_positions", where),
              .vocabulary = size_in(config, "vocab_size", where)};
  TESSERA_CHECK(sizes.width % sizes.heads == 0,
                "{}: an n_head of {} does not divide an n_embd of {}", where, sizes.heads,
                sizes.width);
  return sizes;
}

// Everything in a config that changes what the model computes, but for sizes and activation, must
// be as nn::Gpt has it.
void check_variant(const json& config, const Sizes& sizes, const std::string& where) {
  // An absent key means the same, and for n_inner so does null.
  auto expect = [&](const char* key, const json& expected) {
    auto found = config.find(key);
    TESSERA_CHECK(found == config.end() || *found == expected, "{}: expected {} for '{}', got {}",
                  where, expected.dump(), key, shown(*found));
  };
  auto inner = config.find("n_inner");
  if (inner != config.end() && !inner->is_null()) expect("n_inner", 4 * sizes.width);
  expect("layer_norm_epsilon", 1e-5);
  for (const char* key : {"tie_word_embeddings", "scale_attn_weights"}) expect(key, true);
  for (const char* key : {"scale_attn_by_inverse_layer_idx", "add_cross_attention"}) {
    expect(key, false);
  }
}

// Whether it is the exact GELU.
bool is_exact(const json& config, const std::string& where) {
  json activation = config.value("activation_function", json("gelu_new"));
  bool exact = activation == "gelu";
  TESSERA_CHECK(exact || activation == "gelu_new" || activation == "gelu_pytorch_tanh",
                "{}: expected the activation_function gelu, gelu_new or gelu_pytorch_tanh, got {}",
                where, shown(activation));
  return exact;
}

// The model section of a config, as YAML.
std::string config_text(const Sizes& sizes, bool exact) {
  return fmt::format(
      "model: {{name: gpt, layers: {}, heads: {}, width: {}, context: {}, vocabulary: {}, "
      "activation: {}}}\n",
      sizes.layers, sizes.heads, sizes.width, sizes.context, sizes.vocabulary,
      name(exact ? Gelu::exact : Gelu::tanh));
}

class Gpt2Source final : public TensorSource {
 public:
  explicit Gpt2Source(const std::string& path) : path_(path) {
    Sizes sizes = read_config();
    for (const std::string& name : file_names()) {
      files_.push_back(open_safetensors(folder_path(path, name)));
    }
    for (size_t file = 0; file < files_.size(); ++file) {
      for (const TensorInfo& tensor : files_[file]->tensors()) add(file, tensor);
    }
    check_tensors(*this, sizes, fmt::format("{}/{}", path, kConfig));
    check_head();
  }

  const std::string& path() const override { return path_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  std::map<std::string, std::string> metadata() const override { return {{kConfigKey, config_}}; }

  using TensorSource::read;
  void read(std::span<const ReadTarget> targets) const override {
    for (const ReadTarget& target : targets) {
      const TensorInfo* info = find(target.name);
      TESSERA_CHECK(info, "{}: there is no tensor {}", path_, excerpt(target.name));
      const Place& place = places_[static_cast<size_t>(info - tensors_.data())];
      const TensorSource& file = *files_[place.file];
      Array whole = file.read(*file.find(place.name));
      if (is_transposed(target.name)) whole = whole.transpose(0, 1).contiguous();
      target.data.copy_(slice_of(whole.view({whole.numel()}), target.interval));
    }
  }

 private:
  struct Place {
    size_t file;
    std::string name;
  };

  Sizes read_config() {
    std::string where = fmt::format("{}/{}", path_, kConfig);
    json config = read_json(path_, kConfig);
    json type = config.value("model_type", json());
    TESSERA_CHECK(type == "gpt2", "{}: expected the model_type gpt2, got {}", where, shown(type));
    Sizes sizes = sizes_in(config, where);
    check_variant(config, sizes, where);
    config_ = config_text(sizes, is_exact(config, where));
    return sizes;
  }

  // As transformers does, one file goes before several.
  std::vector<std::string> file_names() const {
    if (FileSystem::real().kind(path_ + "/" + kModel) != FileKind::none) return {kModel};
    json index = read_json(path_, kIndex);
    std::set<std::string> names;
    auto map = index.find("weight_map");
    TESSERA_CHECK(map != index.end() && map->is_object(), "{}/{}: expected a weight_map", path_,
                  kIndex);
    for (const auto& item : map->items()) {
      TESSERA_CHECK(item.value().is_string() && is_plain_name(item.value().get<std::string>()),
                    "{}/{}: expected names of files in the folder in the weight_map, got {}", path_,
                    kIndex, shown(item.value()));
      names.insert(item.value().get<std::string>());
    }
    return {names.begin(), names.end()};
  }

  // The output layer is the token embedding here: one of its own would be lost.
  void check_head() const {
    for (const auto& file : files_) {
      const TensorInfo* head = file->find(kHeadName);
      if (!head) continue;
      const TensorInfo* wte = find("wte.weight");
      Array own = file->read(*head).to(DType::f32).contiguous();
      Array tied = read(*wte);
      auto bytes = bytes_of(own);
      bool same = head->shape == wte->shape &&
                  std::equal(bytes.begin(), bytes.end(), bytes_of(tied).begin());
      TESSERA_CHECK(
          same,
          "{}: its {} differs from wte.weight; models here have one of both, and it would "
          "be lost",
          path_, kHeadName);
    }
  }

  void add(size_t file, const TensorInfo& tensor) {
    std::string_view name = tensor.name;
    if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
    if (is_no_parameter(name)) return;
    auto ours = translate(name, true);
    TESSERA_CHECK(ours, "{}: {} is no tensor of a GPT-2 model", path_, excerpt(tensor.name));
    TESSERA_CHECK(!find(*ours), "{}: {} is there twice", path_, excerpt(tensor.name));
    Dims shape = tensor.shape;
    if (is_transposed(*ours)) {
      TESSERA_CHECK(shape.size() == 2, "{}: {}: expected two dims, got {}", path_,
                    excerpt(tensor.name), shape);
      std::swap(shape[0], shape[1]);
    }
    // Halves become what models here are made of.
    tensors_.push_back({*ours, is_floating(tensor.dtype) ? DType::f32 : tensor.dtype, shape});
    places_.push_back({file, tensor.name});
  }

  std::string path_;
  std::string config_;
  std::vector<std::unique_ptr<TensorSource>> files_;
  std::vector<TensorInfo> tensors_;
  std::vector<Place> places_;  // of each tensor
};

// The model section's values, as the config's text has them.
json section_values(const TensorSource& model, const Config& config) {
  TESSERA_CHECK(config.model.name == "gpt", "{}: expected a model named gpt, got '{}'",
                model.path(), config.model.name);
  struct Collect : FieldVisitor {
    json values;
    void field(const Field& field) override {
      std::string text = write_field(field);
      json value = json::parse(text, nullptr, false);
      values[field.key] = value.is_discarded() ? json(text) : value;
    }
  } section;
  config.model.section->visit(section);
  return section.values;
}

json config_json(const json& v) {
  return {{"architectures", {"GPT2LMHeadModel"}},
          {"model_type", "gpt2"},
          {"activation_function", v["activation"] == "gelu" ? "gelu" : "gelu_new"},
          {"n_layer", v["layers"]},
          {"n_head", v["heads"]},
          {"n_embd", v["width"]},
          {"n_positions", v["context"]},
          {"n_ctx", v["context"]},
          {"vocab_size", v["vocabulary"]},
          {"embd_pdrop", v["dropout"]},
          {"attn_pdrop", 0},
          {"resid_pdrop", v["dropout"]},
          {"layer_norm_epsilon", 1e-5},
          {"tie_word_embeddings", true},
          {"bos_token_id", nullptr},
          {"eos_token_id", nullptr}};
}

void write_model(const std::string& path, const TensorSource& model) {
  std::vector<SafetensorsEntry> entries;
  for (const TensorInfo& tensor : model.tensors()) {
    Dims shape = tensor.shape;
    if (is_transposed(tensor.name)) std::swap(shape[0], shape[1]);
    entries.push_back(
        {std::string(kPrefix) + *translate(tensor.name, false), tensor.dtype, shape, 0, 0});
  }
  SafetensorsLayout layout = layout_safetensors(entries, {{"format", "pt"}}, path);
  FileSystem::real().produce_atomically(path, [&](WritableFile& file) {
    file.append(std::as_bytes(std::span(layout.head)));
    for (size_t index : layout.order) {
      const TensorInfo& tensor = model.tensors()[index];
      Array data = model.read(tensor);
      if (is_transposed(tensor.name)) data = data.transpose(0, 1).contiguous();
      file.append(bytes_of(data));
    }
  });
}

}  // namespace

bool is_gpt2_folder(const std::string& path) {
  FileSystem& files = FileSystem::real();
  auto has = [&](const char* name) { return files.kind(path + "/" + name) != FileKind::none; };
  return has(kConfig) && (has(kModel) || has(kIndex));
}

std::unique_ptr<TensorSource> open_gpt2(const std::string& path) {
  return std::make_unique<Gpt2Source>(path);
}

void write_gpt2(const std::string& path, const TensorSource& model, const Config& config) {
  json values = section_values(model, config);
  check_tensors(model,
                {.layers = values["layers"],
                 .heads = values["heads"],
                 .width = values["width"],
                 .context = values["context"],
                 .vocabulary = values["vocabulary"]},
                model.path());
  std::string config_text = config_json(values).dump(2) + "\n";
  FileSystem& files = FileSystem::real();
  // Of "out/" too, the temporary is beside it and not in it.
  std::string target = path.substr(0, path.find_last_not_of('/') + 1);
  TESSERA_CHECK(!target.empty(), "'{}': expected a path that ends in a new folder's name", path);
  std::string partial = target + ".partial";
  for (const std::string& taken : {target, partial}) {
    TESSERA_CHECK(files.kind(taken) == FileKind::none, "{}: there is something already", taken);
  }
  files.make_directories(partial);
  try {
    write_model(partial + "/" + kModel, model);
    auto bytes = std::as_bytes(std::span(config_text));
    files.write_atomically(partial + "/" + kConfig, std::span(&bytes, 1));
    files.sync_directory(partial);
    files.rename(partial, target);
  } catch (...) {
    files.remove_all(partial);
    throw;
  }
}

}  // namespace tessera::experiment
