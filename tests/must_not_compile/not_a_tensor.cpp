// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// constraints not satisfied|no matching function
#include "zermelo/core/tensor.hpp"

double of_a_number() { return zermelo::view(3)(0); }
