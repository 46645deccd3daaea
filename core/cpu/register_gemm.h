// Matrix products by our own vector code: every size of f64, and sizes of f32 for which oneDNN's
// preparations take longer than the product.
#pragma once

#include "core/cpu/matrix_view.h"

namespace tessera::cpu {

// As gemm, without a bias. Every element is one chain of fused additions along k, whatever the
// layout and however the work is cut. Nonempty m, n and k.
void register_gemm(int64_t m, int64_t n, int64_t k, MatrixView<float> a, MatrixView<float> b,
                   bool accumulate, float* c, int64_t ldc);
void register_gemm(int64_t m, int64_t n, int64_t k, MatrixView<double> a, MatrixView<double> b,
                   bool accumulate, double* c, int64_t ldc);

}  // namespace tessera::cpu
