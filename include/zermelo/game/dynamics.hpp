// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/random.hpp"
#include "../core/value.hpp"
#include "simplex_projection.hpp"
#include "solve.hpp"

/// The dynamics of preference games: how one policy follows another. Most are anchor steps.
///
/// l = log π, q = P π; η is `step`, τ is `kl_weight`, μ the reference. Where ητ appears as a weight it is at most 1.
/// A game regularised by τ KL(·‖μ) has one equilibrium, which the regularised methods reach in their last policy. Without
/// (τ = 0) some reach a Nash policy in the last policy, others only in the average: each says which.
namespace zermelo::inline v1::game {
namespace detail::inline ZERMELO_ISA {

inline void require_step(double step, const char* name = "step") {
  if (!is_finite(step) || !(step > 0))
    throw domain_error(name, domain_error::whole, text(step) + ", expected a positive number");
}

inline void require_kl_weight(double kl_weight) {
  if (!is_finite(kl_weight) || !(kl_weight >= 0))
    throw domain_error("kl_weight", domain_error::whole, text(kl_weight) + ", expected zero or more");
}

/// A step and a weight whose product is a weight.
inline void require_pull(double step, double kl_weight) {
  require_step(step);
  require_kl_weight(kl_weight);
  if (step * kl_weight > 1)
    throw domain_error(
        "step", domain_error::whole,
        "step × kl_weight is " + text(step * kl_weight) + ", above 1: the weight on the base policy would be negative");
}

/// Likewise, where a step of 0 stands for the decreasing one.
inline void require_schedule(double step, double kl_weight) {
  if (step != 0) return require_pull(step, kl_weight);
  require_kl_weight(kl_weight);
  if (kl_weight == 0)
    throw domain_error("kl_weight", domain_error::whole,
                       "expected a positive number: a step of 0 stands for 2/(kl_weight (t+2))");
}

struct scheduled {
  double step, pull;  ///< η, ητ
};
ZERMELO_FN scheduled step_at(double step, double kl_weight, std::int64_t round) {
  if (step != 0) return {step, step * kl_weight};
  const double pull = 2 / (static_cast<double>(round) + 2);
  return {pull / kl_weight, pull};
}

ZERMELO_DETAIL_BOTH_SIDES
template <class From, class To>
ZERMELO_HOST_DEVICE void copy(const From& from, const To& to) {
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = from[i];
}

template <class T>
double inner_product(std::span<const T> a, std::span<const T> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

/// The logarithms of a policy that was made as probabilities.
template <class R>
void take_logs(R& round) {
  for (std::size_t i = 0; i < round.policy.size(); ++i) round.log_policy[i] = log(round.policy[i]);
}

/// Both anchor steps of an extragradient from the same policy: memory 0, 1 are the half step's logarithms and
/// probabilities, 2 its win rates.
ZERMELO_DETAIL_BOTH_SIDES
template <class R>
ZERMELO_HOST_DEVICE void extragradient_in_logs(R& round, double w, double s) {
  const auto half_log = round.memory(0), half = round.memory(1), rates = round.memory(2);
  round.anchor(round.log_policy, round.log_reference, round.win_rate(), half_log, half, w, s);
  round.play(half, rates);
  round.anchor(round.log_policy, round.log_reference, rates, round.log_policy, round.policy, w, s);
}

/// to = Π(p + step·payoff), the nearest policy; `sorted` is scratch.
template <class T>
void projected_step(std::span<const T> p, std::span<const T> payoff, double step, std::span<T> to,
                    std::span<T> sorted) {
  for (std::size_t i = 0; i < p.size(); ++i) to[i] = p[i] + static_cast<T>(step) * payoff[i];
  project(to.data(), static_cast<std::int64_t>(to.size()), to.data(), sorted.data());
}

/// p = R₊/Σ R₊, or uniform; then mixed with the uniform policy.
template <class T>
void match_regrets(std::span<const T> positive, std::span<T> p, double exploration) {
  double sum = 0;
  for (const T x : positive) sum += static_cast<double>(x);
  const double even = 1 / static_cast<double>(p.size());
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double matched = sum > 0 ? static_cast<double>(positive[i]) / sum : even;
    p[i] = static_cast<T>((1 - exploration) * matched + exploration * even);
  }
}

}  // namespace detail::inline ZERMELO_ISA

// Without regularisation ---------------------------------------------------------------------------------------------

/// Hedge, or multiplicative weights:  l ← l + η q.
///
/// The average approaches a Nash policy: gap ≤ 2 (KL(p*‖π₁)/η + ηT/8)/T for win rates in [0, 1], so that η = √(8 log n/T)
/// gives √(2 log n/T). The last policy cycles or spirals outwards unless an item beats all others.
/// It is the population update of SPPO (η is the inverse of that code's beta), and mirror descent without regularisation.
/// Cost: one product.   Source: Freund and Schapire 1999; SPPO: Wu et al. 2024.
struct hedge {
  double step = 0.1;  ///< η > 0

