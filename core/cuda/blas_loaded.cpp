#include <dlfcn.h>

#include "core/cuda/blas.h"

namespace tessera::cuda {
namespace {

// CUDA's toolkit and its cuBLASLt share the major version.
const std::string kLibrary = fmt::format("libcublasLt.so.{}", CUBLAS_VER_MAJOR);

template <class Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  TESSERA_CHECK(function, "[matmul] {} has no function {}", kLibrary, name);
}

Blas load() {
  void* library = dlopen(kLibrary.c_str(), RTLD_NOW | RTLD_LOCAL);
  TESSERA_CHECK(library, "[matmul] on a CUDA device needs cuBLAS: {}", dlerror());
  Blas b{};
  find(library, "cublasLtCreate", b.create);
  find(library, "cublasLtGetStatusString", b.status_string);
  find(library, "cublasLtMatmul", b.matmul);
  find(library, "cublasLtMatmulAlgoGetHeuristic", b.heuristic);
  find(library, "cublasLtMatmulDescCreate", b.desc_create);
  find(library, "cublasLtMatmulDescDestroy", b.desc_destroy);
  find(library, "cublasLtMatmulDescSetAttribute", b.desc_set);
  find(library, "cublasLtMatrixLayoutCreate", b.layout_create);
  find(library, "cublasLtMatrixLayoutDestroy", b.layout_destroy);
  find(library, "cublasLtMatrixLayoutSetAttribute", b.layout_set);
  find(library, "cublasLtMatmulPreferenceCreate", b.preference_create);
  find(library, "cublasLtMatmulPreferenceDestroy", b.preference_destroy);
  find(library, "cublasLtMatmulPreferenceSetAttribute", b.preference_set);
  return b;
}

}  // namespace

const Blas& blas() {
  static const Blas functions = load();
  return functions;
}

}  // namespace tessera::cuda
