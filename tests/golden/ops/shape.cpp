#include "tests/golden/ops/ops.h"

namespace tessera::test {
namespace {

// An operation of a tensor and a list of sizes or dims.
void with_dims(GoldenOps& ops, const std::string& name, Tensor (*fn)(TensorArg, const Dims&)) {
  ops[name] = [fn](const GoldenArgs& a) { return Tensors{fn(a.tensor(0), a.dims(1))}; };
}

void with_integer(GoldenOps& ops, const std::string& name, Tensor (*fn)(TensorArg, int64_t)) {
  ops[name] = [fn](const GoldenArgs& a) { return Tensors{fn(a.tensor(0), a.integer(1))}; };
}

PadMode pad_mode(const std::string& name) {
  if (name == "constant") return PadMode::constant;
  if (name == "circular") return PadMode::circular;
  return name == "reflect" ? PadMode::reflect : PadMode::replicate;
}

void add_views(GoldenOps& ops) {
  with_dims(ops, "reshape", reshape);
  with_dims(ops, "permute", permute);
  with_dims(ops, "expand", expand);
  with_dims(ops, "broadcast_to", broadcast_to);
  with_integer(ops, "squeeze", squeeze);
  with_integer(ops, "unsqueeze", unsqueeze);
  unary(ops, "squeeze_all", squeeze);
  unary(ops, "contiguous", contiguous);
  ops["flatten"] = [](const GoldenArgs& a) {
    return Tensors{flatten(a.tensor(0), a.integer(1), a.integer(2))};
  };
  ops["unflatten"] = [](const GoldenArgs& a) {
    return Tensors{unflatten(a.tensor(0), a.integer(1), a.dims(2))};
  };
  ops["transpose"] = [](const GoldenArgs& a) {
    return Tensors{transpose(a.tensor(0), a.integer(1), a.integer(2))};
  };
  ops["moveaxis"] = [](const GoldenArgs& a) {
    return Tensors{moveaxis(a.tensor(0), a.dims(1), a.dims(2))};
  };
  ops["select"] = [](const GoldenArgs& a) {
    return Tensors{select(a.tensor(0), a.integer(1), a.integer(2))};
  };
  ops["narrow"] = [](const GoldenArgs& a) {
    return Tensors{narrow(a.tensor(0), a.integer(1), a.integer(2), a.integer(3))};
  };
  ops["slice"] = [](const GoldenArgs& a) {
    return Tensors{slice(a.tensor(0), a.integer(1), a.integer(2), a.integer(3), a.integer(4))};
  };
  ops["diagonal"] = [](const GoldenArgs& a) {
    return Tensors{diagonal(a.tensor(0), a.integer(1), a.integer(2), a.integer(3))};
  };
  ops["unfold"] = [](const GoldenArgs& a) {
    return Tensors{unfold(a.tensor(0), a.integer(1), a.integer(2), a.integer(3))};
  };
}

void add_pieces(GoldenOps& ops) {
  ops["split"] = [](const GoldenArgs& a) { return split(a.tensor(0), a.integer(1), a.integer(2)); };
  ops["split_sizes"] = [](const GoldenArgs& a) {
    return split(a.tensor(0), a.dims(1), a.integer(2));
  };
  ops["chunk"] = [](const GoldenArgs& a) { return chunk(a.tensor(0), a.integer(1), a.integer(2)); };
  ops["unbind"] = [](const GoldenArgs& a) { return unbind(a.tensor(0), a.integer(1)); };
  ops["cat"] = [](const GoldenArgs& a) { return Tensors{cat(a.tensors(0), a.integer(1))}; };
  ops["stack"] = [](const GoldenArgs& a) { return Tensors{stack(a.tensors(0), a.integer(1))}; };
}

}  // namespace

void add_shape_ops(GoldenOps& ops) {
  add_views(ops);
  add_pieces(ops);
  with_dims(ops, "repeat", repeat);
  with_dims(ops, "tile", tile);
  with_dims(ops, "flip", flip);
  with_integer(ops, "tril", tril);
  with_integer(ops, "triu", triu);
  ops["roll"] = [](const GoldenArgs& a) {
    return Tensors{roll(a.tensor(0), a.dims(1), a.dims(2))};
  };
  ops["pad"] = [](const GoldenArgs& a) {
    return Tensors{pad(a.tensor(0), a.dims(1), pad_mode(a.text(2)), a.number(3))};
  };
}

}  // namespace tessera::test
