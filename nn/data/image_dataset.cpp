#include "nn/data/image_dataset.h"

#include <algorithm>
#include <array>

#include "core/io/checksum.h"
#include "core/io/elements.h"
#include "core/io/file_system.h"

namespace tessera::data {
namespace {

constexpr uint8_t kUnsignedBytes = 8;
constexpr size_t kMaxDims = 8;

// Whether a shape from outside, whose sizes may multiply to anything, has `bytes` elements.
bool holds(const Dims& shape, uint64_t bytes) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return bytes == 0;
  uint64_t product = 1;
  for (int64_t size : shape) {
    if (__builtin_mul_overflow(product, static_cast<uint64_t>(size), &product)) return false;
  }
  return product == bytes;
}

}  // namespace

Array load_idx(const std::string& path) {
  auto file = FileSystem::real().open(path);
  std::array<std::byte, 4> magic{};
  TESSERA_CHECK(file->size() >= magic.size(), "{}: too short for an IDX file", path);
  file->read(0, magic);
  auto byte = [](std::byte b) { return std::to_integer<uint8_t>(b); };
  size_t num_dims = byte(magic[3]);
  TESSERA_CHECK(byte(magic[0]) == 0 && byte(magic[1]) == 0 && byte(magic[2]) == kUnsignedBytes &&
                    num_dims >= 1 && num_dims <= kMaxDims,
                "{}: not an IDX file of unsigned bytes", path);
  std::vector<std::byte> sizes(4 * num_dims);
  uint64_t header = magic.size() + sizes.size();
  TESSERA_CHECK(file->size() >= header, "{}: the IDX header is cut off", path);
  file->read(magic.size(), sizes);
  Dims shape;
  for (size_t d = 0; d < num_dims; ++d) {
    int64_t size = 0;
    for (size_t i = 0; i < 4; ++i) size = size << 8 | byte(sizes[4 * d + i]);
    shape.push_back(size);
  }
  TESSERA_CHECK(holds(shape, file->size() - header),
                "{}: expected the data of shape {}, got {} bytes", path, shape,
                file->size() - header);
  Array out = Array::empty(shape, DType::u8);
  file->read(header, {reinterpret_cast<std::byte*>(out.data<uint8_t>()), out.nbytes()});
  return out;
}

ImageDataset::ImageDataset(Array images, Array labels)
    : images_(std::move(images)), labels_(std::move(labels)) {
  TESSERA_CHECK(images_.dtype() == DType::u8 && labels_.dtype() == DType::u8 &&
                    images_.dim() == 3 && labels_.dim() == 1 && images_.size(0) == labels_.size(0),
                "[ImageDataset] expected images u8 (N, height, width) and labels u8 (N,), got {} "
                "{} and {} {}",
                images_.dtype(), images_.shape(), labels_.dtype(), labels_.shape());
  images_ = images_.contiguous();
  labels_ = labels_.contiguous();
}

// Braces are evaluated from left to right: the images are missed first.
ImageDataset::ImageDataset(const std::string& images_path, const std::string& labels_path)
    : ImageDataset{load_idx(images_path), load_idx(labels_path)} {}

std::string ImageDataset::identity() const {
  Checksum checksum(ChecksumKind::xxh3);
  checksum.update(bytes_of(images_));
  checksum.update(bytes_of(labels_));
  return fmt::format("{} of shape {}, {}", Dataset::identity(),
                     Dims{images_.shape()[1], images_.shape()[2]}, checksum.text());
}

int64_t ImageDataset::num_classes() const {
  const auto* labels = labels_.data<uint8_t>();
  return size() == 0 ? 0 : *std::max_element(labels, labels + size()) + 1;
}

Batch ImageDataset::batch(std::span<const int64_t> indices) const {
  auto rows = static_cast<int64_t>(indices.size());
  Array inputs = Array::empty({rows, 1, images_.shape()[1], images_.shape()[2]});
  Array targets = Array::empty({rows}, DType::i64);
  for (int64_t row = 0; row < rows; ++row) {
    int64_t index = indices[static_cast<size_t>(row)];
    TESSERA_CHECK(index >= 0 && index < size(), "[ImageDataset] expected an index below {}, got {}",
                  size(), index);
    const uint8_t* from = images_.data<uint8_t>() + index * pixels();
    float* to = inputs.data<float>() + row * pixels();
    for (int64_t i = 0; i < pixels(); ++i) to[i] = static_cast<float>(from[i]) / 255.0F;
    targets.data<int64_t>()[row] = labels_.data<uint8_t>()[index];
  }
  return {.images = Tensor(inputs), .targets = Tensor(targets)};
}

}  // namespace tessera::data