  ZERMELO_INLINE void require_valid() const { detail::require_step(step); }
  ZERMELO_DETAIL_BOTH_SIDES
  template <class R>
  ZERMELO_HOST_DEVICE void operator()(R& round) const {
    round.anchor(round.log_policy, round.log_reference, round.win_rate(), round.log_policy, round.policy, 0, step);
  }
};

using sppo = hedge;

/// General preference optimisation, and direct Nash optimisation (DNO), in the population:  l ← l + (1/β) E s(y ≻ π).
///
/// On a game of scores (score_matrix, or a general preference model's scores) this is GPO, on one of probabilities DNO: Hedge
/// with step 1/β. With scores rᵢ − rⱼ it is reward maximisation, π ∝ π e^{r/β}.
/// Source: Zhang et al. 2024, "General preference modeling"; Rosset et al. 2024.
struct gpo {
  double beta = 1;  ///< β > 0

  ZERMELO_INLINE void require_valid() const { detail::require_step(beta, "beta"); }
  ZERMELO_DETAIL_BOTH_SIDES
  template <class R>
  ZERMELO_HOST_DEVICE void operator()(R& round) const {
    hedge{1 / beta}(round);
  }
};

using dno = gpo;

/// Follow the regularised leader, or dual averaging:  l = log π₁ + η_t Σ_{s<t} q_s, one current step for all payoffs.
///
/// With a constant step it is Hedge. Without one (0), η_t = √(4 log n/t), which needs no horizon. Memory 0: Σ q.
/// The average approaches a Nash policy at O(√(log n/T)).
struct dual_averaging {
  static constexpr int memory = 1;
  double step = 0;  ///< η ≥ 0; 0 is √(4 log n/t)

  ZERMELO_INLINE void require_valid() const {
    if (step != 0) detail::require_step(step);
  }
  ZERMELO_DETAIL_BOTH_SIDES
  template <class R>
  ZERMELO_HOST_DEVICE void operator()(R& round) const {
    const auto sum = round.memory(0);
    const auto q = round.win_rate();
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += q[i];
    const double n = static_cast<double>(round.items), t = static_cast<double>(round.number + 1);
    const double now = step != 0 ? step : std::sqrt(4 * std::log(n) / t);
    round.anchor(round.log_start, round.log_reference, sum, round.log_policy, round.policy, 0, now);
  }
};

/// Optimistic Hedge (OMWU):  l ← (1−ητ) l + ητ log μ + η (2 q_t − q_{t−1}),   q_{−1} = q_0.
///
/// One product a round. Without regularisation the average's gap falls as O(log n/T), and the last policy converges where a
/// Nash policy is unique; η ≤ ½ is safe for win rates. Memory 0: q_{t−1}; 1: 2 q_t − q_{t−1}.
/// Source: Rakhlin and Sridharan 2013; Daskalakis and Panageas 2019.
struct optimistic_hedge {
  static constexpr int memory = 2;
  double step = 0.5;     ///< η > 0
  double kl_weight = 0;  ///< τ ≥ 0, ητ ≤ 1

