// Functions element by element.
#pragma once

#include "autograd/ops/activation.h"
#include "autograd/ops/arithmetic.h"
#include "autograd/ops/compare.h"
#include "autograd/ops/in_place.h"
#include "autograd/ops/transcendental.h"
#include "autograd/ops/where.h"
