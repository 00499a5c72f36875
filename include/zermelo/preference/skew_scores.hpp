// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/execution/default_policy.hpp"
#include "../core/execution/policy.hpp"
#include "../core/lanes.hpp"
#include "../core/primitives/map_reduce.hpp"
#include "../core/primitives/row_reduce.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"

/// Scores of general preferences. An item is a vector v of 2k numbers, k blocks of two, and a pair has the score
///
///   s(u, v) = Σ_q λ_q (u₂q v₂q₊₁ − u₂q₊₁ v₂q),     s(u, v) = −s(v, u),     P(u ≻ v) = σ(s(u, v)/τ)
///
/// in other words u's coordinates against v's turned by 90° block by block. Unlike differences of strengths, such scores
/// hold cycles. n vectors give all n² scores, and the score against a mixture of items is the one against the mean of
/// their vectors: K responses cost K embeddings, where judging pairs costs K(K − 1) calls.
/// Source: Zhang et al. 2024, "General preference modeling with preference representations for aligning language models".
namespace zermelo::inline v1::preference {

/// Pass it in place of scales where every block counts once, λ = 1.
struct unit_scales_t {};
inline constexpr unit_scales_t unit_scales{};

namespace detail {

/// a·b rounded by itself, so that no compiler fuses it with what it is used in.
template <class V>
ZERMELO_FN V rounded_product(V a, V b) {
  if constexpr (real_value<V>)
    return zermelo::detail::product(a, b);
  else
    return a * b;
}

}  // namespace detail

/// One block of a score:  a·d − b·c  for u = (a, b), v = (c, d).
///
/// Both products are rounded before they are subtracted: exchanging u and v then changes the sign and no other bit, on
/// every backend. A fused multiplication and addition, the default of most compilers, would leave a rounding error
/// behind.
struct skew_block {
  template <class V>
  ZERMELO_FN V operator()(V a, V b, V c, V d) const {
    return detail::rounded_product(a, d) - detail::rounded_product(b, c);
  }
};

/// The temperature as a network learns it:  τ(t) = max(softplus(t), least).   t = −2.25 gives 0.1002.
struct learnable_temperature {
  double least = 0.01;  ///< > 0

