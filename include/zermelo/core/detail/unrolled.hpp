// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <type_traits>
#include <utility>

#include "../config.hpp"

namespace zermelo::inline v1::detail {

/// f(0), f(1), …, f(N − 1) with constants as arguments: arrays of packs that are indexed by them stay in registers, which
/// a loop does not promise at -O2.
template <int N, class F>
ZERMELO_INLINE void unrolled(F&& f) {
  [&]<int... K>(std::integer_sequence<int, K...>)
      ZERMELO_LAMBDA_INLINE { (f(std::integral_constant<int, K>{}), ...); }(std::make_integer_sequence<int, N>{});
}

}  // namespace zermelo::inline v1::detail
