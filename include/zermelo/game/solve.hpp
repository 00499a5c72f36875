// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/certificate.hpp"
#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/execution/policy.hpp"
#include "../core/lanes.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "anchor_step.hpp"
#include "gaps.hpp"
#include "preference_operator.hpp"

// A function template for rounds of the host and rounds of a device: nvcc is not to look whether its calls suit both.
#if defined(__CUDACC__)
#define ZERMELO_DETAIL_BOTH_SIDES _Pragma("nv_exec_check_disable")
#else
#define ZERMELO_DETAIL_BOTH_SIDES
#endif

/// The driver of self-play: one loop for every dynamics, which is a small struct that says how one policy follows another.
///
/// A dynamics is an aggregate of its parameters with `require_valid()` and `template <class R> void operator()(R& round)
/// const`, which writes the next policy into round.log_policy and round.policy (dynamics.hpp has twenty). It may have
///   static constexpr int memory          vectors that it keeps between rounds, round.memory(k), zero at first
///   void start(R& round) const           called once, before the first round
///   double kl_weight                     the game is regularised by it, and so is the gap
///   static constexpr bool proximal       the regularisation is a means: the gap is the unregularised one all the same
///   static constexpr judged answer       which policy is judged by the gap, if not the last
///   double averaging_power() const       round t weighs tᵖ in the average; 0 otherwise
///   static constexpr bool restless       the policy may rest while the memory moves: standing still ends nothing
namespace zermelo::inline v1::game {

/// Which policy the stopping rule looks at.
enum class judged : std::uint8_t { last, average };

/// Every item alike: a start, or a reference.
struct uniform_policy_t {};
inline constexpr uniform_policy_t uniform_policy{};

struct solve_parameters {
  std::int64_t limit = 100000;  ///< rounds at most
  double target = 1e-6;         ///< duality gap at which to stop; with 0, at the limit or where nothing moves
  std::int64_t check_every =
      1;                    ///< rounds between two looks at the gap; each costs a product, which the next round shares
  double check_growth = 0;  ///< looks grow rarer: the next is after this share of the rounds done, if that is more
  std::optional<game::judged> judged = {};  ///< the dynamics' own choice otherwise

  ZERMELO_INLINE void require_valid() const {
    if (limit < 0) throw domain_error("limit", domain_error::whole, "is negative");
    if (!(target >= 0)) throw domain_error("target", domain_error::whole, "expected a gap, zero or more");
    if (check_every < 1) throw domain_error("check_every", domain_error::whole, "expected one round at least");
    if (!(check_growth >= 0) || !is_finite(check_growth))
      throw domain_error("check_growth", domain_error::whole, "expected a share, zero or more");
  }
};

/// Where self-play ended. Gaps are duality gaps, twice the exploitability, regularised where the dynamics is.
template <class T>
struct solution {
  std::vector<T> policy = {};      ///< the last
  std::vector<T> log_policy = {};  ///< normalised; −∞ for what is never played
  std::vector<T> average = {};     ///< of what was played in rounds 1, 2, …, by the dynamics' weights
  double gap = 0;                  ///< of the last policy
  double average_gap = 0;
  zermelo::convergence convergence = {};  ///< residual: the gap of the policy judged
};

/// What an observer sees after a round. An observer that returns a bool goes on while it is true.
template <class T>
struct iterate {
  std::int64_t round = 0;  ///< rounds done: 1, 2, …
  std::span<const T> policy = {}, log_policy = {}, average = {};
  bool measured = false;  ///< whether this was a look at the gap
  double gap = 0;         ///< of the policy judged, if measured
  const T* memories = nullptr;
  /// What the dynamics keeps: see there.
  ZERMELO_INLINE std::span<const T> memory(int k) const {
    return {memories + static_cast<std::size_t>(k) * policy.size(), policy.size()};
  }
};

namespace detail::inline ZERMELO_ISA {

template <class D>
constexpr int memory_of() {
  if constexpr (requires { D::memory; })
    return D::memory;
  else
    return 0;
}
template <class D>
constexpr bool is_proximal() {
  if constexpr (requires { D::proximal; })
    return D::proximal;
  else
    return false;
}
template <class D>
constexpr bool is_restless() {
  if constexpr (requires { D::restless; })
    return D::restless;
  else
    return false;
}
template <class D>
double kl_weight_of(const D& d) {
  if constexpr (requires { d.kl_weight; })
    return static_cast<double>(d.kl_weight);
  else
    return 0;
}
template <class D>
judged answer_judged() {
  if constexpr (requires { D::answer; })
    return D::answer;
  else
    return judged::last;
}
template <class D>
double averaging_power_of(const D& d) {
  if constexpr (requires { d.averaging_power(); })
    return d.averaging_power();
  else
    return 0;
}

template <class T>
ZERMELO_INLINE column<tensor_view<T, 1>> plain_column(std::span<T> x, const char* name) {
  return {vector_view(x.data(), static_cast<std::int64_t>(x.size())), name, true};
}

/// A round as a dynamics sees it.
template <class P, class O>
class self_play_round {
 public:
  using value_type = typename O::value_type;
  using T = value_type;

