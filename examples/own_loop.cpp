// A training loop of one's own: own model, loss and metric, zero3, checkpoints, and going on.
//   mpirun -np 4 own_loop FOLDER STEPS
#include <launcher/experiment/metrics/jsonl_sink.h>
#include <tessera.h>

using namespace tessera;

struct Net : nn::Callable<Net> {
  nn::Linear fc1{this, "fc1", 1, 64}, fc2{this, "fc2", 64, 64}, fc3{this, "fc3", 64, 1};
  Net() { fc1.make_block(), fc2.make_block(), fc3.make_block(); }  // what zero3 gathers at once
  Tensor forward(const Tensor& x) { return fc3(tanh(fc2(tanh(fc1(x))))); }
};

void train(Communicator& world, const std::string& folder, int64_t steps) {
  Net net;
  Mesh mesh(world);
  optim::AdamW adam({{net.parameters(), 0.01}}, {});
  TrainStep step(net, adam, mesh, {.leaves = 8, .clip_norm = 1, .strategy = Strategy::zero3});
  Checkpointer checkpoints(step, folder, {.every = 20, .keep = 2});
  checkpoints.resume_latest();
  std::optional<experiment::JsonlSink> metrics;
  if (world.rank() == 0)
    metrics.emplace(folder + "/metrics.jsonl", experiment::LineFileMode::extend);
  auto error_at = [&](const Tensor& x) { return net(x) - sin(x * 3.0); };
  while (step.steps_done() < steps) {
    StepResult result = step.run(0.01, [&](Leaf) {
      Tensor x = rand({32, 1}) * 4.0 - 2.0;  // the leaf's own numbers, on whichever rank
      return nn::Loss{sum(square(error_at(x))), 32};
    });
    double worst = step.evaluate(4, [&](int64_t i) {
      return nn::Loss{max(abs(error_at(full({1, 1}, static_cast<double>(i) - 1.5)))), 1};
    });
    checkpoints.after_step({.metric = worst});
    if (metrics)
      metrics->record(
          {.step = step.steps_done(), .metrics = {{"loss", result.loss()}, {"worst", worst}}});
  }
  checkpoints.save({});
  std::string digest = tessera::digest(step.state());
  if (world.rank() == 0) fmt::print("step {}: digest {}\n", step.steps_done(), digest);
}

int main(int argc, char** argv) {
  MpiEnvironment mpi;
  try {
    train(*mpi.world(), argc > 1 ? argv[1] : "own_loop", argc > 2 ? std::stoll(argv[2]) : 100);
  } catch (const std::exception& error) {
    fmt::print(stderr, "own_loop: {}\n", error.what());
    mpi.abort(1);
  }
}
