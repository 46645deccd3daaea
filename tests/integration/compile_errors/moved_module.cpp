// expect: modules are not copied: hold a std::unique_ptr
#include "tessera.h"

using namespace tessera;

struct Net : nn::Callable<Net> {
  nn::Linear fc{this, "fc", 4, 2};
};

void f(Net& net) { Net other = std::move(net); }
