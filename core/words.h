// The words that people write and read for the values of an enum, in configs, messages and files.
// They are declared once, beside the enum:
//
//   enum class Strategy { ddp, zero1 };
//   constexpr auto words_of(Strategy) {
//     return std::array{Word{Strategy::ddp, "ddp"}, Word{Strategy::zero1, "zero1"}};
//   }
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "core/error.h"

namespace tessera {

template <class E>
struct Word {
  E value;
  std::string_view text;
};
template <class E>
Word(E, const char*) -> Word<E>;

template <class E>
concept HasWords = requires(E value) {
  words_of(value).front().text;
};

// "zero1" for Strategy::zero1.
template <HasWords E>
std::string_view name(E value) {
  static constexpr auto kWords = words_of(E{});
  auto found = std::ranges::find(kWords, value, &Word<E>::value);
  TESSERA_ASSERT(found != kWords.end(), "the value {} has no word", static_cast<int>(value));
  return found->text;
}

// The value that a word stands for, or nothing.
template <HasWords E>
std::optional<E> value_named(std::string_view word) {
  static constexpr auto kWords = words_of(E{});
  auto found = std::ranges::find(kWords, word, &Word<E>::text);
  return found == kWords.end() ? std::nullopt : std::optional(found->value);
}

}  // namespace tessera
