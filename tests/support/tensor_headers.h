// headers.h for tests of tensors and of what is built on them.
#pragma once

#include "autograd/context.h"
#include "autograd/ops.h"
#include "tests/support/headers.h"
