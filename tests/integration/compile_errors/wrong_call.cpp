// expect: forward\(...\) does not take these arguments
#include "tessera.h"

using namespace tessera;

struct Net : nn::Callable<Net> {
  Tensor forward(const Tensor& x, int times) { return x * times; }
};

Tensor f(const Tensor& x) { return Net()(x); }
