// expect: tessera::Tensor. to .float.
#include "tessera.h"

using namespace tessera;

float f(const Tensor& x) { return x; }