  ZERMELO_INLINE void require_valid() const { detail::require_pull(step, kl_weight); }
  ZERMELO_DETAIL_BOTH_SIDES
  template <class R>
  ZERMELO_HOST_DEVICE void operator()(R& round) const {
    const auto before = round.memory(0), payoff = round.memory(1);
    const auto q = round.win_rate();
    if (round.number == 0) detail::copy(q, before);
    for (std::size_t i = 0; i < q.size(); ++i) {
      payoff[i] = 2 * q[i] - before[i];
      before[i] = q[i];
    }
    round.anchor(round.log_policy, round.log_reference, payoff, round.log_policy, round.policy, step * kl_weight, step);
  }
};

/// Optimistic mirror descent in two steps (ONPO):  play π_t ∝ π̂_t exp(η q_{t−1}), then π̂_{t+1} ∝ π̂_t exp(η q_t).
///
/// From m₁ = P π₀ and with a constant step it plays what optimistic_hedge plays. Memory 0, 1: log π̂, π̂.
/// Source: Zhang et al. 2025, "Optimistic Nash policy optimization".
struct onpo {
  static constexpr int memory = 2;
  double step = 0.5;  ///< η > 0

  ZERMELO_INLINE void require_valid() const { detail::require_step(step); }
  ZERMELO_DETAIL_BOTH_SIDES
  template <class R>
  ZERMELO_HOST_DEVICE void start(R& round) const {
    detail::copy(round.log_policy, round.memory(0));
  }
  ZERMELO_DETAIL_BOTH_SIDES
  template <class R>
  ZERMELO_HOST_DEVICE void operator()(R& round) const {
    const auto base = round.memory(0), base_policy = round.memory(1);
    round.anchor(base, round.log_reference, round.win_rate(), round.log_policy, round.policy, 0, step);
    round.forget_win_rate();
    round.anchor(base, round.log_reference, round.win_rate(), base, base_policy, 0, step);
  }
};

/// Mirror-prox: the extragradient in the geometry of entropy,  π_½ ∝ π exp(η P π),  π⁺ ∝ π exp(η P π_½).
///
/// The average of half steps has a gap of O(1/T) for η ≤ 1/max|A|. Two products. Memory 0, 1: the half step.
/// Source: Nemirovski 2004.
struct mirror_prox {
  static constexpr int memory = 3;
  double step = 0.5;  ///< η > 0

  ZERMELO_INLINE void require_valid() const { detail::require_step(step); }
  ZERMELO_DETAIL_BOTH_SIDES
  template <class R>
  ZERMELO_HOST_DEVICE void operator()(R& round) const {
    detail::extragradient_in_logs(round, 0, step);
    round.played = round.memory(1);
  }
};

/// Euclidean extragradient:  p_½ = Π(p + η P p),  p⁺ = Π(p + η P p_½), Π the projection onto the simplex.
///
/// With η = 0.7/‖A‖₂ (payoff_norm) the last policy converges linearly on every finite game and finds the support in finite
/// time: of the methods without regularisation the best. Two products and two sorts. Memory 1: the half step.
/// Source: Korpelevich 1976; linear rate: Tseng 1995.
struct extragradient {
  static constexpr int memory = 4;
  double step = 0.5;  ///< η > 0, below 1/‖A‖₂

  ZERMELO_INLINE void require_valid() const { detail::require_step(step); }
  template <class R>
  void operator()(R& round) const {
    using T = typename R::value_type;
    const auto half = round.memory(1), rates = round.memory(2), sorted = round.memory(3);
    detail::projected_step<T>(round.policy, round.win_rate(), step, half, sorted);
    round.play(half, rates);
    detail::projected_step<T>(round.policy, rates, step, round.policy, sorted);
    detail::take_logs(round);
    round.played = half;
  }
};

/// Optimistic gradient ascent (OGDA):  p ← Π(p + η (2 q_t − q_{t−1})),   q_{−1} = q_0.
///
/// η ≤ 0.25/‖A‖₂. Half the cost a round of the extragradient, four times the rounds. Memory 0: q_{t−1}.
/// Source: Popov 1980.
struct optimistic_gradient {
  static constexpr int memory = 3;
  double step = 0.25;  ///< η > 0

