// A step of training with the installed library.
#include <tessera.h>

#include <cstdio>

int main() {
  tessera::nn::Mlp model({.inputs = 2, .hidden1 = 8, .hidden2 = 8, .classes = 2});
  tessera::optim::AdamW optimizer({{model.parameters(), 0.01}}, {});
  // A loss that is no number ends the program, and not the model.
  optimizer.on_nonfinite(tessera::optim::NonFinite::refuse);
  tessera::data::Batch batch{.images = tessera::Array::from(std::vector<float>{0, 1, 1, 0}, {2, 2}),
                             .targets = tessera::Array::from(std::vector<int64_t>{0, 1}, {2})};
  tessera::nn::Loss loss = model.loss(batch);
  loss.sum.backward();
  optimizer.step(1e-2);
  std::printf("loss %.4f, then %.4f\n", loss.sum.item<double>() / loss.weight,
              model.loss(batch).sum.item<double>() / loss.weight);
}
