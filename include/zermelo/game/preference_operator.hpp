// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

#include "../core/config.hpp"
#include "../core/detail/lengths.hpp"
#include "../core/error.hpp"
#include "../core/execution/policy.hpp"
#include "../core/lanes.hpp"
#include "../core/primitives/map_reduce.hpp"
#include "../core/primitives/matvec.hpp"
#include "../core/primitives/row_reduce.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "../preference/comparison_graph.hpp"

/// A preference is an operator, not a matrix: whoever plays against it asks how often each item wins against a policy.
///
///   win_rate(p)ᵢ = P(i ≻ p) = Σⱼ P[i, j] pⱼ,     probability(i, j) = P[i, j] = Pr(i beats j),     P + Pᵀ = 1
///
/// A policy is a probability vector over items. Operators of scores instead of probabilities (S + Sᵀ = 0) say so by a
/// member `tie()`, what an item scores against itself: 0 instead of ½.
namespace zermelo::inline v1::game {

/// One game: `items()`, `win_rate(execution policy, policy, out)` for tensors of `value_type`, `probability(i, j)`.
template <class O>
concept preference_operator = requires(const O& o, tensor_view<const typename O::value_type, 1> policy,
                                       tensor_view<typename O::value_type, 1> out, std::int64_t i) {
  requires std::floating_point<typename O::value_type>;
  { o.items() } -> std::convertible_to<std::int64_t>;
  o.win_rate(simd{}, policy, out);
  { o.probability(i, i) } -> std::convertible_to<double>;
};

/// Several games on equally many items, one a prompt: `games()`, and `game(g)`, a preference_operator.
template <class B>
concept preference_batch = requires(const B& b, std::int64_t g) {
  { b.games() } -> std::convertible_to<std::int64_t>;
  { b.items() } -> std::convertible_to<std::int64_t>;
  { b.game(g) } -> preference_operator;
};

/// What a policy gets against itself: ½ for probabilities, 0 for scores.
template <class O>
ZERMELO_INLINE double tie_of(const O& o) {
  if constexpr (requires {
                  { o.tie() } -> std::convertible_to<double>;
                })
    return static_cast<double>(o.tie());
  else
    return 0.5;
}

struct matrix_parameters {
  double tolerance = 1e-9;  ///< of P[i, j] + P[j, i] = 1; four units of float at least, for matrices of float
};

namespace detail::inline ZERMELO_ISA {

using namespace zermelo::detail;

template <class T>
constexpr double at_least_rounding(double tolerance) {
  constexpr double units = 4 * static_cast<double>(std::numeric_limits<T>::epsilon());
  return sizeof(T) < sizeof(double) && tolerance < units ? units : tolerance;
}

inline std::string cell(std::int64_t i, std::int64_t j) {
  return "[" + std::to_string(i) + ", " + std::to_string(j) + "]";
}

template <class View>
void require_square(const char* name, const View& m) {
  if (m.shape[0] != m.shape[1])
    throw shape_error(name, std::to_string(m.shape[0]) + " × " + std::to_string(m.shape[1]) +
                                ", expected a square matrix, an item a row and a column");
  if (m.shape[0] == 0) throw shape_error(name, "no items");
}

/// Throws unless m[i, j] + m[j, i] is 2·tie within the tolerance, and entries are probabilities if tie is ½.
template <class View>
void require_preferences(const View& m, const char* name, double tie, double tolerance, std::int64_t offset = 0) {
  require_square(name, m);
  if (!(tolerance >= 0)) throw domain_error("tolerance", domain_error::whole, "is negative");
  const std::int64_t n = m.shape[0];
  const double allowed = at_least_rounding<typename View::value_type>(tolerance);
  double scale = 1;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      const double x = static_cast<double>(m(i, j));
      if (!zermelo::is_finite(x))
        throw domain_error(name, offset + i * n + j, "entry " + cell(i, j) + " is not a finite number");
      if (tie > 0 && (x < 0 || x > 1))
        throw domain_error(name, offset + i * n + j,
                           "entry " + cell(i, j) + " is " + text(x) + ", expected a probability in [0, 1]");
      if (tie == 0) scale = (std::max)(scale, x < 0 ? -x : x);
    }
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j <= i; ++j) {
      const double off = static_cast<double>(m(i, j)) + static_cast<double>(m(j, i)) - 2 * tie;
      if (off > allowed * scale || -off > allowed * scale)
        throw domain_error(name, offset + i * n + j,
                           "entries " + cell(i, j) + " and " + cell(j, i) + " add up to " + text(off + 2 * tie) +
                               ", expected " + (tie > 0 ? "1: one of the two wins" : "0: scores are skew"));
    }
}

