#include "autograd/ops/matmul.h"

#include "autograd/ops/matmul_common.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/matmul.h"

namespace tessera {

Array with_unit_stride(const Array& x) {
  size_t d = x.dim();
  bool fits = x.strides()[d - 1] == 1 || x.strides()[d - 2] == 1;
  // Rows that overlap (a stride of 0) are no matrix to a BLAS.
  bool overlaps = (x.shape()[d - 1] > 1 && x.strides()[d - 1] == 0) ||
                  (x.shape()[d - 2] > 1 && x.strides()[d - 2] == 0);
  return fits && !overlaps ? x : x.clone();
}

namespace {

// (B, M, K) x (B, K, N) -> out (B, M, N)
void product(const Array& a, const Array& b, const Array& bias, const Array& out) {
  kernels(a.device()).matmul().run(with_unit_stride(a), with_unit_stride(b), bias, out);
}

// x as (batch, rows, cols), its leading dims first broadcast to `lead`.
Array batched(const Array& x, const Dims& lead) {
  Dims shape = lead;
  shape.push_back(x.size(-2));
  shape.push_back(x.size(-1));
  return x.expand(shape).reshape({num_elements(lead), x.size(-2), x.size(-1)});
}

Dims leading(const Dims& shape) { return Dims(std::span(shape.data(), shape.size() - 2)); }

// a and b have two dims or more.
Array matmul_array(const Array& a, const Array& b) {
  Dims lead = broadcast_shapes(leading(a.shape()), leading(b.shape()), "matmul");
  Dims shape = lead;
  shape.push_back(a.size(-2));
  shape.push_back(b.size(-1));
  Array out = Array::empty(shape, a.dtype(), a.device());
  if (b.dim() == 2 && a.is_contiguous()) {
    // One matrix on the right: the whole batch is one tall product.
    int64_t rows = num_elements(lead) * a.size(-2);
    product(a.view({1, rows, a.size(-1)}), b.unsqueeze(0), {}, out.view({1, rows, b.size(-1)}));
    return out;
  }
  product(batched(a, lead), batched(b, lead), {},
          out.view({num_elements(lead), a.size(-2), b.size(-1)}));
  return out;
}

void check_operands(const char* op, const Tensor& a, const Tensor& b) {
  TESSERA_CHECK(a.dtype() == b.dtype() && a.dtype() != DType::boolean,
                "[{}] expected two of one dtype, of numbers, got {} and {}", op, a.dtype(),
                b.dtype());
  TESSERA_CHECK(a.device() == b.device(), "[{}] expected one device, got {} and {}", op, a.device(),
                b.device());
}

// da = dy b^T: M x N * N x K; db = a^T dy: K x M * M x N; both summed over broadcast dims.
Tensor matmul_of_matrices(const Tensor& a, const Tensor& b) {
  return record("matmul", matmul_array(a.data(), b.data()), {a, b},
                [sa = Saved(a), sb = Saved(b), a_shape = a.shape(), b_shape = b.shape()](
                    const Tensor& dy, const Node& node) {
                  Grads grads(2);
                  if (node.wants(0)) {
                    grads[0] = sum_to(matmul(dy, transpose(sb.get(node), -1, -2)), a_shape);
                  }
                  if (node.wants(1)) {
                    grads[1] = sum_to(matmul(transpose(sa.get(node), -1, -2), dy), b_shape);
                  }
                  return grads;
                });
}

}  // namespace

Tensor matmul(TensorArg a, TensorArg b) {
  check_operands("matmul", a, b);
  TESSERA_CHECK(a.dim() >= 1 && b.dim() >= 1,
                "[matmul] expected at least one dim each, got a {} and b {}", a.shape(), b.shape());
  TESSERA_CHECK(a.size(-1) == b.size(b.dim() == 1 ? 0 : -2),
                "[matmul] expected the last dim of a {} to match the {} dim of b {}", a.shape(),
                b.dim() <= 2 ? "first" : "last but one", b.shape());
  const Composed scope;
  Tensor left = a.dim() == 1 ? unsqueeze(a, 0) : Tensor(a);
  Tensor right = b.dim() == 1 ? unsqueeze(b, 1) : Tensor(b);
  Tensor out = matmul_of_matrices(left, right);
  if (b.dim() == 1) out = squeeze(out, -1);
  if (a.dim() == 1) out = squeeze(out, b.dim() == 1 ? -1 : -2);
  return out;
}

Grads linear_grads(const Tensor& x, const Tensor& weight, const Tensor& dy, const Node& node) {
  int64_t rows = num_elements(Dims(std::span(x.shape().data(), x.dim() - 1)));
  Tensor flat_x = reshape(x, {rows, weight.size(1)});
  Tensor flat_dy = reshape(dy, {rows, weight.size(0)});
  Grads grads(node.edges().size());
  if (node.wants(0)) grads[0] = reshape(matmul(flat_dy, weight), x.shape());
  if (node.wants(1)) grads[1] = matmul(transpose(flat_dy, 0, 1), flat_x);
  if (grads.size() > 2 && node.wants(2)) grads[2] = sum(flat_dy, {0});
  return grads;
}

// dx = dy weight; dweight = dy^T x; dbias = sum of dy over rows
Tensor linear(TensorArg x, TensorArg weight, TensorArg bias) {
  check_operands("linear", x, weight);
  bool fits = weight.dim() == 1 || weight.dim() == 2;
  TESSERA_CHECK(x.dim() >= 1 && fits && x.size(-1) == weight.size(-1),
                "[linear] expected the last dim of x {} to match the last dim of weight {}",
                x.shape(), weight.shape());
  if (weight.dim() == 1) {
    TESSERA_CHECK(!bias.defined(), "[linear] expected no bias beside a weight of one dim, got {}",
                  bias.shape());
    return matmul(x, weight);
  }
  if (bias.defined() && bias.numel() == 1 && bias.dim() <= 1 &&
      bias.shape() != Dims{weight.size(0)}) {
    const Composed scope;
    return linear(x, weight, expand(bias, {weight.size(0)}));
  }
  int64_t in = weight.size(1);
  int64_t out_size = weight.size(0);
  TESSERA_CHECK(!bias.defined() || (bias.shape() == Dims{out_size} && bias.dtype() == x.dtype()),
                "[linear] expected a bias of {} and {}, got {} and {}", Dims{out_size}, x.dtype(),
                bias.shape(), bias.dtype());
  Dims shape = x.shape();
  shape.back() = out_size;
  int64_t rows = num_elements(Dims(std::span(shape.data(), shape.size() - 1)));
  Array flat = x.data().reshape({rows, in});
  Array out = Array::empty(shape, x.dtype(), x.device());
  product(flat.unsqueeze(0), weight.data().transpose(0, 1).unsqueeze(0),
          bias.defined() ? bias.data().contiguous() : Array(), out.view({1, rows, out_size}));
  auto backward = [saved_flat = SavedArray(flat), sx = Saved(x), sw = Saved(weight),
                   shape = x.shape()](const Tensor& dy, const Node& node) {
    if (context().grad_enabled) return linear_grads(sx.get(node), sw.get(node), dy, node);
    Array flat = saved_flat.get("linear");
    Array weight = sw.array(node);
    Array dyf = dy.data().reshape({flat.shape()[0], weight.size(0)}).contiguous();
    Grads grads(node.edges().size());
    if (node.wants(0)) {
      Array dx = Array::empty(shape, dy.dtype(), dy.device());
      product(dyf.unsqueeze(0), weight.unsqueeze(0), {},
              dx.view({1, flat.shape()[0], flat.shape()[1]}));
      grads[0] = Tensor(dx);
    }
    if (node.wants(1)) {
      Array dw = Array::empty(weight.shape(), dy.dtype(), dy.device());
      product(dyf.transpose(0, 1).unsqueeze(0), flat.unsqueeze(0), {}, dw.unsqueeze(0));
      grads[1] = Tensor(dw);
    }
    if (grads.size() > 2 && node.wants(2)) grads[2] = sum(Tensor(dyf), {0});
    return grads;
  };
  if (bias.defined()) return record("linear", out, {x, weight, bias}, std::move(backward));
  return record("linear", out, {x, weight}, std::move(backward));
}

}  // namespace tessera
