#include "autograd/ops/same.h"

#include "autograd/ops/compare.h"
#include "autograd/ops/index.h"
#include "autograd/ops/pointwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/sort.h"
#include "autograd/ops/where.h"
#include "core/promotion.h"

namespace tessera {
namespace {

// A number as a 0-d tensor of the dtype in which it is compared with x.
Tensor beside_elements(const Tensor& x, const Scalar& number) {
  DType dtype = is_floating(x.dtype()) ? x.dtype() : promote_types(x.dtype(), number.dtype());
  return pointwise::beside(x, number, dtype).to(dtype);
}

// As the sorting functions take it.
Tensor comparable(const Tensor& x, DType common) {
  if (common == DType::boolean) return to(x, DType::u8);
  bool is_half = is_floating(common) && item_size(common) == 2;
  return to(x, is_half ? DType::f32 : common);
}

// Few tests are compared one by one, many are searched for in order.
Tensor found(const Tensor& elements, const Tensor& tests) {
  constexpr int64_t kFew = 8;
  if (tests.numel() <= kFew) {
    Tensor hit(Array::zeros(elements.shape(), DType::boolean, elements.device()));
    for (int64_t i = 0; i < tests.numel(); ++i) {
      hit = logical_or(hit, eq(elements, select(tests, 0, i)));
    }
    return hit;
  }
  Tensor sorted = sort(tests).values;
  Tensor flat = reshape(elements, {elements.numel()});
  Tensor place = clamp(searchsorted(sorted, flat), {}, tests.numel() - 1);
  return reshape(eq(take_indices(sorted, {place.data()}), flat), elements.shape());
}

Tensor isin_common(const Tensor& elements, const Tensor& tests, bool invert) {
  const NoGrad constant;
  const Composed scope;
  TESSERA_CHECK(elements.device() == tests.device(), "[isin] expected one device, got {} and {}",
                elements.device(), tests.device());
  DType common = promote_types(elements.dtype(), tests.dtype());
  Tensor hit =
      found(comparable(elements, common), comparable(reshape(tests, {tests.numel()}), common));
  return invert ? logical_not(hit) : hit;
}

}  // namespace

bool equal(TensorArg a, TensorArg b) {
  const NoGrad constant;
  const Composed scope;
  if (a.shape() != b.shape()) return false;
  return all(eq(a, b)).item<bool>();
}

bool allclose(TensorArg a, TensorArg b, double rtol, double atol, bool equal_nan) {
  const NoGrad constant;
  const Composed scope;
  TESSERA_CHECK(rtol >= 0 && atol >= 0, "[allclose] expected rtol and atol >= 0, got {} and {}",
                rtol, atol);
  broadcast_shapes(a.shape(), b.shape(), "allclose");
  return all(isclose(a, b, rtol, atol, equal_nan)).item<bool>();
}

Tensor isin(TensorArg elements, TensorArg tests, bool /*assume_unique*/, bool invert) {
  return isin_common(elements, tests, invert);
}
Tensor isin(TensorArg elements, Scalar test, bool /*assume_unique*/, bool invert) {
  return isin_common(elements, beside_elements(elements, test), invert);
}
Tensor isin(Scalar element, TensorArg tests, bool /*assume_unique*/, bool invert) {
  return isin_common(beside_elements(tests, element), tests, invert);
}

}  // namespace tessera
