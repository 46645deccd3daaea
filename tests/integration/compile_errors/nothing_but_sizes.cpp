// expect: ChildrenBeginWithThisAndAName
#include "tessera.h"

using namespace tessera;

Tensor f(const Tensor& x) { return nn::Linear(4, 2)(x); }