  self_play_round(const P& runs_on, const O& played_game, int memories)
      : items(played_game.items()),
        execution_(runs_on),
        game_(played_game),
        size_(static_cast<std::size_t>(items)),
        numbers_((7 + static_cast<std::size_t>(memories)) * size_) {
    log_policy = row(0), policy = row(1), log_reference = row(2), log_start = row(3);
  }
  self_play_round(const self_play_round&) = delete;
  self_play_round& operator=(const self_play_round&) = delete;

  std::int64_t items;
  std::int64_t number = 0;                ///< rounds done before this one
  std::span<T> log_policy, policy;        ///< the policy, to be replaced by the next
  std::span<T> log_reference, log_start;  ///< μ and what self-play began with
  std::span<const T> played = {};         ///< what enters the average, if not the policy

  /// P policy, computed once a policy.
  std::span<const T> win_rate() {
    if (!known_) play(policy, row(4));
    known_ = true;
    return row(4);
  }
  /// out = P p
  void play(std::span<const T> p, std::span<T> out) {
    game_.win_rate(execution_, vector_view(p.data(), items), vector_view(out.data(), items));
  }
  std::span<T> memory(int k) { return row(7 + static_cast<std::size_t>(k)); }
  /// log_out, out = the policy ∝ exp((1−w)·base + w·reference + s·payoff): see anchor_step.
  void anchor(std::span<const T> base, std::span<const T> reference, std::span<const T> payoff, std::span<T> log_out,
              std::span<T> out, double w, double s) {
    anchor_row<value_of<P, T>, true>(execution_, anchored{w, s}, plain_column(base, "base"),
                                     plain_column(reference, "reference"), plain_column(payoff, "payoff"),
                                     plain_column(log_out, "log_out"), plain_column(out, "out"), 0);
  }
  double probability(std::int64_t i, std::int64_t j) const { return static_cast<double>(game_.probability(i, j)); }
  double tie() const { return tie_of(game_); }

  // The driver's.
  std::span<T> average() { return row(5); }
  std::span<T> seen() { return row(6); }
  const T* memories() const { return numbers_.data() + 7 * size_; }
  void forget_win_rate() { known_ = false; }

 private:
  std::span<T> row(std::size_t k) { return {numbers_.data() + k * size_, size_}; }

