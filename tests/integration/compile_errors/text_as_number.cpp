// expect: deleted function .*Scalar
#include "tessera.h"

int main() {
  tessera::Tensor x = tessera::ones({2});
  x = x + "1";
}
