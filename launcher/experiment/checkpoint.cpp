#include "launcher/experiment/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "core/io/safetensors.h"

namespace tessera::experiment {
namespace {

namespace fs = std::filesystem;

// The keys of the file's metadata.
constexpr const char* kFormat = "format";
constexpr const char* kFormatName = "tessera-1";
constexpr const char* kStep = "step";
constexpr const char* kDigest = "digest";
constexpr const char* kConfig = "config";

std::string entry(const SafetensorsFile& file, const std::string& path, const char* key) {
  auto found = file.metadata.find(key);
  TESSERA_CHECK(found != file.metadata.end(),
                "{}: not a Tessera checkpoint: no '{}' in its metadata", path, key);
  return found->second;
}

int64_t parse_step(const std::string& text, const std::string& path) {
  int64_t step = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
  TESSERA_CHECK(error == std::errc() && end == text.data() + text.size() && step >= 0,
                "{}: '{}' is not a step", path, text);
  return step;
}

}  // namespace

void save_checkpoint(const std::string& path, const nn::StateDict& state,
                     const CheckpointInfo& info) {
  write_safetensors(path, state,
                    {{kFormat, kFormatName},
                     {kStep, std::to_string(info.step)},
                     {kDigest, info.digest},
                     {kConfig, info.config}});
}

std::string find_checkpoint(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return path;
  std::string newest;
  for (const auto& item : fs::directory_iterator(path + "/checkpoints", error)) {
    bool named = item.path().extension() == ".safetensors" &&
                 item.path().filename().string().starts_with("step-");
    // Steps are written with leading zeros: the last name is the newest.
    if (named) newest = std::max(newest, item.path().string());
  }
  TESSERA_CHECK(!newest.empty(), "{}: no checkpoint in this folder", path);
  return newest;
}

LoadedModel load_checkpoint(const std::string& path, const Catalog& catalog) {
  std::string file_path = find_checkpoint(path);
  SafetensorsFile file = read_safetensors(file_path);
  std::string format = entry(file, file_path, kFormat);
  TESSERA_CHECK(format == kFormatName, "{}: expected the format {}, got '{}'", file_path,
                kFormatName, format);
  LoadedModel loaded;
  loaded.info = {parse_step(entry(file, file_path, kStep), file_path),
                 entry(file, file_path, kDigest), entry(file, file_path, kConfig)};
  loaded.config = load_config(loaded.info.config, file_path + " (config)", {}, catalog);
  loaded.model = loaded.config.model.as<ModelSection>().make();
  try {
    loaded.model->load_state_dict(file.tensors);
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", file_path, error.what()));
  }
  return loaded;
}

}  // namespace tessera::experiment
