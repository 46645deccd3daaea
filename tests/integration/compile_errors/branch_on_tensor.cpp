// expect: from .tessera::Tensor. to .bool.
#include "tessera.h"

using namespace tessera;

int f(const Tensor& x) {
  if (x == x) return 1;
  return 0;
}
