// Matrix products by cuBLASLt, whose matrices are column-major: what we call a row-major (M, N) it
// calls an (N, M), so out = a b is asked for as out^T = b^T a^T.
#include <map>
#include <memory>
#include <mutex>

#include "core/array.h"
#include "core/cuda/blas.h"
#include "core/cuda/error_codes.h"
#include "core/cuda/families.h"
#include "core/cuda/stream.h"
#include "core/kernels/matmul.h"

namespace tessera::cuda {
namespace {

// NVIDIA's own recommendation for its newest devices.
constexpr size_t kWorkspaceBytes = size_t{32} << 20;

// An owner of one of cuBLASLt's descriptors.
template <class T>
using Owned = std::unique_ptr<std::remove_pointer_t<T>, cublasStatus_t (*)(T)>;

// Handles may be shared by threads. Never destroyed: products may run until the process ends.
cublasLtHandle_t handle(int index) {
  static std::mutex mutex;
  static auto* handles = new std::map<int, cublasLtHandle_t>;
  std::lock_guard lock(mutex);
  cublasLtHandle_t& found = (*handles)[index];
  if (!found) check(blas().create(&found), "cublasLtCreate");
  return found;
}

// A (B, rows, cols) operand as cuBLASLt sees it.
struct Operand {
  Array array;
  uint64_t rows, cols;  // of the column-major matrix in memory
  int64_t leading;
  cublasOperation_t op;
};

// With the last dim of stride 1, x is in memory the column-major (cols, rows); with the dim before
// it of stride 1, the column-major (rows, cols), to be transposed.
bool describe_operand(const Array& x, Operand& operand) {
  int64_t rows = x.shape()[1];
  int64_t cols = x.shape()[2];
  int64_t row_stride = rows == 1 ? cols : x.strides()[1];
  int64_t col_stride = cols == 1 ? rows : x.strides()[2];
  if ((x.strides()[2] == 1 || cols == 1) && row_stride >= cols) {
    operand = {x, static_cast<uint64_t>(cols), static_cast<uint64_t>(rows), row_stride,
               CUBLAS_OP_N};
    return true;
  }
  if ((x.strides()[1] == 1 || rows == 1) && col_stride >= rows) {
    operand = {x, static_cast<uint64_t>(rows), static_cast<uint64_t>(cols), col_stride,
               CUBLAS_OP_T};
    return true;
  }
  return false;
}

Operand operand_of(const Array& x) {
  Operand operand{};
  if (!describe_operand(x, operand)) describe_operand(x.clone(), operand);
  return operand;
}

Owned<cublasLtMatrixLayout_t> layout_of(const Operand& operand, cudaDataType_t type) {
  cublasLtMatrixLayout_t layout = nullptr;
  check(blas().layout_create(&layout, type, operand.rows, operand.cols, operand.leading),
        "a matrix layout");
  Owned<cublasLtMatrixLayout_t> owned(layout, blas().layout_destroy);
  auto batch = static_cast<int32_t>(operand.array.shape()[0]);
  int64_t stride = batch == 1 ? 0 : operand.array.strides()[0];
  check(blas().layout_set(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch),
        "a layout's batch");
  check(blas().layout_set(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
                          sizeof stride),
        "a layout's stride");
  return owned;
}

template <class V>
void set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute, const V& value) {
  check(blas().desc_set(desc, attribute, &value, sizeof value), "a product's attribute");
}

// The algorithm that cuBLASLt proposes for these shapes; the same on every call.
cublasLtMatmulHeuristicResult_t choose(cublasLtHandle_t lt, cublasLtMatmulDesc_t desc,
                                       cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                       cublasLtMatrixLayout_t out) {
  cublasLtMatmulPreference_t preference = nullptr;
  check(blas().preference_create(&preference), "a preference");
  Owned<cublasLtMatmulPreference_t> owned(preference, blas().preference_destroy);
  check(blas().preference_set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                              &kWorkspaceBytes, sizeof kWorkspaceBytes),
        "a preference's workspace");
  cublasLtMatmulHeuristicResult_t result{};
  int found = 0;
  check(blas().heuristic(lt, desc, a, b, out, out, preference, 1, &result, &found),
        "choosing an algorithm");
  TESSERA_CHECK(found > 0, "[matmul] cuBLASLt has no algorithm for this product");
  return result;
}

