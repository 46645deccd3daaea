// Rotary position embedding (Su et al. 2021) in the layout of halves, as GPT-NeoX and Llama have
// it: element i of a head's first half turns with element i of its second half.
#pragma once

#include <array>
#include <vector>

#include "autograd/tensor_arg.h"
#include "core/words.h"

namespace tessera::nn {

// How angles are made smaller for texts longer than those of the training.
enum class RotaryScaling {
  none,
  linear,  // all by the factor (Chen et al. 2023)
  ntk,     // theta times factor^(D / (D - 2)): slow turns more than fast ones
  llama3,  // slow turns by the factor, fast ones not, a ramp between (Llama 3.1)
  yarn,    // the same with another ramp, and larger scores (Peng et al. 2023)
};
constexpr auto words_of(RotaryScaling) {
  return std::array{Word{RotaryScaling::none, "none"}, Word{RotaryScaling::linear, "linear"},
                    Word{RotaryScaling::ntk, "ntk"}, Word{RotaryScaling::llama3, "llama3"},
                    Word{RotaryScaling::yarn, "yarn"}};
}

struct RotaryOptions {
  double theta = 10000;  // the slowest turn takes about 2 pi theta tokens
  RotaryScaling scaling = RotaryScaling::none;
  double factor = 1;                // how much longer texts are; at least 1
  int64_t original_context = 8192;  // tokens of a text in training (llama3, yarn)
  // llama3: turns that a text of the training holds, up to which all is scaled, and from which on
  // nothing is.
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  // yarn: the same with the ramp along the head.
  double beta_slow = 1;
  double beta_fast = 32;
};

// The angle between neighbouring tokens for each element of half a head: head_dim / 2 numbers.
// head_dim is even and at least 2. As Hugging Face's transformers computes them; errors name what
// is wrong with the options.
std::vector<double> rotary_frequencies(int64_t head_dim, const RotaryOptions& options);
// What queries and keys are multiplied with besides: 1, or yarn's 0.1 log(factor) + 1.
double rotary_magnitude(const RotaryOptions& options);

// Cosines and sines for places of tokens, with the magnitude: f32 (..., head_dim / 2) constants for
// positions (...), integers or floating, on their device.
struct RotaryTable {
  Tensor cos, sin;

  template <class F>
  void visit_tensors(F&& f) {
    f(cos);
    f(sin);
  }
};
RotaryTable rotary_table(const Tensor& positions, int64_t head_dim, const RotaryOptions& options);

// (a cos - b sin, b cos + a sin) for the halves a, b of x (..., head_dim), whose leading dims the
// table's broadcast to. Computed in f32 for 16-bit dtypes and rounded once. Nothing of x is kept
// for backward, which turns back; the table gets no gradient.
Tensor rotate(TensorArg x, const RotaryTable& table);

}  // namespace tessera::nn
