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
#include "../detail/unrolled.hpp"
#include "../error.hpp"
#include "../execution/default_policy.hpp"
#include "../execution/policy.hpp"
#include "../lanes.hpp"
#include "../tensor.hpp"
#include "../value.hpp"
#include "map_reduce.hpp"
#include "monoids.hpp"
#include "segment_reduce.hpp"

/// Statistics of the rows of matrices, and softmax.
namespace zermelo::inline v1 {
namespace detail::inline ZERMELO_ISA {

template <class View>
ZERMELO_INLINE auto row_of(const column<View>& c, std::int64_t r) {
  static_assert(View::rank == 2, "zermelo: rows are those of tensors of rank 2");
  using element = typename View::element_type;
  const tensor_view<element, 1> row{
      .data = c.view.data + r * c.view.strides[0], .shape = {c.view.shape[1]}, .strides = {c.view.strides[1]}};
  return column<tensor_view<element, 1>>{row, c.name, c.view.strides[1] == 1 || c.view.shape[1] == 1};
}

/// Row s of every column; it begins at element s·width of the walk.
template <class Columns, std::size_t... R>
struct rows_of_columns {
  Columns columns;
  std::int64_t width;
  ZERMELO_INLINE auto operator()(std::int64_t s) const {
    const std::tuple rows(row_of(std::get<R>(columns), s)...);
    return segment_place<std::remove_const_t<decltype(rows)>>{rows, s * width, width};
  }
};

template <class C, class First>
void require_same_shape(const C& c, const First& first) {
  if (c.view.shape[0] != first.view.shape[0] || c.view.shape[1] != first.view.shape[1])
    throw shape_error(c.name, "[" + std::to_string(c.view.shape[0]) + ", " + std::to_string(c.view.shape[1]) +
                                  "], expected the shape of " + first.name + ", [" +
                                  std::to_string(first.view.shape[0]) + ", " + std::to_string(first.view.shape[1]) +
                                  "]");
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Statistics of every row of the inputs, in one pass.
///
///   outputₖ[r] = value of  mₖ(x[r, 0]) ⊕ … ⊕ mₖ(x[r, C − 1])
///
/// kernel   as for segment_reduce: gives a monoid, or a bundle of them, for one element
/// inputs   [R, C] each, float or double, any strides; rows whose elements lie side by side take the fast path
/// outputs  [R], one for each monoid; rows of no elements get the identity
/// Errors: shape_error; domain_error naming the input and the row-major position of a NaN, or the output and the row
///         where +∞ meets −∞.
/// Cost: one pass, cut into equal tiles, so that a few wide rows run in parallel as well as many narrow ones; allocates
///       nothing. The tree of merges depends on the shape alone.
template <host_policy P, class Kernel, class... X, class... Y>
void row_reduce(P&& policy, const Kernel& kernel, const inputs<X...>& in, const outputs<Y...>& out) {
  static_assert(sizeof...(X) >= 1 && sizeof...(X) <= 8 && sizeof...(Y) >= 1 && sizeof...(Y) <= 8,
                "zermelo: 1 to 8 inputs, 1 to 8 outputs");
  [&]<std::size_t... R, std::size_t... W>(std::index_sequence<R...> read, std::index_sequence<W...> write) {
    const std::tuple from(detail::column_of(std::get<R>(in.tensors), detail::input_names[R])...);
    const std::tuple to(detail::column_of(std::get<W>(out.tensors), detail::output_names[W])...);
    using columns = std::remove_const_t<decltype(from)>;
    using T = typename detail::compute_in<std::tuple_element_t<R, columns>...,
                                          std::tuple_element_t<W, std::remove_const_t<decltype(to)>>...>::type;
    (detail::require_same_shape(std::get<R>(from), std::get<0>(from)), ...);
    const auto& shape = std::get<0>(from).view.shape;
    (detail::require_segments(std::get<W>(to), shape[0], "rows"), ...);
    using V = value_of<P, T>;
    const detail::equal_offsets rows{shape[0], shape[1]};
    const std::int64_t n = shape[0] * shape[1];
    if ((std::get<R>(from).contiguous && ...)) {  // rows are segments
      const detail::whole_columns<columns> place{from, n};
      detail::run_segments<V>(policy, kernel, from, place, rows, n, std::true_type{}, to, read, write);
    } else {
      const bool side_by_side = ((std::get<R>(from).view.strides[1] == 1 || shape[1] == 1) && ...);
      const detail::rows_of_columns<columns, R...> place{from, shape[1]};
      detail::run_segments<V>(policy, kernel, from, place, rows, n, side_by_side, to, read, write);
    }
  }(std::index_sequence_for<X...>{}, std::index_sequence_for<Y...>{});
}

template <class Kernel, class... X, class... Y>
void row_reduce(const Kernel& kernel, const inputs<X...>& in, const outputs<Y...>& out) {
  row_reduce(detail::default_policy<X..., Y...>(), kernel, in, out);
}

}  // namespace ZERMELO_ISA

namespace detail::inline ZERMELO_ISA {

/// Rows at a time in a tile of softmax; a row is one piece of work.
inline constexpr std::int64_t softmax_tile = 16384;
/// Blocks of a row, each of which keeps its largest element until the row's is known.
inline constexpr std::int64_t softmax_blocks = 64;
inline constexpr std::int64_t softmax_block = 1024;

/// The largest of elements [begin, end); a NaN may or may not come out.
template <class V, bool Contiguous, class C>
ZERMELO_INLINE scalar_t<V> largest_of(const C& x, std::int64_t begin, std::int64_t end) {
  constexpr std::int64_t width = lanes<V>;
  V most[4] = {-infinity<V>(), -infinity<V>(), -infinity<V>(), -infinity<V>()};
  std::int64_t k = begin;
  for (; k + 4 * width <= end; k += 4 * width)
    unrolled<4>([&](auto j)
                    ZERMELO_LAMBDA_INLINE { most[j] = (max)(most[j], fetch<V, Contiguous>(x, k + j * width, width)); });
  for (; k < end; k += width)  // lanes behind the end repeat the last element
    most[0] = (max)(most[0], fetch<V, Contiguous>(x, k, (std::min)(width, end - k)));
  return reduce_max((max)((max)(most[0], most[1]), (max)(most[2], most[3])));
}

template <class C>
bool holds_nan(const C& x, std::int64_t begin, std::int64_t end) {
  for (std::int64_t k = begin; k < end; ++k)
    if (is_nan(x.view.element(k))) return true;
  return false;
}

/// Σ exp(x − shift); the terms are written where they are wanted.
template <class V, bool Contiguous, bool Write, class C, class O>
ZERMELO_INLINE double exponentials(const C& x, const O& out, std::int64_t begin, std::int64_t end, scalar_t<V> shift) {
  using T = scalar_t<V>;
  constexpr std::int64_t width = lanes<V>;
  double sum = 0;
  std::int64_t k = begin;
  // The next block of a long row comes from memory while this one is worked on.
  const std::int64_t ahead = end - begin >= softmax_block ? softmax_block * static_cast<std::int64_t>(sizeof(T)) : 0;
  const auto term = [&](std::int64_t from, std::int64_t count) ZERMELO_LAMBDA_INLINE {
    if constexpr (Contiguous && width > 1) fetch_ahead(x, from, ahead);
    const V below = fetch<V, Contiguous>(x, from, count) - V(shift);
    const V e = keep_nan(below, exp_nonpositive(below));
    if constexpr (Write) put<V, Contiguous>(out, from, count, e);
    return e;
  };
  while (k + width <= end) {
    const std::int64_t flush = (std::min)(end, k + lane_run * width);
    V even = V(0), odd = V(0);
    for (; k + 2 * width <= flush; k += 2 * width) {
      even += term(k, width);
      odd += term(k + width, width);
    }
    for (; k + width <= flush; k += width) even += term(k, width);
    sum += static_cast<double>(reduce_add(even + odd));
  }
  if constexpr (width > 1)
    if (k < end) sum += static_cast<double>(reduce_add(select(first_lanes<V>(end - k), term(k, end - k), V(0))));
  return sum;
}

enum class softmax_form { probabilities, logarithms, normaliser };

/// One row. False if an element is not a number, or if the softmax of infinities is undefined.
template <class V, softmax_form Form, bool Contiguous, class C, class O>
ZERMELO_INLINE bool softmax_row(const C& x, const O& out, double& normaliser) {
  using T = scalar_t<V>;
  constexpr std::int64_t width = lanes<V>;
  const std::int64_t n = x.view.shape[0];
  const std::int64_t length =
      (std::max)(softmax_block, ((n + softmax_blocks - 1) / softmax_blocks + width - 1) / width * width);
  T most[softmax_blocks];
  log_sum_exp<double> all = log_sum_exp<double>::identity();
  std::int64_t b = 0;
  for (std::int64_t begin = 0; begin < n; begin += length, ++b) {
    const std::int64_t end = (std::min)(n, begin + length);
    most[b] = largest_of<V, Contiguous>(x, begin, end);
    if (is_finite(most[b])) {  // then a NaN in the block makes the sum one
      const double sum = exponentials<V, Contiguous, Form == softmax_form::probabilities>(x, out, begin, end, most[b]);
      if (is_nan(sum)) return false;
      all = merge(all, log_sum_exp<double>(static_cast<double>(most[b]), sum));
    } else {
      if (holds_nan(x, begin, end)) return false;
      all = merge(all, log_sum_exp<double>(static_cast<double>(most[b])));
      if constexpr (Form == softmax_form::probabilities)
        for (std::int64_t k = begin; most[b] < 0 && k < end; ++k) out.view.element(k) = 0;
    }
  }
  normaliser = all.value();
  if constexpr (Form != softmax_form::normaliser) {
    if (n > 0 && !is_finite(normaliser)) return false;
    b = 0;
    for (std::int64_t begin = 0; begin < n; begin += length, ++b) {
      const std::int64_t end = (std::min)(n, begin + length);
      const T factor =
          static_cast<T>(is_finite(most[b]) ? exp(static_cast<double>(most[b]) - all.largest) / all.scaled : 0.0);
      for (std::int64_t k = begin; k < end; k += width) {
        const std::int64_t count = (std::min)(width, end - k);
        if constexpr (Form == softmax_form::probabilities) {
          put<V, Contiguous>(out, k, count, fetch<V, Contiguous>(out, k, count) * V(factor));
        } else {
          // Less the largest first, which is exact where it matters: a sum of the two would round at their size.
          const V below = fetch<V, Contiguous>(x, k, count) - V(static_cast<T>(all.largest));
          put<V, Contiguous>(out, k, count, below - V(static_cast<T>(log(all.scaled))));
        }
      }
    }
  }
  return true;
}

/// Rows narrower than so many packs are worked on side by side, a row a lane.
inline constexpr std::int64_t narrow_packs = 4;

/// The columns of `count` rows from `row` on, a row a lane; lanes behind them repeat the last row. Elements up to `end` may be
/// read.
template <class V, bool SideBySide, class View>
ZERMELO_INLINE void load_columns(const View& x, std::int64_t row, std::int64_t count,
                                 [[maybe_unused]] const scalar_t<V>* end, V* column) {
  constexpr int width = static_cast<int>(lanes<V>);
  const std::int64_t n = x.shape[1];
  if constexpr (!SideBySide) {
    for (std::int64_t j = 0; j < n; ++j) {
      scalar_t<V> number[width];
      for (std::int64_t r = 0; r < width; ++r)
        number[r] = static_cast<scalar_t<V>>(x(row + (std::min)(r, count - 1), j));
      column[j] = load<V>(number);
    }
    return;
  } else {
    for (std::int64_t j = 0; j < n; j += width) {
      V block[width];
      unrolled<width>([&](auto r) ZERMELO_LAMBDA_INLINE {
        const scalar_t<V>* from = x.data + (row + (std::min)(std::int64_t{r}, count - 1)) * x.strides[0] + j;
        block[r] = n - j >= width || end - from >= width ? load<V>(from) : load<V>(from, n - j, scalar_t<V>(0));
      });
      transpose_lanes(block);
      unrolled<width>([&](auto r) ZERMELO_LAMBDA_INLINE { column[j + r] = block[r]; });
    }
  }
}

/// The other way round. Elements before `end` and behind a row may be written, if they are written again.
template <class V, bool SideBySide, class View>
ZERMELO_INLINE void store_columns(const View& out, std::int64_t row, std::int64_t count,
                                  [[maybe_unused]] const scalar_t<V>* end, const V* column) {
  constexpr int width = static_cast<int>(lanes<V>);
  const std::int64_t n = out.shape[1];
  if constexpr (!SideBySide) {
    for (std::int64_t j = 0; j < n; ++j) {
      scalar_t<V> number[width];
      store(number, column[j]);
      for (std::int64_t r = 0; r < count; ++r) out(row + r, j) = static_cast<typename View::value_type>(number[r]);
    }
    return;
  } else {
    V whole[narrow_packs * width];  // rows, one after another
    const std::int64_t packs = (n + width - 1) / width;
    for (std::int64_t p = 0; p < packs; ++p) {
      V block[width];
      unrolled<width>([&](auto r) ZERMELO_LAMBDA_INLINE { block[r] = column[p * width + r]; });
      transpose_lanes(block);
      unrolled<width>([&](auto r) ZERMELO_LAMBDA_INLINE { whole[r * packs + p] = block[r]; });
    }
    for (std::int64_t r = 0; r < count; ++r)
      for (std::int64_t p = 0; p < packs; ++p) {
        scalar_t<V>* to = out.data + (row + r) * out.strides[0] + p * width;
        const std::int64_t left = n - p * width;
        if (left >= width || end - to >= width)
          store(to, whole[r * packs + p]);
        else
          store(to, whole[r * packs + p], left);
      }
  }
}

/// `count` rows from `row` on, at most as many as there are lanes. False, before anything is written, if one of them is not
/// an ordinary one. Rows up to `last` may be read.
template <class V, softmax_form Form, bool SideBySide, class X, class O>
bool softmax_side_by_side(const X& x, const O& out, std::int64_t row, std::int64_t count, std::int64_t last) {
  using T = scalar_t<V>;
  constexpr std::int64_t width = lanes<V>;
  const std::int64_t n = x.view.shape[1];
  V column[narrow_packs * width];
  const scalar_t<V>* end = nullptr;
  if constexpr (SideBySide) end = x.view.strides[0] == n ? x.view.data + last * n : x.view.data;
  load_columns<V, SideBySide>(x.view, row, count, end, column);
  V most[2] = {-infinity<V>(), -infinity<V>()};
  for (std::int64_t j = 0; j < n; ++j) most[j % 2] = (max)(most[j % 2], column[j]);
  const V largest = (max)(most[0], most[1]);
  V sum[4] = {V(0), V(0), V(0), V(0)};
  const auto term = [&](std::int64_t j) ZERMELO_LAMBDA_INLINE {
    const V below = column[j] - largest;
    const V e = keep_nan(below, exp_nonpositive(below));
    column[j] = Form == softmax_form::probabilities ? e : below;
    return e;
  };
  std::int64_t j = 0;
  for (; j + 4 <= n; j += 4) unrolled<4>([&](auto i) ZERMELO_LAMBDA_INLINE { sum[i] += term(j + i); });
  for (; j < n; ++j) sum[0] += term(j);
  const V scaled = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  if (!all(is_finite(largest)) || any(is_nan(scaled))) return false;
  if constexpr (Form == softmax_form::normaliser) {
    T value[width];
    store(value, largest + log(scaled));
    for (std::int64_t r = 0; r < count; ++r)
      out.view.element(row + r) = static_cast<typename decltype(out.view)::value_type>(value[r]);
  } else {
    if constexpr (Form == softmax_form::probabilities) {
      const V factor = V(1) / scaled;
      for (j = 0; j < n; ++j) column[j] = column[j] * factor;
    } else {
      const V less = log(scaled);
      for (j = 0; j < n; ++j) column[j] = column[j] - less;
    }
    // In packed rows what is written behind one is written again with the next.
    if constexpr (SideBySide) end = out.view.strides[0] == n ? out.view.data + (row + count) * n : out.view.data;
    store_columns<V, SideBySide>(out.view, row, count, end, column);
  }
  return true;
}

template <class C>
[[noreturn]] __attribute__((cold, noinline)) void refuse_softmax(const C& x, std::int64_t r) {
  const std::int64_t width = x.view.shape[1];
  for (std::int64_t j = 0; j < width; ++j)
    if (is_nan(static_cast<double>(x.view(r, j)))) throw domain_error(x.name, r * width + j, "is not a number");
  for (std::int64_t j = 0; j < width; ++j)
    if (static_cast<double>(x.view(r, j)) == infinity<double>())
      throw domain_error(x.name, r * width + j, "is +inf: the softmax of row " + std::to_string(r) + " is undefined");
  throw domain_error(x.name, r * width, "all of row " + std::to_string(r) + " is -inf: its softmax is undefined");
}

template <softmax_form Form, class P, class X, class O>
void run_softmax(P&& policy, const X& x, O&& out) {
  const auto from = column_of(x, "x");
  const auto to = column_of(out, "out");
  using T = typename compute_in<std::remove_const_t<decltype(from)>, std::remove_const_t<decltype(to)>>::type;
  using V = value_of<P, T>;
  const std::int64_t rows = from.view.shape[0], width = from.view.shape[1];
  bool side_by_side = from.view.strides[1] == 1 || width == 1;
  if constexpr (Form == softmax_form::normaliser) {
    require_segments(to, rows, "rows");
  } else {
    require_same_shape(to, from);
    side_by_side = side_by_side && (to.view.strides[1] == 1 || width == 1);
  }
  const std::int64_t per_tile = (std::max)(std::int64_t{1}, softmax_tile / (std::max)(width, std::int64_t{1}));
  for_each_tile(policy, (rows + per_tile - 1) / per_tile, [&](std::int64_t t) {
    const std::int64_t last = (std::min)(rows, (t + 1) * per_tile);
    [[maybe_unused]] const bool narrow = width > 0 && width < narrow_packs * lanes<V>;
    [[maybe_unused]] std::int64_t alone = 0;  // rows below are worked on one by one
    for (std::int64_t r = t * per_tile; r < last; ++r) {
      if constexpr (lanes<V> > 1) {
        if (narrow && r >= alone) {
          const std::int64_t count = (std::min)(lanes<V>, last - r);
          constexpr bool plain = std::is_same_v<typename decltype(from.view)::value_type, T> &&
                                 std::is_same_v<typename decltype(to.view)::value_type, T>;
          if (side_by_side && plain ? softmax_side_by_side<V, Form, plain>(from, to, r, count, last)
                                    : softmax_side_by_side<V, Form, false>(from, to, r, count, last)) {
            r += count - 1;
            continue;
          }
          alone = r + count;
        }
      }
      double normaliser = 0;
      bool good;
      const auto x_row = row_of(from, r);
      if constexpr (Form == softmax_form::normaliser) {
        const no_column none;
        good = side_by_side ? softmax_row<V, Form, true>(x_row, none, normaliser)
                            : softmax_row<V, Form, false>(x_row, none, normaliser);
        to.view.element(r) = static_cast<typename decltype(to.view)::value_type>(normaliser);
      } else {
        const auto out_row = row_of(to, r);
        good = side_by_side ? softmax_row<V, Form, true>(x_row, out_row, normaliser)
                            : softmax_row<V, Form, false>(x_row, out_row, normaliser);
      }
      if (!good) [[unlikely]]
        refuse_softmax(from, r);
    }
  });
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// out[r, j] = exp(x[r, j]) / Σᵢ exp(x[r, i])
///
/// x, out  [R, C], float or double, any strides; out may be exactly x
/// −∞ gives 0. Errors: shape_error; domain_error with the row-major position of a NaN or of +∞, or of the first element
/// of a row that is −∞ throughout.
/// Cost: one pass over x and two over out, a row at a time: rows that fit in a cache run at the speed of memory. One
///       exponential an element. Accuracy: a few units of the last place; see docs/precision.md for exp.
template <host_policy P, tensor X, tensor O>
void softmax_rows(P&& policy, const X& x, O&& out) {
  detail::run_softmax<detail::softmax_form::probabilities>(policy, x, out);
}
template <tensor X, tensor O>
void softmax_rows(const X& x, O&& out) {
  softmax_rows(detail::default_policy<X, O>(), x, out);
}

/// out[r, j] = x[r, j] − log Σᵢ exp(x[r, i])
///
/// As softmax_rows; −∞ gives −∞. Cost: two passes over x and one over out.
template <host_policy P, tensor X, tensor O>
void log_softmax_rows(P&& policy, const X& x, O&& out) {
  detail::run_softmax<detail::softmax_form::logarithms>(policy, x, out);
}
template <tensor X, tensor O>
void log_softmax_rows(const X& x, O&& out) {
  log_softmax_rows(detail::default_policy<X, O>(), x, out);
}

/// out[r] = log Σᵢ exp(x[r, i])
///
/// x [R, C], out [R]. −∞ for a row that is −∞ throughout or empty, +∞ for a row that has one.
/// Errors: shape_error; domain_error with the row-major position of a NaN.   Cost: one pass.
template <host_policy P, tensor X, tensor O>
void log_sum_exp_rows(P&& policy, const X& x, O&& out) {
  detail::run_softmax<detail::softmax_form::normaliser>(policy, x, out);
}
template <tensor X, tensor O>
void log_sum_exp_rows(const X& x, O&& out) {
  log_sum_exp_rows(detail::default_policy<X, O>(), x, out);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1

#if defined(__CUDACC__)
#include "../detail/cuda/row_reduce.hpp"
#endif
