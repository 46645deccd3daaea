// expect: ChildrenBeginWithThisAndAName
#include "tessera.h"

using namespace tessera;

struct Net : nn::Module {
  nn::ModuleList<nn::Linear> parts{"parts"};
};
