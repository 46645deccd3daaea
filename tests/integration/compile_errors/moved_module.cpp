// expect: modules are not copied: hold a std::unique_ptr
#include "tessera.h"

using namespace tessera;

struct Net : nn::Callable<Net> {
  Tensor forward(const Tensor& x) { return x; }
};

void f(Net& net) { Net other = std::move(net); }