  ZERMELO_INLINE void require_valid() const { detail::require_step(step); }
  template <class R>
  void operator()(R& round) const {
    using T = typename R::value_type;
    const auto before = round.memory(0), payoff = round.memory(1), sorted = round.memory(2);
    const auto q = round.win_rate();
    if (round.number == 0) detail::copy(q, before);
    for (std::size_t i = 0; i < q.size(); ++i) {
      payoff[i] = 2 * q[i] - before[i];
      before[i] = q[i];
    }
    detail::projected_step<T>(round.policy, payoff, step, round.policy, sorted);
    detail::take_logs(round);
  }
};

/// Projected gradient ascent, Euclidean mirror descent:  p ← Π(p + η q). The average approaches a Nash policy.
struct projected_gradient {
  static constexpr int memory = 1;
  double step = 0.1;  ///< η > 0

  ZERMELO_INLINE void require_valid() const { detail::require_step(step); }
  template <class R>
  void operator()(R& round) const {
    using T = typename R::value_type;
    detail::projected_step<T>(round.policy, round.win_rate(), step, round.policy, round.memory(0));
    detail::take_logs(round);
  }
};

/// How regrets are added up.
enum class regret_rule : std::uint8_t {
  plain,      ///< R ← R + r; every round weighs the same in the average
  plus,       ///< R ← max(R + r, 0); round t weighs t
  predictive  ///< R ← max(R + r, 0), played as if r came once more; round t weighs t²
};

/// Regret matching:  r = q − ⟨π, q⟩,  π⁺ = R₊/Σ R₊, uniform where nothing is regretted.
///
/// No step size: regret ≤ √(nT) times the range of payoffs. The average approaches a Nash policy, the last policy need not,
/// though with prediction it often does. The average is over policies after each round, with weights tᵖ. Memory 0: R.
/// Source: Hart and Mas-Colell 2000; plus: Tammelin 2014; predictive: Farina, Kroer, Sandholm 2021.
struct regret_matching {
  static constexpr int memory = 2;
  static constexpr judged answer = judged::average;
  static constexpr bool restless = true;
  regret_rule rule = regret_rule::plus;
  double initial_regret = 0;  ///< of every item; OpenSpiel's is 1e-6
  double exploration = 0;     ///< share of the uniform policy in what is played, in [0, 1)

  ZERMELO_INLINE void require_valid() const {
    if (!is_finite(initial_regret)) throw domain_error("initial_regret", domain_error::whole, "is not finite");
    if (!(exploration >= 0 && exploration < 1))
      throw domain_error("exploration", domain_error::whole, "expected a share in [0, 1)");
  }
  ZERMELO_INLINE double averaging_power() const {
    return rule == regret_rule::plain ? 0 : rule == regret_rule::plus ? 1 : 2;
  }
  template <class R>
  void start(R& round) const {
    for (auto& x : round.memory(0)) x = static_cast<typename R::value_type>(initial_regret);
  }
  template <class R>
  void operator()(R& round) const {
    using T = typename R::value_type;
    const auto regret = round.memory(0), matched = round.memory(1);
    const auto q = round.win_rate();
    const T mean = static_cast<T>(detail::inner_product<T>(round.policy, q));
    for (std::size_t i = 0; i < q.size(); ++i) {
      const T r = q[i] - mean;
      regret[i] += r;
      if (rule != regret_rule::plain) regret[i] = (std::max)(regret[i], T(0));
      matched[i] = (std::max)(rule == regret_rule::predictive ? regret[i] + r : regret[i], T(0));
    }
    detail::match_regrets<T>(matched, round.policy, exploration);
    detail::take_logs(round);
  }
};

/// How a best response chooses among items that gain the same.
enum class tie_rule : std::uint8_t { lowest_index, random };

/// Fictitious play:  c ← c + e_i,  i = argmax (P c/Σc), first against the start.
///
/// The average c/Σc approaches a Nash policy (Robinson 1951), slowly. One column of P a round, no product. Memory 0: the
/// counts, exact; 1: P c.   Source: Brown 1951.
struct fictitious_play {
  static constexpr int memory = 2;
  static constexpr judged answer = judged::average;
  static constexpr bool restless = true;
  tie_rule ties = tie_rule::lowest_index;
  std::uint64_t seed = 0;  ///< for ties at random

