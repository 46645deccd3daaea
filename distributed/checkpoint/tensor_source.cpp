#include "distributed/checkpoint/tensor_source.h"

#include <algorithm>

#include "core/io/safetensors.h"
#include "core/json_text.h"
#include "distributed/checkpoint/checkpoint_reader.h"

namespace tessera {
namespace {

class SafetensorsSource final : public TensorSource {
 public:
  SafetensorsSource(const std::string& path, FileSystem& files)
      : path_(path), reader_(path, files) {
    for (const SafetensorsEntry& entry : reader_.tensors()) {
      tensors_.push_back({entry.name, entry.dtype, entry.shape});
    }
  }

  const std::string& path() const override { return path_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  std::map<std::string, std::string> metadata() const override { return reader_.metadata(); }
  using TensorSource::read;
  void read(std::span<const ReadTarget> targets) const override {
    for (const ReadTarget& target : targets) {
      const TensorInfo* info = find(target.name);
      TESSERA_CHECK(info, "{}: there is no tensor {}", path_, excerpt(target.name));
      const SafetensorsEntry& entry =
          reader_.tensors()[static_cast<size_t>(info - tensors_.data())];
      TESSERA_ASSERT(target.data.dtype() == entry.dtype);
      auto out = std::span(static_cast<std::byte*>(target.data.raw()), target.data.nbytes());
      reader_.read(entry, static_cast<uint64_t>(target.interval.begin) * item_size(entry.dtype),
                   out);
    }
  }

 private:
  std::string path_;
  SafetensorsReader reader_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace

const TensorInfo* TensorSource::find(std::string_view name) const {
  const auto& all = tensors();
  auto found = std::find_if(all.begin(), all.end(),
                            [&](const TensorInfo& tensor) { return tensor.name == name; });
  return found == all.end() ? nullptr : &*found;
}

Array TensorSource::read(const TensorInfo& tensor) const {
  Array out = Array::empty(tensor.shape, tensor.dtype);
  ReadTarget target{tensor.name, {0, out.numel()}, out.view({out.numel()})};
  read(std::span(&target, 1));
  return out;
}

std::unique_ptr<TensorSource> open_safetensors(const std::string& path, FileSystem& files) {
  return std::make_unique<SafetensorsSource>(path, files);
}

bool is_checkpoint(const std::string& path, FileSystem& files) {
  return files.kind(path + "/" + kManifestName) != FileKind::none;
}

}  // namespace tessera
