// What people write first, and what has to compile.
#include "tessera.h"

#include <iostream>

using namespace tessera;

struct Own : nn::Layer {
  using nn::Layer::Layer;
  Tensor forward(const Tensor& x) const override { return relu(x); }
};

struct Net : nn::Callable<Net> {
  nn::Conv2d conv{this, "conv", 1, 8, 3};
  nn::Conv2d strided{this, "strided", 8, 8, 3, {.stride = {2}, .padding = {1}}};
  nn::ConvTranspose2d back{this, "back", 8, 1, {3, 3}};
  nn::MaxPool2d pool{this, "pool", 2};
  nn::AdaptiveAvgPool2d all{this, "all", 1};
  nn::Linear fc{this, "fc", 8, 2};
  nn::ModuleList<nn::Linear> list{this, "list"};
  nn::Sequential body{this, "body"};
  Own own{this, "own"};
  Net() {
    list.emplace_back(2, 2);
    body.add<nn::Linear>(2, 2).add<nn::Relu>().add<Own>();
  }
  Tensor forward(const Tensor& x) {
    return body(list[0](fc(flatten(all(pool(own(back(strided(conv(x))))))))));
  }
};

int main() {
  Net net;
  net(zeros({1, 1, 8, 8}));
  Tensor x = zeros(3) + ones(3) + randn(3) + rand(3) + full(3, 1.5);
  std::cout << x << " " << reshape(x, 3).shape() << " " << x.dtype() << " " << x.device() << " "
            << x.data() << "\n";
}
