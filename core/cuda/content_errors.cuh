// How kernels report what is wrong with the content of arrays.
#pragma once

#include "core/cuda/content_errors.h"
#include "core/cuda/launch.h"

namespace tessera::cuda {

// Of all that is reported to one stream the host hears the first check's first position, whichever
// thread comes first. Only what is wrong takes the lock, so nobody waits where all is well.
__device__ inline void report(Report to, long long position, long long value) {
  ContentError& error = *to.error;
  while (atomicCAS(&error.lock, 0U, 1U) != 0U) {
  }
  __threadfence();
  volatile ContentError& now = error;
  bool first =
      now.check == 0 || to.check < now.check || (to.check == now.check && position < now.position);
  if (first) {
    now.check = to.check;
    now.position = position;
    now.value = value;
  }
  __threadfence();
  atomicExch(&error.lock, 0U);
}

}  // namespace tessera::cuda
