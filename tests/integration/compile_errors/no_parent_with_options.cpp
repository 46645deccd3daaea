// expect: ChildrenBeginWithThisAndAName|NotThis
#include "tessera.h"

using namespace tessera;

struct Net : nn::Module {
  nn::Linear fc{"fc", 4, 2, {.bias = false}};
};
