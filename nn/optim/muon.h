// Muon.
#pragma once

#include <array>
#include <optional>

#include "core/words.h"
#include "nn/optim/optimizer.h"

namespace tessera::optim {

// How the rate of a step is suited to a matrix of R rows and C columns.
enum class MuonScale {
  original,        // times sqrt(max(1, R / C))
  match_rms_adamw  // times 0.2 sqrt(max(R, C)): updates as large as AdamW's (Liu et al. 2025)
};
constexpr auto words_of(MuonScale) {
  return std::array{Word{MuonScale::original, "original"},
                    Word{MuonScale::match_rms_adamw, "match_rms_adamw"}};
}

// The momentum of each matrix, made orthogonal by a few Newton-Schulz iterations (Jordan et al.
// 2024), as torch.optim.Muon has it; weight decay is decoupled. For parameters of two dims: others
// go into a group with another rule. The iterations are products of the whole matrix, in an order
// that its shape alone decides, so its bits depend on neither ranks nor strategy.
class MuonRule final : public UpdateRule {
 public:
  struct Options {
    double momentum = 0.95;
    bool nesterov = true;
    std::array<double, 3> coefficients{3.4445, -4.775, 2.0315};
    int iterations = 5;
    double eps = 1e-7;
    MuonScale scale = MuonScale::original;
    // What each product is rounded to; sums are in f32 (or f64, for f64) whatever it is.
    DType products = DType::bf16;
  };
  explicit MuonRule(Options options);

  Cut cut() const override { return Cut::whole_parameter; }
  bool heeds_when() const override { return true; }
  std::vector<StateInfo> states(const Dims& shape) const override;
  std::string describe() const override;
  void update(const Slice& slice, const Array& grad_scale, const UpdateStep& step) const override;

 private:
  void write(const Slice& slice, const Array& grad_scale, const UpdateStep& step) const;

  Options options_;
};

using Muon = OptimizerOf<MuonRule>;

}  // namespace tessera::optim
