// expect: ChildrenBeginWithThisAndAName
#include "tessera.h"

using namespace tessera;

struct Net : nn::Module {
  nn::Linear fc{"fc", 4, 2};
};
