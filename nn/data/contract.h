// What models and data must have in common.
#pragma once

#include <cstdint>
#include <optional>

namespace tessera::data {

// The samples that a model takes, declared before it is made, or that data have. What is not known
// is not compared.
struct DataContract {
  enum class Samples { unknown, tokens, images };

  Samples samples = Samples::unknown;
  // Of tokens: how many a sample has at most, and how many kinds of them there are.
  std::optional<int64_t> context = {};
  std::optional<int64_t> vocabulary = {};
  // Of images: how many numbers one has.
  std::optional<int64_t> numbers = {};
  // How many kinds of targets there are.
  std::optional<int64_t> classes = {};

  static DataContract of_tokens(int64_t context, int64_t vocabulary) {
    return {.samples = Samples::tokens, .context = context, .vocabulary = vocabulary};
  }
  static DataContract of_images(int64_t numbers, int64_t classes) {
    return {.samples = Samples::images, .numbers = numbers, .classes = classes};
  }
};

}  // namespace tessera::data
