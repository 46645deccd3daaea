// The operations of scripts/golden/operators.py.
#include "tests/golden/ops/ops.h"

namespace tessera::test {
namespace {

using WithTensor = Tensor (*)(TensorArg, TensorArg);
using WithScalar = Tensor (*)(TensorArg, Scalar);

void mixed(GoldenOps& ops, const std::string& name, WithTensor fn, WithScalar by_number) {
  ops[name] = [fn, by_number](const GoldenArgs& a) {
    return Tensors{a.is_tensor(1) ? fn(a.tensor(0), a.tensor(1))
                                  : by_number(a.tensor(0), a.scalar(1))};
  };
}

void add_special(GoldenOps& ops) {
  mixed(ops, "xlogy", xlogy, xlogy);
  mixed(ops, "copysign", copysign, copysign);
  mixed(ops, "float_power", float_power, float_power);
  binary(ops, "hypot", hypot);
  ops["number_xlogy"] = [](const GoldenArgs& a) {
    return Tensors{xlogy(a.scalar(1), a.tensor(0))};
  };
  ops["number_float_power"] = [](const GoldenArgs& a) {
    return Tensors{float_power(a.scalar(1), a.tensor(0))};
  };
  ops["logit"] = [](const GoldenArgs& a) {
    return Tensors{logit(a.tensor(0), a.optional_number(1))};
  };
  ops["round_decimals"] = [](const GoldenArgs& a) {
    return Tensors{round(a.tensor(0), a.integer(1))};
  };
  ops["polygamma"] = [](const GoldenArgs& a) {
    return Tensors{polygamma(a.integer(1), a.tensor(0))};
  };
  ops["threshold"] = [](const GoldenArgs& a) {
    return Tensors{threshold(a.tensor(0), a.scalar(1), a.scalar(2))};
  };
  ops["hardshrink"] = [](const GoldenArgs& a) {
    return Tensors{hardshrink(a.tensor(0), a.number(1))};
  };
  ops["softshrink"] = [](const GoldenArgs& a) {
    return Tensors{softshrink(a.tensor(0), a.number(1))};
  };
  unary(ops, "tanhshrink", tanhshrink);
}

void many(GoldenOps& ops, const std::string& name, Tensor (*fn)(const Tensors&, CallSite)) {
  ops[name] = [fn](const GoldenArgs& a) { return Tensors{fn(a.tensors(0), {})}; };
}

void add_stacks(GoldenOps& ops) {
  many(ops, "hstack", hstack);
  many(ops, "vstack", vstack);
  many(ops, "dstack", dstack);
  many(ops, "column_stack", column_stack);
  ops["broadcast_tensors"] = [](const GoldenArgs& a) { return broadcast_tensors(a.tensors(0)); };
  ops["meshgrid_ij"] = [](const GoldenArgs& a) { return meshgrid(a.tensors(0)); };
  ops["meshgrid_xy"] = [](const GoldenArgs& a) { return meshgrid(a.tensors(0), MeshIndexing::xy); };
  ops["tensor_split"] = [](const GoldenArgs& a) {
    return tensor_split(a.tensor(0), a.integer(1), a.integer(2));
  };
  ops["tensor_split_indices"] = [](const GoldenArgs& a) {
    return tensor_split(a.tensor(0), a.dims(1), a.integer(2));
  };
}

std::optional<int64_t> optional_dim(const GoldenArgs& a, size_t i) {
  return a.is_null(i) ? std::nullopt : std::optional(a.integer(i));
}

void add_repeats(GoldenOps& ops) {
  unary(ops, "clone", clone);
  ops["repeat_interleave"] = [](const GoldenArgs& a) {
    return Tensors{repeat_interleave(a.tensor(0), a.integer(1), optional_dim(a, 2))};
  };
  ops["repeat_interleave_counts"] = [](const GoldenArgs& a) {
    return Tensors{repeat_interleave(a.tensor(0), a.tensor(1), optional_dim(a, 2))};
  };
  ops["repeat_interleave_alone"] = [](const GoldenArgs& a) {
    return Tensors{repeat_interleave(a.tensor(0))};
  };
  ops["rot90"] = [](const GoldenArgs& a) {
    return Tensors{rot90(a.tensor(0), a.integer(1), a.dims(2))};
  };
  ops["diff"] = [](const GoldenArgs& a) {
    return Tensors{diff(a.tensor(0), a.integer(1), a.integer(2))};
  };
  ops["diff_joined"] = [](const GoldenArgs& a) {
    return Tensors{diff(a.tensor(0), a.integer(3), a.integer(4), a.tensor(1), a.tensor(2))};
  };
  ops["nanmean"] = [](const GoldenArgs& a) {
    return Tensors{nanmean(a.tensor(0), a.dims(1), a.flag(2))};
  };
  ops["softmin"] = [](const GoldenArgs& a) { return Tensors{softmin(a.tensor(0), a.integer(1))}; };
}

void add_diagonals(GoldenOps& ops) {
  ops["diag"] = [](const GoldenArgs& a) { return Tensors{diag(a.tensor(0), a.integer(1))}; };
  ops["diag_embed"] = [](const GoldenArgs& a) {
    return Tensors{diag_embed(a.tensor(0), a.integer(1), a.integer(2), a.integer(3))};
  };
  ops["tril_indices"] = [](const GoldenArgs& a) {
    return Tensors{tril_indices(a.integer(0), a.integer(1), a.integer(2), a.dtype(3))};
  };
  ops["triu_indices"] = [](const GoldenArgs& a) {
    return Tensors{triu_indices(a.integer(0), a.integer(1), a.integer(2), a.dtype(3))};
  };
  ops["select_scatter"] = [](const GoldenArgs& a) {
    return Tensors{select_scatter(a.tensor(0), a.tensor(1), a.integer(2), a.integer(3))};
  };
  ops["slice_scatter"] = [](const GoldenArgs& a) {
    return Tensors{slice_scatter(a.tensor(0), a.tensor(1), a.integer(2), a.integer(3), a.integer(4),
                                 a.integer(5))};
  };
  ops["diagonal_scatter"] = [](const GoldenArgs& a) {
    return Tensors{
        diagonal_scatter(a.tensor(0), a.tensor(1), a.integer(2), a.integer(3), a.integer(4))};
  };
  ops["unfold_images"] = [](const GoldenArgs& a) {
    return Tensors{unfold(a.tensor(0), a.dims(1), a.dims(2), a.dims(3), a.dims(4))};
  };
  ops["fold"] = [](const GoldenArgs& a) {
    return Tensors{fold(a.tensor(0), a.dims(1), a.dims(2), a.dims(3), a.dims(4), a.dims(5))};
  };
}

ScatterReduce reduce_of(const std::string& name) {
  static const std::map<std::string, ScatterReduce> names{{"sum", ScatterReduce::sum},
                                                          {"prod", ScatterReduce::prod},
                                                          {"mean", ScatterReduce::mean},
                                                          {"amax", ScatterReduce::amax},
                                                          {"amin", ScatterReduce::amin}};
  return names.at(name);
}

void add_index_writes(GoldenOps& ops) {
  binary(ops, "take", take);
  ops["put"] = [](const GoldenArgs& a) {
    return Tensors{put(a.tensor(0), a.tensor(1), a.tensor(2), a.flag(3))};
  };
  ops["index_fill"] = [](const GoldenArgs& a) {
    return Tensors{a.is_tensor(3)
                       ? index_fill(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3))
                       : index_fill(a.tensor(0), a.integer(1), a.tensor(2), a.scalar(3))};
  };
  ops["index_copy"] = [](const GoldenArgs& a) {
    return Tensors{index_copy(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3))};
  };
  ops["masked_scatter"] = [](const GoldenArgs& a) {
    return Tensors{masked_scatter(a.tensor(0), a.tensor(1), a.tensor(2))};
  };
  ops["scatter_reduce"] = [](const GoldenArgs& a) {
    return Tensors{scatter_reduce(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3),
                                  reduce_of(a.text(4)), a.flag(5))};
  };
  ops["isin"] = [](const GoldenArgs& a) {
    return Tensors{isin(a.tensor(0), a.tensor(1), false, a.flag(2))};
  };
}

