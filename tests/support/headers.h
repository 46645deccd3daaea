// What most tests include, read by the compiler once for all of them. Each test still includes what
// it uses: the preset dev and clang-tidy compile without this file.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/kernels.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"
