// Training on one batch.
#pragma once

#include <gtest/gtest.h>

#include "nn/models/model.h"
#include "nn/optim/adamw.h"

namespace tessera::test {

struct Losses {
  double first = 0;
  double last = 0;
  double weight = 0;  // of the whole batch, in every step
};

// Mean losses over so many steps of AdamW on the batch.
inline Losses train_on_one_batch(nn::Model& model, const data::Batch& batch, int steps) {
  optim::AdamW optimizer({{model.parameters()}}, {});
  Losses losses;
  for (int step = 0; step < steps; ++step) {
    nn::Loss loss = model.loss(batch);
    optimizer.zero_grad();
    loss.sum.backward();
    optimizer.step(0.02, Array::scalar(1 / loss.weight, DType::f64));
    losses.last = loss.sum.item<double>() / loss.weight;
    if (step == 0) losses = {losses.last, losses.last, loss.weight};
    EXPECT_EQ(loss.weight, losses.weight);
  }
  return losses;
}

}  // namespace tessera::test
