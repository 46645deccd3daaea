// expect: ChildrenBeginWithThisAndAName
#include "tessera.h"

using namespace tessera;

struct Net : nn::Module {
  nn::LayerNorm norm{this, 16};
};
