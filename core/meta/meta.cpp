#include "core/meta/meta.h"

#include "core/allocator.h"

namespace tessera::meta {
namespace {

// Memory that a kernel takes for itself and gives back.
void pass_through(int64_t bytes) {
  auto size = static_cast<int64_t>(allocator::block_size(static_cast<size_t>(bytes)));
  count(size);
  count(-size);
}

// Two products of (T, D) and (S, D) a head.
double attention_flops(const Array& q, const Array& k, const Array& out) {
  return 2.0 * static_cast<double>(k.size(2)) * static_cast<double>(q.numel() + out.numel());
}

// Every output needs one column of the weight (O, I, ...).
double conv_flops(const Array& y, const Array& weight) {
  return 2.0 * static_cast<double>(y.numel()) * static_cast<double>(weight.numel()) /
         static_cast<double>(weight.size(0));
}

class MetaAttentionFamily final : public AttentionFamily {
 public:
  void run(const Array& q, const Array& k, const Array&, const AttentionArgs&, const Array& out,
           const Array&) const override {
    count_flops(attention_flops(q, k, out));
  }
  void grad(const Array& q, const Array& k, const Array&, const Array& out, const Array&,
            const Array&, const AttentionArgs&, const Array&, const Array&, const Array&,
            const Array&) const override {
    count_flops(2.5 * attention_flops(q, k, out));
  }
};

class MetaBatchNormFamily final : public BatchNormFamily {
 public:
  void moments(const Array&, double, const Array&, const Array&, const Array&) const override {}
  void normalize(const Array&, const Array&, const Array&, const Array&, const Array&,
                 const Array&) const override {}
  void grad(const Array&, const Array&, const Array&, const Array&, bool, const Array&,
            const Array&, const Array&, const Array&) const override {}
};

class MetaConvFamily final : public ConvFamily {
 public:
  void run(const Array&, const Array& weight, const Array&, const ConvArgs&,
           const Array& out) const override {
    count_flops(conv_flops(out, weight));
  }
  void input_grad(const Array& dy, const Array& weight, const ConvArgs&,
                  const Array&) const override {
    count_flops(conv_flops(dy, weight));
  }
  void weight_grad(const Array&, const Array& dy, const ConvArgs&,
                   const Array& dweight) const override {
    count_flops(conv_flops(dy, dweight));
  }
};

// What it would get would be lost.
void refuse_deferred(const Array& out) {
  const char* mark = out.storage()->changed_by();
  TESSERA_CHECK(!mark || std::string_view(mark) != kDeferred,
                "[DeferInit] an array of shape {} is written to before it has memory: parameters "
                "that are made later start as Module::set_initial_values() says",
                out.shape());
}

class MetaCopyFamily final : public CopyFamily {
 public:
  void run(const Array&, const Array& out) const override { refuse_deferred(out); }
  void fill(const Array& out, double) const override { refuse_deferred(out); }
};

class MetaUnaryFamily final : public UnaryFamily {
 public:
  void run(UnaryOp, const Array&, const Array&, const ElementwiseParams&) const override {}
};

class MetaBinaryFamily final : public BinaryFamily {
 public:
  void run(BinaryOp, const Array&, const Array&, const Array&) const override {}
  void affine(const Array&, double, double, const Array&) const override {}
};

class MetaWhereFamily final : public WhereFamily {
 public:
  void run(const Array&, const Array&, const Array&, const Array&) const override {}
};

class MetaFoldFamily final : public FoldFamily {
 public:
  void run(FoldOp, const Array&, const Array&) const override {}
  void arg(bool, const Array&, const Array&, const Array&) const override {}
  void norm(double, const Array&, const Array&) const override {}
  void variance(const Array&, double, bool, const Array&) const override {}
  void log_sum_exp(const Array&, const Array&, const Array&) const override {}
};

class MetaGatherFamily final : public GatherFamily {
 public:
  void rows(const Array&, const Array&, const Array&) const override {}
  void scatter_add_rows(const Array&, const Array&, const Array&) const override {}
};

class MetaIndexFamily final : public IndexFamily {
 public:
  void gather(const char*, const Array&, size_t, const Array&, const Array&) const override {}
  void scatter(const char*, ScatterOp, const Array&, size_t, const Array&,
               const Array&) const override {}
  void take(const char*, const Array&, std::span<const Array>, const Array&) const override {}
  void put(const char*, ScatterOp, const Array&, std::span<const Array>,
           const Array&) const override {}
  int64_t count_nonzero(const Array&) const override {
    throw_error("[count_nonzero] the size of the result depends on elements, which meta has not");
  }
  void nonzero(const Array&, const Array&) const override {}
  void masked_select(const Array&, const Array&, const Array&) const override {}
};

class MetaMatmulFamily final : public MatmulFamily {
 public:
  void run(const Array& a, const Array&, const Array&, const Array& out) const override {
    count_flops(2.0 * static_cast<double>(out.numel()) * static_cast<double>(a.size(2)));
    // 16-bit products are made in f32.
    if (item_size(out.dtype()) == 2) pass_through(out.numel() * 4);
  }
};

class MetaNormalizeFamily final : public NormalizeFamily {
 public:
  void layer_norm(const Array&, const Array&, const Array&, double, const Array&, const Array&,
                  const Array&) const override {}
  void layer_norm_grad(const Array&, const Array&, const Array&, const Array&, const Array&,
                       const Array&, const Array&, const Array&) const override {}
};

class MetaOptimizerFamily final : public OptimizerFamily {
 public:
  void update(const UpdateArgs&, const Array&, const Array&, const Array&,
              std::span<const Array>) const override {}
};

class MetaPoolFamily final : public PoolFamily {
 public:
  void max(const Array&, std::span<const PoolWindow>, std::span<const PoolWindow>, const Array&,
           const Array&) const override {}
  void gather(const Array&, const Array&, const Array&) const override {}
  void scatter(const Array&, const Array&, const Array&) const override {}
  void resample(const Array&, const AxisMap&, const AxisMap&, const Array&) const override {}
};

class MetaRandomFamily final : public RandomFamily {
 public:
  void uniform(const RandomStream&, int64_t, double, double, const Array& out) const override {
    refuse_deferred(out);
  }
  void normal(const RandomStream&, int64_t, double, double, const Array& out) const override {
    refuse_deferred(out);
  }
  void dropout_mask(const RandomStream&, int64_t, double, const Array&) const override {}
  void integers(const RandomStream&, int64_t, int64_t, int64_t, const Array&) const override {}
  void bernoulli(const RandomStream&, const Array&, const Array& out) const override {
    refuse_deferred(out);
  }
  void permutation(const RandomStream&, const Array&) const override {}
  void exponential(const RandomStream&, int64_t, double, const Array& out) const override {
    refuse_deferred(out);
  }
  void multinomial(const RandomStream&, const Array&, bool, const Array&) const override {}
};

class MetaReduceFamily final : public ReduceFamily {
 public:
  void sum_rows(const Array&, const Array&) const override {}
  void sum_columns(const Array&, const Array&) const override {}
  void chunk_square_sums(const Array&, const Array&) const override {}
};

class MetaScanFamily final : public ScanFamily {
 public:
  void cumsum(const Array&, bool, const Array&) const override {}
  void cumprod(const Array&, bool, const Array&) const override {}
  void cumextreme(bool, const Array&, const Array&, const Array&) const override {}
  void logcumsumexp(const Array&, const Array&, const Array&) const override {}
  void recurrence(const Array&, const Array&, bool, const Array&) const override {}
};

class MetaSoftmaxFamily final : public SoftmaxFamily {
 public:
  void softmax(const Array&, const Array&) const override {}
  void softmax_grad(const Array&, const Array&, const Array&) const override {}
  void log_softmax(const Array&, const Array&) const override {}
  void log_softmax_grad(const Array&, const Array&, const Array&) const override {}
  void cross_entropy(const Array&, const Array&, const CrossEntropyArgs&, const Array&,
                     const Array&, const Array&) const override {}
  void cross_entropy_grad(const Array&, const Array&, const CrossEntropyArgs&, const Array&,
                          const Array&, const Array&) const override {}
};

class MetaSortFamily final : public SortFamily {
 public:
  void sort(const Array&, bool, const Array&, const Array&) const override {}
  void topk(const Array&, bool, const Array&, const Array&) const override {}
  void kth(const Array&, int64_t, const Array&, const Array&) const override {}
  void median(const Array&, bool, const Array&, const Array&) const override {}
  void mode(const Array&, const Array&, const Array&) const override {}
  void searchsorted(const Array&, const Array&, bool, const Array&) const override {}
  void bincount(const Array&, const Array&, const Array&) const override {}
};

}  // namespace

const Kernels& kernel_table() {
  static const MetaAttentionFamily attention;
  static const MetaBatchNormFamily batch_norm;
  static const MetaConvFamily conv;
  static const MetaCopyFamily copy;
  static const MetaUnaryFamily unary;
  static const MetaBinaryFamily binary;
  static const MetaWhereFamily where;
  static const MetaFoldFamily fold;
  static const MetaGatherFamily gather;
  static const MetaIndexFamily index;
  static const MetaMatmulFamily matmul;
  static const MetaNormalizeFamily normalize;
  static const MetaOptimizerFamily optimizer;
  static const MetaPoolFamily pool;
  static const MetaRandomFamily random;
  static const MetaReduceFamily reduce;
  static const MetaScanFamily scan;
  static const MetaSoftmaxFamily softmax;
  static const MetaSortFamily sort;
  static const Kernels table = [] {
    Kernels k;
    k.device = DeviceType::meta;
    k.attention_ = &attention;
    k.batch_norm_ = &batch_norm;
    k.conv_ = &conv;
    k.copy_ = &copy;
    k.unary_ = &unary;
    k.binary_ = &binary;
    k.where_ = &where;
    k.fold_ = &fold;
    k.gather_ = &gather;
    k.index_ = &index;
    k.matmul_ = &matmul;
    k.normalize_ = &normalize;
    k.optimizer_ = &optimizer;
    k.pool_ = &pool;
    k.random_ = &random;
    k.reduce_ = &reduce;
    k.scan_ = &scan;
    k.softmax_ = &softmax;
    k.sort_ = &sort;
    return k;
  }();
  return table;
}

}  // namespace tessera::meta