  ZERMELO_INLINE void require_valid() const {}
  template <class R>
  void operator()(R& round) const {
    using T = typename R::value_type;
    const auto counts = round.memory(0), sums = round.memory(1);
    std::span<const T> payoff = sums;
    if (round.number == 0) payoff = round.win_rate();
    std::int64_t best = detail::first_largest(payoff.data(), round.items);
    if (ties == tie_rule::random) {
      std::int64_t equals = 0;
      for (std::int64_t i = 0; i < round.items; ++i)
        if (payoff[static_cast<std::size_t>(i)] == payoff[static_cast<std::size_t>(best)]) ++equals;
      std::int64_t chosen = index_below(random_bits(seed, 0, static_cast<std::uint64_t>(round.number)), equals);
      for (std::int64_t i = 0; i < round.items; ++i)
        if (payoff[static_cast<std::size_t>(i)] == payoff[static_cast<std::size_t>(best)] && chosen-- == 0) {
          best = i;
          break;
        }
    }
    counts[static_cast<std::size_t>(best)] += T(1);
    for (std::int64_t i = 0; i < round.items; ++i)
      sums[static_cast<std::size_t>(i)] += static_cast<T>(round.probability(i, best));
    std::fill(round.policy.begin(), round.policy.end(), T(0));
    round.policy[static_cast<std::size_t>(best)] = T(1);
    detail::take_logs(round);
  }
};

// With regularisation ------------------------------------------------------------------------------------------------

/// Mirror descent on the regularised game, the population update of INPO and of online IPO:
///
///   l ← (1−ητ) l + ητ log μ + η q
///
/// The last policy converges linearly to the regularised equilibrium for η < 2τ/(τ² + λ²) (local_rates); the default is
/// stable on every preference game, whatever τ. With the decreasing η_t = 2/(τ(t+2)), t = 1, 2, …,
/// KL(π*_τ‖π_t) = O(1/(τ²t)) without condition. With τ = 0 it is Hedge.
/// Source: INPO: Zhang et al. 2024, eq. 5, where η is the inverse of this step.
struct mirror_descent {
  double step = 0.1 / (0.1 * 0.1 + 0.125);  ///< η > 0, ητ ≤ 1; 0 is 2/(τ(t+2)), t ≥ 1
  double kl_weight = 0.1;                   ///< τ ≥ 0; > 0 with decreasing steps

  ZERMELO_INLINE void require_valid() const { detail::require_schedule(step, kl_weight); }
  ZERMELO_DETAIL_BOTH_SIDES
  template <class R>
  ZERMELO_HOST_DEVICE void operator()(R& round) const {
    const detail::scheduled now = detail::step_at(step, kl_weight, round.number + 1);
    round.anchor(round.log_policy, round.log_reference, round.win_rate(), round.log_policy, round.policy, now.pull,
                 now.step);
  }
};

/// INPO in that paper's terms:  π_{t+1} ∝ exp(P(y ≻ π_t)/η) π_ref^{τ/η} π_t^{1−τ/η}.
struct inpo {
  double inverse_step = 1.35;  ///< η of the paper, ≥ τ; 0 is τ(t+2)/2, t = 1, 2, …
  double kl_weight = 0.1;      ///< τ ≥ 0; > 0 with η = τ(t+2)/2

