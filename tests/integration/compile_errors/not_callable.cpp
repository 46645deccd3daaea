// expect: struct Net : nn::Callable<Net>
#include "tessera.h"

using namespace tessera;

struct Net : nn::Module {
  Tensor forward(const Tensor& x) { return x; }
};

void f(const Tensor& x) { Net()(x); }
