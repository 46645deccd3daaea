// The CPU's implementation of the kernel families.
#pragma once

#include <string>

#include "core/kernels.h"

namespace tessera::cpu {

const Kernels& kernel_table();

// One per family, each in the file of its name.
const CopyFamily& copy_family();
const UnaryFamily& unary_family();
const BinaryFamily& binary_family();
const WhereFamily& where_family();
const ReduceFamily& reduce_family();
const FoldFamily& fold_family();
const ScanFamily& scan_family();
const SortFamily& sort_family();
const MatmulFamily& matmul_family();
const SoftmaxFamily& softmax_family();
const NormalizeFamily& normalize_family();
const BatchNormFamily& batch_norm_family();
const AttentionFamily& attention_family();
const ConvFamily& conv_family();
const PoolFamily& pool_family();
const GatherFamily& gather_family();
const IndexFamily& index_family();
const RandomFamily& random_family();
const OptimizerFamily& optimizer_family();

// The instruction set that our own kernels picked on this machine, as Highway names it: "AVX3",
// "AVX2", "SSE4". Bits are comparable between machines of the same one.
std::string instruction_set();

// "oneDNN 2.6.3, Highway 1.0.3"
std::string library_versions();

}  // namespace tessera::cpu
