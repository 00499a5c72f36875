// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "../detail/lengths.hpp"
#include "../detail/segments.hpp"
#include "../error.hpp"
#include "../execution/default_policy.hpp"
#include "../execution/policy.hpp"
#include "../lanes.hpp"
#include "../tensor.hpp"
#include "../value.hpp"
#include "map_reduce.hpp"
#include "monoids.hpp"

/// Statistics of ragged groups: segments of a tensor that offsets delimit.
namespace zermelo::inline v1 {
namespace detail::inline ZERMELO_ISA {

/// The columns in which a segment lies, the position of its walk's element 0 in them, and how far they may be read.
template <class Columns>
struct segment_place {
  Columns columns;
  std::int64_t origin, limit;
};

/// Segments lie one after another in whole tensors.
template <class Columns>
struct whole_columns {
  Columns columns;
  std::int64_t limit;
  ZERMELO_INLINE segment_place<Columns> operator()(std::int64_t) const { return {columns, 0, limit}; }
};

/// Which lanes are among the first `count`.
template <class V>
ZERMELO_INLINE mask_t<V> first_lanes(std::int64_t count) {
  using T = scalar_t<V>;
  T number[lanes<V>];
  for (std::int64_t j = 0; j < lanes<V>; ++j) number[j] = static_cast<T>(j);
  return load<V>(number) < V(static_cast<T>(count));
}

template <class Mask, class... S, std::size_t... K>
ZERMELO_INLINE bundle<S...> where_each(Mask live, const bundle<S...>& all, std::index_sequence<K...>) {
  return bundle<S...>(where(live, get<K>(all))...);
}

/// The statistics of elements [begin, end) of columns that may be read up to `limit`. NaNs are noted in `bad`.
template <class V, bool Contiguous, class Kernel, class In, std::size_t... R>
ZERMELO_INLINE auto reduce_piece(const Kernel& kernel, const In& in, std::int64_t begin, std::int64_t end,
                                 [[maybe_unused]] std::int64_t limit, mask_t<V>& bad, std::index_sequence<R...>) {
  constexpr std::int64_t width = lanes<V>;
  using lane_statistics = decltype(statistics_of(kernel(fetch<V, Contiguous>(std::get<R>(in), 0, width)...)));
  constexpr auto each = std::make_index_sequence<bundle_size<lane_statistics>::value>{};
  using totals = decltype(totals_of(std::declval<lane_statistics&>(), each));
  totals all = bundle_identity<totals>::make();
  bool first = true;
  const auto include = [&](const totals& some) ZERMELO_LAMBDA_INLINE {
    if (first)
      all = some;
    else
      merge_into(all, some, each);
    first = false;
  };
  std::int64_t k = begin;
  while (k + width <= end) {
    const std::int64_t flush = (std::min)(end, k + lane_run * width);
    auto some = bundle_identity<lane_statistics>::make();
    for (; k + width <= flush; k += width) {
      if constexpr (Contiguous && width > 1) (fetch_ahead(std::get<R>(in), k), ...);
      const auto one = [&](const auto&... x) ZERMELO_LAMBDA_INLINE {
        ((bad = bad | is_nan(x)), ...);
        merge_into(some, statistics_of(kernel(x...)), each);
      };
      one(fetch<V, Contiguous>(std::get<R>(in), k, width)...);
    }
    include(totals_of(some, each));
  }
  if constexpr (width > 1) {
    if (k < end) {  // lanes behind the end are read where there is something to read, and deselected
      const mask_t<V> live = first_lanes<V>(end - k);
      const std::int64_t count = Contiguous && k + width <= limit ? width : end - k;
      const auto rest = [&](const auto&... x) ZERMELO_LAMBDA_INLINE {
        ((bad = bad | (live & is_nan(x))), ...);
        include(totals_of(where_each(live, statistics_of(kernel(x...)), each), each));
      };
      rest(fetch<V, Contiguous>(std::get<R>(in), k, count)...);
    }
  }
  return all;
}

template <class View>
ZERMELO_INLINE bool write_answer(const column<View>& c, std::int64_t s, double x) {
  c.view.element(s) = static_cast<typename View::value_type>(x);
  return is_nan(x);
}
ZERMELO_INLINE bool write_answer(const no_column&, std::int64_t, double x) { return is_nan(x); }

/// Short segments of what is not merged by one instruction are worked on side by side, a segment a lane.
template <class Monoid>
inline constexpr bool merges_at_once = false;
template <class V>
inline constexpr bool merges_at_once<total<V>> = true;
template <class V>
inline constexpr bool merges_at_once<largest<V>> = true;
template <class V>
inline constexpr bool merges_at_once<smallest<V>> = true;
template <class Bundle>
inline constexpr bool all_merge_at_once = false;
template <class... S>
inline constexpr bool all_merge_at_once<bundle<S...>> = (merges_at_once<S> && ...);

/// Elements of a short segment: as many as a lane adds up in its own precision.
inline constexpr std::int64_t short_segment = lane_run;

/// Half of the lanes of every part of a monoid, in double.
template <bool High>
struct half_in_double {
  template <class V>
  ZERMELO_INLINE auto operator()(V x, V) const {
    if constexpr (sizeof(scalar_t<V>) == 8)
      return x;
    else if constexpr (High)
      return convert<double>(high_half(x));
    else
      return convert<double>(low_half(x));
  }
};

/// What a monoid answers, lane by lane.
template <class V, class Monoid>
ZERMELO_INLINE void store_answers(const Monoid& m, double* answer) {
  answer_of(zip_monoids(m, m, half_in_double<false>{})).store(answer);
  if constexpr (sizeof(scalar_t<V>) != 8)
    answer_of(zip_monoids(m, m, half_in_double<true>{})).store(answer + lanes<V> / 2);
}

/// Segments s to s + count − 1, at most as many as there are lanes and none longer than a short one. True if an answer is
/// undefined.
template <class V, bool Contiguous, class Kernel, class Place, class Offsets, class Out, std::size_t... R,
          std::size_t... W>
bool reduce_side_by_side(const Kernel& kernel, const Place& place, const Offsets& offsets, const Out& out,
                         std::int64_t s, std::int64_t count, mask_t<V>& bad, std::index_sequence<R...>,
                         std::index_sequence<W...>) {
  using T = scalar_t<V>;
  constexpr std::int64_t width = lanes<V>;
  T number[sizeof...(R)][short_segment * width];
  T length[width] = {};
  std::int64_t longest = 0;
  for (std::int64_t i = 0; i < count; ++i) longest = (std::max)(longest, offsets(s + i + 1) - offsets(s + i));
  for (std::int64_t i = 0; i < width; ++i) {
    std::int64_t elements = 0;
    if (i < count) {
      const std::int64_t begin = offsets(s + i);
      elements = offsets(s + i + 1) - begin;
      const auto at = place(s + i);
      const auto copy = [&](const auto& c, T* to) {
        for (std::int64_t j = 0; j < elements; ++j) {
          if constexpr (Contiguous)
            to[j * width + i] = static_cast<T>(c.view.data[begin - at.origin + j]);
          else
            to[j * width + i] = static_cast<T>(c.view.element(begin - at.origin + j));
        }
      };
      (copy(std::get<R>(at.columns), number[R]), ...);
      length[i] = static_cast<T>(elements);
    }
    for (std::int64_t j = elements; j < longest; ++j) ((number[R][j * width + i] = T(0)), ...);
  }
  using lane_statistics = decltype(statistics_of(kernel((static_cast<void>(R), V(0))...)));
  constexpr auto each = std::make_index_sequence<bundle_size<lane_statistics>::value>{};
  auto some = bundle_identity<lane_statistics>::make();
  const V lengths = load<V>(length);
  for (std::int64_t j = 0; j < longest; ++j) {
    const mask_t<V> live = lengths > V(static_cast<T>(j));
    const auto one = [&](const auto&... x) ZERMELO_LAMBDA_INLINE {
      ((bad = bad | (live & is_nan(x))), ...);
      merge_into(some, where_each(live, statistics_of(kernel(x...)), each), each);
    };
    one(load<V>(number[R] + j * width)...);
  }
  bool undefined = false;
  const auto write = [&](const auto& to, const auto& monoid) {
    double answer[width];
    store_answers<V>(monoid, answer);
    for (std::int64_t i = 0; i < count; ++i) undefined = undefined | write_answer(to, s + i, answer[i]);
  };
  (write(std::get<W>(out), get<W>(some)), ...);
  return undefined;
}

/// What a tile leaves to be merged with its neighbours, and what it met.
template <class Totals>
struct segment_part {
  segment_tile tile;
  Totals head, tail;  ///< of the segment that began before the tile and ends in it; of the one that goes on behind it
  bool continued;     ///< whether there is such a head
  bool not_ascending, not_a_number, undefined;
};

template <class V, bool Contiguous, class Kernel, class Place, class Offsets, class Out, class Totals, std::size_t... R,
          std::size_t... W>
void reduce_segments_of_tile(const Kernel& kernel, const Place& place, const Offsets& offsets, const Out& out,
                             segment_part<Totals>& part, std::index_sequence<R...> read, std::index_sequence<W...>) {
  const segment_tile tile = part.tile;
  const std::int64_t segments = offsets.segments();
  mask_t<V> bad = is_nan(V(0));
  bool falls = false, undefined = false;
  part.continued = false;
  part.head = part.tail = bundle_identity<Totals>::make();
  std::int64_t from = offsets(tile.first);
  [[maybe_unused]] std::int64_t alone =
      tile.first + (from < tile.begin ? 1 : 0);  // segments before are worked on one by one
  using lane_statistics =
      decltype(statistics_of(kernel(fetch<V, Contiguous>(std::get<R>(place(0).columns), 0, lanes<V>)...)));
  for (std::int64_t s = tile.first; s <= tile.last && s < segments; ++s) {
    if constexpr (lanes<V> > 1 && !all_merge_at_once<lane_statistics>) {
      if (s >= alone) {
        const std::int64_t limit = (std::min)(lanes<V>, tile.last - s);
        std::int64_t count = 0;
        for (std::int64_t at = from; count < limit; ++count) {
          const std::int64_t next = offsets(s + count + 1);
          if (next < at || next - at > short_segment || next > tile.end) break;
          at = next;
        }
        if (4 * count >= lanes<V>) {
          undefined = undefined | reduce_side_by_side<V, Contiguous>(kernel, place, offsets, out, s, count, bad, read,
                                                                     std::index_sequence<W...>{});
          s += count - 1;
          from = offsets(s + 1);
          continue;
        }
        alone = s + count + 1;
      }
    }
    const std::int64_t to = offsets(s + 1);
    falls = falls | (to < from);
    const std::int64_t begin = (std::max)(from, tile.begin), end = (std::min)(to, tile.end);
    const auto at = place(s);
    const Totals all =
        reduce_piece<V, Contiguous>(kernel, at.columns, begin - at.origin, end - at.origin, at.limit, bad, read);
    if (s == tile.last) {
      part.tail = all;
    } else if (s == tile.first && from < tile.begin) {
      part.head = all;
      part.continued = true;
    } else {
      ((undefined = undefined | write_answer(std::get<W>(out), s, static_cast<double>(answer_of(get<W>(all))))), ...);
    }
    from = to;
  }
  part.not_ascending = falls;
  part.not_a_number = any(bad);
  part.undefined = undefined;
}

/// Throws for the first NaN among elements [begin, end); returns if there is none.
template <class In, std::size_t... R>
void find_nan(const In& in, std::int64_t begin, std::int64_t end, std::index_sequence<R...>) {
  for (std::int64_t k = begin; k < end; ++k) {
    const auto check = [&](const auto& c) {
      if (is_nan(static_cast<double>(c.view.element(k)))) throw domain_error(c.name, k, "is not a number");
    };
    (check(std::get<R>(in)), ...);
  }
}

/// `place(s)` says where segment s lies; `contiguous` is a bool, or true_type where it is known; `in` are the tensors in row-major order, for errors.
template <class V, class P, class Kernel, class In, class Place, class Offsets, class Known, class Out,
          std::size_t... R, std::size_t... W>
void run_segments(P&& policy, const Kernel& kernel, const In& in, const Place& place, const Offsets& offsets,
                  std::int64_t n, Known contiguous, const Out& out, std::index_sequence<R...> read,
                  std::index_sequence<W...> write) {
  mask_t<V> none;
  using totals = decltype(reduce_piece<V, true>(kernel, place(0).columns, 0, 0, 0, none, read));
  static_assert(bundle_size<totals>::value == sizeof...(W),
                "zermelo: the kernel gives as many monoids as there are outputs");
  const std::int64_t steps = n + offsets.segments();
  const std::int64_t length = (std::max)(map_block, (steps + map_tiles - 1) / map_tiles);
  const std::int64_t tiles = (steps + length - 1) / length;
  segment_part<totals> parts[map_tiles];
  for_each_tile(policy, tiles, [&](std::int64_t t) {
    auto& part = parts[static_cast<std::size_t>(t)];
    part.tile = tile_of_walk(offsets, n, t * length, (std::min)(steps, (t + 1) * length));
    if constexpr (std::is_same_v<Known, std::true_type>)
      reduce_segments_of_tile<V, true>(kernel, place, offsets, out, part, read, write);
    else if (contiguous)
      reduce_segments_of_tile<V, true>(kernel, place, offsets, out, part, read, write);
    else
      reduce_segments_of_tile<V, false>(kernel, place, offsets, out, part, read, write);
  });
  // Neighbours of offsets that descend may fall between tiles, which then do not meet.
  std::int64_t reached = 0;
  bool falls = false;
  for (std::int64_t t = 0; t < tiles; ++t) {
    falls = falls || parts[t].not_ascending || parts[t].tile.first != reached || parts[t].tile.last < reached;
    reached = parts[t].tile.last;
  }
  if (falls || reached != offsets.segments()) check_offsets(offsets, n);
  constexpr auto each = std::make_index_sequence<bundle_size<totals>::value>{};
  totals carry = bundle_identity<totals>::make();
  bool undefined = false;
  for (std::int64_t t = 0; t < tiles; ++t) {
    auto& part = parts[static_cast<std::size_t>(t)];
    if (part.not_a_number) find_nan(in, part.tile.begin, part.tile.end, read);
    undefined = undefined || part.undefined;
    if (part.continued) {
      merge_into(carry, part.head, each);
      ((undefined =
            undefined | write_answer(std::get<W>(out), part.tile.first, static_cast<double>(answer_of(get<W>(carry))))),
       ...);
    }
    if (part.tile.last > part.tile.first)
      carry = part.tail;
    else
      merge_into(carry, part.tail, each);
  }
  if (undefined) {
    const auto find = [&]<class C>(const C& c) {
      if constexpr (!std::is_same_v<C, no_column>)
        for (std::int64_t s = 0; s < offsets.segments(); ++s)
          if (is_nan(static_cast<double>(c.view.element(s))))
            throw domain_error(c.name, s, "is undefined: terms of +inf and -inf meet");
    };
    (find(std::get<W>(out)), ...);
    throw domain_error("output", domain_error::whole, "is undefined: terms of +inf and -inf meet");
  }
}

template <class C>
void require_segments(const C& c, std::int64_t segments, const char* what) {
  if constexpr (!std::is_same_v<C, no_column>)
    if (c.view.size() != segments)
      throw shape_error(c.name, std::to_string(c.view.size()) + " elements, expected one for each of the " +
                                    std::to_string(segments) + " " + what);
}

template <class C, class First>
void require_same_elements(const C& c, const First& first) {
  require_length(c.name, c.view.size(), first.view.size(), first.name);
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Statistics of every segment of the inputs, in one pass.
///
///   outputₖ[s] = value of  mₖ(x[oₛ]) ⊕ … ⊕ mₖ(x[oₛ₊₁ − 1]),   o = offsets
///
/// kernel   generic in its value type V: gives a monoid, or a bundle of them, for one element: `total(x)`,
///          `bundle(total(x * w), total(w), log_sum_exp(x))`. Monoids are commutative.
/// inputs   [n] each, float or double; arithmetic is in double if any tensor is, results are merged in double
/// offsets  [S + 1]  integers, ascending from 0 to n
/// outputs  [S], one for each monoid; an empty segment gets the identity: 0 for total, −∞ for largest and log_sum_exp
/// Errors: shape_error; domain_error("offsets", s) where they do not ascend from 0 to n; domain_error naming the input
///         and the position of a NaN, or the output and the segment where +∞ meets −∞.
/// Cost: one pass of n + S steps, cut into equal tiles whatever the segments; allocates nothing. The tree of merges
///       depends on n and the offsets alone.
template <host_policy P, class Kernel, class... X, tensor N, class... Y>
void segment_reduce(P&& policy, const Kernel& kernel, const inputs<X...>& in, const N& offsets,
                    const outputs<Y...>& out) {
  static_assert(sizeof...(X) >= 1 && sizeof...(X) <= 8 && sizeof...(Y) >= 1 && sizeof...(Y) <= 8,
                "zermelo: 1 to 8 inputs, 1 to 8 outputs");
  [&]<std::size_t... R, std::size_t... W>(std::index_sequence<R...> read, std::index_sequence<W...> write) {
    const std::tuple from(detail::column_of(std::get<R>(in.tensors), detail::input_names[R])...);
    const std::tuple to(detail::column_of(std::get<W>(out.tensors), detail::output_names[W])...);
    using columns = std::remove_const_t<decltype(from)>;
    using T = typename detail::compute_in<std::tuple_element_t<R, columns>...,
                                          std::tuple_element_t<W, std::remove_const_t<decltype(to)>>...>::type;
    const std::int64_t n = std::get<0>(from).view.size();
    (detail::require_same_elements(std::get<R>(from), std::get<0>(from)), ...);
    const auto begins = detail::offsets_of(offsets, n);
    (detail::require_segments(std::get<W>(to), begins.segments(), "segments"), ...);
    const bool contiguous = (std::get<R>(from).contiguous && ...);
    detail::run_segments<value_of<P, T>>(policy, kernel, from, detail::whole_columns<columns>{from, n}, begins, n,
                                         contiguous, to, read, write);
  }(std::index_sequence_for<X...>{}, std::index_sequence_for<Y...>{});
}

template <class Kernel, class... X, tensor N, class... Y>
void segment_reduce(const Kernel& kernel, const inputs<X...>& in, const N& offsets, const outputs<Y...>& out) {
  segment_reduce(detail::default_policy<X..., N, Y...>(), kernel, in, offsets, out);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1

#if defined(__CUDACC__)
#include "../detail/cuda/segment_reduce.hpp"
#endif
