// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "../detail/lane_shifts.hpp"
#include "../detail/segments.hpp"
#include "../error.hpp"
#include "../execution/default_policy.hpp"
#include "../execution/policy.hpp"
#include "../lanes.hpp"
#include "../tensor.hpp"
#include "../value.hpp"
#include "map_reduce.hpp"
#include "monoids.hpp"
#include "segment_reduce.hpp"

/// Prefixes of a sequence, by any associative rule.
namespace zermelo::inline v1 {

struct scan_parameters {
  bool reverse = false;    ///< from the last element to the first
  bool exclusive = false;  ///< an element's output does not count the element itself
};

namespace detail::inline ZERMELO_ISA {

/// Steps of the walk in a tile.
inline constexpr std::int64_t scan_tile = 8192;

template <int By>
struct shift_parts {
  template <class V>
  ZERMELO_FN V operator()(V x, V fill) const {
    return shift_lanes<By>(x, fill);
  }
};
template <class V>
struct broadcast_parts {
  ZERMELO_FN V operator()(double x, double) const { return V(static_cast<scalar_t<V>>(x)); }
};
/// One lane, as a number that sums are kept in.
template <bool Reverse>
struct last_visited {
  template <class V>
  ZERMELO_FN double operator()(V x, V) const {
    if constexpr (lanes<V> == 1)
      return static_cast<double>(x);
    else
      return static_cast<double>(x[Reverse ? 0 : static_cast<int>(lanes<V>) - 1]);
  }
};

template <class Monoid>
using in_double = decltype(zip_monoids(std::declval<Monoid>(), std::declval<Monoid>(), last_visited<false>{}));

/// Lane i becomes the merge of the lanes visited until i.
template <bool Reverse, int Step = 1, class V, class Monoid>
ZERMELO_INLINE Monoid scan_lanes(Monoid m) {
  if constexpr (Step < lanes<V>)
    return scan_lanes<Reverse, 2 * Step, V>(
        merge(zip_monoids(m, Monoid::identity(), shift_parts<(Reverse ? -Step : Step)>{}), m));
  else
    return m;
}

template <class V, bool Contiguous, class Out, class Parts, std::size_t... W>
ZERMELO_INLINE void put_parts(const Out& out, std::int64_t k, std::int64_t count, const Parts& parts, mask_t<V>& bad,
                              std::index_sequence<W...>) {
  const auto one = [&]<class C>(const C& c, V x) ZERMELO_LAMBDA_INLINE {
    if constexpr (!std::is_same_v<C, no_column>) {
      bad = bad | is_nan(x);
      put<V, Contiguous>(c, k, count, x);
    }
  };
  (one(std::get<W>(out), get<W>(parts)), ...);
}

/// Monoids of which two chains of merges cost less than reading the elements twice.
template <class Monoid>
inline constexpr bool merges_cheaply = !requires(const Monoid& m) { over_lanes(m); };
template <class V>
inline constexpr bool merges_cheaply<total<V>> = true;

/// In place of a merge that is not asked for.
struct not_merged {};

template <class V>
struct scan_faults {
  mask_t<V> input = is_nan(V(0)), output = is_nan(V(0));
};

/// Elements [begin, end), visited in order; `before` is the merge of what was visited so far, and of them too afterwards;
/// `alone` becomes the merge of them alone, where it is asked for. With Write, prefixes are written.
template <class V, bool Contiguous, bool Reverse, bool Write, class Kernel, class In, class Out, class Carry,
          class Alone, std::size_t... R, class Each>
ZERMELO_INLINE void scan_piece(const Kernel& given_kernel, const In& given_in, const Out& given_out, std::int64_t begin,
                               std::int64_t end, bool exclusive, Carry& carry, Alone& alone,
                               scan_faults<V>& given_faults, std::index_sequence<R...>, Each write) {
  constexpr std::int64_t width = lanes<V>;
  // Copies that no store through an output can reach stay in registers; so do bundles and monoids that are not const.
  const Kernel kernel = given_kernel;
  const In in = given_in;
  const Out out = given_out;
  Carry before = carry;
  Alone only = alone;
  scan_faults<V> faults = given_faults;
  const auto step = [&](std::int64_t k, std::int64_t count) ZERMELO_LAMBDA_INLINE {
    const auto element = [&](const auto&... x) ZERMELO_LAMBDA_INLINE {
      if constexpr (Write) ((faults.input = faults.input | is_nan(x)), ...);  // lanes behind the end repeat an element
      return kernel(x...);
    };
    auto m = element(fetch<V, Contiguous>(std::get<R>(in), k, count)...);
    using monoid = decltype(m);
    if constexpr (width > 1)
      if (count < width) m = where(first_lanes<V>(count), m);
    monoid prefix = scan_lanes<Reverse, 1, V>(m);
    auto all = zip_monoids(prefix, prefix, last_visited<Reverse>{});
    if constexpr (!std::is_same_v<Alone, not_merged>) only = merge(only, all);
    if constexpr (Write) {
      if constexpr (width == 1) {
        Carry after = merge(before, all);
        const Carry& told = exclusive ? before : after;
        put_parts<V, Contiguous>(out, k, 1, parts_of(zip_monoids(told, told, broadcast_parts<V>{})), faults.output,
                                 write);
        before = after;
        return;
      } else {
        monoid within = prefix;
        if (exclusive) within = zip_monoids(prefix, monoid::identity(), shift_parts<(Reverse ? -1 : 1)>{});
        monoid carried = zip_monoids(before, before, broadcast_parts<V>{});
        put_parts<V, Contiguous>(out, k, count, parts_of(merge(carried, within)), faults.output, write);
      }
    }
    before = merge(before, all);
  };
  if constexpr (Reverse) {
    const std::int64_t rest = (end - begin) % width, whole = begin + rest;
    for (std::int64_t k = end - width; k >= whole; k -= width) step(k, width);
    if (rest > 0 && begin < end) step(begin, rest);
  } else {
    std::int64_t k = begin;
    for (; k + width <= end; k += width) step(k, width);
    if (k < end) step(k, end - k);
  }
  carry = before;
  alone = only;
  given_faults = faults;
}

template <class Carry>
struct scan_part {
  segment_tile tile;
  Carry incoming;  ///< the merge of what was visited before, of the segment that comes in
  Carry open;      ///< the merge of the tile's elements, of the segment that goes on in the tile visited next
  bool not_ascending, not_a_number, undefined;
};

/// Elements of segment s in a tile.
template <class Offsets>
ZERMELO_INLINE std::pair<std::int64_t, std::int64_t> within_tile(const Offsets& offsets, const segment_tile& tile,
                                                                 std::int64_t s) {
  return {(std::max)(offsets(s), tile.begin), (std::min)(offsets(s + 1), tile.end)};
}

template <class V, bool Contiguous, bool Reverse, class Monoid, class Kernel, class In, class Out, class Offsets,
          class Part, class Read, class Write>
void reduce_open_segment(const Kernel& kernel, const In& in, const Out& out, const Offsets& offsets, Part& part,
                         Read read, Write write) {
  const std::int64_t s = Reverse ? part.tile.first : part.tile.last;
  part.open = decltype(part.open)::identity();
  if (s >= offsets.segments()) return;
  const auto [begin, end] = within_tile(offsets, part.tile, s);
  if constexpr (!merges_cheaply<Monoid>) {  // commutative: lanes may run side by side
    mask_t<V> unused = is_nan(V(0));
    const std::int64_t limit = std::get<0>(in).view.size();
    part.open = get<0>(reduce_piece<V, Contiguous>(kernel, in, begin, end, limit, unused, read));
  } else {
    scan_faults<V> unused;
    not_merged none;
    scan_piece<V, Contiguous, Reverse, false>(kernel, in, out, begin, end, false, part.open, none, unused, read, write);
  }
}

/// With Once, the merge of the open segment's elements is formed on the way.
template <class V, bool Contiguous, bool Reverse, bool Once, class Kernel, class In, class Out, class Offsets,
          class Part, class Read, class Write>
void scan_segments_of_tile(const Kernel& kernel, const In& in, const Out& out, const Offsets& offsets, bool exclusive,
                           Part& part, Read read, Write write) {
  const segment_tile tile = part.tile;
  const std::int64_t last = (std::min)(tile.last, offsets.segments() - 1);
  const std::int64_t open = Reverse ? tile.first : tile.last;
  scan_faults<V> faults;
  not_merged none;
  if constexpr (Once) part.open = decltype(part.open)::identity();
  bool falls = false;
  for (std::int64_t visited = 0; visited <= last - tile.first; ++visited) {
    const std::int64_t s = Reverse ? last - visited : tile.first + visited;
    falls = falls | (offsets(s + 1) < offsets(s));
    const bool came_in = s == (Reverse ? tile.last : tile.first);
    auto before = came_in ? part.incoming : decltype(part.incoming)::identity();
    const auto piece = within_tile(offsets, tile, s);
    if constexpr (Once)
      if (s == open) {
        scan_piece<V, Contiguous, Reverse, true>(kernel, in, out, piece.first, piece.second, exclusive, before,
                                                 part.open, faults, read, write);
        continue;
      }
    scan_piece<V, Contiguous, Reverse, true>(kernel, in, out, piece.first, piece.second, exclusive, before, none,
                                             faults, read, write);
  }
  part.not_ascending = falls;
  part.not_a_number = any(faults.input);
  part.undefined = any(faults.output);
}

/// Throws for the first NaN in the order of visits.
template <class C>
void refuse_first_nan(const C& c, std::int64_t n, bool reverse, const char* what) {
  if constexpr (!std::is_same_v<C, no_column>)
    for (std::int64_t visited = 0; visited < n; ++visited) {
      const std::int64_t k = reverse ? n - 1 - visited : visited;
      if (is_nan(static_cast<double>(c.view.element(k)))) throw domain_error(c.name, k, what);
    }
}

template <class V, bool Contiguous, bool Reverse, class P, class Kernel, class In, class Out, class Offsets,
          std::size_t... R, std::size_t... W>
void run_scan(P&& policy, const Kernel& kernel, const In& in, const Out& out, const Offsets& offsets, std::int64_t n,
              bool exclusive, std::index_sequence<R...> read, std::index_sequence<W...> write) {
  using monoid = decltype(kernel(fetch<V, Contiguous>(std::get<R>(in), 0, 1)...));
  static_assert(bundle_size<decltype(parts_of(std::declval<monoid>()))>::value == sizeof...(W),
                "zermelo: a scan has as many outputs as the kernel's monoid has parts");
  using carry = in_double<monoid>;
  const std::int64_t segments = offsets.segments(), steps = n + segments;
  const std::int64_t tiles = (steps + scan_tile - 1) / scan_tile;
  scan_part<carry> parts[map_tiles];
  carry state = carry::identity();
  bool falls = false, not_a_number = false, undefined = false;
  for (std::int64_t begin = 0; begin < tiles; begin += map_tiles) {
    const std::int64_t count = (std::min)(map_tiles, tiles - begin);
    const auto find = [&](std::int64_t i) {
      const std::int64_t t = Reverse ? tiles - 1 - begin - i : begin + i;
      parts[static_cast<std::size_t>(i)].tile =
          tile_of_walk(offsets, n, t * scan_tile, (std::min)(steps, (t + 1) * scan_tile));
    };
    const auto reduce = [&](std::int64_t i) {
      find(i);
      reduce_open_segment<V, Contiguous, Reverse, monoid>(kernel, in, out, offsets, parts[static_cast<std::size_t>(i)],
                                                          read, write);
    };
    const auto pass_on = [&](std::int64_t i) {
      auto& part = parts[static_cast<std::size_t>(i)];
      part.incoming = state;
      state = part.tile.first == part.tile.last ? merge(state, part.open) : part.open;
    };
    const auto scan = [&]<bool Once>(std::int64_t i, std::bool_constant<Once>) {
      scan_segments_of_tile<V, Contiguous, Reverse, Once>(kernel, in, out, offsets, exclusive,
                                                          parts[static_cast<std::size_t>(i)], read, write);
    };
    if (concurrency(policy) > 1) {
      for_each_tile(policy, count, reduce);
      for (std::int64_t i = 0; i < count; ++i) pass_on(i);
      for_each_tile(policy, count, [&](std::int64_t i) { scan(i, std::false_type{}); });
    } else if constexpr (merges_cheaply<monoid>) {  // the same merges, tile by tile, in one pass
      for (std::int64_t i = 0; i < count; ++i) {
        auto& part = parts[static_cast<std::size_t>(i)];
        find(i);
        part.incoming = state;
        scan(i, std::true_type{});
        pass_on(i);
      }
    } else {
      for (std::int64_t i = 0; i < count; ++i) reduce(i), pass_on(i), scan(i, std::false_type{});
    }
    for (std::int64_t i = 0; i < count; ++i) {
      const auto& part = parts[static_cast<std::size_t>(i)];
      falls = falls || part.not_ascending || part.tile.last < part.tile.first;
      not_a_number = not_a_number || part.not_a_number;
      undefined = undefined || part.undefined;
    }
    if (falls || not_a_number || undefined) break;
  }
  if (falls || segments_before(offsets, 0) != 0 || segments_before(offsets, steps) != segments)
    check_offsets(offsets, n);
  if (not_a_number) {
    (refuse_first_nan(std::get<R>(in), n, Reverse, "is not a number"), ...);
    throw domain_error("kernel", domain_error::whole, "gave no number");
  }
  if (undefined) {
    (refuse_first_nan(std::get<W>(out), n, Reverse, "is undefined: terms of +inf and -inf meet"), ...);
    throw domain_error("output", domain_error::whole, "is undefined: terms of +inf and -inf meet");
  }
}

/// `offsets_for(n)` gives the segments of n elements.
template <class P, class Kernel, class... X, class... Y>
void scan_with(P&& policy, const Kernel& kernel, const inputs<X...>& in, const outputs<Y...>& out, scan_parameters p,
               auto&& offsets_for) {
  static_assert(sizeof...(X) >= 1 && sizeof...(X) <= 8 && sizeof...(Y) >= 1,
                "zermelo: 1 to 8 inputs, 1 or more outputs");
  [&]<std::size_t... R, std::size_t... W>(std::index_sequence<R...> read, std::index_sequence<W...> write) {
    const std::tuple from(column_of(std::get<R>(in.tensors), input_names[R])...);
    const std::tuple to(column_of(std::get<W>(out.tensors), output_names[W])...);
    using T = typename compute_in<std::tuple_element_t<R, std::remove_const_t<decltype(from)>>...,
                                  std::tuple_element_t<W, std::remove_const_t<decltype(to)>>...>::type;
    using V = value_of<P, T>;
    const std::int64_t n = std::get<0>(from).view.size();
    bool contiguous = true;
    const auto inspect = [&]<class C>(const C& c) {
      if constexpr (!std::is_same_v<C, no_column>) {
        require_same_elements(c, std::get<0>(from));
        contiguous = contiguous && c.contiguous;
      }
    };
    (inspect(std::get<R>(from)), ...);
    (inspect(std::get<W>(to)), ...);
    const auto offsets = offsets_for(n);
    if (n == 0 && offsets.segments() == 0) return;
    if (contiguous && p.reverse)
      run_scan<V, true, true>(policy, kernel, from, to, offsets, n, p.exclusive, read, write);
    else if (contiguous)
      run_scan<V, true, false>(policy, kernel, from, to, offsets, n, p.exclusive, read, write);
    else if (p.reverse)
      run_scan<V, false, true>(policy, kernel, from, to, offsets, n, p.exclusive, read, write);
    else
      run_scan<V, false, false>(policy, kernel, from, to, offsets, n, p.exclusive, read, write);
  }(std::index_sequence_for<X...>{}, std::index_sequence_for<Y...>{});
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Prefixes of the inputs, in row-major order.
///
///   output[k] = parts of  m(x₀) ⊕ m(x₁) ⊕ … ⊕ m(xₖ);  in reverse  m(xₙ₋₁) ⊕ … ⊕ m(xₖ);  exclusive: without m(xₖ)
///
/// kernel   generic in its value type V: gives a monoid for one element; it is merged in the order of visits and need
///          not be commutative. `total(x)` gives cumulative sums; `affine(a, b)` gives the recurrence
///          xₖ = bₖ + aₖ·xₖ₋₁, in reverse xₖ = bₖ + aₖ·xₖ₊₁: discounted returns.
/// inputs, outputs  tensors of float or double with equal numbers of elements, one output for each part of the monoid
///          (`outputs(x, discard)` of an affine); an output may be exactly an input. Arithmetic is in double if any
///          tensor is; what is carried from pack to pack is in double.
/// Errors: shape_error; domain_error naming the input and the position of a NaN, or the output and the position where
///         +∞ meets −∞, the first in the order of visits. After an error, outputs are unspecified.
/// Cost: one pass on one thread; on several, tiles of 8192 elements are reduced, then scanned. log₂(lanes) merges a pack;
///       allocates nothing. The order of merges depends on the number of elements alone.
template <host_policy P, class Kernel, class... X, class... Y>
void scan(P&& policy, const Kernel& kernel, const inputs<X...>& in, const outputs<Y...>& out, scan_parameters p = {}) {
  detail::scan_with(policy, kernel, in, out, p, [](std::int64_t n) { return detail::equal_offsets{n > 0 ? 1 : 0, n}; });
}
template <class Kernel, class... X, class... Y>
void scan(const Kernel& kernel, const inputs<X...>& in, const outputs<Y...>& out, scan_parameters p = {}) {
  scan(detail::default_policy<X..., Y...>(), kernel, in, out, p);
}

/// Prefixes that begin anew in every segment.
///
/// offsets  [S + 1]  integers, ascending from 0 to n; else as scan
/// Errors: as scan; domain_error("offsets", s) where they do not ascend from 0 to n.
/// Cost: as scan, in n + S steps cut into equal tiles whatever the segments.
template <host_policy P, class Kernel, class... X, tensor N, class... Y>
void segment_scan(P&& policy, const Kernel& kernel, const inputs<X...>& in, const N& offsets, const outputs<Y...>& out,
                  scan_parameters p = {}) {
  detail::scan_with(policy, kernel, in, out, p, [&](std::int64_t n) { return detail::offsets_of(offsets, n); });
}
template <class Kernel, class... X, tensor N, class... Y>
void segment_scan(const Kernel& kernel, const inputs<X...>& in, const N& offsets, const outputs<Y...>& out,
                  scan_parameters p = {}) {
  segment_scan(detail::default_policy<X..., N, Y...>(), kernel, in, offsets, out, p);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1

#if defined(__CUDACC__)
#include "../detail/cuda/scan.hpp"
#endif
