#include "nn/data/text_dataset.h"

#include "core/io/checksum.h"
#include "core/io/file_system.h"

namespace tessera::data {

TextDataset::TextDataset(Text text, size_t begin, size_t end, int64_t context)
    : text_(std::move(text)), begin_(begin), end_(end), context_(context) {
  TESSERA_CHECK(text_ && begin <= end && end <= text_->size(),
                "[TextDataset] expected a range within a text of {} bytes, got [{}, {})",
                text_ ? text_->size() : 0, begin, end);
  size_ = num_windows(static_cast<int64_t>(end - begin), context);
}

int64_t TextDataset::num_windows(int64_t bytes, int64_t context) {
  TESSERA_CHECK(context >= 1, "[TextDataset] expected a context of at least 1, got {}", context);
  TESSERA_CHECK(bytes > context,
                "[TextDataset] {} bytes do not hold one window of context {} and its next byte",
                bytes, context);
  return (bytes - 1) / context;
}

std::string TextDataset::identity() const {
  auto bytes = std::as_bytes(std::span(*text_).subspan(begin_, end_ - begin_));
  return fmt::format("{}, {} bytes, {}", Dataset::identity(), bytes.size(),
                     checksum_of(bytes, ChecksumKind::xxh3));
}

Batch TextDataset::batch(std::span<const int64_t> indices) const {
  auto rows = static_cast<int64_t>(indices.size());
  Array inputs = Array::empty({rows, context_}, DType::i64);
  Array targets = Array::empty({rows, context_}, DType::i64);
  auto* x = inputs.data<int64_t>();
  auto* y = targets.data<int64_t>();
  for (int64_t row = 0; row < rows; ++row) {
    int64_t index = indices[static_cast<size_t>(row)];
    TESSERA_CHECK(index >= 0 && index < size_, "[TextDataset] expected an index below {}, got {}",
                  size_, index);
    const unsigned char* from = text_->data() + begin_ + static_cast<size_t>(index * context_);
    for (int64_t t = 0; t < context_; ++t) {
      x[row * context_ + t] = from[t];
      y[row * context_ + t] = from[t + 1];
    }
  }
  return {.tokens = Tensor(inputs), .targets = Tensor(targets)};
}

TextDataset::Text load_text(const std::string& path) {
  // A text is held in memory whole; 64 GiB is beyond what that is meant for.
  constexpr uint64_t kMaxBytes = uint64_t{1} << 36;
  std::vector<std::byte> bytes = FileSystem::real().read(path, kMaxBytes);
  TESSERA_CHECK(!bytes.empty(), "{}: the text is empty", path);
  const auto* first = reinterpret_cast<const unsigned char*>(bytes.data());
  return std::make_shared<const std::vector<unsigned char>>(first, first + bytes.size());
}

}  // namespace tessera::data
