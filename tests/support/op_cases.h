// The table of op cases: one row per operation of autograd/ops. Tests of gradients, dtypes, strides
// and threads run every row, so a new operation needs a row here and nothing else.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "autograd/tensor.h"

namespace tessera::test {

// One input: numbers from [low, high), except that none is nearer than `gap` to zero.
struct InputSpec {
  Dims shape;
  double low = -2;
  double high = 2;
  double gap = 0;
};
using InputSpecs = std::vector<InputSpec>;

// An array in plain memory, row-major: what references compute on.
struct Plain {
  Dims shape;
  std::vector<double> values;
};

struct OpCase {
  std::string name;  // of the test; letters, digits and underscores
  std::function<Tensor(const std::vector<Tensor>&)> fn;
  std::vector<InputSpecs> inputs;  // small: a full Jacobian is made of each
  InputSpecs large = {};  // large enough to be cut among threads; empty: the last of inputs
  // The same in plain loops; empty where the result is compared with nothing.
  std::function<Plain(const std::vector<Plain>&)> reference = nullptr;
  std::string op = {};         // as errors name it in brackets; empty: name
  bool any_dtype = false;      // moves elements only: takes i64 as well
  bool cuts_integers = false;  // divides integers and cuts off what is no integer
  // Whether the gradient can be differentiated in its turn.
  bool twice_differentiable = true;
  bool draws = false;  // draws random numbers, which differ between f32 and f64
  // Factors matrices or solves with them: at the ends of a dtype's range LAPACK, and what is made
  // of its factors, lose in f32 what f64 has room for, in PyTorch too.
  bool factors = false;
  // A matrix product underneath: the bits depend on the strides too, the values do not.
  bool layout_changes_bits = false;
  double tolerance_f32 = 1e-5;  // absolute and relative, of f32 against f64
};

// All rows, and those of one family, each in the file of its name in op_cases/.
const std::vector<OpCase>& op_cases();
std::vector<OpCase> activation_cases();
std::vector<OpCase> argument_cases();
std::vector<OpCase> arithmetic_cases();
std::vector<OpCase> attention_cases();
std::vector<OpCase> bag_cases();
std::vector<OpCase> conv_cases();
std::vector<OpCase> decomposition_cases();
std::vector<OpCase> diagonal_cases();
std::vector<OpCase> interpolate_cases();
std::vector<OpCase> index_cases();
std::vector<OpCase> index_write_cases();
std::vector<OpCase> join_cases();
std::vector<OpCase> likelihood_loss_cases();
std::vector<OpCase> linalg_cases();
std::vector<OpCase> loss_cases();
std::vector<OpCase> margin_loss_cases();
std::vector<OpCase> matmul_cases();
std::vector<OpCase> normalize_cases();
std::vector<OpCase> patches_cases();
std::vector<OpCase> pool_cases();
std::vector<OpCase> random_cases();
std::vector<OpCase> reduce_cases();
std::vector<OpCase> scan_cases();
std::vector<OpCase> shape_cases();
std::vector<OpCase> shrink_cases();
std::vector<OpCase> softmax_cases();
std::vector<OpCase> special_cases();
std::vector<OpCase> stacking_cases();
std::vector<OpCase> transcendental_cases();
std::vector<OpCase> vectors_cases();
std::vector<OpCase> volume_cases();
std::vector<OpCase> where_cases();
std::vector<OpCase> sort_cases();
std::ostream& operator<<(std::ostream& out, const OpCase& op_case);

// Leaves that require gradients, the same for the same seed. Those of f32 and f64 are the same
// numbers.
std::vector<Tensor> sample(const InputSpecs& specs, DType dtype, uint64_t seed = 1);

}  // namespace tessera::test
