#include <cmath>

#include "tests/golden/ops/ops.h"

namespace tessera::test {
namespace {

Tensors both(const ValuesIndices& result) { return {result.values, result.indices}; }

using Reduce = Tensor (*)(TensorArg, const DimsArg&, bool);
using ReduceOne = ValuesIndices (*)(TensorArg, int64_t, bool);

// By a list of dims.
void over_dims(GoldenOps& ops, const std::string& name, Reduce fn) {
  ops[name] = [fn](const GoldenArgs& a) { return Tensors{fn(a.tensor(0), a.dims(1), a.flag(2))}; };
}

void add_over_dims(GoldenOps& ops) {
  over_dims(ops, "all", all);
  over_dims(ops, "any", any);
  over_dims(ops, "amax", amax);
  over_dims(ops, "amin", amin);
  over_dims(ops, "logsumexp", logsumexp);
  ops["sum"] = [](const GoldenArgs& a) { return Tensors{sum(a.tensor(0), a.dims(1), a.flag(2))}; };
  ops["mean"] = [](const GoldenArgs& a) {
    return Tensors{mean(a.tensor(0), a.dims(1), a.flag(2))};
  };
  ops["std"] = [](const GoldenArgs& a) {
    return Tensors{std(a.tensor(0), a.dims(1), 1, a.flag(2))};
  };
  for (auto [name, correction] : {std::pair("var", 1.0), std::pair("var_biased", 0.0)}) {
    ops[name] = [correction = correction](const GoldenArgs& a) {
      return Tensors{var(a.tensor(0), a.dims(1), correction, a.flag(2))};
    };
  }
  for (auto [name, p] : {std::pair("norm", 2.0), std::pair("norm1", 1.0), std::pair("norm3", 3.0),
                         std::pair("norm_inf", HUGE_VAL)}) {
    ops[name] = [p = p](const GoldenArgs& a) {
      return Tensors{norm(a.tensor(0), p, a.dims(1), a.flag(2))};
    };
  }
}

void add_over_all(GoldenOps& ops) {
  unary(ops, "max_all", max);
  unary(ops, "min_all", min);
  unary(ops, "median_all", median);
  unary(ops, "sum_all", [](TensorArg x) { return sum(x); });
  unary(ops, "mean_all", [](TensorArg x) { return mean(x); });
  unary(ops, "prod_all", [](TensorArg x) { return prod(x); });
  unary(ops, "all_all", [](TensorArg x) { return all(x); });
  unary(ops, "any_all", [](TensorArg x) { return any(x); });
  unary(ops, "var_all", [](TensorArg x) { return var(x); });
  unary(ops, "std_all", [](TensorArg x) { return std(x); });
  unary(ops, "norm_all", [](TensorArg x) { return norm(x); });
  unary(ops, "argmax_all", [](TensorArg x) { return argmax(x); });
  unary(ops, "argmin_all", [](TensorArg x) { return argmin(x); });
}

void add_along_a_dim(GoldenOps& ops) {
  for (auto [name, fn] : {std::pair<const char*, ReduceOne>("max", max),
                          std::pair<const char*, ReduceOne>("min", min),
                          std::pair<const char*, ReduceOne>("median", median)}) {
    ops[name] = [fn = fn](const GoldenArgs& a) {
      return both(fn(a.tensor(0), a.integer(1), a.flag(2)));
    };
  }
  ops["prod"] = [](const GoldenArgs& a) {
    return Tensors{prod(a.tensor(0), a.integer(1), a.flag(2))};
  };
  ops["argmax"] = [](const GoldenArgs& a) {
    return Tensors{argmax(a.tensor(0), a.integer(1), a.flag(2))};
  };
  ops["argmin"] = [](const GoldenArgs& a) {
    return Tensors{argmin(a.tensor(0), a.integer(1), a.flag(2))};
  };
}

void add_scans(GoldenOps& ops) {
  ops["cumsum"] = [](const GoldenArgs& a) { return Tensors{cumsum(a.tensor(0), a.integer(1))}; };
  ops["cumprod"] = [](const GoldenArgs& a) { return Tensors{cumprod(a.tensor(0), a.integer(1))}; };
  ops["cummax"] = [](const GoldenArgs& a) { return both(cummax(a.tensor(0), a.integer(1))); };
  ops["cummin"] = [](const GoldenArgs& a) { return both(cummin(a.tensor(0), a.integer(1))); };
  ops["logcumsumexp"] = [](const GoldenArgs& a) {
    return Tensors{logcumsumexp(a.tensor(0), a.integer(1))};
  };
}

void add_order(GoldenOps& ops) {
  ops["sort"] = [](const GoldenArgs& a) {
    return both(sort(a.tensor(0), a.integer(1), a.flag(2)));
  };
  ops["argsort"] = [](const GoldenArgs& a) {
    return Tensors{argsort(a.tensor(0), a.integer(1), a.flag(2))};
  };
  ops["topk"] = [](const GoldenArgs& a) {
    return both(topk(a.tensor(0), a.integer(1), a.integer(2), a.flag(3)));
  };
  ops["searchsorted"] = [](const GoldenArgs& a) {
    return Tensors{searchsorted(a.tensor(0), a.tensor(1), a.flag(2))};
  };
  ops["bincount"] = [](const GoldenArgs& a) {
    return Tensors{bincount(a.tensor(0), a.tensor(1), a.integer(2))};
  };
}

}  // namespace

void add_reduce_ops(GoldenOps& ops) {
  add_over_dims(ops);
  add_over_all(ops);
  add_along_a_dim(ops);
  add_scans(ops);
  add_order(ops);
}

}  // namespace tessera::test
