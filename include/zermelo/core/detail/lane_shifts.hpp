// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <utility>

#include "../config.hpp"
#include "../lanes.hpp"
#include "../simd.hpp"

/// Lanes of a pack moved past each other: what a scan within a pack is made of.
namespace zermelo::inline v1::detail {

template <int By, class T, int N, int... Lane>
ZERMELO_INLINE pack<T, N> shift_lanes(pack<T, N> x, pack<T, N> fill, std::integer_sequence<int, Lane...>) {
#if defined(__CUDACC__)  // its front end does not know the builtin
  pack<T, N> moved = fill;
  for (int i = 0; i < N; ++i)
    if (i - By >= 0 && i - By < N) moved.lanes[i] = x.lanes[i - By];
  return moved;
#else
  return pack<T, N>(
      __builtin_shufflevector(x.lanes, fill.lanes, (Lane - By >= 0 && Lane - By < N ? Lane - By : N + Lane)...));
#endif
}

/// Lane i of the result is lane i − By of x, or lane i of `fill` where there is none. By may be negative.
template <int By, class T, int N>
ZERMELO_INLINE pack<T, N> shift_lanes(pack<T, N> x, pack<T, N> fill) {
  return shift_lanes<By>(x, fill, std::make_integer_sequence<int, N>{});
}

}  // namespace zermelo::inline v1::detail