  /// τ(t) and dτ/dt; 0 where the bound holds.
  template <class V>
  ZERMELO_FN value_slope<V> operator()(V t) const {
    const auto soft = softplus_sigmoid(t);
    const auto free = soft.softplus > V(least);
    return {select(free, soft.softplus, V(least)), select(free, soft.sigmoid, V(0))};
  }
};

struct temperature_parameters {
  double temperature = 1;  ///< τ > 0
};

namespace detail {

ZERMELO_INLINE void require_temperature(double temperature) {
  if (!is_finite(temperature) || temperature <= 0)
    throw domain_error("temperature", domain_error::whole,
                       zermelo::detail::text(temperature) + ", expected a positive number");
}

}  // namespace detail

namespace detail::inline ZERMELO_ISA {

using zermelo::detail::text;

template <class View>
std::int64_t blocks_of(const View& v, const char* name) {
  static_assert(View::rank == 2, "zermelo: embeddings are tensors of rank 2, an item a row");
  static_assert(std::is_floating_point_v<typename View::value_type>, "zermelo: embeddings are of float or double");
  const std::int64_t width = v.shape[1];
  if (width < 2 || width % 2 != 0)
    throw shape_error(name, "rows of " + std::to_string(width) + " numbers, expected blocks of two");
  return width / 2;
}

/// λ: ones, the same [k] for all rows, or [rows, k].
struct no_scales {
  template <class T>
  ZERMELO_INLINE T at(std::int64_t, std::int64_t) const {
    return T(1);
  }
};
template <class View>
struct given_scales {
  View view;
  template <class T>
  ZERMELO_INLINE T at(std::int64_t r, std::int64_t q) const {
    if constexpr (View::rank == 1)
      return static_cast<T>(view.data[q * view.strides[0]]);
    else
      return static_cast<T>(view.data[r * view.strides[0] + q * view.strides[1]]);
  }
};

template <bool ByRows, class S>
auto scales_of(const S& scales, std::int64_t rows, std::int64_t blocks) {
  if constexpr (std::is_same_v<S, unit_scales_t>) {
    static_cast<void>(rows), static_cast<void>(blocks);
    return no_scales{};
  } else {
    const auto v = view(scales);
    using view_type = std::remove_const_t<decltype(v)>;
    static_assert(view_type::rank == 1 || (ByRows && view_type::rank == 2),
                  "zermelo: scales are [k], and where every row has its own prompt [rows, k]");
    if (v.shape[view_type::rank - 1] != blocks)
      throw shape_error("scales", std::to_string(v.shape[view_type::rank - 1]) + " scales, expected one for each of " +
                                      std::to_string(blocks) + " blocks");
    if constexpr (view_type::rank == 2)
      if (v.shape[0] != rows)
        throw shape_error("scales", std::to_string(v.shape[0]) + " rows, expected " + std::to_string(rows));
    for (std::int64_t k = 0; k < v.size(); ++k)
      if (!is_finite(v.element(k))) throw domain_error("scales", k, "is not a finite number");
    return given_scales<view_type>{v};
  }
}

template <class View>
void require_finite_rows(const View& v, const char* name, std::int64_t first, std::int64_t last) {
  for (std::int64_t k = first * v.shape[1]; k < last * v.shape[1]; ++k)
    if (!is_finite(v.element(k)))
      throw domain_error(name, k, text(static_cast<double>(v.element(k))) + ", expected a finite number");
}

/// s(u_r, w_r).
template <class T, class U, class W, class L>
ZERMELO_INLINE T row_score(const U& u, const W& w, const L& scales, std::int64_t r, std::int64_t t,
                           std::int64_t blocks) {
  const auto* a = u.data + r * u.strides[0];
  const auto* c = w.data + t * w.strides[0];
  const std::int64_t along = u.strides[1], across = w.strides[1];
  T sum(0);
  for (std::int64_t q = 0; q < blocks; ++q) {
    const T one = skew_block{}(static_cast<T>(a[2 * q * along]), static_cast<T>(a[(2 * q + 1) * along]),
                               static_cast<T>(c[2 * q * across]), static_cast<T>(c[(2 * q + 1) * across]));
    if constexpr (std::is_same_v<L, no_scales>)
      sum = sum + one;
    else
      sum = sum + rounded_product(scales.template at<T>(r, q), one);
  }
  return sum;
}

/// Rows of a tile.
inline constexpr std::int64_t score_rows = 1024;

/// Numbers by columns, coordinate d of item j at data[d·stride + j]; columns are padded with zeros to whole packs.
template <class T>
struct embedding_columns {
  std::int64_t stride = 0;
  std::vector<T> data;

