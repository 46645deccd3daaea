// The tessera command with an optimizer of one's own, for any of its models.
//   own_optimizer train own_optimizer.yaml
#include <launcher/experiment/components/optimizers/one_rule.h>
#include <launcher/experiment/run.h>
#include <nn/optim/element_rule.h>

using namespace tessera;

// Steps by the sign of a mean of gradients (Bernstein et al. 2018). A loop takes it as it is:
//   optim::OptimizerOf<Signum> optimizer({{net.parameters()}}, {.momentum = 0.9});
struct Signum final : optim::ElementRule<Signum> {
  struct Options {
    double momentum = 0.9;
  } o;
  explicit Signum(Options options)
      : ElementRule(fmt::format("signum, momentum {}", options.momentum), {"mean"}), o(options) {}
  void apply(double& p, double g, double* mean, const optim::UpdateStep& step) const {
    mean[0] = o.momentum * mean[0] + (1 - o.momentum) * g;
    p -= step.lr * ((mean[0] > 0) - (mean[0] < 0) + step.weight_decay * p);
  }
};

struct SignumOptions final : experiment::optimizers::OptionsOf<SignumOptions, Signum> {
  void visit(experiment::FieldVisitor& v) override {
    v("momentum", options_.momentum, "what stays of the mean in each step",
      experiment::at_least_and_below(0, 1));
  }
};

struct SignumSection final : experiment::optimizers::OneRuleSection<SignumOptions> {
  SignumSection()
      : OneRuleSection({"signum", experiment::optimizers::Decay::decoupled, /*lr=*/1e-4}) {}
};

int main(int argc, char** argv) {
  experiment::Catalog catalog = experiment::builtin_catalog();
  catalog.optim.push_back(experiment::option<SignumSection>("signum", "steps by signs"));
  return run(argc, argv, catalog);
}
