// What the files of the CUDA backend share.
#pragma once

#include "core/kernels.h"

namespace tessera::cuda {

// One per family, each in the file of its name.
const CopyFamily& copy_family();
const UnaryFamily& unary_family();
const BinaryFamily& binary_family();
const WhereFamily& where_family();
const ReduceFamily& reduce_family();
const MatmulFamily& matmul_family();

}  // namespace tessera::cuda
