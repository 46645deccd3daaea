// The waist: what a device must be able to do, one small interface per kernel family.
//
// Rules for every family. Arrays passed in are on the family's device, of the shapes and dtypes
// that the comment states, and are checked by the caller (the named op in autograd/ops) except
// where a line here says otherwise. Outputs are allocated by the caller and do not overlap inputs
// unless a line says so. The bits of a result depend on shapes, dtypes and the instruction set
// only, never on the number of threads. What rounding took from a number that others are compared
// with, a mean or a logsumexp, matters where the number is 64 times as large as what counts beside
// it, or more: in f32 its last digit is worth 4e-6 of that then. It is given as a second number,
// which is 0 elsewhere.
#pragma once

#include "core/kernels/attention.h"
#include "core/kernels/batch_norm.h"
#include "core/kernels/conv.h"
#include "core/kernels/copy.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/fold.h"
#include "core/kernels/gather.h"
#include "core/kernels/index.h"
#include "core/kernels/matmul.h"
#include "core/kernels/normalize.h"
#include "core/kernels/optimizer.h"
#include "core/kernels/pool.h"
#include "core/kernels/random.h"
#include "core/kernels/reduce.h"
#include "core/kernels/scan.h"
#include "core/kernels/softmax.h"
#include "core/kernels/sort.h"

namespace tessera {

// The families of one device. Asking for one that the device lacks throws Error, naming the
// family and the device.
class Kernels {
 public:
  const CopyFamily& copy() const { return get(copy_, "copy"); }
  const UnaryFamily& unary() const { return get(unary_, "unary"); }
  const BinaryFamily& binary() const { return get(binary_, "binary"); }
  const WhereFamily& where() const { return get(where_, "where"); }
  const ReduceFamily& reduce() const { return get(reduce_, "reduce"); }
  const FoldFamily& fold() const { return get(fold_, "fold"); }
  const ScanFamily& scan() const { return get(scan_, "scan"); }
  const SortFamily& sort() const { return get(sort_, "sort"); }
  const MatmulFamily& matmul() const { return get(matmul_, "matmul"); }
  const SoftmaxFamily& softmax() const { return get(softmax_, "softmax"); }
  const NormalizeFamily& normalize() const { return get(normalize_, "normalize"); }
  const BatchNormFamily& batch_norm() const { return get(batch_norm_, "batch_norm"); }
  const AttentionFamily& attention() const { return get(attention_, "attention"); }
  const ConvFamily& conv() const { return get(conv_, "conv"); }
  const PoolFamily& pool() const { return get(pool_, "pool"); }
  const GatherFamily& gather() const { return get(gather_, "gather"); }
  const IndexFamily& index() const { return get(index_, "index"); }
  const RandomFamily& random() const { return get(random_, "random"); }
  const OptimizerFamily& optimizer() const { return get(optimizer_, "optimizer"); }

  // Named after its families' fields; a null one is a family that the device lacks.
  DeviceType device = DeviceType::cpu;
  const CopyFamily* copy_ = nullptr;
  const UnaryFamily* unary_ = nullptr;
  const BinaryFamily* binary_ = nullptr;
  const WhereFamily* where_ = nullptr;
  const ReduceFamily* reduce_ = nullptr;
  const FoldFamily* fold_ = nullptr;
  const ScanFamily* scan_ = nullptr;
  const SortFamily* sort_ = nullptr;
  const MatmulFamily* matmul_ = nullptr;
  const SoftmaxFamily* softmax_ = nullptr;
  const NormalizeFamily* normalize_ = nullptr;
  const BatchNormFamily* batch_norm_ = nullptr;
  const AttentionFamily* attention_ = nullptr;
  const ConvFamily* conv_ = nullptr;
  const PoolFamily* pool_ = nullptr;
  const GatherFamily* gather_ = nullptr;
  const IndexFamily* index_ = nullptr;
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
