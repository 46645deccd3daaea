// The waist: what a device must be able to do, one small interface per kernel family.
//
// Rules for every family. Arrays passed in are on the family's device, of the shapes and dtypes
// that the comment states, and are checked by the caller (the named op in autograd/ops) except
// where a line here says otherwise. Outputs are allocated by the caller and do not overlap inputs
// unless a line says so. The bits of a result depend on shapes, dtypes and the instruction set
// only, never on the number of threads.
#pragma once

#include <span>

#include "core/array.h"
#include "core/philox.h"

namespace tessera {

enum class UnaryOp {
  neg,
  abs,
  sign,
  square,
  sqrt,
  exp,
  log,
  tanh,
  sigmoid,
  relu,
  gelu,
  reciprocal,
};
enum class BinaryOp {
  add,
  sub,
  mul,
  div,
  maximum,
  minimum,
  relu_grad,     // (x, dy) -> dx
  gelu_grad,     // (x, dy) -> dx
  tanh_grad,     // (y, dy) -> dx
  sigmoid_grad,  // (y, dy) -> dx
};

class CopyFamily {
 public:
  virtual ~CopyFamily() = default;
  // out[i] = convert(source[i]); equal shapes, any strides and dtypes. They may be the same array,
  // but must not overlap otherwise.
  virtual void run(const Array& source, const Array& out) const = 0;
  virtual void fill(const Array& out, double value) const = 0;
};

class UnaryFamily {
 public:
  virtual ~UnaryFamily() = default;
  // out = op(x); equal shapes and dtypes (f32, f64), any strides; out may be x itself.
  virtual void run(UnaryOp op, const Array& x, const Array& out) const = 0;
};

class BinaryFamily {
 public:
  virtual ~BinaryFamily() = default;
  // out = op(a, b); a and b expanded to out's shape (stride 0), equal dtypes (f32, f64); out may
  // be a or b itself.
  virtual void run(BinaryOp op, const Array& a, const Array& b, const Array& out) const = 0;
  // out = scale * a + shift; the dtype's own arithmetic.
  virtual void affine(const Array& a, double scale, double shift, const Array& out) const = 0;
};

class ReduceFamily {
 public:
  virtual ~ReduceFamily() = default;
  // out[i] = sum over j of x[i, j]: x is (rows, cols) row-major, out is (rows,).
  virtual void sum_rows(const Array& x, const Array& out) const = 0;
  // out[j] = sum over i of x[i, j]: x is (rows, cols) row-major, out is (cols,).
  virtual void sum_columns(const Array& x, const Array& out) const = 0;
  // out[c] = sum of squares, in f64, of chunk c of 256 elements of x, a flat f32 or f64 array;
  // the last chunk may be short.
  virtual void chunk_square_sums(const Array& x, const Array& out) const = 0;
};

class MatmulFamily {
 public:
  virtual ~MatmulFamily() = default;
  // out = a b (+ bias): a (B, M, K), b (B, K, N), out (B, M, N), bias undefined or (N,). a and b
  // have stride 1 in one of their last two dims and may have stride 0 in the first; out has
  // stride 1 in its last dim. f32 or f64. Which dims have stride 1 is part of what the bits depend
  // on: the library underneath sums a transposed operand in another order.
  virtual void run(const Array& a, const Array& b, const Array& bias, const Array& out) const = 0;
};

class SoftmaxFamily {
 public:
  virtual ~SoftmaxFamily() = default;
  // Over the last dim of (rows, cols), all row-major.
  virtual void softmax(const Array& x, const Array& y) const = 0;
  virtual void softmax_grad(const Array& y, const Array& dy, const Array& dx) const = 0;
  virtual void log_softmax(const Array& x, const Array& y) const = 0;
  virtual void log_softmax_grad(const Array& y, const Array& dy, const Array& dx) const = 0;
  // losses[i] = logsumexp(logits[i]) - logits[i, targets[i]], lse[i] = logsumexp(logits[i]).
  // targets is i64 of (rows,); an entry outside [0, cols) is an error naming it.
  virtual void cross_entropy(const Array& logits, const Array& targets, const Array& losses,
                             const Array& lse) const = 0;
  // dlogits[i, j] = dlosses[i] * (exp(logits[i, j] - lse[i]) - [j == targets[i]]).
  virtual void cross_entropy_grad(const Array& logits, const Array& targets, const Array& lse,
                                  const Array& dlosses, const Array& dlogits) const = 0;
};

class NormalizeFamily {
 public:
  virtual ~NormalizeFamily() = default;
  // y = (x - mean) * rstd * weight + bias over the last dim of (rows, cols), row-major; mean and
  // rstd = 1 / sqrt(var + eps) are (rows,).
  virtual void layer_norm(const Array& x, const Array& weight, const Array& bias, double eps,
                          const Array& y, const Array& mean, const Array& rstd) const = 0;
  virtual void layer_norm_grad(const Array& x, const Array& weight, const Array& mean,
                               const Array& rstd, const Array& dy, const Array& dx,
                               const Array& dweight, const Array& dbias) const = 0;
};

// Attention over heads: q, k, v, out and their gradients are (B, H, T, D) with stride 1 in D and
// any other strides; lse, the logsumexp of a row's scores, is (B, H, T) row-major.
class AttentionFamily {
 public:
  virtual ~AttentionFamily() = default;
  // out = softmax(scale * q k^T) v; causal hides keys after the query.
  virtual void run(const Array& q, const Array& k, const Array& v, double scale, bool causal,
                   const Array& out, const Array& lse) const = 0;
  virtual void grad(const Array& q, const Array& k, const Array& v, const Array& out,
                    const Array& lse, const Array& dout, double scale, bool causal, const Array& dq,
                    const Array& dk, const Array& dv) const = 0;
};

class GatherFamily {
 public:
  virtual ~GatherFamily() = default;
  // out[i, :] = table[index[i], :]; index is i64 of (rows,), an entry outside the table is an
  // error naming it. table (N, cols) and out (rows, cols) are row-major.
  virtual void rows(const Array& table, const Array& index, const Array& out) const = 0;
  // table[index[i], :] += source[i, :], in the order of i for each row of the table.
  virtual void scatter_add_rows(const Array& source, const Array& index,
                                const Array& table) const = 0;
};

class RandomFamily {
 public:
  virtual ~RandomFamily() = default;
  // out[i] is a function of (stream, first + i) alone: row-major f32 or f64. A range of a longer
  // sequence has that sequence's values.
  virtual void uniform(const RandomStream& stream, int64_t first, double low, double high,
                       const Array& out) const = 0;
  virtual void normal(const RandomStream& stream, int64_t first, double mean, double std,
                      const Array& out) const = 0;
  // mask[i] = 1 / (1 - p) with probability 1 - p, else 0.
  virtual void dropout_mask(const RandomStream& stream, int64_t first, double p,
                            const Array& mask) const = 0;
};

struct AdamWArgs {
  double lr = 0;
  double beta1 = 0;
  double beta2 = 0;
  double eps = 0;
  double weight_decay = 0;
  int64_t step = 1;  // counted from 1
};

class OptimizerFamily {
 public:
  virtual ~OptimizerFamily() = default;
  // Decoupled weight decay (Loshchilov and Hutter 2019), on flat arrays of one dtype (f32, f64):
  // g = grad * grad_scale; m, v = moving means of g, g^2; param -= lr * weight_decay * param;
  // param -= lr * m_hat / (sqrt(v_hat) + eps). grad_scale is a 0-d f64 array on the device.
  virtual void adamw(const AdamWArgs& args, const Array& param, const Array& grad,
                     const Array& grad_scale, const Array& m, const Array& v) const = 0;
};

// The families of one device. Asking for one that the device lacks throws Error, naming the
// family and the device.
class Kernels {
 public:
  const CopyFamily& copy() const { return get(copy_, "copy"); }
  const UnaryFamily& unary() const { return get(unary_, "unary"); }
  const BinaryFamily& binary() const { return get(binary_, "binary"); }
  const ReduceFamily& reduce() const { return get(reduce_, "reduce"); }
  const MatmulFamily& matmul() const { return get(matmul_, "matmul"); }
  const SoftmaxFamily& softmax() const { return get(softmax_, "softmax"); }
  const NormalizeFamily& normalize() const { return get(normalize_, "normalize"); }
  const AttentionFamily& attention() const { return get(attention_, "attention"); }
  const GatherFamily& gather() const { return get(gather_, "gather"); }
  const RandomFamily& random() const { return get(random_, "random"); }
  const OptimizerFamily& optimizer() const { return get(optimizer_, "optimizer"); }

  // Named after its families' fields; a null one is a family that the device lacks.
  DeviceType device = DeviceType::cpu;
  const CopyFamily* copy_ = nullptr;
  const UnaryFamily* unary_ = nullptr;
  const BinaryFamily* binary_ = nullptr;
  const ReduceFamily* reduce_ = nullptr;
  const MatmulFamily* matmul_ = nullptr;
  const SoftmaxFamily* softmax_ = nullptr;
  const NormalizeFamily* normalize_ = nullptr;
  const AttentionFamily* attention_ = nullptr;
  const GatherFamily* gather_ = nullptr;
  const RandomFamily* random_ = nullptr;
  const OptimizerFamily* optimizer_ = nullptr;

 private:
  template <class Family>
  const Family& get(const Family* family, const char* family_name) const {
    if (!family) missing(family_name);
    return *family;
  }
  [[noreturn]] void missing(const char* family_name) const;
};

// The table of a device; an error when this build or machine does not have the device.
const Kernels& kernels(Device device);

}  // namespace tessera
