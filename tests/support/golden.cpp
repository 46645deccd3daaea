#include "tests/support/golden.h"

#include <algorithm>
#include <cmath>

#include "autograd/engine.h"
#include "core/io/safetensors.h"
#include "tests/support/arrays.h"

namespace tessera::test {
namespace {

using nlohmann::json;
using Data = std::map<std::string, Array>;

Dims dims_of(const json& list) {
  Dims out;
  for (const json& size : list) out.push_back(size.get<int64_t>());
  return out;
}

// [dtype, offset, shape] -> row-major elements of the file.
Array array_of(const json& ref, const Data& data) {
  Dims shape = dims_of(ref.at(2));
  int64_t count = 1;
  for (int64_t size : shape) count *= size;
  DType dtype = parse_dtype(ref.at(0).get<std::string>()).value();
  if (count == 0) return Array::empty(shape, dtype);
  auto begin = ref.at(1).get<int64_t>();
  const Array& flat = data.at(ref.at(0).get<std::string>());
  TESSERA_CHECK(begin >= 0 && begin + count <= flat.numel(), "[golden] {} is outside of the file",
                ref.dump());
  return flat.slice(0, begin, begin + count).view(shape);
}

// The same elements as scripts/golden/cases.py laid them out.
Array laid_out(const Array& values, const std::string& layout) {
  const Dims& shape = values.shape();
  if (layout == "t") {
    Dims order;
    for (size_t i = shape.size(); i-- > 0;) order.push_back(static_cast<int64_t>(i));
    return values.permute(order).clone().permute(order);
  }
  if (layout == "s") {
    Dims wide = shape;
    wide[wide.size() - 1] *= 2;
    Array out = Array::full(wide, 1, values.dtype()).slice(-1, 0, wide[wide.size() - 1], 2);
    out.copy_(values);
    return out;
  }
  if (layout == "o") {
    Array flat = Array::full({values.numel() + 3}, 1, values.dtype());
    Array out = flat.slice(0, 3, values.numel() + 3).view(shape);
    out.copy_(values);
    return out;
  }
  if (layout == "e") return values.slice(0, 0, 1).clone().expand(shape);
  TESSERA_CHECK(layout == "c", "[golden] unknown layout {}", layout);
  return values.clone();
}

struct Tolerance {
  double atol, rtol;
};

Tolerance tolerance_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return {4e-6, 1e-5};
    case DType::f64: return {1e-11, 1e-10};
    case DType::f16: return {2e-3, 2e-3};
    case DType::bf16: return {1e-2, 1.6e-2};
    default: return {0, 0};
  }
}

std::string difference(const std::string& what, const Array& got, const Array& wanted,
                       double slack) {
  if (got.shape() != wanted.shape() || got.dtype() != wanted.dtype()) {
    return fmt::format("{}: expected {} of {}, got {} of {}", what, wanted.shape(), wanted.dtype(),
                       got.shape(), got.dtype());
  }
  if (!is_floating(got.dtype())) {
    auto x = got.to(DType::i64).to_vector<int64_t>();
    auto y = wanted.to(DType::i64).to_vector<int64_t>();
    auto [p, q] = std::mismatch(x.begin(), x.end(), y.begin());
    if (p == x.end()) return "";
    return fmt::format("{}: element {}: {} against {}", what, p - x.begin(), *p, *q);
  }
  auto [atol, rtol] = tolerance_of(got.dtype());
  auto result = close_to(doubles(got), doubles(wanted), slack * atol, slack * rtol);
  return result ? "" : fmt::format("{}: {}", what, result.message());
}

}  // namespace

GoldenArgs::GoldenArgs(const json& args, const Data& data) : args_(args) {
  auto make = [&](const json& arg) {
    bool wanted = arg.at("d").get<int>() != 0;
    Tensor x(laid_out(array_of(arg.at("t"), data), arg.at("l").get<std::string>()), wanted);
    made_.emplace(&arg, x);
    if (wanted) differentiable_.push_back(x);
  };
  for (const json& arg : args_) {
    if (!arg.is_object()) continue;
    if (arg.contains("t")) make(arg);
    if (arg.contains("list")) {
      for (const json& item : arg.at("list")) make(item);
    }
  }
}

const json& GoldenArgs::at(size_t i) const {
  TESSERA_CHECK(i < args_.size(), "[golden] there is no argument {}", i);
  return args_[i];
}

