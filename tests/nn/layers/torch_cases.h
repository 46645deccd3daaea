// Layers against torch.nn, by the values of scripts/make_sequence_layers_golden.py and
// scripts/make_modules_golden.py.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "nn/module.h"

namespace tessera::test {

// A layer and what is called of it; the names of parameters are those below the module.
struct LayerCase {
  std::string name;
  std::vector<Dims> inputs;
  std::function<std::vector<Tensor>(nn::Module& root, const std::vector<Tensor>& x)> call;
};

// L(args...), made the first time it is asked for.
template <class L, class... Args>
L& layer(nn::Module& root, Args&&... args) {
  if (!root.find("m")) root.attach("m", nn::make<L>(std::forward<Args>(args)...));
  return root.get<L>("m");
}

// `file` lies in tests/golden/nn; it has no other cases.
void expect_as_in_torch(const std::string& file, const std::vector<LayerCase>& cases);

}  // namespace tessera::test
