// expect: ChildrenBeginWithThisAndAName
#include "tessera.h"

using namespace tessera;

struct Net : nn::Module {
  nn::Conv2d conv{*this, "conv", 1, 8, 3};
};
