// How configs write what a GPT can choose.
#pragma once

#include "autograd/ops/activation.h"
#include "core/words.h"

namespace tessera {

constexpr auto words_of(Gelu) {
  return std::array{Word{Gelu::exact, "gelu"}, Word{Gelu::tanh, "gelu_tanh"}};
}

}  // namespace tessera
