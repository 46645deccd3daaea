// The rows of the op table on a CUDA device, against the CPU. A row that needs a kernel family the
// device lacks is skipped, and no more rows than are known to may be.
#include <map>
#include <regex>

#include "autograd/ops.h"
#include "core/kernels.h"
#include "tests/core/cuda/cuda_test.h"
#include "tests/support/op_cases.h"

namespace tessera::test {
namespace {

// Rows of the table that the families of the device serve; it may only grow.
constexpr size_t kServedRows = 334;

// The result, the gradients of the inputs for an arbitrary gradient of it, and the gradients of
// those gradients' sum of squares.
std::vector<Array> run(const OpCase& row, const std::vector<Tensor>& inputs) {
  Tensor out = row.fn(inputs);
  Array dy = random_array(out.shape(), DType::f32, 77).to(out.dtype()).to(out.device());
  out.backward(Tensor(dy), row.twice_differentiable, row.twice_differentiable);
  std::vector<Array> results{out.data()};
  Tensor squares;
  for (const Tensor& x : inputs) {
    results.push_back(x.grad().data());
    if (!x.grad().requires_grad()) continue;
    Tensor square = sum(x.grad() * x.grad());
    squares = squares.defined() ? squares + square : square;
    x.set_grad({});
  }
  if (!squares.defined()) return results;
  squares.backward();
  for (const Tensor& x : inputs) {
    if (x.grad().defined()) results.push_back(x.grad().data());
  }
  return results;
}

// The same elements, with dims reversed in memory if `reversed`.
std::vector<Tensor> inputs_on(Device device, const InputSpecs& specs, DType dtype, bool reversed) {
  std::vector<Tensor> out;
  for (const Tensor& sampled : sample(specs, dtype)) {
    Array x = sampled.data();
    Dims order;
    for (size_t d = x.dim(); d-- > 0;) order.push_back(static_cast<int64_t>(d));
    x = reversed ? x.permute(order).contiguous().to(device).permute(order) : x.to(device);
    out.emplace_back(x, is_floating(dtype));
  }
  return out;
}

void expect_as_on_the_cpu(const OpCase& row, const InputSpecs& specs, DType dtype, bool reversed) {
  SCOPED_TRACE(fmt::format("{} {}", dtype, reversed ? "reversed" : "contiguous"));
  for (const InputSpec& spec : specs) SCOPED_TRACE(to_string(spec.shape));
  std::vector<Array> there = run(row, inputs_on(kCuda, specs, dtype, reversed));
  std::vector<Array> here = run(row, inputs_on(Device{}, specs, dtype, reversed));
  ASSERT_EQ(there.size(), here.size());
  double tolerance = dtype == DType::f64 ? 1e-11 : 10 * row.tolerance_f32;
  for (size_t i = 0; i < here.size(); ++i) {
    EXPECT_EQ(there[i].device(), kCuda) << "result " << i;
    EXPECT_EQ(there[i].shape(), here[i].shape()) << "result " << i;
    EXPECT_EQ(there[i].dtype(), here[i].dtype()) << "result " << i;
    EXPECT_TRUE(close_to(doubles(there[i].to(Device{})), doubles(here[i]), tolerance, tolerance))
        << "result " << i;
  }
}

void expect_as_on_the_cpu(const OpCase& row) {
  for (const InputSpecs& specs : row.inputs) {
    for (DType dtype : {DType::f32, DType::f64}) {
      for (bool reversed : {false, true}) expect_as_on_the_cpu(row, specs, dtype, reversed);
    }
  }
}

// The family that the row needs and the device lacks, by the error that kernels() throws; "" where
// the device has all of them.
std::string missing_family(const OpCase& row) {
  std::string error = error_of([&] {
    for (const InputSpecs& specs : row.inputs) run(row, inputs_on(kCuda, specs, DType::f64, false));
  });
  static const std::regex kMissing(R"(\[(\w+)\] cuda has no kernels of this family)");
  std::smatch match;
  if (std::regex_search(error, match, kMissing)) return match[1];
  if (!error.empty()) ADD_FAILURE() << row.name << ": " << error;
  return "";
}

class CudaOpCase : public CudaTest, public testing::WithParamInterface<OpCase> {};

TEST_P(CudaOpCase, AgreesWithTheCpu) {
  std::string missing = missing_family(GetParam());
  if (!missing.empty()) GTEST_SKIP() << "needs the family " << missing;
  if (!HasFailure()) expect_as_on_the_cpu(GetParam());
}

INSTANTIATE_TEST_SUITE_P(Ops, CudaOpCase, testing::ValuesIn(op_cases()),
                         [](const auto& info) { return info.param.name; });

using CudaOpCases = CudaTest;

// Rows for which the host waits: how often matrix_exp squares, whether weights of cov are none
// below 0, and how long the sequences of ctc_loss are, are known there.
constexpr const char* kWaiting = " matrix_exp cov_weights ctc_loss";

TEST_F(CudaOpCases, AtLeastTheKnownRowsAreServed) {
  std::map<std::string, int> unserved;
  size_t served = 0;
  std::string waiting;  // for whose results, or gradients, the host waits
  for (const OpCase& row : op_cases()) {
    int64_t waits = backend(kCuda).host_waits();
    std::string missing = missing_family(row);
    if (missing.empty()) ++served;
    else ++unserved[missing];
    if (missing.empty() && backend(kCuda).host_waits() > waits) waiting += " " + row.name;
  }
  std::string text;
  for (const auto& [family, rows] : unserved) text += fmt::format(" {} {}", rows, family);
  EXPECT_GE(served, kServedRows) << "of " << op_cases().size() << "; unserved:" << text;
  EXPECT_EQ(waiting, kWaiting);
  RecordProperty("served", static_cast<int>(served));
  RecordProperty("unserved", text);
}

}  // namespace
}  // namespace tessera::test
