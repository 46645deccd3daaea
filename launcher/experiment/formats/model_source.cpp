#include "launcher/experiment/formats/model_source.h"

#include <algorithm>

#include "core/io/npz.h"
#include "core/json_text.h"
#include "distributed/checkpoint/checkpoint_folder.h"
#include "distributed/checkpoint/checkpoint_reader.h"
#include "launcher/experiment/formats/file_kind.h"
#include "launcher/experiment/formats/gpt2_layout.h"
#include "nn/optim/ema.h"
#include "nn/optim/swa.h"

namespace tessera::experiment {
namespace {

// Arrays that are in memory already.
class ArraySource final : public TensorSource {
 public:
  ArraySource(std::string path, std::vector<std::pair<std::string, Array>> arrays)
      : path_(std::move(path)), arrays_(std::move(arrays)) {
    for (const auto& [name, array] : arrays_) {
      tensors_.push_back({name, array.dtype(), array.shape()});
    }
  }
  const std::string& path() const override { return path_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  using TensorSource::read;
  void read(std::span<const ReadTarget> targets) const override {
    for (const ReadTarget& target : targets) {
      const TensorInfo* info = find(target.name);
      TESSERA_CHECK(info, "{}: there is no tensor {}", path_, excerpt(target.name));
      const Array& array = arrays_[static_cast<size_t>(info - tensors_.data())].second;
      target.data.copy_(slice_of(array.contiguous().view({array.numel()}), target.interval));
    }
  }

 private:
  std::string path_;
  std::vector<std::pair<std::string, Array>> arrays_;
  std::vector<TensorInfo> tensors_;
};

// A source under other names.
class RenamedSource final : public TensorSource {
 public:
  explicit RenamedSource(std::unique_ptr<TensorSource> source) : source_(std::move(source)) {}

  void add(const TensorInfo& tensor, std::string name) {
    before_.push_back(tensor.name);
    tensors_.push_back({std::move(name), tensor.dtype, tensor.shape});
  }

  const TensorSource& source() const { return *source_; }
  const std::string& path() const override { return source_->path(); }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  std::map<std::string, std::string> metadata() const override { return source_->metadata(); }
  using TensorSource::read;
  void read(std::span<const ReadTarget> targets) const override {
    std::vector<ReadTarget> renamed(targets.begin(), targets.end());
    for (ReadTarget& target : renamed) {
      const TensorInfo* info = find(target.name);
      TESSERA_CHECK(info, "{}: there is no tensor {}", path(), excerpt(target.name));
      target.name = before_[static_cast<size_t>(info - tensors_.data())];
    }
    source_->read(renamed);
  }