// out = a b + bias in f32, where the bias is an epilogue, and out = a b + keep out otherwise.
template <class T>
void multiply(const Operand& a, const Operand& b, const Array& bias, const Operand& out, T keep) {
  constexpr bool kDouble = std::is_same_v<T, double>;
  constexpr cudaDataType_t kType = kDouble ? CUDA_R_64F : CUDA_R_32F;
  int index = out.array.device().index;
  cublasLtHandle_t lt = handle(index);
  cublasLtMatmulDesc_t desc = nullptr;
  // COMPUTE_32F is plain f32: TF32 would be COMPUTE_32F_FAST_TF32.
  check(blas().desc_create(&desc, kDouble ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F, kType),
        "a product's description");
  Owned<cublasLtMatmulDesc_t> owned(desc, blas().desc_destroy);
  set(desc, CUBLASLT_MATMUL_DESC_TRANSA, b.op);
  set(desc, CUBLASLT_MATMUL_DESC_TRANSB, a.op);
  if (bias.defined()) {
    set(desc, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(bias.device_raw()));
  }
  auto layout_a = layout_of(a, kType);
  auto layout_b = layout_of(b, kType);
  auto layout_out = layout_of(out, kType);
  auto algorithm = choose(lt, desc, layout_b.get(), layout_a.get(), layout_out.get());
  Array workspace =
      Array::empty({static_cast<int64_t>(algorithm.workspaceSize)}, DType::u8, out.array.device());
  T one = 1;
  check(blas().matmul(lt, desc, &one, b.array.device_raw(), layout_b.get(), a.array.device_raw(),
                      layout_a.get(), &keep, out.array.device_raw(), layout_out.get(),
                      out.array.device_raw(), layout_out.get(), &algorithm.algo,
                      workspace.device_raw(), algorithm.workspaceSize, current_stream(index)),
        "a product");
}

class Matmul final : public MatmulFamily {
 public:
  void run(const Array& a, const Array& b, const Array& bias, const Array& out) const override {
    if (out.numel() == 0) return;
    DeviceGuard device(out.device().index);
    bool no_terms = a.shape()[2] == 0;
    // The epilogue exists for f32; in f64 the product is added to a result that holds the bias.
    bool bias_first = bias.defined() && (no_terms || out.dtype() == DType::f64);
    if (bias_first) out.copy_(bias);
    else if (no_terms) out.fill_(0);
    if (no_terms) return;
    Operand x = operand_of(a);
    Operand y = operand_of(b);
    Operand result = operand_of(out);
    TESSERA_ASSERT(result.op == CUBLAS_OP_N && result.array.device_raw() == out.device_raw());
    Array epilogue = bias.defined() && !bias_first ? bias.contiguous() : Array();
    visit_f32_f64(out.dtype(), "matmul", [&](auto tag) {
      using T = typename decltype(tag)::type;
      multiply<T>(x, y, epilogue, result, bias_first ? T{1} : T{0});
    });
  }
  void add(const Array& a, const Array& b, const Array& out) const override {
    if (out.numel() == 0 || a.shape()[2] == 0) return;
    DeviceGuard device(out.device().index);
    Operand x = operand_of(a);
    Operand y = operand_of(b);
    Operand result = operand_of(out);
    TESSERA_ASSERT(result.op == CUBLAS_OP_N && result.array.device_raw() == out.device_raw());
    visit_f32_f64(out.dtype(), "matmul",
                  [&](auto tag) { multiply<typename decltype(tag)::type>(x, y, {}, result, 1); });
  }
};

}  // namespace

const MatmulFamily& matmul_family() {
  static const Matmul family;
  return family;
}

}  // namespace tessera::cuda
