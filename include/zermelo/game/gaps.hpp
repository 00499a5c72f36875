// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/execution/policy.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "preference_operator.hpp"

/// How far a policy is from an equilibrium: what the best response to it gains.
namespace zermelo::inline v1::game {

/// Answers of a best response in a symmetric game.
struct exploitability_result {
  double exploitability = 0;       ///< maxᵧ (P p)ᵧ − ½, never clamped: rounding may leave −1e-16
  std::int64_t best_response = 0;  ///< the lowest index of the items that gain most
  ZERMELO_FN double duality_gap() const { return 2 * exploitability; }  ///< of the pair (p, p)
};

/// Answers of best responses in a matrix game M, whose rows maximise.
struct matrix_gap {
  double gap = 0;                ///< maxᵢ (M q)ᵢ − minⱼ (Mᵀ p)ⱼ
  double value = 0;              ///< pᵀ M q
  std::int64_t best_row = 0;     ///< against q, lowest index
  std::int64_t best_column = 0;  ///< against p, lowest index
};

struct regularization {
  double kl_weight = 0.1;  ///< τ > 0

  ZERMELO_INLINE void require_valid() const {
    if (!is_finite(kl_weight) || !(kl_weight > 0))
      throw domain_error("kl_weight", domain_error::whole, "expected a positive number");
  }
};

/// Likewise, where leaving a reference costs τ KL(·‖μ).
struct regularized_exploitability_result {
  double exploitability = 0;  ///< τ log Σ μ exp(P p/τ) + τ KL(p‖μ) − ½; zero at the regularised equilibrium alone
  double divergence = 0;  ///< KL(p‖μ)
  ZERMELO_FN double duality_gap() const { return 2 * exploitability; }
};

namespace detail::inline ZERMELO_ISA {

/// How far Σp may be from 1.
template <class T>
inline constexpr double policy_tolerance = sizeof(T) == 8 ? 1e-9 : 1e-5;

/// Throws unless p is a policy over n items: probabilities that add up to 1, all positive where `full_support`.
template <class View>
void require_policy(const char* name, const View& p, std::int64_t n, bool full_support = false) {
  require_extent(name, p.size(), n, "probabilities, an item each");
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double x = static_cast<double>(p.element(i));
    if (!is_finite(x)) throw domain_error(name, i, "is not a finite number");
    if (x < 0) throw domain_error(name, i, text(x) + " is no probability");
    if (full_support && x == 0)
      throw domain_error(name, i, "is zero: the divergence from it would be infinite; a reference needs full support");
    sum += x;
  }
  const double tolerance = policy_tolerance<typename View::value_type>;
  if (!(sum - 1 <= tolerance && 1 - sum <= tolerance))
    throw domain_error(name, domain_error::whole, "probabilities add up to " + text(sum) + ", expected 1");
}

/// The lowest index of the largest, or of the smallest.
template <class T>
ZERMELO_FN std::int64_t first_largest(const T* x, std::int64_t n) {
  std::int64_t best = 0;
  for (std::int64_t i = 1; i < n; ++i)
    if (x[i] > x[best]) best = i;
  return best;
}
template <class T>
ZERMELO_FN std::int64_t first_smallest(const T* x, std::int64_t n) {
  std::int64_t best = 0;
  for (std::int64_t i = 1; i < n; ++i)
    if (x[i] < x[best]) best = i;
  return best;
}

/// KL(p‖μ) of a policy and of log μ.
template <class X, class M>
ZERMELO_FN double divergence_from_logs(const X& p, const M& log_reference) {
  double sum = 0;
  for (std::int64_t i = 0; i < p.size(); ++i) {
    const double x = static_cast<double>(p.element(i));
    if (x > 0) sum += x * (log(x) - static_cast<double>(log_reference.element(i)));
  }
  return sum;
}

/// τ log Σ μ exp(q/τ), the value of the best response to what gives q.
template <class Q, class M>
ZERMELO_FN double soft_value(const Q& q, const M& log_reference, double kl_weight) {
  double most = -infinity<double>();
  const auto at = [&](std::int64_t i) {
    return static_cast<double>(log_reference.element(i)) + static_cast<double>(q.element(i)) / kl_weight;
  };
  for (std::int64_t i = 0; i < q.size(); ++i) most = (max)(most, at(i));
  double sum = 0;
  for (std::int64_t i = 0; i < q.size(); ++i) sum += exp(at(i) - most);
  return kl_weight * (most + log(sum));
}

template <class Q, class X, class M>
ZERMELO_FN regularized_exploitability_result soft_gap(const Q& q, const X& p, const M& log_reference, double kl_weight,
                                                      double tie) {
  const double divergence = divergence_from_logs(p, log_reference);
  return {soft_value(q, log_reference, kl_weight) + kl_weight * divergence - tie, divergence};
}

template <class T>
std::vector<double> logs_of(const tensor_view<const T, 1>& p) {
  std::vector<double> out(static_cast<std::size_t>(p.size()));
  for (std::int64_t i = 0; i < p.size(); ++i) out[static_cast<std::size_t>(i)] = log(static_cast<double>(p.element(i)));
  return out;
}

template <class O, class P, class X>
std::vector<typename O::value_type> win_rates_of(P&& policy, const O& game, const X& p) {
  std::vector<typename O::value_type> q(static_cast<std::size_t>(game.items()));
  game.win_rate(policy, p, q);
  return q;
}

/// A batch's game g, or the one game of all prompts.
template <class O>
ZERMELO_INLINE auto game_of(const O& o, std::int64_t g) {
  if constexpr (preference_batch<O>)
    return o.game(g);
  else
    return o;
}

/// Calls f(game, row of policies, g) for every row of policies [G, n]. Games run side by side, each on one thread.
template <class P, class O, class X, class F>
void for_each_game(P&& policy, const O& games, const char* name, const X& policies, F&& f) {
  static_assert(X::rank == 2, "zermelo: policies of a batch of games are [games, items]");
  const std::int64_t rows = policies.shape[0];
  if constexpr (preference_batch<O>) require_extent(name, rows, games.games(), "policies, a game each");
  for_each_tile(policy, rows, [&](std::int64_t g) {
    const tensor_view<typename X::element_type, 1> row{.data = policies.data + g * policies.strides[0],
                                                       .shape = {policies.shape[1]},
                                                       .strides = {policies.strides[1]}};
    f(game_of(games, g), row, g);
  });
}

/// What a game of a batch runs on.
template <class P>
using policy_of_a_game = std::conditional_t<uses_vector_units<P>, simd, serial>;

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Exploitability of a policy:  maxᵧ P(y ≻ p) − ½,  with the best response.
///
/// policy_of_player [n]. Errors: shape_error; domain_error unless it is a policy.   Cost: one product with the operator.
template <host_policy P, preference_operator O, tensor X>
exploitability_result exploitability(P&& policy, const O& game, const X& policy_of_player) {
  const auto p = view(policy_of_player);
  detail::require_policy("policy", p, game.items());
  const auto q = detail::win_rates_of(policy, game, p);
  const std::int64_t best = detail::first_largest(q.data(), game.items());
  return {static_cast<double>(q[static_cast<std::size_t>(best)]) - tie_of(game), best};
}
template <preference_operator O, tensor X>
exploitability_result exploitability(const O& game, const X& policy_of_player) {
  return exploitability(simd{}, game, policy_of_player);
}

/// Of a policy a game: policies [G, n], games a batch or one game for all; out [G] written.
template <host_policy P, class O, tensor X, tensor Y>
  requires(preference_batch<O> || preference_operator<O>)
void exploitability(P&& policy, const O& games, const X& policies, Y&& out) {
  const auto to = view(out);
  const auto from = view(policies);
  detail::require_extent("out", to.size(), from.shape[0], "elements, a game each");
  detail::for_each_game(policy, games, "policies", from, [&](const auto& game, const auto& p, std::int64_t g) {
    using T = typename std::remove_const_t<decltype(to)>::value_type;
    to.element(g) = static_cast<T>(exploitability(detail::policy_of_a_game<P>{}, game, p).exploitability);
  });
}

/// Exploitability where leaving the reference costs τ KL(·‖μ), and the best response, which is unique:
///
///   br ∝ μ exp(P p/τ),     expl_τ(p) = τ log Σ μ exp(P p/τ) + τ KL(p‖μ) − ½,     expl(p) ≤ expl_τ(p) + τ log(1/min μ)
///
/// policy_of_player, reference [n]; best_response [n] written, or `discard`.
/// Errors: shape_error; domain_error unless both are policies, the reference with full support, and τ > 0.
template <host_policy P, preference_operator O, tensor X, tensor M, class B = const discard_t&>
regularized_exploitability_result regularized_exploitability(P&& policy, const O& game, const X& policy_of_player,
                                                             const M& reference, const regularization& parameters,
                                                             B&& best_response = discard) {
  parameters.require_valid();
  const auto p = view(policy_of_player);
  const auto mu = view(reference);
  const std::int64_t n = game.items();
  detail::require_policy("policy", p, n);
  detail::require_policy("reference", mu, n, true);
  using T = typename std::remove_const_t<decltype(mu)>::value_type;
  const std::vector<double> log_mu = detail::logs_of(tensor_view<const T, 1>(mu));
  const auto logs = view(log_mu);
  const auto q = detail::win_rates_of(policy, game, p);
  if constexpr (!std::is_same_v<std::remove_cvref_t<B>, discard_t>) {
    const auto to = view(best_response);
    detail::require_extent("best_response", to.size(), n, "elements");
    const double value = detail::soft_value(view(q), logs, parameters.kl_weight) / parameters.kl_weight;
    for (std::int64_t i = 0; i < n; ++i)
      to.element(i) = static_cast<typename std::remove_const_t<decltype(to)>::value_type>(
          exp(logs.element(i) + static_cast<double>(q[static_cast<std::size_t>(i)]) / parameters.kl_weight - value));
  }
  return detail::soft_gap(view(q), p, logs, parameters.kl_weight, tie_of(game));
}
template <preference_operator O, tensor X, tensor M, class B = const discard_t&>
regularized_exploitability_result regularized_exploitability(const O& game, const X& policy_of_player,
                                                             const M& reference, const regularization& parameters,
                                                             B&& best_response = discard) {
  return regularized_exploitability(simd{}, game, policy_of_player, reference, parameters, best_response);
}

/// Of a policy a game: policies and references [G, n]; out [G] written.
template <host_policy P, class O, tensor X, tensor M, tensor Y>
  requires(preference_batch<O> || preference_operator<O>)
void regularized_exploitability(P&& policy, const O& games, const X& policies, const M& references, Y&& out,
                                const regularization& parameters) {
  const auto to = view(out);
  const auto from = view(policies);
  const auto mu = view(references);
  detail::require_extent("out", to.size(), from.shape[0], "elements, a game each");
  detail::require_extent("references", mu.shape[0], from.shape[0], "rows");
  detail::for_each_game(policy, games, "policies", from, [&](const auto& game, const auto& p, std::int64_t g) {
    const tensor_view<typename std::remove_const_t<decltype(mu)>::element_type, 1> row{
        .data = mu.data + g * mu.strides[0], .shape = {mu.shape[1]}, .strides = {mu.strides[1]}};
    using T = typename std::remove_const_t<decltype(to)>::value_type;
    to.element(g) = static_cast<T>(
        regularized_exploitability(detail::policy_of_a_game<P>{}, game, p, row, parameters).exploitability);
  });
}

/// The win rate of one policy against another:  pᵀ P q.
template <host_policy P, preference_operator O, tensor X, tensor Y>
double win_rate_between(P&& policy, const O& game, const X& player, const Y& opponent) {
  const auto p = view(player);
  detail::require_policy("player", p, game.items());
  detail::require_policy("opponent", view(opponent), game.items());
  const auto q = detail::win_rates_of(policy, game, view(opponent));
  double sum = 0;
  for (std::int64_t i = 0; i < game.items(); ++i)
    sum += static_cast<double>(p.element(i)) * static_cast<double>(q[static_cast<std::size_t>(i)]);
  return sum;
}
template <preference_operator O, tensor X, tensor Y>
double win_rate_between(const O& game, const X& player, const Y& opponent) {
  return win_rate_between(simd{}, game, player, opponent);
}

/// The duality gap of a pair of strategies of the matrix game M [m, n], whose rows maximise.
///
/// row_strategy [m], column_strategy [n], of M's element type.
/// Errors: shape_error; domain_error for a NaN in M, and unless both are policies.   Cost: two products with M.
template <host_policy P, tensor M, tensor X, tensor Y>
matrix_gap duality_gap(P&& policy, const M& matrix, const X& row_strategy, const Y& column_strategy) {
  const auto m = view(matrix);
  const auto p = view(row_strategy);
  const auto q = view(column_strategy);
  using T = typename std::remove_const_t<decltype(m)>::value_type;
  const std::int64_t rows = m.shape[0], columns = m.shape[1];
  if (rows == 0 || columns == 0) throw shape_error("matrix", "no rows or no columns");
  detail::require_policy("row_strategy", p, rows);
  detail::require_policy("column_strategy", q, columns);
  std::vector<T> for_rows(static_cast<std::size_t>(rows)), for_columns(static_cast<std::size_t>(columns));
  detail::multiply(policy, m, q, for_rows);
  detail::multiply(policy, transposed(m), p, for_columns);
  matrix_gap result{.best_row = detail::first_largest(for_rows.data(), rows),
                    .best_column = detail::first_smallest(for_columns.data(), columns)};
  result.gap = static_cast<double>(for_rows[static_cast<std::size_t>(result.best_row)]) -
               static_cast<double>(for_columns[static_cast<std::size_t>(result.best_column)]);
  for (std::int64_t i = 0; i < rows; ++i)
    result.value += static_cast<double>(p.element(i)) * static_cast<double>(for_rows[static_cast<std::size_t>(i)]);
  return result;
}
template <tensor M, tensor X, tensor Y>
matrix_gap duality_gap(const M& matrix, const X& row_strategy, const Y& column_strategy) {
  return duality_gap(simd{}, matrix, row_strategy, column_strategy);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
