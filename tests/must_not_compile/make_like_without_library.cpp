// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// zermelo: to make a tensor of this type takes its library. include its header of zermelo/core/adapt
#include <vector>

#include "zermelo/core/make_like.hpp"

auto another(const std::vector<float>& x) { return zermelo::make_like(x); }