struct weighted_entry {
  template <class V>
  ZERMELO_FN total<V> operator()(V entry, V weight) const {
    return total<V>(entry * weight);
  }
};

template <class P, class A, class X, class Y>
ZERMELO_INLINE void multiply(P&& policy, const A& a, const X& x, Y&& y) {
  if constexpr (host_policy<P>) {
    matvec(policy, a, x, y);
  } else {
    require_extent("x", view(x).size(), a.shape[1], "elements");
    const auto repeated = broadcast(x, {a.shape[0], a.shape[1]});
    const auto to = view(y);
    row_reduce(policy, weighted_entry{}, inputs(a, repeated), outputs(to));
  }
}

template <class View>
void require_finite(const View& x, const char* name) {
  for (std::int64_t k = 0; k < x.size(); ++k)
    if (!is_finite(x.element(k))) throw domain_error(name, k, "is not a finite number");
}

/// Rows of a tile of operators that compute their entries.
inline constexpr std::int64_t computed_rows = 16;
/// Terms that lanes of floats add before they are flushed into doubles.
inline constexpr std::int64_t computed_run = 512;

/// out[i] = Σⱼ p[j] f(x[i], x[j]) for f generic in the value type: the matrix is never stored.
template <class V, bool Contiguous, class F, class X, class W>
double computed_row(const F& f, const X& x, const W& p, std::int64_t i) {
  using T = scalar_t<V>;
  constexpr std::int64_t width = lanes<V>;
  const std::int64_t n = x.view.size();
  const T own = x.view.element(i);
  double sum = 0;
  std::int64_t j = 0;
  while (j + width <= n) {
    const std::int64_t flush = sizeof(T) == 8 ? n : (std::min)(n, j + computed_run * width);
    V terms = V(T(0));
    for (; j + width <= flush; j += width)
      terms = multiply_add(fetch<V, Contiguous>(p, j, width), f(V(own), fetch<V, Contiguous>(x, j, width)), terms);
    sum += static_cast<double>(reduce_add(terms));
  }
  for (; j < n; ++j)
    sum += static_cast<double>(p.view.element(j)) * static_cast<double>(f(own, static_cast<T>(x.view.element(j))));
  return sum;
}

template <class P, class F, class X, class W, class Y>
void computed_win_rate(P&& policy, const F& f, const X& x, const W& p, const Y& out) {
  using T = typename X::value_type;
  using V = value_of<P, T>;
  const auto from = column_of(x, "strengths");
  const auto weight = column_of(p, "policy");
  const std::int64_t n = x.size();
  require_extent("policy", p.size(), n, "probabilities");
  require_extent("win_rate", out.size(), n, "elements");
  const bool contiguous = from.contiguous && weight.contiguous;
  for_each_tile(policy, (n + computed_rows - 1) / computed_rows, [&](std::int64_t t) {
    for (std::int64_t i = t * computed_rows; i < (std::min)(n, (t + 1) * computed_rows); ++i)
      out.element(i) = static_cast<T>(contiguous ? computed_row<V, true>(f, from, weight, i)
                                                 : computed_row<V, false>(f, from, weight, i));
  });
  for (std::int64_t i = 0; i < n; ++i)
    if (!is_finite(out.element(i))) {
      require_finite(x, "strengths");
      require_finite(p, "policy");
    }
}

/// How often the first wins by Bradley–Terry.
struct logistic_win {
  template <class V>
  ZERMELO_FN V operator()(V own, V other) const {
    return sigmoid(own - other);
  }
};

}  // namespace detail::inline ZERMELO_ISA

