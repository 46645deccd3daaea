// The golden values of tests/golden: cases read from files that scripts/make_golden.py wrote.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "autograd/tensor.h"
#include "core/scalar.h"

namespace tessera::test {

// The arguments of one case, in the order of the operation's parameters. Asking for an argument
// that is of another kind is an Error naming it.
class GoldenArgs {
 public:
  GoldenArgs(const nlohmann::json& args, const std::map<std::string, Array>& data);

  size_t size() const { return args_.size(); }
  bool is_null(size_t i) const { return at(i).is_null(); }
  bool is_tensor(size_t i) const { return at(i).is_object() && at(i).contains("t"); }
  bool is_text(size_t i) const { return at(i).is_string(); }
  bool is_integer(size_t i) const { return at(i).is_number_integer(); }
  // Undefined where the argument is null.
  Tensor tensor(size_t i) const;
  std::vector<Tensor> tensors(size_t i) const;
  double number(size_t i) const;
  Scalar scalar(size_t i) const;
  std::optional<double> optional_number(size_t i) const;
  std::optional<Scalar> optional_scalar(size_t i) const;
  int64_t integer(size_t i) const;
  bool flag(size_t i) const;
  std::string text(size_t i) const;
  Dims dims(size_t i) const;
  DType dtype(size_t i) const;
  // As JSON, for what has a form of its own.
  const nlohmann::json& at(size_t i) const;
  // The tensors whose gradients the case gives, in the order of the arguments.
  std::vector<Tensor> differentiable() const;

 private:
  [[noreturn]] void unexpected(size_t i, const char* wanted) const;

  nlohmann::json args_;
  std::map<const nlohmann::json*, Tensor> made_;
  std::vector<Tensor> differentiable_;
};

// What Tessera calls for an operation's name.
using GoldenOp = std::function<std::vector<Tensor>(const GoldenArgs&)>;
using GoldenOps = std::map<std::string, GoldenOp>;

struct GoldenCase {
  std::string name;
  std::string op;
  nlohmann::json args;
  std::vector<Array> outputs{};
  std::vector<Array> dys{};  // undefined for results without a gradient
  std::vector<Array> dxs{};
};

struct GoldenFile {
  std::map<std::string, Array> data;  // flat, by the dtype's name
  std::vector<GoldenCase> cases;
};

GoldenFile read_golden(const std::string& path);

// What is wrong with the results of `op` for this case; "" when nothing is. Floating-point numbers
// may be `slack` times as far off as their dtype allows.
std::string golden_fault(const GoldenFile& file, const GoldenCase& golden, const GoldenOp& op,
                         double slack = 1);

}  // namespace tessera::test
