// A loss of one's own, in a loop: a quantile is learnt instead of a mean, over any number of ranks.
//   mpirun -np 4 own_loss FOLDER STEPS
#include <autograd/ops.h>
#include <core/digest.h>
#include <distributed/checkpoint/checkpointer.h>
#include <distributed/comm/direct/mpi_communicator.h>
#include <nn/layers/linear.h>
#include <nn/optim/adamw.h>

using namespace tessera;

// The share q of the targets is to lie below y: q (t - y) where they lie above, (1 - q) (y - t)
// where they do not (Koenker and Bassett 1978). A sum and its weight, so that the mean over a whole
// batch is right however that is cut.
nn::Loss quantile_loss(const Tensor& y, const Tensor& targets, double q) {
  Tensor off = targets - y;
  return {sum(maximum(off * q, off * (q - 1))), static_cast<double>(off.numel())};
}

struct Net : nn::Callable<Net> {
  nn::Linear fc1{this, "fc1", 1, 32}, fc2{this, "fc2", 32, 1};
  Net() { fc1.make_block(), fc2.make_block(); }
  Tensor forward(const Tensor& x) { return fc2(tanh(fc1(x))); }
};

void train(Communicator& world, const std::string& folder, int64_t steps) {
  Net net;
  Mesh mesh(world);
  optim::AdamW adam({{net.parameters()}}, {});
  TrainStep step(net, adam, mesh, {.leaves = 8, .strategy = Strategy::zero3});
  Checkpointer checkpoints(step, folder, {.every = 50});
  checkpoints.resume_latest();
  auto loss_of_leaf = [&](Leaf) {
    Tensor x = rand({32, 1});
    return quantile_loss(net(x), x + rand({32, 1}), 0.9);
  };
  while (step.steps_done() < steps) {
    step.run(0.01, loss_of_leaf);
    checkpoints.after_step({});
  }
  checkpoints.save({});
  // Of numbers spread evenly over [0, 1) nine tenths lie below 0.9.
  double off = step.evaluate(8, [&](int64_t) {
    Tensor x = rand({32, 1});
    return nn::l1_loss(net(x), x + 0.9);
  });
  std::string digest = tessera::digest(step.state());
  if (world.rank() == 0) fmt::print("off by {:.4f}\nstep {}: digest {}\n", off, steps, digest);
}

int main(int argc, char** argv) {
  MpiEnvironment mpi;
  try {
    train(*mpi.world(), argc > 1 ? argv[1] : "own_loss", argc > 2 ? std::stoll(argv[2]) : 200);
  } catch (const std::exception& error) {
    fmt::print(stderr, "own_loss: {}\n", error.what());
    mpi.abort(1);
  }
}