  ZERMELO_INLINE void require_valid() const {
    if (inverse_step != 0) detail::require_step(inverse_step, "inverse_step");
    detail::require_schedule(step(), kl_weight);
  }
  ZERMELO_FN double step() const { return inverse_step == 0 ? 0 : 1 / inverse_step; }
  ZERMELO_DETAIL_BOTH_SIDES
  template <class R>
  ZERMELO_HOST_DEVICE void operator()(R& round) const {
    mirror_descent{step(), kl_weight}(round);
  }
};

/// Magnetic mirror descent with the reference as magnet:  π⁺ ∝ (π μ^{ητ} e^{ηq})^{1/(1+ητ)}.
///
/// It is mirror descent with step η/(1+ητ). Converges linearly in the last policy for η ≤ τ/max|A|²; open_spiel's step, 4τ for
/// win rates, is the default.   Source: Sokota et al. 2023.
struct magnetic_mirror_descent {
  double step = 0.4;       ///< η > 0
  double kl_weight = 0.1;  ///< τ ≥ 0: the paper's α

  ZERMELO_INLINE void require_valid() const {
    detail::require_step(step);
    detail::require_kl_weight(kl_weight);
  }
  ZERMELO_DETAIL_BOTH_SIDES
  template <class R>
  ZERMELO_HOST_DEVICE void operator()(R& round) const {
    const double pull = step * kl_weight;
    round.anchor(round.log_policy, round.log_reference, round.win_rate(), round.log_policy, round.policy,
                 pull / (1 + pull), step / (1 + pull));
  }
};

/// Nash mirror descent: against the mixture π^μ ∝ π^{1−ητ} μ^{ητ},  l ← (1−ητ) l + ητ log μ + η P π^μ.
///
/// Without a constant step, η_t = 2/(τ(t+2)): KL(π*_τ‖π_T) ≤ 8/(τ²(T+1)), for win rates even 1/(2τ²(T+1)); the first round
/// restarts from μ. With a constant one each round contracts, KL⁺ ≤ (1−ητ) KL + η²/8, towards a biased point
/// (nash_md_fixed_point): gaps flatten at O((ητ)²). Two products where the gap is looked at. Memory 0, 1: the mixture.
/// Source: Munos et al. 2023, Theorem 1.
struct nash_md {
  static constexpr int memory = 3;
  double step = 0;         ///< η > 0, ητ ≤ 1; 0 is 2/(τ(t+2))
  double kl_weight = 0.1;  ///< τ ≥ 0; > 0 with decreasing steps

  ZERMELO_INLINE void require_valid() const { detail::require_schedule(step, kl_weight); }
  ZERMELO_DETAIL_BOTH_SIDES
  template <class R>
  ZERMELO_HOST_DEVICE void operator()(R& round) const {
    const auto mixture_log = round.memory(0), mixture = round.memory(1), rates = round.memory(2);
    const detail::scheduled now = detail::step_at(step, kl_weight, round.number);
    round.anchor(round.log_policy, round.log_reference, rates, mixture_log, mixture, now.pull, 0);
    round.play(mixture, rates);
    round.anchor(mixture_log, round.log_reference, rates, round.log_policy, round.policy, 0, now.step);
  }
};

/// How past policies are averaged into an opponent.
enum class policy_average : std::uint8_t { geometric, arithmetic };

/// Nash-EMA: against an exponential moving average ν of past policies,  l ← (1−ητ) l + ητ log μ + η P ν,
/// ν ← (1−κ) ν + κ π⁺, of logarithms (as averaged parameters would do) or of probabilities.
///
/// No guarantee for the last policy. Memory 0, 1: log ν, ν.   Source: Munos et al. 2023, section 7.
struct nash_ema {
  static constexpr int memory = 3;
  double step = 0.5;       ///< η > 0, ητ ≤ 1
  double kl_weight = 0.1;  ///< τ ≥ 0
  double decay = 0.1;      ///< κ in (0, 1]; 1 is mirror descent
  policy_average average = policy_average::geometric;