  const P& execution_;
  const O& game_;
  std::size_t size_;
  std::vector<T> numbers_;
  bool known_ = false;
};

/// Copies a policy and its logarithms.
template <class X, class T>
void take_policy(const char* name, const X& given, std::int64_t n, bool full_support, std::span<T> logs,
                 std::span<T> policy) {
  if constexpr (std::is_same_v<X, uniform_policy_t>) {
    std::fill(policy.begin(), policy.end(), static_cast<T>(1 / static_cast<double>(n)));
    std::fill(logs.begin(), logs.end(), static_cast<T>(-log(static_cast<double>(n))));
  } else {
    const auto p = view(given);
    require_policy(name, p, n, full_support);
    for (std::int64_t i = 0; i < n; ++i) {
      policy[static_cast<std::size_t>(i)] = static_cast<T>(p.element(i));
      logs[static_cast<std::size_t>(i)] = static_cast<T>(log(static_cast<double>(p.element(i))));
    }
  }
}

/// Whether logits have moved by more than rounding does.
template <class T>
bool stands_still(std::span<const T> now, std::span<const T> before) {
  constexpr T unit = 4 * std::numeric_limits<T>::epsilon();
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (now[i] == before[i]) continue;
    const T apart = abs(now[i] - before[i]);
    if (!(apart <= unit * (T(1) + abs(now[i])))) return false;
  }
  return true;
}

struct no_observer {
  template <class Iterate>
  ZERMELO_INLINE void operator()(const Iterate&) const {}
};

template <class P, class O, class D, class S, class M, class F>
solution<typename O::value_type> self_play(const P& policy, const O& game, const D& dynamics, const S& start,
                                           const M& reference, const solve_parameters& parameters, F&& observe) {
  using T = typename O::value_type;
  const std::int64_t n = game.items();
  if (n == 0) throw shape_error("game", "no items");
  self_play_round<P, O> round(policy, game, memory_of<D>());
  const double kl_weight = kl_weight_of(dynamics);
  take_policy("reference", reference, n, kl_weight > 0, round.log_reference, round.policy);
  take_policy("start", start, n, false, round.log_start, round.policy);
  std::copy(round.log_start.begin(), round.log_start.end(), round.log_policy.begin());
  std::copy(round.log_policy.begin(), round.log_policy.end(), round.seen().begin());
  if constexpr (requires { dynamics.start(round); }) dynamics.start(round);

  const double gap_weight = is_proximal<D>() ? 0.0 : kl_weight;
  const auto gap_of_rates = [&](std::span<const T> p, std::span<const T> q) {
    if (gap_weight > 0)
      return soft_gap(vector_view(q.data(), n), vector_view(p.data(), n), vector_view(round.log_reference.data(), n),
                      gap_weight, round.tie())
          .duality_gap();
    return 2 * (static_cast<double>(q[static_cast<std::size_t>(first_largest(q.data(), n))]) - round.tie());
  };
  std::vector<T> for_average(static_cast<std::size_t>(n));
  const auto average_gap = [&] {
    round.play(round.average(), for_average);
    return gap_of_rates(round.average(), for_average);
  };
  const judged judging = parameters.judged.value_or(answer_judged<D>());
  const double power = averaging_power_of(dynamics);

  solution<T> result;
  result.convergence.status = status::limit;
  double weights = 0;
  std::int64_t next_check = 1, t = 0;
  bool measured = false;
  while (t < parameters.limit) {
    round.number = t++;
    round.played = round.policy;
    dynamics(round);
    round.forget_win_rate();
    const double weight = power == 0   ? 1.0
                          : power == 1 ? static_cast<double>(t)
                                       : std::pow(static_cast<double>(t), power);
    weights += weight;
    const T share = static_cast<T>(weight / weights);
    const std::span<T> average = round.average();
    for (std::size_t i = 0; i < average.size(); ++i) average[i] += share * (round.played[i] - average[i]);

    measured = t == next_check;
    if (measured) {
      next_check = t + (std::max)(parameters.check_every,
                                  static_cast<std::int64_t>(parameters.check_growth * static_cast<double>(t)));
      result.convergence.residual =
          judging == judged::last ? gap_of_rates(round.policy, round.win_rate()) : average_gap();
    }
    const iterate<T> seen{.round = t,
                          .policy = round.policy,
                          .log_policy = round.log_policy,
                          .average = average,
                          .measured = measured,
                          .gap = result.convergence.residual,
                          .memories = round.memories()};
    if constexpr (std::is_same_v<decltype(observe(seen)), bool>) {
      if (!observe(seen)) break;
    } else {
      observe(seen);
    }
    if (!measured) continue;
    if (parameters.target > 0 && result.convergence.residual <= parameters.target) {
      result.convergence.status = status::converged;
      break;
    }
    if constexpr (!is_restless<D>()) {
      if (judging == judged::last && stands_still<T>(round.log_policy, round.seen())) {
        result.convergence.status = status::stalled;
        break;
      }
      std::copy(round.log_policy.begin(), round.log_policy.end(), round.seen().begin());
    }
  }
  if (t == 0) std::copy(round.policy.begin(), round.policy.end(), round.average().begin());
  result.convergence.iterations = t;
  result.gap = gap_of_rates(round.policy, round.win_rate());
  result.average_gap = average_gap();
  result.convergence.residual = judging == judged::last ? result.gap : result.average_gap;
  result.policy.assign(round.policy.begin(), round.policy.end());
  result.log_policy.assign(round.log_policy.begin(), round.log_policy.end());
  result.average.assign(round.average().begin(), round.average().end());
  return result;
}

/// Row g of policies [G, n], or the one policy for all games.
template <class X>
auto policy_of_game(const X& policies, std::int64_t g) {
  if constexpr (std::is_same_v<X, uniform_policy_t>) {
    return policies;
  } else {
    const auto v = view(policies);
    using view_type = std::remove_const_t<decltype(v)>;
    if constexpr (view_type::rank == 1)
      return v;
    else
      return tensor_view<typename view_type::element_type, 1>{
          .data = v.data + g * v.strides[0], .shape = {v.shape[1]}, .strides = {v.strides[1]}};
  }
}

template <class X>
void require_games(const char* name, const X& policies, std::int64_t games) {
  if constexpr (!std::is_same_v<X, uniform_policy_t>) {
    const auto v = view(policies);
    if constexpr (std::remove_const_t<decltype(v)>::rank == 2)
      require_extent(name, v.shape[0], games, "policies, a game each");
  }
}

}  // namespace detail::inline ZERMELO_ISA

