// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <utility>

#include "../config.hpp"
#include "../lanes.hpp"
#include "../simd.hpp"
#include "unrolled.hpp"

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

/// With High, lane i of the result is lane i + Step of a, or lane i of b where bit Step of i is set; else lane i of a, or lane
/// i − Step of b.
template <int Step, bool High, class T, int N, int... Lane>
ZERMELO_INLINE pack<T, N> exchange_lanes(pack<T, N> a, pack<T, N> b, std::integer_sequence<int, Lane...>) {
#if defined(__CUDACC__)
  pack<T, N> mixed;
  for (int i = 0; i < N; ++i)
    mixed.lanes[i] =
        High ? ((i & Step) != 0 ? b.lanes[i] : a.lanes[i + Step]) : ((i & Step) != 0 ? b.lanes[i - Step] : a.lanes[i]);
  return mixed;
#else
  return pack<T, N>(__builtin_shufflevector(
      a.lanes, b.lanes,
      (High ? ((Lane & Step) != 0 ? N + Lane : Lane + Step) : ((Lane & Step) != 0 ? N + Lane - Step : Lane))...));
#endif
}

/// N packs of N lanes, of which lane i of pack j becomes lane j of pack i.
template <int Step = 1, class T, int N>
ZERMELO_INLINE void transpose_lanes(pack<T, N> (&m)[N]) {
  if constexpr (Step < N) {
    unrolled<N>([&](auto i) ZERMELO_LAMBDA_INLINE {
      if constexpr ((i & Step) == 0) {
        const auto low = exchange_lanes<Step, false>(m[i], m[i + Step], std::make_integer_sequence<int, N>{});
        m[i + Step] = exchange_lanes<Step, true>(m[i], m[i + Step], std::make_integer_sequence<int, N>{});
        m[i] = low;
      }
    });
    transpose_lanes<2 * Step>(m);
  }
}

}  // namespace zermelo::inline v1::detail