  ZERMELO_INLINE void require_valid() const {
    detail::require_pull(step, kl_weight);
    if (!(decay > 0 && decay <= 1)) throw domain_error("decay", domain_error::whole, "expected a share in (0, 1]");
  }
  ZERMELO_DETAIL_BOTH_SIDES
  template <class R>
  ZERMELO_HOST_DEVICE void start(R& round) const {
    detail::copy(round.log_policy, round.memory(0));
    detail::copy(round.policy, round.memory(1));
  }
  ZERMELO_DETAIL_BOTH_SIDES
  template <class R>
  ZERMELO_HOST_DEVICE void operator()(R& round) const {
    using T = typename R::value_type;
    const auto past_log = round.memory(0), past = round.memory(1), rates = round.memory(2);
    round.play(past, rates);
    round.anchor(round.log_policy, round.log_reference, rates, round.log_policy, round.policy, step * kl_weight, step);
    if (average == policy_average::geometric) {
      round.anchor(past_log, round.log_policy, rates, past_log, past, decay, 0);
    } else {
      for (std::size_t i = 0; i < past.size(); ++i) {
        past[i] += static_cast<T>(decay) * (round.policy[i] - past[i]);
        past_log[i] = log(past[i]);
      }
    }
  }
};

/// Extragradient preference optimisation:  both half steps from π,  l ← (1−ητ) l + ητ log μ + η P π_½.
///
/// KL(π*_τ‖π_t) falls by 1−ητ a round at least, for moderate η. Two products. Memory 0, 1: the half step.
/// Source: Zhou et al. 2025, "Extragradient preference optimization".
struct egpo {
  static constexpr int memory = 3;
  double step = 1;         ///< η > 0, ητ ≤ 1
  double kl_weight = 0.1;  ///< τ ≥ 0

  ZERMELO_INLINE void require_valid() const { detail::require_pull(step, kl_weight); }
  ZERMELO_DETAIL_BOTH_SIDES
  template <class R>
  ZERMELO_HOST_DEVICE void operator()(R& round) const {
    detail::extragradient_in_logs(round, step * kl_weight, step);
  }
};

/// Nash mirror prox: egpo with step η/(τ(1+η)). With η = 2τ, KL(π*_τ‖π_t) falls by 1/(1+2τ) a round at least, whatever n.
///
/// Two products. Memory 0, 1: the half step.   Source: Tiapkin et al. 2025, "Accelerating Nash learning from human feedback".
struct nash_mirror_prox {
  static constexpr int memory = 3;
  double step = 0.2;       ///< η > 0
  double kl_weight = 0.1;  ///< τ > 0

  ZERMELO_INLINE void require_valid() const {
    detail::require_step(step);
    detail::require_step(kl_weight, "kl_weight");
  }
  ZERMELO_DETAIL_BOTH_SIDES
  template <class R>
  ZERMELO_HOST_DEVICE void operator()(R& round) const {
    detail::extragradient_in_logs(round, step / (1 + step), step / kl_weight / (1 + step));
  }
};

// Towards the unregularised game in the last policy --------------------------------------------------------------------

/// Magnetic preference optimisation: magnetic mirror descent whose magnet becomes the policy every `refresh` rounds.
///
/// A proximal-point method: the last policy converges to a Nash policy. Memory 0: log of the magnet, first μ.
/// Source: Wang et al. 2024, "Magnetic preference optimization".
struct mpo {
  static constexpr int memory = 1;
  static constexpr bool proximal = true;
  static constexpr bool restless = true;
  double step = 1;            ///< η > 0
  double kl_weight = 0.1;     ///< τ > 0
  std::int64_t refresh = 50;  ///< rounds a magnet

