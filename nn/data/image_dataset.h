// Labelled images from IDX files, the format of MNIST and its kin.
#pragma once

#include <string>

#include "nn/data/dataset.h"

namespace tessera::data {

// Reads an IDX file of unsigned bytes: magic 0, 0, 8, number of dims, the sizes as big-endian
// 32-bit numbers, then the data (http://yann.lecun.com/exdb/mnist). A file of another type, or
// whose length is not what its header says, is an error naming it.
Array load_idx(const std::string& path);

// inputs f32 (B, 1, height, width) in [0, 1], targets i64 (B,).
class ImageDataset final : public Dataset {
 public:
  // images u8 (N, height, width) and labels u8 (N,).
  ImageDataset(Array images, Array labels);
  ImageDataset(const std::string& images_path, const std::string& labels_path);

  int64_t size() const override { return images_.shape()[0]; }
  std::string identity() const override;
  // Numbers of an image.
  int64_t pixels() const { return images_.shape()[1] * images_.shape()[2]; }
  // One more than the highest label.
  int64_t num_classes() const;
  Batch batch(std::span<const int64_t> indices) const override;

 private:
  Array images_;
  Array labels_;
};

}  // namespace tessera::data