  template <class View>
  explicit embedding_columns(const View& v) {
    constexpr std::int64_t pad = ZERMELO_VECTOR_BYTES / static_cast<std::int64_t>(sizeof(T));
    const std::int64_t n = v.shape[0], width = v.shape[1];
    stride = (n + pad - 1) / pad * pad;
    data.assign(static_cast<std::size_t>(stride * width), T(0));
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t d = 0; d < width; ++d) data[static_cast<std::size_t>(d * stride + i)] = v(i, d);
  }
  ZERMELO_INLINE const T* column(std::int64_t d) const { return data.data() + d * stride; }
};

/// out[i, j] = f(s(v_i, v_j)), rows of tiles at a time.
template <class P, class F, class E, class L, class O>
void run_score_matrix(P&& policy, const F& f, const E& e, const L& scales, std::int64_t blocks, const O& out) {
  using T = typename E::value_type;
  using V = value_of<P, T>;
  constexpr std::int64_t width = lanes<V>;
  const std::int64_t n = e.shape[0];
  if (out.shape[0] != n || out.shape[1] != n)
    throw shape_error("out", "[" + std::to_string(out.shape[0]) + ", " + std::to_string(out.shape[1]) +
                                 "], expected a row and a column for each of " + std::to_string(n) + " items");
  require_finite_rows(e, "embeddings", 0, n);
  const embedding_columns<T> columns(e);
  constexpr std::int64_t rows = 16;
  for_each_tile(policy, (n + rows - 1) / rows, [&](std::int64_t t) {
    for (std::int64_t i = t * rows; i < (std::min)(n, (t + 1) * rows); ++i)
      for (std::int64_t j = 0; j < n; j += width) {
        V sum(0);
        for (std::int64_t q = 0; q < blocks; ++q) {
          const T* a = columns.column(2 * q);
          const T* b = columns.column(2 * q + 1);
          const V one = skew_block{}(V(a[i]), V(b[i]), load<V>(a + j), load<V>(b + j));
          if constexpr (std::is_same_v<L, no_scales>)
            sum = sum + one;
          else
            sum = sum + rounded_product(V(scales.template at<T>(i, q)), one);
        }
        T lane[width];
        store(lane, f(sum));
        for (std::int64_t k = 0; k < (std::min)(width, n - j); ++k)
          out(i, j + k) = static_cast<typename O::value_type>(lane[k]);
      }
  });
}

struct score_itself {
  template <class V>
  ZERMELO_FN V operator()(V score) const {
    return score;
  }
};
struct win_probability_of_score {
  double temperature;
  template <class V>
  ZERMELO_FN V operator()(V score) const {
    return sigmoid(score / V(temperature));
  }
};

struct multiplied {
  double by;
  template <class V>
  ZERMELO_FN V operator()(V x) const {
    return x * V(by);
  }
};

/// Tiles at most of a pass over the items, each with a partial mean of its own.
inline constexpr std::int64_t mean_tiles = 64;
/// Coordinates whose partial means lie on the stack.
inline constexpr std::int64_t mean_width = 32;

/// sums[d] = Σ_y p[y] v[y, d] for rows [begin, end). Width is known, or 0.
template <int Width, class E, class W>
ZERMELO_INLINE void weighted_sums(const E& e, const W& p, std::int64_t begin, std::int64_t end, double* sums) {
  const std::int64_t width = Width > 0 ? Width : e.shape[1];
  const std::int64_t step = e.strides[0], across = Width > 0 ? 1 : e.strides[1];
  if constexpr (Width > 0) {
    double all[Width] = {};
    for (std::int64_t y = begin; y < end; ++y) {
      const auto* v = e.data + y * step;
      const double weight = static_cast<double>(p.element(y));
      for (int d = 0; d < Width; ++d) all[d] += weight * static_cast<double>(v[d]);
    }
    std::copy_n(all, Width, sums);
  } else {
    std::fill_n(sums, width, 0.0);
    for (std::int64_t y = begin; y < end; ++y) {
      const auto* v = e.data + y * step;
      const double weight = static_cast<double>(p.element(y));
      for (std::int64_t d = 0; d < width; ++d) sums[d] += weight * static_cast<double>(v[d * across]);
    }
  }
}

/// out[y] = Σ_d turned[d] v[y, d].
template <int Width, class E, class O>
ZERMELO_INLINE void turned_products(const E& e, const double* turned, std::int64_t begin, std::int64_t end,
                                    const O& out) {
  using T = typename E::value_type;
  const std::int64_t step = e.strides[0];
  if constexpr (Width > 0) {
    T by[Width];
    for (int d = 0; d < Width; ++d) by[d] = static_cast<T>(turned[d]);
    for (std::int64_t y = begin; y < end; ++y) {
      const T* v = e.data + y * step;
      T even(0), odd(0);
      for (int d = 0; d < Width; d += 2) {
        even += by[d] * v[d];
        odd += by[d + 1] * v[d + 1];
      }
      out.element(y) = static_cast<typename O::value_type>(even + odd);
    }
  } else {
    const std::int64_t width = e.shape[1], across = e.strides[1];
    for (std::int64_t y = begin; y < end; ++y) {
      const T* v = e.data + y * step;
      double sum = 0;
      for (std::int64_t d = 0; d < width; ++d) sum += turned[d] * static_cast<double>(v[d * across]);
      out.element(y) = static_cast<typename O::value_type>(sum);
    }
  }
}

/// Calls f with the width as a constant if rows lie side by side and are of a usual width.
template <class E, class F>
ZERMELO_INLINE void with_width(const E& e, F&& f) {
  const std::int64_t width = e.strides[1] == 1 ? e.shape[1] : 0;
  switch (width) {
    case 2:
      return f(std::integral_constant<int, 2>{});
    case 4:
      return f(std::integral_constant<int, 4>{});
    case 6:
      return f(std::integral_constant<int, 6>{});
    case 8:
      return f(std::integral_constant<int, 8>{});
    case 16:
      return f(std::integral_constant<int, 16>{});
    default:
      return f(std::integral_constant<int, 0>{});
  }
}

/// Turns the mean into the vector that scores are products with: s(v, mean) = ⟨v, turned⟩.
template <class L>
void turn(const L& scales, std::int64_t blocks, double* mean) {
  for (std::int64_t q = 0; q < blocks; ++q) {
    const double scale = scales.template at<double>(0, q), c = mean[2 * q], d = mean[2 * q + 1];
    mean[2 * q] = scale * d;
    mean[2 * q + 1] = -scale * c;
  }
}

template <class E, class W>
void require_finite_mean(const E& e, const W& p, const double* mean) {
  for (std::int64_t d = 0; d < e.shape[1]; ++d) {
    if (is_finite(mean[d])) continue;
    for (std::int64_t y = 0; y < p.size(); ++y)
      if (!is_finite(p.element(y))) throw domain_error("opponent", y, "is not a finite number");
    require_finite_rows(e, "embeddings", 0, e.shape[0]);
    throw domain_error("embeddings", domain_error::whole, "their mean overflows");
  }
}

template <host_policy P, class E, class L, class W, class O>
void run_scores_against(P&& policy, const E& e, const L& scales, const W& p, const O& out) {
  const std::int64_t n = e.shape[0], width = e.shape[1];
  const std::int64_t length = (std::max)(score_rows, (n + mean_tiles - 1) / mean_tiles);
  const std::int64_t tiles = (n + length - 1) / length;
  double few[(mean_tiles + 1) * mean_width];
  std::vector<double> many;
  double* partial = few;
  if (width > mean_width) {
    many.resize(static_cast<std::size_t>((mean_tiles + 1) * width));
    partial = many.data();
  }
  double* mean = partial + mean_tiles * width;
  with_width(e, [&](auto known) {
    constexpr int w = decltype(known)::value;
    for_each_tile(policy, tiles, [&](std::int64_t t) {
      weighted_sums<w>(e, p, t * length, (std::min)(n, (t + 1) * length), partial + t * width);
    });
    std::fill_n(mean, width, 0.0);
    for (std::int64_t t = 0; t < tiles; ++t)
      for (std::int64_t d = 0; d < width; ++d) mean[d] += partial[t * width + d];
    require_finite_mean(e, p, mean);
    turn(scales, width / 2, mean);
    for_each_tile(policy, tiles, [&](std::int64_t t) {
      turned_products<w>(e, mean, t * length, (std::min)(n, (t + 1) * length), out);
    });
  });
}

/// Σ weight · column for several columns at once.
struct weighted_column_sums {
  template <class V, class... C>
  ZERMELO_FN auto operator()(V weight, C... column) const {
    return mapped{bundle<>(), bundle(total(weight * column)...)};
  }
};

/// Products of columns with numbers, added to what was there.
template <int Columns>
struct turned_column_sums {
  double turned[Columns];
  bool begin;  ///< there was nothing before

