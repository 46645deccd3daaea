// Sums of products in Einstein's notation.
#pragma once

#include <string_view>
#include <vector>

#include "autograd/tensor_arg.h"

namespace tessera {

// einsum("bij,bjk->bik", {a, b}). The labels of an operand's dims are letters; a letter that stands
// twice in one operand takes its diagonal; "..." stands for any number of dims, which broadcast as
// in NumPy; spaces mean nothing. Dims of one label have one size, or 1. Without "->" the result has
// the dims of "...", then the labels that stand once, in the order of the alphabet, capitals first.
// Labels that the result does not name are summed over, those of "..." too. Two operands at a time
// are multiplied as a batch of matrices, the pair with the smallest result first. Every fault of
// the equation is an Error that quotes it.
Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands,
              const char* file = __builtin_FILE(), int line = __builtin_LINE());

}  // namespace tessera