  ZERMELO_INLINE void require_valid() const {
    detail::require_step(step);
    detail::require_step(kl_weight, "kl_weight");
    if (refresh < 1) throw domain_error("refresh", domain_error::whole, "expected one round at least");
  }
  ZERMELO_DETAIL_BOTH_SIDES
  template <class R>
  ZERMELO_HOST_DEVICE void start(R& round) const {
    detail::copy(round.log_reference, round.memory(0));
  }
  ZERMELO_DETAIL_BOTH_SIDES
  template <class R>
  ZERMELO_HOST_DEVICE void operator()(R& round) const {
    const double pull = step * kl_weight;
    round.anchor(round.log_policy, round.memory(0), round.win_rate(), round.log_policy, round.policy, pull / (1 + pull),
                 step / (1 + pull));
    if ((round.number + 1) % refresh == 0) detail::copy(round.log_policy, round.memory(0));
  }
};

/// COMAL: the regularised game is solved by egpo, its answer becomes the reference of the next.
///
/// An inner game ends where a round moves the policy by less than `inner_tolerance` of its distance to the reference (ℓ₁). The
/// last policy converges to a Nash policy. Memory 0, 1: the half step; 3: log of the reference, first μ.
/// Source: Liu et al. 2024, "COMAL: a convergent meta-algorithm for aligning LLMs with general preferences".
struct comal {
  static constexpr int memory = 6;
  static constexpr bool proximal = true;
  static constexpr bool restless = true;
  double step = 1;                ///< η > 0 of the inner egpo, ητ ≤ 1
  double kl_weight = 0.1;         ///< τ > 0
  double inner_tolerance = 1e-3;  ///< in (0, 1)

  ZERMELO_INLINE void require_valid() const {
    detail::require_pull(step, kl_weight);
    detail::require_step(kl_weight, "kl_weight");
    if (!(inner_tolerance > 0 && inner_tolerance < 1))
      throw domain_error("inner_tolerance", domain_error::whole, "expected a share in (0, 1)");
  }
  template <class R>
  void start(R& round) const {
    detail::copy(round.log_reference, round.memory(3));
    for (std::size_t i = 0; i < round.policy.size(); ++i) round.memory(4)[i] = exp(round.log_reference[i]);
  }
  template <class R>
  void operator()(R& round) const {
    const auto half_log = round.memory(0), half = round.memory(1), rates = round.memory(2);
    const auto anchor_log = round.memory(3), anchor = round.memory(4), before = round.memory(5);
    detail::copy(round.policy, before);
    round.anchor(round.log_policy, anchor_log, round.win_rate(), half_log, half, step * kl_weight, step);
    round.play(half, rates);
    round.anchor(round.log_policy, anchor_log, rates, round.log_policy, round.policy, step * kl_weight, step);
    double moved = 0, away = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      moved += std::abs(static_cast<double>(round.policy[i]) - static_cast<double>(before[i]));
      away += std::abs(static_cast<double>(round.policy[i]) - static_cast<double>(anchor[i]));
    }
    if (moved <= inner_tolerance * away) {
      detail::copy(round.log_policy, anchor_log);
      detail::copy(round.policy, anchor);
    }
  }
};

inline namespace ZERMELO_ISA {

/// ‖A‖₂ of a symmetric game, A = P − ½ (or S), the scale of Euclidean steps; by `iterations` products with A².
template <host_policy P, preference_operator O>
double payoff_norm(P&& policy, const O& game, std::int64_t iterations = 200) {
  using T = typename O::value_type;
  const std::int64_t n = game.items();
  const double tie = tie_of(game);
  std::vector<T> v(static_cast<std::size_t>(n)), w(v.size());
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<T>(uniform(1, 0, i) - 0.5);
  double norm = 0;
  const auto normalise = [](std::vector<T>& x) {
    const double size = std::sqrt(detail::inner_product<T>(x, x));
    if (size > 0)
      for (T& e : x) e = static_cast<T>(static_cast<double>(e) / size);
    return size;
  };
  const auto multiply = [&](const std::vector<T>& x, std::vector<T>& out) {
    double sum = 0;
    for (const T e : x) sum += static_cast<double>(e);
    game.win_rate(policy, x, out);
    for (T& e : out) e = static_cast<T>(static_cast<double>(e) - tie * sum);
  };
  normalise(v);
  for (std::int64_t t = 0; t < iterations; ++t) {
    multiply(v, w);
    norm = normalise(w);
    std::swap(v, w);
    if (norm == 0) return 0;
  }
  return norm;
}
template <preference_operator O>
double payoff_norm(const O& game, std::int64_t iterations = 200) {
  return payoff_norm(simd{}, game, iterations);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