void GoldenArgs::unexpected(size_t i, const char* wanted) const {
  throw_error(fmt::format("[golden] expected {} as argument {}, got {}", wanted, i, at(i).dump()));
}

Tensor GoldenArgs::tensor(size_t i) const {
  if (is_null(i)) return {};
  if (!is_tensor(i)) unexpected(i, "a tensor");
  return made_.at(&at(i));
}

std::vector<Tensor> GoldenArgs::tensors(size_t i) const {
  if (!at(i).is_object() || !at(i).contains("list")) unexpected(i, "a list of tensors");
  std::vector<Tensor> out;
  for (const json& item : at(i).at("list")) out.push_back(made_.at(&item));
  return out;
}

double GoldenArgs::number(size_t i) const {
  if (at(i).is_string()) return std::stod(at(i).get<std::string>());
  if (!at(i).is_number()) unexpected(i, "a number");
  return at(i).get<double>();
}

Scalar GoldenArgs::scalar(size_t i) const {
  if (is_integer(i)) return integer(i);
  return number(i);
}

std::optional<Scalar> GoldenArgs::optional_scalar(size_t i) const {
  if (is_null(i)) return std::nullopt;
  return scalar(i);
}

std::optional<double> GoldenArgs::optional_number(size_t i) const {
  if (is_null(i)) return std::nullopt;
  return number(i);
}

int64_t GoldenArgs::integer(size_t i) const {
  if (!is_integer(i)) unexpected(i, "an integer");
  return at(i).get<int64_t>();
}

bool GoldenArgs::flag(size_t i) const {
  if (!at(i).is_boolean()) unexpected(i, "true or false");
  return at(i).get<bool>();
}

std::string GoldenArgs::text(size_t i) const {
  if (!is_text(i)) unexpected(i, "a string");
  return at(i).get<std::string>();
}

Dims GoldenArgs::dims(size_t i) const {
  if (!at(i).is_array()) unexpected(i, "a list of integers");
  return dims_of(at(i));
}

DType GoldenArgs::dtype(size_t i) const {
  if (!at(i).is_object() || !at(i).contains("dtype")) unexpected(i, "a dtype");
  return parse_dtype(at(i).at("dtype").get<std::string>()).value();
}

std::vector<Tensor> GoldenArgs::differentiable() const { return differentiable_; }

GoldenFile read_golden(const std::string& path) {
  SafetensorsFile file = load_safetensors(path);
  GoldenFile out;
  out.data.insert(file.tensors.begin(), file.tensors.end());
  for (const json& item : json::parse(file.metadata.at("cases"))) {
    GoldenCase golden{.name = item.at("name"), .op = item.at("op"), .args = item.at("args")};
    for (const json& ref : item.at("out")) golden.outputs.push_back(array_of(ref, out.data));
    for (const json& ref : item.at("dy")) {
      golden.dys.push_back(ref.is_null() ? Array() : array_of(ref, out.data));
    }
    for (const json& ref : item.at("dx")) golden.dxs.push_back(array_of(ref, out.data));
    out.cases.push_back(std::move(golden));
  }
  return out;
}

std::string golden_fault(const GoldenFile& file, const GoldenCase& golden, const GoldenOp& op,
                         double slack) {
  try {
    GoldenArgs args(golden.args, file.data);
    std::vector<Tensor> results = op(args);
    if (results.size() != golden.outputs.size()) {
      return fmt::format("expected {} results, got {}", golden.outputs.size(), results.size());
    }
    std::vector<Tensor> outputs, dys;
    for (size_t i = 0; i < results.size(); ++i) {
      std::string fault =
          difference(fmt::format("result {}", i), results[i].data(), golden.outputs[i], slack);
      if (!fault.empty()) return fault;
      if (!golden.dys[i].defined()) continue;
      if (!results[i].requires_grad()) return fmt::format("result {} has no gradient", i);
      outputs.push_back(results[i]);
      dys.emplace_back(golden.dys[i]);
    }
    if (outputs.empty()) return "";
    std::vector<Tensor> xs = args.differentiable();
    std::vector<Tensor> dxs = grad(outputs, xs, dys, {.allow_unused = true});
    for (size_t i = 0; i < dxs.size(); ++i) {
      Array dx = dxs[i].defined() ? dxs[i].data() : Array::zeros(xs[i].shape(), xs[i].dtype());
      std::string fault = difference(fmt::format("gradient {}", i), dx, golden.dxs[i], slack);
      if (!fault.empty()) return fault;
    }
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace tessera::test
