// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/execution/default_policy.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "anchor_step.hpp"
#include "dynamics.hpp"
#include "gaps.hpp"
#include "preference_operator.hpp"
#include "solve.hpp"

/// Games of a few items, played without a byte of memory but what stands on the stack: inside a tree search, or one game a
/// thread of a device.
namespace zermelo::inline v1::game {

/// Where self-play on N items at most ended.
template <class T, int N>
struct small_solution {
  T policy[N] = {};
  T log_policy[N] = {};
  double gap = 0;  ///< duality gap of the last policy, regularised where the dynamics is
  std::int64_t rounds = 0;
  bool converged = false;  ///< whether the gap met the target
};

namespace detail::inline ZERMELO_ISA {

/// A vector on somebody's stack.
template <class T>
struct stack_vector {
  T* data;
  std::int64_t n;
  ZERMELO_FN T& operator[](std::size_t i) const { return data[i]; }
  ZERMELO_FN std::size_t size() const { return static_cast<std::size_t>(n); }
};

/// A round of a game of N items at most, as dynamics see it; the same numbers of operations whatever it plays.
template <class Table, int N, int Memories>
class small_round {
 public:
  using value_type = typename Table::value_type;
  using T = value_type;
  using vector = stack_vector<T>;

  ZERMELO_FN small_round(const Table& game, double own_score)
      : items(game.shape[0]),
        log_policy(row(0)),
        policy(row(1)),
        log_reference(row(2)),
        log_start(row(3)),
        played(row(1)),
        game_(game),
        tie_(own_score) {}
  small_round(const small_round&) = delete;
  small_round& operator=(const small_round&) = delete;

  std::int64_t items;
  std::int64_t number = 0;
  vector log_policy, policy, log_reference, log_start, played;

  ZERMELO_FN vector memory(int k) { return row(5 + k); }
  ZERMELO_FN vector win_rate() {
    if (!known_) play(policy, row(4));
    known_ = true;
    return row(4);
  }
  ZERMELO_FN void forget_win_rate() { known_ = false; }
  ZERMELO_FN void play(vector p, vector out) {
    for (std::int64_t i = 0; i < items; ++i) {
      T sum = T(0);
      for (std::int64_t j = 0; j < items; ++j) sum += game_(i, j) * p.data[j];
      out.data[i] = sum;
    }
  }
  ZERMELO_FN void anchor(vector base, vector reference, vector payoff, vector log_out, vector out, double w, double s) {
    const anchored f{w, s};
    T most = -infinity<T>();
    for (std::int64_t i = 0; i < items; ++i) {
      log_out.data[i] = f(base.data[i], reference.data[i], payoff.data[i]);
      most = log_out.data[i] > most ? log_out.data[i] : most;
    }
    T sum = T(0);
    for (std::int64_t i = 0; i < items; ++i) {
      out.data[i] = exp(log_out.data[i] - most);
      sum += out.data[i];
    }
    const T mass = log(sum), factor = T(1) / sum;
    for (std::int64_t i = 0; i < items; ++i) {
      log_out.data[i] = (log_out.data[i] - most) - mass;
      out.data[i] *= factor;
    }
  }
  ZERMELO_FN double probability(std::int64_t i, std::int64_t j) const { return static_cast<double>(game_(i, j)); }
  ZERMELO_FN double tie() const { return tie_; }

 private:
  ZERMELO_FN vector row(int k) { return {numbers_ + k * N, items}; }

  Table game_;
  double tie_;
  bool known_ = false;
  T numbers_[(5 + Memories) * N] = {};
};

/// The duality gap of the round's policy.
template <class Round>
ZERMELO_FN double gap_of_round(Round& round, double kl_weight) {
  const auto q = round.win_rate();
  const std::int64_t n = round.items;
  if (kl_weight > 0)
    return soft_gap(vector_view(q.data, n), vector_view(round.policy.data, n), vector_view(round.log_reference.data, n),
                    kl_weight, round.tie())
        .duality_gap();
  return 2 * (static_cast<double>(q.data[first_largest(q.data, n)]) - round.tie());
}

struct small_parameters {
  std::int64_t limit;
  double target;
  std::int64_t check_every;
  double kl_weight;  ///< of the gap
};

/// Self-play from log_start and log_reference as they stand in the round.
template <class Round, class D, class T, int N>
ZERMELO_FN void play_small(Round& round, const D& dynamics, const small_parameters& p, small_solution<T, N>& result) {
  for (std::int64_t i = 0; i < round.items; ++i) {
    round.log_policy.data[i] = round.log_start.data[i];
    round.policy.data[i] = exp(round.log_start.data[i]);
  }
  if constexpr (requires { dynamics.start(round); }) dynamics.start(round);
  std::int64_t t = 0;
  while (t < p.limit) {
    round.number = t++;
    dynamics(round);
    round.forget_win_rate();
    if (t % p.check_every != 0 || !(p.target > 0)) continue;
    if (gap_of_round(round, p.kl_weight) <= p.target) {
      result.converged = true;
      break;
    }
  }
  result.rounds = t;
  result.gap = gap_of_round(round, p.kl_weight);
  result.converged = result.converged || (p.target > 0 && result.gap <= p.target);
  for (std::int64_t i = 0; i < round.items; ++i) {
    result.policy[i] = round.policy.data[i];
    result.log_policy[i] = round.log_policy.data[i];
  }
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Self-play in a game of N items at most, without allocating: from the uniform policy, with the uniform policy as reference.
///
///   const auto s = solve_small<9>(payoffs, egpo{.step = 1, .kl_weight = 0.02}, {.target = 0.05});
///
/// preferences  [n, n], n ≤ N, a tensor of float or double; checked as preference_matrix does
/// dynamics     one that is made of anchor steps: all from hedge to mpo but those that project or match regrets
/// Errors: shape_error; domain_error.   Cost: n² a product, on the stack.
template <int N, tensor M, class D>
auto solve_small(const M& preferences, const D& dynamics, const solve_parameters& parameters = {}) {
  const auto table = view(preferences);
  using view_type = std::remove_const_t<decltype(table)>;
  using T = typename view_type::value_type;
  static_assert(view_type::rank == 2, "zermelo: preferences are [n, n]");
  dynamics.require_valid();
  parameters.require_valid();
  detail::require_preferences(table, "preferences", 0.5, 1e-9);
  const std::int64_t n = table.shape[0];
  if (n > N) throw shape_error("preferences", std::to_string(n) + " items, expected " + std::to_string(N) + " at most");
  const tensor_view<const T, 2> game = table;
  detail::small_round<tensor_view<const T, 2>, N, detail::memory_of<D>()> round(game, 0.5);
  for (std::int64_t i = 0; i < n; ++i) round.log_start.data[i] = round.log_reference.data[i] = -log(static_cast<T>(n));
  small_solution<T, N> result;
  const double weight = detail::is_proximal<D>() ? 0.0 : detail::kl_weight_of(dynamics);
  detail::play_small(round, dynamics, {parameters.limit, parameters.target, parameters.check_every, weight}, result);
  return result;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game

#if defined(__CUDACC__)
#include "detail/cuda/small_games.hpp"
#endif