/// A tensor of probabilities, or uniform_policy.
template <class X>
concept policy_or_uniform = tensor<X> || std::is_same_v<std::remove_cvref_t<X>, uniform_policy_t>;

inline namespace ZERMELO_ISA {

/// Self-play: a policy against itself, round after round, by a dynamics.
///
///   π_{t+1} = dynamics(π_t),   until the duality gap is at most the target
///
/// game       any preference_operator; its value_type is that of all policies. float stops at gaps of about 1e-6
/// dynamics   one of dynamics.hpp, or your own
/// start      [n], or uniform_policy
/// reference  μ [n], or uniform_policy; of full support if the dynamics has a kl_weight
/// observe    called after every round with an iterate; iterates are not kept
/// Errors: shape_error; domain_error for policies and parameters. Not reaching the target is a status: `limit`, or `stalled`
///         where the policy no longer moves.
/// Cost: as the dynamics says, one product with the operator a round as a rule; a look at the gap shares it. Allocates
///       before the first round only.
template <host_policy P, preference_operator O, class D, policy_or_uniform S, policy_or_uniform M,
          class F = detail::no_observer>
solution<typename O::value_type> solve(P&& policy, const O& game, const D& dynamics, const S& start, const M& reference,
                                       const solve_parameters& parameters = {}, F&& observe = {}) {
  dynamics.require_valid();
  parameters.require_valid();
  return detail::self_play(policy, game, dynamics, start, reference, parameters, observe);
}
template <preference_operator O, class D, policy_or_uniform S, policy_or_uniform M, class F = detail::no_observer>
solution<typename O::value_type> solve(const O& game, const D& dynamics, const S& start, const M& reference,
                                       const solve_parameters& parameters = {}, F&& observe = {}) {
  return solve(simd{}, game, dynamics, start, reference, parameters, observe);
}
/// From the uniform policy, with the uniform policy as reference.
template <host_policy P, preference_operator O, class D>
solution<typename O::value_type> solve(P&& policy, const O& game, const D& dynamics,
                                       const solve_parameters& parameters = {}) {
  return solve(policy, game, dynamics, uniform_policy, uniform_policy, parameters);
}
template <preference_operator O, class D>
solution<typename O::value_type> solve(const O& game, const D& dynamics, const solve_parameters& parameters = {}) {
  return solve(simd{}, game, dynamics, uniform_policy, uniform_policy, parameters);
}

/// Of several games, one a prompt: a solution a game, as if each had been solved alone.
///
/// games             a preference_batch
/// start, reference  [G, n], or [n] for all, or uniform_policy
/// Games run side by side, each on one thread with its matrix in that core's cache.
template <host_policy P, preference_batch B, class D, policy_or_uniform S, policy_or_uniform M>
auto solve(P&& policy, const B& games, const D& dynamics, const S& start, const M& reference,
           const solve_parameters& parameters = {}) {
  dynamics.require_valid();
  parameters.require_valid();
  const std::int64_t n = games.games();
  detail::require_games("start", start, n);
  detail::require_games("reference", reference, n);
  using T = typename std::remove_cvref_t<decltype(games.game(0))>::value_type;
  std::vector<solution<T>> all(static_cast<std::size_t>(n));
  for_each_tile(policy, n, [&](std::int64_t g) {
    const detail::policy_of_a_game<P> alone{};
    all[static_cast<std::size_t>(g)] =
        detail::self_play(alone, games.game(g), dynamics, detail::policy_of_game(start, g),
                          detail::policy_of_game(reference, g), parameters, detail::no_observer{});
  });
  return all;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