using Added = Tensor (*)(TensorArg, TensorArg, TensorArg, Scalar, Scalar);

void added(GoldenOps& ops, const std::string& name, Added fn) {
  ops[name] = [fn](const GoldenArgs& a) {
    return Tensors{fn(a.tensor(0), a.tensor(1), a.tensor(2), a.scalar(3), a.scalar(4))};
  };
}

void add_vectors(GoldenOps& ops) {
  ops["normalize"] = [](const GoldenArgs& a) {
    return Tensors{normalize(a.tensor(0), a.number(1), a.dims(2), a.number(3))};
  };
  ops["cosine_similarity"] = [](const GoldenArgs& a) {
    return Tensors{cosine_similarity(a.tensor(0), a.tensor(1), a.integer(2), a.number(3))};
  };
  ops["vecdot"] = [](const GoldenArgs& a) {
    return Tensors{vecdot(a.tensor(0), a.tensor(1), a.integer(2))};
  };
  binary(ops, "inner", inner);
  ops["cross"] = [](const GoldenArgs& a) {
    return Tensors{cross(a.tensor(0), a.tensor(1), a.integer(2))};
  };
  added(ops, "addmv", addmv);
  added(ops, "addbmm", addbmm);
  added(ops, "addr", addr);
}

}  // namespace

void add_operators(GoldenOps& ops) {
  add_special(ops);
  add_stacks(ops);
  add_repeats(ops);
  add_diagonals(ops);
  add_index_writes(ops);
  add_vectors(ops);
}

}  // namespace tessera::test
