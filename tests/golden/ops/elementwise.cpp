#include "tests/golden/ops/ops.h"

namespace tessera::test {
namespace {

void add_functions(GoldenOps& ops) {
  unary(ops, "abs", abs);
  unary(ops, "acos", acos);
  unary(ops, "acosh", acosh);
  unary(ops, "asin", asin);
  unary(ops, "asinh", asinh);
  unary(ops, "atan", atan);
  unary(ops, "atanh", atanh);
  unary(ops, "ceil", ceil);
  unary(ops, "cos", cos);
  unary(ops, "cosh", cosh);
  unary(ops, "erf", erf);
  unary(ops, "erfc", erfc);
  unary(ops, "erfinv", erfinv);
  unary(ops, "exp", exp);
  unary(ops, "exp2", exp2);
  unary(ops, "expm1", expm1);
  unary(ops, "floor", floor);
  unary(ops, "frac", frac);
  unary(ops, "lgamma", lgamma);
  unary(ops, "log", log);
  unary(ops, "log10", log10);
  unary(ops, "log1p", log1p);
  unary(ops, "log2", log2);
  unary(ops, "neg", neg);
  unary(ops, "reciprocal", reciprocal);
  unary(ops, "round", round);
  unary(ops, "rsqrt", rsqrt);
  unary(ops, "sign", sign);
  unary(ops, "sin", sin);
  unary(ops, "sinh", sinh);
  unary(ops, "sqrt", sqrt);
  unary(ops, "square", square);
  unary(ops, "tan", tan);
  unary(ops, "tanh", tanh);
  unary(ops, "trunc", trunc);
  unary(ops, "isfinite", isfinite);
  unary(ops, "isinf", isinf);
  unary(ops, "isnan", isnan);
  unary(ops, "logical_not", logical_not);
  unary(ops, "bitwise_not", bitwise_not);
}

void add_activations(GoldenOps& ops) {
  unary(ops, "hardsigmoid", hardsigmoid);
  unary(ops, "hardswish", hardswish);
  unary(ops, "logsigmoid", logsigmoid);
  unary(ops, "mish", mish);
  unary(ops, "relu", relu);
  unary(ops, "relu6", relu6);
  unary(ops, "selu", selu);
  unary(ops, "sigmoid", sigmoid);
  unary(ops, "silu", silu);
  ops["celu"] = [](const GoldenArgs& a) { return Tensors{celu(a.tensor(0), a.number(1))}; };
  ops["elu"] = [](const GoldenArgs& a) { return Tensors{elu(a.tensor(0), a.number(1))}; };
  ops["gelu"] = [](const GoldenArgs& a) {
    return Tensors{gelu(a.tensor(0), a.text(1) == "tanh" ? Gelu::tanh : Gelu::exact)};
  };
  ops["glu"] = [](const GoldenArgs& a) { return Tensors{glu(a.tensor(0), a.integer(1))}; };
  ops["leaky_relu"] = [](const GoldenArgs& a) {
    return Tensors{leaky_relu(a.tensor(0), a.number(1))};
  };
  ops["softplus"] = [](const GoldenArgs& a) {
    return Tensors{softplus(a.tensor(0), a.number(1), a.number(2))};
  };
}

using WithTensor = Tensor (*)(TensorArg, TensorArg);
using WithScalar = Tensor (*)(TensorArg, Scalar);

// The second operand is a tensor or a number.
void mixed(GoldenOps& ops, const std::string& name, WithTensor fn, WithScalar by_number) {
  ops[name] = [fn, by_number](const GoldenArgs& a) {
    return Tensors{a.is_tensor(1) ? fn(a.tensor(0), a.tensor(1))
                                  : by_number(a.tensor(0), a.scalar(1))};
  };
}

void add_pairs(GoldenOps& ops) {
  mixed(ops, "add", add, add);
  mixed(ops, "sub", sub, sub);
  mixed(ops, "mul", mul, mul);
  mixed(ops, "div", div, div);
  mixed(ops, "pow", pow, pow);
  mixed(ops, "fmod", fmod, fmod);
  mixed(ops, "remainder", remainder, remainder);
  mixed(ops, "floor_divide", floor_divide, floor_divide);
  binary(ops, "atan2", atan2);
  binary(ops, "logaddexp", logaddexp);
  binary(ops, "logaddexp2", logaddexp2);
  binary(ops, "maximum", maximum);
  binary(ops, "minimum", minimum);
  binary(ops, "fmax", fmax);
  binary(ops, "fmin", fmin);
  binary(ops, "eq", eq);
  binary(ops, "ne", ne);
  binary(ops, "lt", lt);
  binary(ops, "le", le);
  binary(ops, "gt", gt);
  binary(ops, "ge", ge);
  binary(ops, "logical_and", logical_and);
  binary(ops, "logical_or", logical_or);
  binary(ops, "logical_xor", logical_xor);
  binary(ops, "bitwise_and", bitwise_and);
  binary(ops, "bitwise_or", bitwise_or);
  binary(ops, "bitwise_xor", bitwise_xor);
  binary(ops, "bitwise_left_shift", bitwise_left_shift);
  binary(ops, "bitwise_right_shift", bitwise_right_shift);
}

void add_choices(GoldenOps& ops) {
  ops["clamp"] = [](const GoldenArgs& a) {
    return Tensors{clamp(a.tensor(0), a.optional_scalar(1), a.optional_scalar(2))};
  };
  ops["nan_to_num"] = [](const GoldenArgs& a) {
    return Tensors{
        nan_to_num(a.tensor(0), a.number(1), a.optional_number(2), a.optional_number(3))};
  };
  ops["lerp"] = [](const GoldenArgs& a) {
    return Tensors{a.is_tensor(2) ? lerp(a.tensor(0), a.tensor(1), a.tensor(2))
                                  : lerp(a.tensor(0), a.tensor(1), a.number(2))};
  };
  ops["where"] = [](const GoldenArgs& a) {
    return Tensors{where(a.tensor(0), a.tensor(1), a.tensor(2))};
  };
  ops["masked_fill"] = [](const GoldenArgs& a) {
    return Tensors{masked_fill(a.tensor(0), a.tensor(1), a.scalar(2))};
  };
  ops["to"] = [](const GoldenArgs& a) { return Tensors{to(a.tensor(0), a.dtype(1))}; };
}

void changes(GoldenOps& ops, const std::string& name, const Tensor& (*fn)(SelfArg)) {
  ops[name] = [fn](const GoldenArgs& a) {
    Tensor y = a.tensor(0) * 1;  // not a leaf, which could not be written to
    return Tensors{fn(y)};
  };
}

void changes_by(GoldenOps& ops, const std::string& name, const Tensor& (*fn)(SelfArg, TensorArg),
                const Tensor& (*by_number)(SelfArg, Scalar)) {
  ops[name] = [fn, by_number](const GoldenArgs& a) {
    Tensor y = a.tensor(0) * 1;
    return Tensors{a.is_tensor(1) ? fn(y, a.tensor(1)) : by_number(y, a.scalar(1))};
  };
}

void add_in_place(GoldenOps& ops) {
  changes(ops, "abs_", abs_);
  changes(ops, "exp_", exp_);
  changes(ops, "neg_", neg_);
  changes(ops, "relu_", relu_);
  changes(ops, "sigmoid_", sigmoid_);
  changes(ops, "sqrt_", sqrt_);
  changes(ops, "tanh_", tanh_);
  changes(ops, "zero_", zero_);
  changes_by(ops, "add_", add_, add_);
  changes_by(ops, "sub_", sub_, sub_);
  changes_by(ops, "mul_", mul_, mul_);
  changes_by(ops, "div_", div_, div_);
  ops["fill_"] = [](const GoldenArgs& a) {
    Tensor y = a.tensor(0) * 1;
    return Tensors{fill_(y, a.scalar(1))};
  };
  ops["clamp_"] = [](const GoldenArgs& a) {
    Tensor y = a.tensor(0) * 1;
    return Tensors{clamp_(y, a.optional_scalar(1), a.optional_scalar(2))};
  };
}

void add_creation(GoldenOps& ops) {
  ops["arange"] = [](const GoldenArgs& a) {
    return Tensors{Tensor(arrays::arange(a.scalar(0), a.scalar(1), a.scalar(2), a.dtype(3)))};
  };
  ops["linspace"] = [](const GoldenArgs& a) {
    return Tensors{Tensor(arrays::linspace(a.number(0), a.number(1), a.integer(2), a.dtype(3)))};
  };
  ops["logspace"] = [](const GoldenArgs& a) {
    return Tensors{
        Tensor(arrays::logspace(a.number(0), a.number(1), a.integer(2), a.number(3), a.dtype(4)))};
  };
  ops["eye"] = [](const GoldenArgs& a) {
    return Tensors{Tensor(arrays::eye(a.integer(0), a.integer(1), a.dtype(2)))};
  };
}

}  // namespace

void add_elementwise_ops(GoldenOps& ops) {
  add_functions(ops);
  add_activations(ops);
  add_pairs(ops);
  add_choices(ops);
  add_in_place(ops);
  add_creation(ops);
}

}  // namespace tessera::test
