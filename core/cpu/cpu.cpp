#include "core/cpu/cpu.h"

namespace tessera::cpu {

const Kernels& kernel_table() {
  static const Kernels table = [] {
    Kernels k;
    k.device = DeviceType::cpu;
    k.copy_ = &copy_family();
    k.unary_ = &unary_family();
    k.binary_ = &binary_family();
    k.where_ = &where_family();
    k.reduce_ = &reduce_family();
    k.fold_ = &fold_family();
    k.scan_ = &scan_family();
    k.sort_ = &sort_family();
    k.matmul_ = &matmul_family();
    k.softmax_ = &softmax_family();
    k.normalize_ = &normalize_family();
    k.batch_norm_ = &batch_norm_family();
    k.attention_ = &attention_family();
    k.conv_ = &conv_family();
    k.pool_ = &pool_family();
    k.gather_ = &gather_family();
    k.index_ = &index_family();
    k.random_ = &random_family();
    k.optimizer_ = &optimizer_family();
    return k;
  }();
  return table;
}

}  // namespace tessera::cpu
