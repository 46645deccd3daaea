#include "nn/optim/closure_rule.h"

#include <algorithm>
#include <cmath>

#include "autograd/context.h"
#include "autograd/ops/arithmetic.h"
#include "autograd/ops/extremes.h"
#include "core/kernels.h"
#include "core/kernels/binary.h"
#include "core/kernels/reduce.h"
#include "core/kernels/unary.h"

namespace tessera::optim {
namespace {

constexpr int64_t kChunkOfSums = 256;
constexpr int64_t kChunksAtOnce = 4096;  // 8 MiB of f64

int64_t num_chunks(const Array& x) { return (x.numel() + kChunkOfSums - 1) / kChunkOfSums; }

}  // namespace

template <class Write>
double Objective::sum_over_chunks(const Pieces& x, const Write& write) {
  int64_t total = 0;
  for (const Array& piece : x) total += num_chunks(piece);
  Device device = x.empty() ? Device{} : x[0].device();
  Array sums = Array::empty({total}, DType::f64, device);
  int64_t filled = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    for (int64_t chunk = 0; chunk < num_chunks(x[i]); chunk += kChunksAtOnce) {
      int64_t count = std::min(kChunksAtOnce, num_chunks(x[i]) - chunk);
      int64_t begin = chunk * kChunkOfSums;
      int64_t end = std::min(begin + count * kChunkOfSums, x[i].numel());
      Array terms = Array::empty({count * kChunkOfSums}, DType::f64, device);
      if (end - begin < terms.numel()) terms.slice(0, end - begin, terms.numel()).fill_(0);
      write(i, begin, end, terms.slice(0, 0, end - begin));
      kernels(device).reduce().sum_rows(terms.view({count, kChunkOfSums}),
                                        sums.slice(0, filled, filled + count));
      filled += count;
    }
  }
  return sum_of_chunks(sums);
}

double Objective::dot(const Pieces& a, const Pieces& b) {
  return sum_over_chunks(a, [&](size_t i, int64_t begin, int64_t end, const Array& out) {
    kernels(out.device())
        .binary()
        .run(BinaryOp::mul, a[i].slice(0, begin, end), b[i].slice(0, begin, end), out);
  });
}

double Objective::sum_abs(const Pieces& x) {
  return sum_over_chunks(x, [&](size_t i, int64_t begin, int64_t end, const Array& out) {
    kernels(out.device()).unary().run(UnaryOp::abs, x[i].slice(0, begin, end), out);
  });
}

double Objective::max_abs(const Pieces& x) {
  NoGrad no_grad;
  double largest = 0;
  for (const Array& piece : x) {
    if (piece.numel() == 0) continue;
    double own = amax(abs(Tensor(piece))).item<double>();
    if (std::isnan(own) || own > largest) largest = own;
    if (std::isnan(own)) break;
  }
  return max_of_ranks(largest);
}

void ClosureRule::update(const Slice&, const Array&, const UpdateStep&) const {
  throw_error(
      fmt::format("[{}] it asks for the loss several times in a step, as Optimizer::step(lr, loss) "
                  "and TrainStep::run let it, and stands in no average of another rule",
                  name()));
}

const ClosureRule* closure_rule_of(const RulePtr& rule) {
  return dynamic_cast<const ClosureRule*>(rule.get());
}

}  // namespace tessera::optim
