// One matrix product on one thread: the building block of matmul and attention.
#pragma once

#include "core/cpu/matrix_view.h"

namespace tessera::cpu {

// c = a b (+ bias) (+ c), where a is (m, k), b is (k, n), bias is (n) or null, and c is (m, n) with
// rows `ldc` apart. Runs on the calling thread alone, so that its bits depend on the shape only:
// oneDNN's own threads change the order of long sums. float is oneDNN beyond 32 x 32 x 32; up to
// there, and for double, it is our own code.
template <class T>
void gemm(int64_t m, int64_t n, int64_t k, MatrixView<T> a, MatrixView<T> b, const T* bias,
          bool accumulate, T* c, int64_t ldc);

// Whether that product, or a part of it, may run with its stack pointer somewhere on the heap. gemm
// takes no signals then; a caller of many may hold a SignalsBlocked of its own, which is cheaper.
template <class T>
bool moves_stack(int64_t m, int64_t n, int64_t k);

}  // namespace tessera::cpu