/// A matrix of preferences, or of skew scores, in the caller's memory. Made by `preference_matrix` and `score_matrix`.
template <class T, memory Where = memory::host>
struct dense_preferences {
  using value_type = T;
  tensor_view<const T, 2, Where> table = {};  ///< [n, n]
  double own_score = 0.5;

  ZERMELO_INLINE std::int64_t items() const { return table.shape[0]; }
  ZERMELO_INLINE double tie() const { return own_score; }
  ZERMELO_INLINE double probability(std::int64_t i, std::int64_t j) const { return static_cast<double>(table(i, j)); }
  /// out = P p.   Cost: one pass over the matrix, at the speed of memory.
  template <execution P, tensor X, tensor Y>
  ZERMELO_INLINE void win_rate(P&& policy, const X& p, Y&& out) const {
    detail::multiply(policy, table, p, out);
  }
};

/// Matrices of preferences [G, n, n], one a game.
template <class T>
struct dense_preference_batch {
  using value_type = T;
  tensor_view<const T, 3> tables = {};
  double own_score = 0.5;

  ZERMELO_INLINE std::int64_t games() const { return tables.shape[0]; }
  ZERMELO_INLINE std::int64_t items() const { return tables.shape[1]; }
  ZERMELO_INLINE dense_preferences<T> game(std::int64_t g) const {
    return {.table = {.data = tables.data + g * tables.strides[0],
                      .shape = {tables.shape[1], tables.shape[2]},
                      .strides = {tables.strides[1], tables.strides[2]}},
            .own_score = own_score};
  }
};

/// Preferences by Bradley–Terry: P[i, j] = σ(sᵢ − sⱼ), computed where they are needed. The strengths stay the caller's.
template <class T>
struct bradley_terry_preferences {
  using value_type = T;
  tensor_view<const T, 1> strengths = {};

  ZERMELO_INLINE std::int64_t items() const { return strengths.size(); }
  ZERMELO_INLINE double probability(std::int64_t i, std::int64_t j) const {
    return sigmoid(static_cast<double>(strengths.element(i)) - static_cast<double>(strengths.element(j)));
  }
  /// Cost: n² sigmoids, in tiles of rows; no memory beyond the output.
  template <host_policy P, tensor X, tensor Y>
  ZERMELO_INLINE void win_rate(P&& policy, const X& p, Y&& out) const {
    detail::computed_win_rate(policy, detail::logistic_win{}, strengths, view(p), view(out));
  }
};

struct empirical_parameters {
  double pseudo_count = 0;  ///< games added to every pair, half of them won by either side; ≥ 0
};

/// Preferences as counted: P[i, j] = (wins + ties/2 + c/2) / (games + c); ½ for pairs that never met.
struct empirical_preferences {
  using value_type = double;
  const preference::comparison_graph* graph = nullptr;
  double pseudo_count = 0;

  ZERMELO_INLINE std::int64_t items() const { return graph->items; }
  ZERMELO_INLINE double share(const preference::pair_record& r) const {
    const double games = r.wins + r.losses + r.ties + pseudo_count;
    return games > 0 ? (r.wins + (r.ties + pseudo_count) / 2) / games : 0.5;
  }
  ZERMELO_INLINE double probability(std::int64_t i, std::int64_t j) const {
    return i == j ? 0.5 : share(graph->between(i, j));
  }
  /// Cost: one pass over the pairs that met.
  template <host_policy P, tensor X, tensor Y>
  ZERMELO_INLINE void win_rate(P&& policy, const X& p, Y&& out) const;
};