  template <class V, class... C>
  ZERMELO_FN V operator()(V before, C... column) const {
    V sum = select(mask_t<V>(begin), V(0), before);
    int d = 0;
    ((sum = sum + V(turned[d++]) * column), ...);
    return sum;
  }
};

/// f(columns first … first + Count) as strided vectors, for the primitives.
template <int Count, class E, class F>
ZERMELO_INLINE auto with_columns(const E& e, std::int64_t first, F&& f) {
  using element = typename E::element_type;
  return [&]<std::size_t... D>(std::index_sequence<D...>) {
    const tensor_view<element, 1, E::where> column[] = {
        {.data = e.data + (first + static_cast<std::int64_t>(D)) * e.strides[1],
         .shape = {e.shape[0]},
         .strides = {e.strides[0]}}...};
    return f(column[D]...);
  }(std::make_index_sequence<static_cast<std::size_t>(Count)>{});
}

template <device_policy P, class E, class L, class W, class O>
void run_scores_against(P&& policy, const E& e, const L& scales, const W& p, const O& out) {
  const std::int64_t width = e.shape[1], blocks = width / 2;
  std::vector<double> mean(static_cast<std::size_t>(width));
  for (std::int64_t q = 0; q < blocks; ++q)
    with_columns<2>(e, 2 * q, [&](const auto& a, const auto& b) {
      const auto sums = map_reduce(policy, weighted_column_sums{},
                                   inputs(named("opponent", p), named("embeddings", a), named("embeddings", b)));
      mean[static_cast<std::size_t>(2 * q)] = get<0>(sums).value;
      mean[static_cast<std::size_t>(2 * q + 1)] = get<1>(sums).value;
    });
  turn(scales, blocks, mean.data());
  for (std::int64_t q = 0; q < blocks; ++q)
    with_columns<2>(e, 2 * q, [&](const auto& a, const auto& b) {
      const double* t = mean.data() + 2 * q;
      if (q == 0)  // there is nothing to add to: what is read in its place is not used
        map_reduce(policy, turned_column_sums<2>{{t[0], t[1]}, true}, inputs(a, a, b), outputs(out));
      else
        map_reduce(policy, turned_column_sums<2>{{t[0], t[1]}, false}, inputs(out, a, b), outputs(out));
    });
}

/// Blocks of pairs of rows, added up.
struct block_sums {
  template <class V>
  ZERMELO_FN auto operator()(V a, V b, V c, V d) const {
    return total(skew_block{}(a, b, c, d));
  }
  template <class V>
  ZERMELO_FN auto operator()(V a, V b, V c, V d, V scale) const {
    return total(rounded_product(scale, skew_block{}(a, b, c, d)));
  }
};

/// The even columns of a matrix, or the odd ones.
template <class View>
ZERMELO_INLINE View every_other_column(const View& v, std::int64_t first) {
  return {.data = v.data + first * v.strides[1],
          .shape = {v.shape[0], v.shape[1] / 2},
          .strides = {v.strides[0], 2 * v.strides[1]}};
}

/// Scores of pairs by the primitives, for policies that run them elsewhere.
template <class P, class U, class W, class S, class O>
void pair_scores_by_rows(P&& policy, const U& u, const W& w, const S& scales, const O& out) {
  const auto a = every_other_column(u, 0), b = every_other_column(u, 1);
  const auto c = every_other_column(w, 0), d = every_other_column(w, 1);
  if constexpr (std::is_same_v<S, unit_scales_t>) {
    row_reduce(policy, block_sums{},
               inputs(named("chosen", a), named("chosen", b), named("rejected", c), named("rejected", d)),
               outputs(out));
  } else {
    const auto lambda = broadcast(scales, {u.shape[0], u.shape[1] / 2});
    row_reduce(policy, block_sums{},
               inputs(named("chosen", a), named("chosen", b), named("rejected", c), named("rejected", d),
                      named("scales", lambda)),
               outputs(out));
  }
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// out[r] = s(chosen[r], rejected[r]), the scores of pairs of rows.
///
/// chosen, rejected  [B, 2k], float or double, any strides
/// scales            unit_scales, [k] or [B, k]: λ
/// out               [B]
/// Exchanging chosen and rejected changes the signs and nothing else.
/// Errors: shape_error; domain_error with the row-major position of a number that is not finite.   Cost: one pass.
template <host_policy P, tensor C, tensor R, class S, tensor O>
void pair_scores(P&& policy, const C& chosen, const R& rejected, const S& scales, O&& out) {
  const auto u = view(chosen);
  const auto w = view(rejected);
  const auto to = view(out);
  const std::int64_t blocks = detail::blocks_of(u, "chosen"), rows = u.shape[0];
  if (detail::blocks_of(w, "rejected") != blocks || w.shape[0] != rows)
    throw shape_error("rejected", "[" + std::to_string(w.shape[0]) + ", " + std::to_string(w.shape[1]) +
                                      "], expected the shape of chosen, [" + std::to_string(rows) + ", " +
                                      std::to_string(2 * blocks) + "]");
  if (to.size() != rows)
    throw shape_error("out", std::to_string(to.size()) + " elements, expected " + std::to_string(rows));
  const auto lambda = detail::scales_of<true>(scales, rows, blocks);
  using T = std::common_type_t<typename decltype(u)::value_type, typename decltype(w)::value_type,
                               typename decltype(to)::value_type>;
  for_each_tile(policy, (rows + detail::score_rows - 1) / detail::score_rows, [&](std::int64_t t) {
    const std::int64_t end = (std::min)(rows, (t + 1) * detail::score_rows);
    for (std::int64_t r = t * detail::score_rows; r < end; ++r) {
      const T score = detail::row_score<T>(u, w, lambda, r, r, blocks);
      if (!is_finite(score)) [[unlikely]] {
        detail::require_finite_rows(u, "chosen", r, r + 1);
        detail::require_finite_rows(w, "rejected", r, r + 1);
        throw domain_error("scores", r, "overflows");
      }
      to.element(r) = static_cast<typename decltype(to)::value_type>(score);
    }
  });
}

/// The same in device memory: scales are unit_scales, or on the device as well.
template <device_policy P, tensor C, tensor R, class S, tensor O>
void pair_scores(P&& policy, const C& chosen, const R& rejected, const S& scales, O&& out) {
  const auto u = view(chosen);
  const auto w = view(rejected);
  const std::int64_t blocks = detail::blocks_of(u, "chosen");
  if (detail::blocks_of(w, "rejected") != blocks || w.shape[0] != u.shape[0])
    throw shape_error("rejected", "expected the shape of chosen");
  detail::pair_scores_by_rows(policy, u, w, scales, view(out));
}

template <tensor C, tensor R, class S, tensor O>
void pair_scores(const C& chosen, const R& rejected, const S& scales, O&& out) {
  pair_scores(zermelo::detail::default_policy<C, R, O>(), chosen, rejected, scales, out);
}

/// out[i, j] = s(v_i, v_j), the scores of all pairs; skew to the last bit, its diagonal zero.
///
/// embeddings [n, 2k], scales unit_scales or [k], out [n, n].   Errors: shape_error; domain_error.
/// Cost: n²k; a copy of the embeddings by columns.
template <host_policy P, tensor E, class S, tensor O>
void score_matrix(P&& policy, const E& embeddings, const S& scales, O&& out) {
  const auto e = view(embeddings);
  const std::int64_t blocks = detail::blocks_of(e, "embeddings");
  detail::run_score_matrix(policy, detail::score_itself{}, e, detail::scales_of<false>(scales, e.shape[0], blocks),
                           blocks, view(out));
}
template <tensor E, class S, tensor O>
void score_matrix(const E& embeddings, const S& scales, O&& out) {
  score_matrix(zermelo::detail::default_policy<E, O>(), embeddings, scales, out);
}

/// out[i, j] = σ(s(v_i, v_j)/τ), how often i wins against j.   As score_matrix; domain_error for τ ≤ 0.
template <host_policy P, tensor E, class S, tensor O>
void probability_matrix(P&& policy, const E& embeddings, const S& scales, O&& out,
                        const temperature_parameters& parameters = {}) {
  detail::require_temperature(parameters.temperature);
  const auto e = view(embeddings);
  const std::int64_t blocks = detail::blocks_of(e, "embeddings");
  detail::run_score_matrix(policy, detail::win_probability_of_score{parameters.temperature}, e,
                           detail::scales_of<false>(scales, e.shape[0], blocks), blocks, view(out));
}
template <tensor E, class S, tensor O>
  requires(!execution<E>)
void probability_matrix(const E& embeddings, const S& scales, O&& out, const temperature_parameters& parameters = {}) {
  probability_matrix(zermelo::detail::default_policy<E, O>(), embeddings, scales, out, parameters);
}

/// out[y] = Σⱼ μⱼ s(v_y, vⱼ) = s(v_y, Σⱼ μⱼ vⱼ), the scores of items against a mixture of them.
///
/// embeddings [n, 2k], scales unit_scales or [k], opponent [n] any finite weights, out [n]
/// Means are formed in double. On a device the mean is brought to the host, and so the call waits.
/// Errors: shape_error; domain_error naming an element that is not finite.
/// Cost: two passes over the embeddings, nk; allocates nothing up to k = 16. Row by row is the layout that it likes.
template <execution P, tensor E, class S, tensor W, tensor O>
void scores_against(P&& policy, const E& embeddings, const S& scales, const W& opponent, O&& out) {
  const auto e = view(embeddings);
  const auto p = view(opponent);
  const auto to = view(out);
  const std::int64_t blocks = detail::blocks_of(e, "embeddings"), n = e.shape[0];
  if (p.size() != n)
    throw shape_error("opponent",
                      std::to_string(p.size()) + " weights, expected one for each of " + std::to_string(n) + " items");
  if (to.size() != n) throw shape_error("out", std::to_string(to.size()) + " elements, expected " + std::to_string(n));
  detail::run_scores_against(policy, e, detail::scales_of<false>(scales, n, blocks), p, to);
}
template <tensor E, class S, tensor W, tensor O>
  requires(!execution<E>)
void scores_against(const E& embeddings, const S& scales, const W& opponent, O&& out) {
  scores_against(zermelo::detail::default_policy<E, W, O>(), embeddings, scales, opponent, out);
}

/// Scales of the blocks that depend on a prompt:  λ = k · softmax(a/√h),  a = W_h x for the prompt's hidden state x of
/// width h. Their mean is 1.
///
/// logits, scales  [B, k]; width h > 0.   Errors: shape_error; domain_error.
/// Source: the released code of Zhang et al. 2024.
template <host_policy P, tensor A, tensor S>
void gate_scales(P&& policy, const A& logits, std::int64_t width, S&& scales) {
  if (width < 1) throw domain_error("width", domain_error::whole, std::to_string(width) + ", expected at least 1");
  const auto to = view(scales);
  static_assert(decltype(to)::rank == 2, "zermelo: logits and scales are tensors of rank 2");
  const double factor = 1 / std::sqrt(static_cast<double>(width)), blocks = static_cast<double>(to.shape[1]);
  map_reduce(policy, detail::multiplied{factor}, inputs(named("logits", logits)), outputs(to));
  softmax_rows(policy, to, to);
  map_reduce(policy, detail::multiplied{blocks}, inputs(to), outputs(to));
}
template <tensor A, tensor S>
void gate_scales(const A& logits, std::int64_t width, S&& scales) {
  gate_scales(simd{}, logits, width, scales);
}

/// The gradient by the gate's logits from the one by its scales:  ∂/∂a_j = λ_j (g_j − Σ_q λ_q g_q / k) / √h.
///
/// scales, grad_scales, grad_logits  [B, k].   Errors: shape_error; domain_error.
template <tensor S, tensor G, tensor A>
void gate_gradient(const S& scales, const G& grad_scales, std::int64_t width, A&& grad_logits) {
  if (width < 1) throw domain_error("width", domain_error::whole, std::to_string(width) + ", expected at least 1");
  const auto scale = view(scales);
  const auto g = view(grad_scales);
  const auto to = view(grad_logits);
  for (int r = 0; r < 2; ++r) {
    if (g.shape[r] != scale.shape[r]) throw shape_error("grad_scales", "expected the shape of scales");
    if (to.shape[r] != scale.shape[r]) throw shape_error("grad_logits", "expected the shape of scales");
  }
  const double root = std::sqrt(static_cast<double>(width));
  for (std::int64_t r = 0; r < scale.shape[0]; ++r) {
    double mean = 0;
    for (std::int64_t q = 0; q < scale.shape[1]; ++q)
      mean += static_cast<double>(scale(r, q)) * static_cast<double>(g(r, q));
    mean /= static_cast<double>(scale.shape[1]);
    for (std::int64_t q = 0; q < scale.shape[1]; ++q)
      to(r, q) = static_cast<typename decltype(to)::value_type>(static_cast<double>(scale(r, q)) *
                                                                (static_cast<double>(g(r, q)) - mean) / root);
  }
}

/// out[r] = v[r]/‖v[r]‖, and the norms: embeddings of length one, as the paper has them.
///
/// embeddings, out [n, d]; norms [n] or discard.   Errors: shape_error; domain_error with the row of a norm of zero.
template <tensor E, tensor O, class N>
void normalise_rows(const E& embeddings, O&& out, N&& norms) {
  const auto e = view(embeddings);
  const auto to = view(out);
  if (to.shape[0] != e.shape[0] || to.shape[1] != e.shape[1])
    throw shape_error("out", "expected the shape of embeddings");
  for (std::int64_t r = 0; r < e.shape[0]; ++r) {
    double square = 0;
    for (std::int64_t d = 0; d < e.shape[1]; ++d) square += static_cast<double>(e(r, d)) * static_cast<double>(e(r, d));
    if (!is_finite(square)) detail::require_finite_rows(e, "embeddings", r, r + 1);
    if (square == 0) throw domain_error("embeddings", r, "a row of zeros has no direction");
    const double norm = std::sqrt(square);
    for (std::int64_t d = 0; d < e.shape[1]; ++d)
      to(r, d) = static_cast<typename decltype(to)::value_type>(static_cast<double>(e(r, d)) / norm);
    if constexpr (!std::is_same_v<std::remove_cvref_t<N>, discard_t>) {
      if (view(norms).size() != e.shape[0]) throw shape_error("norms", "expected one for each row");
      view(norms).element(r) = static_cast<element_t<N>>(norm);
    }
  }
}

/// The gradient by v from the one by its direction w = v/‖v‖:  (g − ⟨g, w⟩ w)/‖v‖.
///
/// directions, grad_directions, grad_embeddings [n, d]; norms [n].   Errors: shape_error.
template <tensor D, tensor N, tensor G, tensor O>
void normalised_gradient(const D& directions, const N& norms, const G& grad_directions, O&& grad_embeddings) {
  const auto w = view(directions);
  const auto norm = view(norms);
  const auto g = view(grad_directions);
  const auto to = view(grad_embeddings);
  if (norm.size() != w.shape[0]) throw shape_error("norms", "expected one for each row");
  for (int r = 0; r < 2; ++r) {
    if (g.shape[r] != w.shape[r]) throw shape_error("grad_directions", "expected the shape of directions");
    if (to.shape[r] != w.shape[r]) throw shape_error("grad_embeddings", "expected the shape of directions");
  }
  for (std::int64_t r = 0; r < w.shape[0]; ++r) {
    double along = 0;
    for (std::int64_t d = 0; d < w.shape[1]; ++d) along += static_cast<double>(g(r, d)) * static_cast<double>(w(r, d));
    for (std::int64_t d = 0; d < w.shape[1]; ++d)
      to(r, d) = static_cast<typename decltype(to)::value_type>(
          (static_cast<double>(g(r, d)) - along * static_cast<double>(w(r, d))) / static_cast<double>(norm.element(r)));
  }
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::preference
