// The layers that models are built from. Each is called as a function of Tensors; names of
// parameters and buffers, and the values they start with, are PyTorch's unless told otherwise.
#pragma once

#include "nn/layers/activation.h"
#include "nn/layers/alibi.h"
#include "nn/layers/attention.h"
#include "nn/layers/container.h"
#include "nn/layers/conv.h"
#include "nn/layers/distance.h"
#include "nn/layers/dropout.h"
#include "nn/layers/embedding.h"
#include "nn/layers/gated.h"
#include "nn/layers/linear.h"
#include "nn/layers/moe.h"
#include "nn/layers/multihead_attention.h"
#include "nn/layers/normalize.h"
#include "nn/layers/pad.h"
#include "nn/layers/patches.h"
#include "nn/layers/pool.h"
#include "nn/layers/recurrent.h"
#include "nn/layers/rotary.h"
#include "nn/layers/transformer.h"
#include "nn/layers/upsample.h"
