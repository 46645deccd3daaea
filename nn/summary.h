// A table of a model's modules.
#pragma once

#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "nn/module.h"
#include "nn/tensors_of.h"

namespace tessera::nn {

struct SummaryRow {
  std::string path;        // empty for the root
  std::string type;        // "Linear"
  size_t depth = 0;        // of the root: 0
  std::string output;      // the shapes of its results, of the last call; empty: never called
  int64_t calls = 0;       // of this module in the run
  int64_t parameters = 0;  // elements of its own and those below, shared ones once
  int64_t bytes = 0;       // of the same, and of buffers
  double flops = 0;        // of all its calls, those below included: products, convolutions,
                           // attention (core/meta/meta.h)
};

// One row for each module, depth first.
class Summary {
 public:
  std::vector<SummaryRow> rows;
  const SummaryRow& total() const { return rows.front(); }
  // The table, with a line for each row and one for the whole.
  std::string text() const;
};
std::ostream& operator<<(std::ostream& out, const Summary& summary);

namespace detail {

// While one lives, the module has the shapes and dtypes that it had, and no data, and notes what
// runs; all is as before afterwards, random numbers too.
class DryRun {
 public:
  explicit DryRun(Module& module);
  ~DryRun();
  DryRun(const DryRun&) = delete;
  DryRun& operator=(const DryRun&) = delete;
  Summary take();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A tensor of the same shape without data.
Tensor on_meta(const Tensor& tensor);

template <class T>
T value_on_meta(T value) {
  visit_tensors(value, [](Tensor& tensor) {
    if (tensor.defined()) tensor = on_meta(tensor);
  });
  return value;
}

}  // namespace detail

// What module(args...) makes, by a run on the device meta, without gradients: nothing is computed,
// and of the arguments only shapes and dtypes count. An Error where forward needs to see numbers.
template <class M, class... Args>
Summary summarize(M& module, const Args&... args) {
  detail::DryRun dry_run(module);
  module(detail::value_on_meta(args)...);
  return dry_run.take();
}

}  // namespace tessera::nn
