// What the files of the CUDA backend share.
#pragma once

#include "core/kernels.h"

namespace tessera::cuda {

// Throws Error with the reason where the machine has no such device.
void check_device(int index);

// One per family, each in the file of its name.
const CopyFamily& copy_family();
const UnaryFamily& unary_family();
const BinaryFamily& binary_family();
const WhereFamily& where_family();
const FoldFamily& fold_family();
const ReduceFamily& reduce_family();
const MatmulFamily& matmul_family();

}  // namespace tessera::cuda