namespace detail::inline ZERMELO_ISA {

template <class P, class X, class Y>
void empirical_win_rate(P&& policy, const empirical_preferences& o, const X& p, const Y& out) {
  const std::int64_t n = o.items();
  require_extent("policy", p.size(), n, "probabilities");
  require_extent("win_rate", out.size(), n, "elements");
  double mass = 0;
  for (std::int64_t j = 0; j < n; ++j) mass += static_cast<double>(p.element(j));
  if (!is_finite(mass)) require_finite(p, "policy");
  constexpr std::int64_t rows = 64;
  for_each_tile(policy, (n + rows - 1) / rows, [&](std::int64_t t) {
    for (std::int64_t i = t * rows; i < (std::min)(n, (t + 1) * rows); ++i) {
      double sum = 0;  // pairs that never met add nothing to what a tie gives
      preference::for_each_opponent(*o.graph, i, [&](std::int64_t j, std::int64_t e) {
        const auto r = preference::detail::record_at(*o.graph, i, j, e);
        sum += static_cast<double>(p.element(j)) * (o.share(r) - 0.5);
      });
      out.element(i) = mass / 2 + sum;
    }
  });
}

}  // namespace detail::inline ZERMELO_ISA

template <host_policy P, tensor X, tensor Y>
ZERMELO_INLINE void empirical_preferences::win_rate(P&& policy, const X& p, Y&& out) const {
  detail::empirical_win_rate(policy, *this, view(p), view(out));
}

inline namespace ZERMELO_ISA {

/// The game of a matrix of win probabilities, or the games of several.
///
/// matrix  [n, n] or [G, n, n], float or double, any strides; read where it is, so it must outlive the operator
/// Errors: shape_error if it is not square or has no items; domain_error with the row-major position of an entry that is
///         not a probability, or that does not add up to 1 with its mirror image.   Cost: one pass.
template <tensor M>
auto preference_matrix(const M& matrix, const matrix_parameters& parameters = {}) {
  const auto m = view(matrix);
  using view_type = std::remove_const_t<decltype(m)>;
  using T = typename view_type::value_type;
  static_assert(view_type::rank == 2 || view_type::rank == 3, "zermelo: preferences are [n, n], or [games, n, n]");
  static_assert(std::is_floating_point_v<T>, "zermelo: preferences are of float or double");
  if constexpr (view_type::rank == 2) {
    detail::require_preferences(m, "preferences", 0.5, parameters.tolerance);
    return dense_preferences<T>{.table = m};
  } else {
    const dense_preference_batch<T> batch{.tables = m};
    for (std::int64_t g = 0; g < batch.games(); ++g)
      detail::require_preferences(batch.game(g).table, "preferences", 0.5, parameters.tolerance,
                                  g * m.shape[1] * m.shape[2]);
    return batch;
  }
}

/// The game of a skew matrix of scores, S + Sᵀ = 0: win rates are expected scores, and a tie is 0.
///
/// Errors: as preference_matrix; entries are finite, and skew within tolerance · max(1, max |S|).
template <tensor M>
auto score_matrix(const M& matrix, const matrix_parameters& parameters = {}) {
  const auto m = view(matrix);
  using T = typename std::remove_const_t<decltype(m)>::value_type;
  static_assert(std::is_floating_point_v<T>, "zermelo: scores are of float or double");
  detail::require_preferences(m, "scores", 0, parameters.tolerance);
  return dense_preferences<T>{.table = m, .own_score = 0};
}

/// The game of Bradley–Terry strengths [n], which must outlive the operator.
/// Errors: shape_error if there are none; domain_error with the index of one that is not finite.
template <tensor S>
auto bradley_terry_game(const S& strengths) {
  const auto s = view(strengths);
  using T = typename std::remove_const_t<decltype(s)>::value_type;
  if (s.size() == 0) throw shape_error("strengths", "no items");
  for (std::int64_t i = 0; i < s.size(); ++i)
    if (!is_finite(s.element(i))) throw domain_error("strengths", i, "is not a finite number");
  return bradley_terry_preferences<T>{.strengths = s};
}

/// The game of battles as they were counted; the graph must outlive the operator.
/// Errors: shape_error if there are no items; domain_error for a pseudo-count that is negative or not finite.
inline empirical_preferences empirical_game(const preference::comparison_graph& graph,
                                            const empirical_parameters& parameters = {}) {
  if (graph.items == 0) throw shape_error("graph", "no items");
  if (!is_finite(parameters.pseudo_count) || parameters.pseudo_count < 0)
    throw domain_error("pseudo_count", domain_error::whole, "expected a finite number, zero or more");
  return {.graph = &graph, .pseudo_count = parameters.pseudo_count};
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
