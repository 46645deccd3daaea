// A text as a sequence of bytes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nn/data/dataset.h"

namespace tessera::data {

// Windows of `context` bytes that follow each other without overlap; the target of every byte is
// the next one. inputs and targets are i64 (B, context).
class TextDataset final : public Dataset {
 public:
  using Text = std::shared_ptr<const std::vector<unsigned char>>;

  // The bytes [begin, end) of a text. They must hold one window at least, which takes context + 1.
  TextDataset(Text text, size_t begin, size_t end, int64_t context);

  // How many windows such a range holds; an Error if that is none.
  static int64_t num_windows(int64_t bytes, int64_t context);

  int64_t size() const override { return size_; }
  std::string identity() const override;
  Batch batch(std::span<const int64_t> indices) const override;

 private:
  Text text_;
  size_t begin_;
  size_t end_;
  int64_t context_;
  int64_t size_;
};

// The whole file; an error naming it when it cannot be read or is empty.
TextDataset::Text load_text(const std::string& path);

}  // namespace tessera::data
