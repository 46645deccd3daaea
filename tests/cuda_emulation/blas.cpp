// The part of cuBLASLt that core/cuda uses, in plain loops, run as one operation of the stream.
#include "core/cuda/blas.h"

#include <cstring>
#include <map>
#include <vector>

#include "tests/cuda_emulation/internal.h"

namespace tessera::emulation {
namespace {

struct Desc {
  std::map<int, std::vector<char>> attributes;
  template <class T>
  T get(int key, T missing) const {
    auto found = attributes.find(key);
    if (found != attributes.end()) std::memcpy(&missing, found->second.data(), sizeof missing);
    return missing;
  }
};

struct Layout {
  cudaDataType type;
  int64_t rows, cols, leading;
  int32_t batch = 1;
  int64_t stride = 0;
};

// A matrix of a product, as memory has it and as the product reads it.
struct Matrix {
  const void* data;
  Layout layout;
  bool transposed;

  int64_t rows() const { return transposed ? layout.cols : layout.rows; }
  int64_t cols() const { return transposed ? layout.rows : layout.cols; }
  template <class T>
  T& at(int64_t batch, int64_t i, int64_t j) const {
    if (transposed) std::swap(i, j);
    return static_cast<T*>(const_cast<void*>(data))[batch * layout.stride + j * layout.leading + i];
  }
};

template <class Handle>
Desc& desc_of(Handle handle) {
  return *reinterpret_cast<Desc*>(handle);
}
Layout& layout_of(cublasLtMatrixLayout_t handle) { return *reinterpret_cast<Layout*>(handle); }

// Whether all of it lies in one live allocation; tells ThreadSanitizer of the access.
bool touch(const Matrix& m, bool write) {
  const Layout& l = m.layout;
  size_t item = l.type == CUDA_R_64F ? 8 : 4;
  auto count = static_cast<size_t>((l.batch - 1) * l.stride + (l.cols - 1) * l.leading + l.rows);
  if (!check_range(m.data, count * item, "cublasLtMatmul")) return false;
  for (int64_t b = 0; b < l.batch; ++b) {
    for (int64_t j = 0; j < l.cols; ++j) {
      auto first = static_cast<size_t>(b * l.stride + j * l.leading);
      touched(static_cast<const char*>(m.data) + first * item, static_cast<size_t>(l.rows) * item,
              write);
    }
  }
  return true;
}

template <class T>
void product(const Matrix& a, const Matrix& b, const Matrix& out, T alpha, T beta, const T* bias) {
  if (!touch(a, false) || !touch(b, false) || !touch(out, true)) return;
  for (int64_t batch = 0; batch < out.layout.batch; ++batch) {
    for (int64_t j = 0; j < out.cols(); ++j) {
      for (int64_t i = 0; i < out.rows(); ++i) {
        T sum = 0;
        for (int64_t k = 0; k < a.cols(); ++k) sum += a.at<T>(batch, i, k) * b.at<T>(batch, k, j);
        T result = alpha * sum;
        if (beta != 0) result += beta * out.at<T>(batch, i, j);
        out.at<T>(batch, i, j) = bias ? result + bias[i] : result;
      }
    }
  }
}

cublasStatus_t create(cublasLtHandle_t* handle) {
  *handle = reinterpret_cast<cublasLtHandle_t>(new Desc);
  return CUBLAS_STATUS_SUCCESS;
}

const char* status_string(cublasStatus_t status) {
  return status == CUBLAS_STATUS_NOT_SUPPORTED ? "not supported" : "an invalid value";
}

cublasStatus_t desc_create(cublasLtMatmulDesc_t* desc, cublasComputeType_t, cudaDataType_t) {
  *desc = reinterpret_cast<cublasLtMatmulDesc_t>(new Desc);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t desc_destroy(cublasLtMatmulDesc_t desc) {
  delete &desc_of(desc);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t desc_set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t key,
                        const void* value, size_t bytes) {
  const char* from = static_cast<const char*>(value);
  desc_of(desc).attributes[key].assign(from, from + bytes);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t layout_create(cublasLtMatrixLayout_t* layout, cudaDataType type, uint64_t rows,
                             uint64_t cols, int64_t leading) {
  if (leading < static_cast<int64_t>(rows)) return CUBLAS_STATUS_INVALID_VALUE;
  auto* made = new Layout{type, static_cast<int64_t>(rows), static_cast<int64_t>(cols), leading};
  *layout = reinterpret_cast<cublasLtMatrixLayout_t>(made);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t layout_destroy(cublasLtMatrixLayout_t layout) {
  delete &layout_of(layout);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t layout_set(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t key,
                          const void* value, size_t) {
  Layout& l = layout_of(layout);
  switch (key) {
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: std::memcpy(&l.batch, value, sizeof l.batch); break;
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
      std::memcpy(&l.stride, value, sizeof l.stride);
      break;
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t preference_create(cublasLtMatmulPreference_t* preference) {
  *preference = reinterpret_cast<cublasLtMatmulPreference_t>(new Desc);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t preference_destroy(cublasLtMatmulPreference_t preference) {
  delete &desc_of(preference);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t preference_set(cublasLtMatmulPreference_t preference,
                              cublasLtMatmulPreferenceAttributes_t key, const void* value,
                              size_t bytes) {
  const char* from = static_cast<const char*>(value);
  desc_of(preference).attributes[key].assign(from, from + bytes);
  return CUBLAS_STATUS_SUCCESS;
}

constexpr size_t kWorkspaceBytes = 1024;

cublasStatus_t heuristic(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                         cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                         cublasLtMatmulPreference_t, int, cublasLtMatmulHeuristicResult_t results[],
                         int* count) {
  results[0] = {};
  results[0].workspaceSize = kWorkspaceBytes;
  *count = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t matmul(cublasLtHandle_t, cublasLtMatmulDesc_t desc, const void* alpha, const void* a,
                      cublasLtMatrixLayout_t a_layout, const void* b,
                      cublasLtMatrixLayout_t b_layout, const void* beta, const void*,
                      cublasLtMatrixLayout_t, void* out, cublasLtMatrixLayout_t out_layout,
                      const cublasLtMatmulAlgo_t*, void* workspace, size_t workspace_bytes,
                      cudaStream_t stream) {
  const Desc& d = desc_of(desc);
  Matrix x{a, layout_of(a_layout), d.get(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_N) != CUBLAS_OP_N};
  Matrix y{b, layout_of(b_layout), d.get(CUBLASLT_MATMUL_DESC_TRANSB, CUBLAS_OP_N) != CUBLAS_OP_N};
  Matrix z{out, layout_of(out_layout), false};
  if (x.rows() != z.rows() || y.cols() != z.cols() || x.cols() != y.rows() ||
      x.layout.batch != z.layout.batch || y.layout.batch != z.layout.batch) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  bool with_bias =
      d.get(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_DEFAULT) == CUBLASLT_EPILOGUE_BIAS;
  const void* bias =
      with_bias ? d.get<const void*>(CUBLASLT_MATMUL_DESC_BIAS_POINTER, nullptr) : nullptr;
  Quiet bookkeeping;
  auto op = std::make_unique<Op>();
  op->what = "cublasLtMatmul";
  auto typed = [&](auto zero) {
    using T = decltype(zero);
    T scale = *static_cast<const T*>(alpha);
    T keep = *static_cast<const T*>(beta);
    op->run = [=] {
      Loud user_data;
      // The real library leaves something there too: a workspace that is shared shows up.
      if (workspace) std::memset(workspace, 0xEE, std::min(workspace_bytes, kWorkspaceBytes));
      product<T>(x, y, z, scale, keep, static_cast<const T*>(bias));
    };
  };
  if (z.layout.type == CUDA_R_64F) typed(double{});
  else typed(float{});
  enqueue(stream, std::move(op));
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

cuda::Blas functions() {
  return {create,        status_string,     matmul,
          heuristic,     desc_create,       desc_destroy,
          desc_set,      layout_create,     layout_destroy,
          layout_set,    preference_create, preference_destroy,
          preference_set};
}

}  // namespace tessera::emulation

namespace tessera::cuda {

const Blas& blas() {
  static const Blas functions = emulation::functions();
  return functions;
}

}  // namespace tessera::cuda
