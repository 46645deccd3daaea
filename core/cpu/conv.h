// Convolution by plain loops, for f64: correct, and slow.
#pragma once

#include "core/kernels/conv.h"

namespace tessera::cpu {

void conv_plain(const Array& x, const Array& weight, const Array& bias, const ConvArgs& args,
                const Array& out);
void conv_plain_input_grad(const Array& dy, const Array& weight, const ConvArgs& args,
                           const Array& dx);
void conv_plain_weight_grad(const Array& x, const Array& dy, const ConvArgs& args,
                            const Array& dweight);

}  // namespace tessera::cpu
