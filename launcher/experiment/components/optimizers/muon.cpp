#include "nn/optim/muon.h"

#include <algorithm>

#include "launcher/experiment/components/optimizers/adamw_options.h"
#include "launcher/experiment/components/setting_text.h"
#include "nn/optim/groups.h"

namespace tessera::experiment::optimizers {
namespace {

// Embeddings and output heads, as models usually call them.
constexpr const char* kUsualNames = "*wte.*, *wpe.*, *embed*, head.*, *lm_head.*";

class MuonOptions final : public RuleOptions {
 public:
  void visit(FieldVisitor& v) override {
    v("momentum", options_.momentum, "what stays of the gradients' mean in each step",
      at_least_and_below(0, 1).in_f32());
    v("nesterov", options_.nesterov, "look ahead along the mean");
    v("iterations", iterations_, "Newton-Schulz iterations that make an update orthogonal",
      in_range(1, 99));
    v("eps", options_.eps, "least norm that the mean is divided by", greater_than(0).in_f32());
    v("scale", options_.scale,
      "what multiplies the rate of an R x C matrix; original: sqrt(max(1, R / C)); "
      "match_rms_adamw: 0.2 sqrt(max(R, C)), for updates as large as AdamW's");
  }
  std::unique_ptr<RuleOptions> clone() const override {
    return std::make_unique<MuonOptions>(*this);
  }
  optim::RulePtr rule(const std::string&) const override {
    optim::MuonRule::Options options = options_;
    options.iterations = static_cast<int>(iterations_);
    return std::make_shared<optim::MuonRule>(options);
  }

 private:
  optim::MuonRule::Options options_;
  int64_t iterations_ = options_.iterations;
};

class MuonSection final : public OptimSection {
 public:
  void visit(FieldVisitor& v) override {
    OptimSection::visit(v);
    v("weight_decay", weight_decay_, "decoupled weight decay of what Muon updates",
      at_least(0).in_f32());
    rule_.visit(v);
    v("adamw_for", adamw_for_,
      "PATTERN, ...: matrices that AdamW updates, as it does all that is no matrix; embeddings and "
      "the output head should be among them");
    v("adamw_lr", adamw_lr_, "AdamW's highest learning rate; null: lr", greater_than(0).in_f32());
    v("adamw_weight_decay", adamw_weight_decay_,
      "decoupled weight decay of tensors with two dims or more that AdamW updates",
      at_least(0).in_f32());
    visit_prefixed(adamw_, kPrefix, v);
  }
  std::unique_ptr<optim::Optimizer> make(const nn::Module& module) const override;

 protected:
  std::vector<SectionRule> rules() const override {
    return {{"muon", &rule_, lr, weight_decay_},
            {"adamw", &adamw_, adamw_lr_.value_or(lr), adamw_weight_decay_, kPrefix}};
  }

 private:
  static constexpr const char* kPrefix = "adamw_";

  double weight_decay_ = 0.1;
  MuonOptions rule_;
  std::string adamw_for_ = kUsualNames;
  std::optional<double> adamw_lr_;
  double adamw_weight_decay_ = 0.1;
  AdamWOptions adamw_;
};

// The patterns of adamw_for. Those that somebody chose match something; the usual names need not.
std::vector<std::string> patterns_of(const std::string& adamw_for, const nn::Module& module) {
  std::vector<std::string> patterns;
  if (adamw_for.empty()) return patterns;
  nn::NamedTensors parameters = module.named_parameters();
  for (std::string& pattern : split_trimmed(adamw_for, ',')) {
    bool matches = std::any_of(parameters.begin(), parameters.end(), [&](const auto& parameter) {
      return optim::is_name_like(parameter.first, pattern);
    });
    if (!matches && adamw_for != kUsualNames) {
      throw ConfigError(fmt::format("optim.adamw_for: {} matches no parameter of the model",
                                    job::in_quotes(pattern)));
    }
    patterns.push_back(std::move(pattern));
  }
  return patterns;
}

std::unique_ptr<optim::Optimizer> MuonSection::make(const nn::Module& module) const {
  std::vector<std::string> patterns = patterns_of(adamw_for_, module);
  size_t num_matrices = 0;
  auto rule_of = [&](const std::string& name, const Tensor& parameter) -> size_t {
    bool by_adamw = parameter.dim() != 2 ||
                    std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
                      return optim::is_name_like(name, pattern);
                    });
    if (!by_adamw) ++num_matrices;
    return by_adamw ? 1 : 0;
  };
  auto optimizer = optimizer_of(module, rule_of);
  if (num_matrices > 0) return optimizer;
  throw ConfigError("optim.adamw_for: of the model, no matrix is left for muon to update");
}

}  // namespace

Option muon() {
  return option<MuonSection>("muon",
                             "orthogonal updates of matrices; AdamW for all other parameters");
}

}  // namespace tessera::experiment::optimizers
