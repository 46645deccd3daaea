// Stands for the CUDA backend in builds without a CUDA toolkit, and in those with a sanitizer.
#include "core/cuda/cuda.h"

namespace tessera::cuda {
namespace {

[[noreturn]] void missing(int index) {
  throw_error(fmt::format("[cuda] there is no device cuda:{}: {}", index, availability().reason));
}

}  // namespace

const Availability& availability() {
  static const Availability none{
      0,
      "this build has no CUDA backend: it was configured without a CUDA toolkit, or with a "
      "sanitizer"};
  return none;
}

std::string describe(int index) { missing(index); }
Backend& backend(int index) { missing(index); }

}  // namespace tessera::cuda