 private:
  std::unique_ptr<TensorSource> source_;
  std::vector<TensorInfo> tensors_;
  std::vector<std::string> before_;  // their names in the source
};

}  // namespace

namespace {

// The newest complete checkpoint in a folder of checkpoints; empty where there is none.
std::string newest_in(const std::string& path) {
  CheckpointFolder folder(path);
  std::vector<int64_t> steps = folder.steps();
  return steps.empty() ? "" : folder.checkpoint(steps.front());
}

// The checkpoint that a file beside or inside it stands for: its manifest, or `latest` and `best`,
// which hold the name of one. Empty for any other file.
std::string named_by(const std::string& path) {
  FileSystem& files = FileSystem::real();
  size_t slash = path.rfind('/');
  std::string name = path.substr(slash + 1);
  std::string folder = slash == path.npos ? "." : path.substr(0, std::max<size_t>(slash, 1));
  if (name == kManifestName && is_checkpoint(folder)) return folder;
  if (name != "latest" && name != "best") return "";
  constexpr uint64_t kMaxName = 256;
  if (files.open(path)->size() > kMaxName) return "";
  auto bytes = files.read(path, kMaxName);
  std::string target(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  target.resize(std::min(target.find_last_not_of(" \r\n") + 1, target.size()));
  bool is_name = target.starts_with("step-") && target.find('/') == target.npos;
  std::string checkpoint = folder + "/" + target;
  return is_name && is_checkpoint(checkpoint) ? checkpoint : "";
}

}  // namespace

std::string resolve_checkpoint(const std::string& path) {
  FileSystem& files = FileSystem::real();
  if (files.kind(path) == FileKind::file) {
    std::string named = named_by(path);
    return named.empty() ? path : named;
  }
  if (!files.is_directory(path) || is_checkpoint(path) || is_gpt2_folder(path)) return path;
  for (const std::string& folder : {path + "/checkpoints", path}) {
    std::string newest = newest_in(folder);
    if (!newest.empty()) return newest;
  }
  throw_error(fmt::format("{}: no complete checkpoint in this folder", path));
}

std::unique_ptr<TensorSource> open_tensors(const std::string& path) {
  std::string resolved = resolve_checkpoint(path);
  if (is_gpt2_folder(resolved)) return open_gpt2(resolved);
  if (FileSystem::real().is_directory(resolved)) {
    return std::make_unique<CheckpointReader>(resolved);
  }
  if (resolved.ends_with(".npz")) {
    return std::make_unique<ArraySource>(resolved, load_npz(resolved));
  }
  refuse_other_kinds(resolved, "a checkpoint, or a .safetensors, .npz or .npy file");
  return open_safetensors(resolved);
}

void refuse_other_kinds(const std::string& path, const std::string& expected) {
  if (FileSystem::real().kind(path) != FileKind::file) return;
  std::string kind = file_kind(*FileSystem::real().open(path));
  TESSERA_CHECK(kind.empty(), "{}: this is {}; expected {}", path, kind, expected);
}

std::unique_ptr<TensorSource> model_tensors(std::unique_ptr<TensorSource> source, Weights weights) {
  auto out = std::make_unique<RenamedSource>(std::move(source));
  const auto& original = out->source();
  const char* state = weights == Weights::swa ? optim::Swa::kState : optim::Ema::kState;
  bool averaged = false;
  for (const TensorInfo& tensor : original.tensors()) {
    if (is_state_name(tensor.name)) continue;
    const TensorInfo* average =
        weights == Weights::trained ? nullptr : original.find(state_name(state, tensor.name));
    averaged |= average != nullptr;
    out->add(average ? *average : tensor, tensor.name);
  }
  TESSERA_CHECK(weights != Weights::ema || averaged,
                "{}: it has no moving averages: optim.ema was not set in its run", out->path());
  TESSERA_CHECK(weights != Weights::swa || averaged,
                "{}: it has no means: optim.swa_start was not set in its run", out->path());
  return out;
}

Config config_of(const TensorSource& source, const Catalog& catalog) {
  auto metadata = source.metadata();
  auto found = metadata.find(kConfigKey);
  TESSERA_CHECK(found != metadata.end(), "{}: not a Tessera checkpoint: no '{}' in its metadata",
                source.path(), kConfigKey);
  return load_config(found->second, source.path() + " (config)", {}, catalog);
}

LoadedModel load_model(const std::string& path, const Catalog& catalog, Weights weights) {
  auto source = model_tensors(open_tensors(path), weights);
  LoadedModel loaded{config_of(*source, catalog), nullptr};
  {
    nn::DeferInit defer;  // a config may ask for more than the file has
    loaded.model = loaded.config.model.as<ModelSection>().make();
  }
  for (const auto& [name, tensor] : loaded.model->named_state()) {
    const TensorInfo* found = source->find(name);
    TESSERA_CHECK(found, "{}: it has no '{}', which its config asks for", source->path(), name);
    TESSERA_CHECK(found->shape == tensor.shape(),
                  "{}: '{}' has the shape {}, and its config asks for {}", source->path(), name,
                  found->shape, tensor.shape());
  }
  loaded.model->materialize();
  nn::StateDict state;
  for (const TensorInfo& tensor : source->tensors()) {
    state.emplace_back(tensor.name, source->read(tensor));
  }
  try {
    loaded.model->load_state_dict(state);
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", source->path(), error.what()));
  }
  return loaded;
}

}  // namespace tessera::experiment
