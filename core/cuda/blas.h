// cuBLASLt, loaded when a matrix product first asks for it: the library has half a gigabyte, and
// linking it would add its loading to every start of the command.
#pragma once

#include <cublasLt.h>

#include "core/error.h"

namespace tessera::cuda {

// The functions of cuBLASLt that are used here.
struct Blas {
  decltype(&cublasLtCreate) create;
  decltype(&cublasLtGetStatusString) status_string;
  decltype(&cublasLtMatmul) matmul;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic;
  decltype(&cublasLtMatmulDescCreate) desc_create;
  decltype(&cublasLtMatmulDescDestroy) desc_destroy;
  decltype(&cublasLtMatmulDescSetAttribute) desc_set;
  decltype(&cublasLtMatrixLayoutCreate) layout_create;
  decltype(&cublasLtMatrixLayoutDestroy) layout_destroy;
  decltype(&cublasLtMatrixLayoutSetAttribute) layout_set;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create;
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set;
};

// The library's functions; throws Error when it cannot be loaded. Defined in blas_loaded.cpp, and
// for tests without a GPU in tests/cuda_emulation.
const Blas& blas();

inline void check(cublasStatus_t status, std::string_view what) {
  TESSERA_CHECK(status == CUBLAS_STATUS_SUCCESS, "[matmul] {} failed: {}", what,
                blas().status_string(status));
}

}  // namespace tessera::cuda
