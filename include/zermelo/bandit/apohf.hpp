// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/certificate.hpp"
#include "../core/config.hpp"
#include "../core/distributions.hpp"
#include "../core/error.hpp"
#include "../core/primitives/solve.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "duels.hpp"
#include "linear_utilities.hpp"

/// Prompt optimisation with human feedback: which of K candidates is best is learnt by letting people choose between two.
///
/// A latent reward h of the candidates' embeddings is fitted to the choices, P(i ≻ j) = σ(hᵢ − hⱼ). The greedy arm duels
/// the one whose reward may be largest, by the gradients of h with respect to its weights:
///
///   i* = argmax h,   V = λI + Σ over duels of (g_a − g_b)(g_a − g_b)ᵀ,   σⱼ = √ν ‖gⱼ − g_i*‖_V⁻¹,   g = ∇h
///   second arm: argmax over j ≠ i* of hⱼ + σⱼ
///
/// What is reported is the arm with the largest h among those that were in a duel.
/// Source: Lin et al. 2024, "Prompt optimization with human feedback".
namespace zermelo::inline v1::bandit {

/// A fully connected network with ReLUs and one output,  h(x) = W_L relu(… relu(W₁x + b₁) …) + b_L.
struct perceptron {
  std::vector<std::int64_t> widths = {};  ///< d, hidden layers, 1
  std::vector<double> weights = {};       ///< layer by layer: W (out × in, row after row), then b

  ZERMELO_INLINE std::int64_t parameters() const {
    std::int64_t count = 0;
    for (std::size_t l = 0; l + 1 < widths.size(); ++l) count += widths[l + 1] * (widths[l] + 1);
    return count;
  }
  ZERMELO_INLINE void require_valid() const {
    if (widths.size() < 2 || widths.back() != 1)
      throw shape_error("widths", "a network has an input, perhaps hidden layers, and one output");
    for (std::size_t l = 0; l < widths.size(); ++l)
      if (widths[l] < 1)
        throw domain_error("widths", static_cast<std::int64_t>(l),
                           "at least one unit a layer, not " + std::to_string(widths[l]));
    if (static_cast<std::int64_t>(weights.size()) != parameters())
      throw shape_error("weights",
                        std::to_string(weights.size()) + " numbers, expected " + std::to_string(parameters()));
    for (std::size_t k = 0; k < weights.size(); ++k)
      if (!is_finite(weights[k]))
        throw domain_error("weights", static_cast<std::int64_t>(k),
                           "a finite number, not " + zermelo::detail::text(weights[k]));
  }
};

enum class reward_model : std::uint8_t { neural, linear };
enum class uncertainty_norm : std::uint8_t {
  full,     ///< ‖·‖_V⁻¹
  diagonal  ///< by the diagonal of V alone
};

struct apohf_parameters {
  reward_model model = reward_model::neural;
  uncertainty_norm norm = uncertainty_norm::diagonal;
  double ridge = 0.1;              ///< λ > 0
  double exploration = 1;          ///< ν ≥ 0
  bool freeze_features = false;    ///< V from the gradients at the time of each duel, not from those of now
  std::int64_t initial_pairs = 5;  ///< duels of random pairs before anything is learnt, ≥ 0
  std::int64_t hidden = 32;        ///< units in each of the two hidden layers, ≥ 1
  std::int64_t steps = 30;  ///< of Adam each round, from the same initial weights, ≥ 1; the linear model needs none
  double learning_rate = 1e-3;  ///< > 0
  std::uint64_t seed = 1;       ///< of the initial weights, all N(0, 1)

  ZERMELO_INLINE void require_valid() const {
    detail::require_positive("ridge", ridge);
    detail::require_positive("learning_rate", learning_rate);
    if (!is_finite(exploration) || exploration < 0)
      throw domain_error("exploration", domain_error::whole,
                         "must be finite and not negative, got " + zermelo::detail::text(exploration));
    if (initial_pairs < 0 || hidden < 1 || steps < 1)
      throw domain_error("initial_pairs", domain_error::whole,
                         "initial pairs are not negative, hidden units and steps at least one");
  }
};

/// What is played, and why.
struct apohf_decision {
  duel arms = {};
  std::vector<double> uncertainty = {};  ///< [K] σ
};

namespace detail {

/// Activations of all layers, one after another, and room for their derivatives.
struct perceptron_space {
  std::vector<double> activation, derivative;
};

/// Adam's memory.
struct adam_space {
  std::vector<double> gradient, mean, square, reward, pull, activations;
  perceptron_space pass;
};

}  // namespace detail

namespace detail::inline ZERMELO_ISA {

/// Σ aₖbₖ in eight lanes, which the compiler turns into vectors; the order of additions depends on n alone.
inline double dot_in_lanes(const double* a, const double* b, std::int64_t n) {
  double lane[8] = {};
  std::int64_t k = 0;
  for (; k + 8 <= n; k += 8)
    for (std::int64_t m = 0; m < 8; ++m) lane[m] += a[k + m] * b[k + m];
  for (; k < n; ++k) lane[k % 8] += a[k] * b[k];
  return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

/// y += c x, of memories that do not overlap.
inline void add_multiple(double c, const double* __restrict x, double* __restrict y, std::int64_t n) {
  std::int64_t k = 0;
  for (; k + 8 <= n; k += 8)
    for (std::int64_t m = 0; m < 8; ++m) y[k + m] += c * x[k + m];
  for (; k < n; ++k) y[k] += c * x[k];
}

inline double forward(const perceptron& net, std::span<const double> x, perceptron_space& space) {
  std::size_t total = 0;
  for (const std::int64_t w : net.widths) total += at(w);
  space.activation.resize(total);
  space.derivative.resize(total);
  std::copy(x.begin(), x.end(), space.activation.begin());
  const double* w = net.weights.data();
  const double* in = space.activation.data();
  for (std::size_t l = 0; l + 1 < net.widths.size(); ++l) {
    const std::int64_t inputs = net.widths[l], outputs = net.widths[l + 1];
    double* const out = const_cast<double*>(in) + inputs;
    const bool last = l + 2 == net.widths.size();
    for (std::int64_t o = 0; o < outputs; ++o) {
      const double sum = w[inputs * outputs + o] + dot_in_lanes(w + o * inputs, in, inputs);
      out[o] = last || sum > 0 ? sum : 0;
    }
    w += (inputs + 1) * outputs;
    in = out;
  }
  return in[0];
}

/// gradient += scale·∇h at what was passed forward last; ReLU′(0) = 0.
inline void add_gradient(const perceptron& net, double scale, perceptron_space& space, double* gradient) {
  const std::size_t layers = net.widths.size() - 1;
  const double* w = net.weights.data() + net.weights.size();
  double* g = gradient + net.weights.size();
  double* out = space.activation.data() + space.activation.size() - 1;
  double* slope = space.derivative.data() + space.derivative.size() - 1;
  *slope = scale;
  for (std::size_t l = layers; l-- > 0;) {
    const std::int64_t inputs = net.widths[l], outputs = net.widths[l + 1];
    w -= (inputs + 1) * outputs;
    g -= (inputs + 1) * outputs;
    const double* const in = out - inputs;
    double* const below = slope - inputs;
    std::fill(below, below + inputs, 0.0);
    for (std::int64_t o = 0; o < outputs; ++o) {
      const double s = slope[o];
      g[inputs * outputs + o] += s;
      if (s == 0) continue;
      add_multiple(s, in, g + o * inputs, inputs);
      add_multiple(s, w + o * inputs, below, inputs);
    }
    if (l > 0)
      for (std::int64_t k = 0; k < inputs; ++k) below[k] = in[k] > 0 ? below[k] : 0;
    out -= inputs;
    slope = below;
  }
}

/// Full-batch Adam on  mean over duels of softplus(−(h_winner − h_loser)) + ½ decay ‖w‖².
inline void train(perceptron& net, const arm_features& x, std::span<const pair_count> pairs, double decay,
                  std::int64_t steps, double rate, adam_space& space) {
  constexpr double keep_mean = 0.9, keep_square = 0.999, small = 1e-8;
  const std::size_t p = net.weights.size(), arms = at(x.arms);
  space.mean.assign(p, 0.0);
  space.square.assign(p, 0.0);
  double duels = 0;
  for (const pair_count& c : pairs) duels += c.wins + c.losses;
  if (duels == 0) return;
  double mean_left = 1, square_left = 1;
  for (std::int64_t step = 0; step < steps; ++step) {
    space.reward.assign(arms, 0.0);
    space.pull.assign(arms, 0.0);
    std::vector<double>& met = space.gradient;  // borrowed: which arms are in a duel
    met.assign((std::max)(arms, p), 0.0);
    for (const pair_count& c : pairs) met[at(c.first)] = met[at(c.second)] = 1;
    for (std::size_t i = 0; i < arms; ++i) {
      if (met[i] == 0) continue;
      space.reward[i] = forward(net, x.row(static_cast<std::int64_t>(i)), space.pass);
      const std::vector<double>& a = space.pass.activation;
      space.activations.resize(arms * a.size());
      std::copy(a.begin(), a.end(), space.activations.begin() + static_cast<std::ptrdiff_t>(i * a.size()));
    }
    for (const pair_count& c : pairs) {
      const double share = sigmoid(space.reward[at(c.first)] - space.reward[at(c.second)]);
      const double pull = (c.losses * share - c.wins * (1 - share)) / duels;
      space.pull[at(c.first)] += pull;
      space.pull[at(c.second)] -= pull;
    }
    space.gradient.assign(p, 0.0);
    for (std::size_t k = 0; k < p; ++k) space.gradient[k] = decay * net.weights[k];
    for (std::size_t i = 0; i < arms; ++i) {
      if (space.pull[i] == 0) continue;
      std::vector<double>& a = space.pass.activation;
      std::copy_n(space.activations.begin() + static_cast<std::ptrdiff_t>(i * a.size()), a.size(), a.begin());
      add_gradient(net, space.pull[i], space.pass, space.gradient.data());
    }
    mean_left *= keep_mean;
    square_left *= keep_square;
    for (std::size_t k = 0; k < p; ++k) {
      const double g = space.gradient[k];
      space.mean[k] = keep_mean * space.mean[k] + (1 - keep_mean) * g;
      space.square[k] = keep_square * space.square[k] + (1 - keep_square) * g * g;
      const double mean = space.mean[k] / (1 - mean_left), square = space.square[k] / (1 - square_left);
      net.weights[k] -= rate * mean / (std::sqrt(square) + small);
    }
  }
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// h of every arm, and its gradients with respect to the weights [K, p], packed as they are.
/// Errors: shape_error if the network does not fit the features.   Cost: O(K p).
inline std::pair<std::vector<double>, std::vector<double>> rewards_and_gradients(const perceptron& net,
                                                                                 const arm_features& x) {
  net.require_valid();
  if (net.widths.front() != x.dimensions)
    throw shape_error("widths", "the network takes " + std::to_string(net.widths.front()) + " features, arms have " +
                                    std::to_string(x.dimensions));
  const std::size_t p = net.weights.size();
  std::vector<double> reward, gradient(detail::at(x.arms) * p, 0.0);
  detail::perceptron_space space;
  for (std::int64_t i = 0; i < x.arms; ++i) {
    reward.push_back(detail::forward(net, x.row(i), space));
    detail::add_gradient(net, 1, space, gradient.data() + detail::at(i) * p);
  }
  return {std::move(reward), std::move(gradient)};
}

/// √ν ‖gⱼ − g_i*‖_V⁻¹ of every arm.
///
/// gradients    [K, p]
/// differences  [m, p] rows (g_a − g_b)·√count of duels
/// Cost: O((K + m) p) for the diagonal; with the full norm O(K p·min(m, p) + min(m, p)³): systems of p equations, or, by
/// Woodbury's identity, of m.
inline std::vector<double> uncertainties(std::span<const double> gradients, std::span<const double> differences,
                                         std::int64_t arms, std::int64_t greedy, double ridge, double exploration,
                                         uncertainty_norm norm) {
  const std::size_t k = detail::at(arms), p = gradients.size() / k, m = differences.size() / (p > 0 ? p : 1);
  std::vector<double> sigma(k, 0.0), z(p);
  const auto difference_to_greedy = [&](std::size_t j) {
    for (std::size_t c = 0; c < p; ++c) z[c] = gradients[j * p + c] - gradients[detail::at(greedy) * p + c];
  };
  if (norm == uncertainty_norm::diagonal) {
    std::vector<double> diagonal(p, ridge);
    for (std::size_t r = 0; r < m; ++r)
      for (std::size_t c = 0; c < p; ++c) diagonal[c] += differences[r * p + c] * differences[r * p + c];
    for (std::size_t j = 0; j < k; ++j) {
      difference_to_greedy(j);
      for (std::size_t c = 0; c < p; ++c) sigma[j] += z[c] * z[c] / diagonal[c];
    }
  } else {
    const bool dual = m < p;
    const std::size_t n = dual ? m : p;
    std::vector<double> system(n * n, 0.0), right(n);
    for (std::size_t a = 0; a < n; ++a) system[a * n + a] = ridge;
    if (dual) {
      for (std::size_t a = 0; a < m; ++a)
        for (std::size_t b = 0; b <= a; ++b)
          system[a * n + b] += detail::dot(differences.subspan(a * p, p), differences.subspan(b * p, p));
    } else {
      for (std::size_t r = 0; r < m; ++r)
        for (std::size_t a = 0; a < p; ++a)
          for (std::size_t b = 0; b <= a; ++b) system[a * n + b] += differences[r * p + a] * differences[r * p + b];
    }
    zermelo::cholesky factor;
    if (n > 0 && !factor.factor(system, static_cast<std::int64_t>(n)))
      throw domain_error("ridge", domain_error::whole, "is too small: λI + Σzzᵀ is not positive definite in doubles");
    for (std::size_t j = 0; j < k; ++j) {
      difference_to_greedy(j);
      if (dual) {
        for (std::size_t a = 0; a < m; ++a) right[a] = detail::dot(differences.subspan(a * p, p), z);
        const std::vector<double> image(right);
        if (n > 0) factor.solve(right);
        sigma[j] = (detail::dot(z, z) - detail::dot(image, right)) / ridge;
      } else {
        right.assign(z.begin(), z.end());
        factor.solve(right);
        sigma[j] = detail::dot(z, right);
      }
    }
  }
  for (double& s : sigma) s = std::sqrt(exploration * (std::max)(s, 0.0));
  sigma[detail::at(greedy)] = 0;
  return sigma;
}

/// Both arms: argmax h, and argmax over the others of h + σ; ties go to the first.
/// Errors: shape_error for fewer than two arms.   Cost: that of `uncertainties`.
inline apohf_decision apohf_choose(std::span<const double> rewards, std::span<const double> gradients,
                                   std::span<const double> differences, const apohf_parameters& p) {
  const auto n = static_cast<std::int64_t>(rewards.size());
  if (n < 2) throw shape_error("rewards", "a duel needs two arms, got " + std::to_string(n));
  apohf_decision d;
  d.arms.first = detail::first_argmax(n, [&](std::int64_t i) { return rewards[detail::at(i)]; });
  d.uncertainty = uncertainties(gradients, differences, n, d.arms.first, p.ridge, p.exploration, p.norm);
  d.arms.second = d.arms.first == 0 ? 1 : 0;
  for (std::int64_t j = 0; j < n; ++j) {
    const auto bound = [&](std::int64_t i) { return rewards[detail::at(i)] + d.uncertainty[detail::at(i)]; };
    if (j != d.arms.first && bound(j) > bound(d.arms.second)) d.arms.second = j;
  }
  return d;
}

/// Rows √count·(g_a − g_b) of the pairs that have met: [m, p].
inline std::vector<double> feature_differences(std::span<const double> gradients, std::int64_t arms,
                                               const duel_tally& tally) {
  const std::size_t p = gradients.size() / detail::at(arms);
  std::vector<double> rows;
  for (const pair_count& c : detail::pairs_of(tally)) {
    const double scale = std::sqrt(c.wins + c.losses);
    for (std::size_t k = 0; k < p; ++k)
      rows.push_back(scale * (gradients[detail::at(c.first) * p + k] - gradients[detail::at(c.second) * p + k]));
  }
  return rows;
}

/// The arm with the largest reward among those that were in a duel; −1 if none was.
inline std::int64_t best_of_met(std::span<const double> rewards, const duel_tally& tally) {
  std::int64_t best = -1;
  for (const pair_count& c : detail::pairs_of(tally))
    for (const std::int64_t i : {c.first, c.second}) {
      const bool higher = best < 0 || rewards[detail::at(i)] > rewards[detail::at(best)];
      const bool same = best >= 0 && rewards[detail::at(i)] == rewards[detail::at(best)];
      if (higher || (same && i < best)) best = i;
    }
  return best;
}

}  // namespace ZERMELO_ISA

/// APOHF over fixed candidates. After every duel the reward is fitted anew, by Adam from the same initial weights (neural,
/// weight decay λ/(duels + 50)), or as the ridge estimate (linear).
/// Cost of a round: steps·K·p for the network, and that of `uncertainties`.
struct apohf {
  apohf_parameters parameters = {};
  arm_features features = {};
  duel_tally tally = {};
  std::int64_t round = 1;
  perceptron network = {};           ///< as trained last; without hidden layers and bias unused by the linear model
  std::vector<double> weights = {};  ///< [d] of the linear model
  std::vector<double> frozen = {};   ///< [duels, p] differences of features, with freeze_features
  std::vector<double> reward = {};   ///< [K] h of the last decision

  /// Errors: shape_error for fewer than two arms; domain_error for parameters.
  ZERMELO_INLINE explicit apohf(arm_features x, apohf_parameters p = {})
      : parameters(p), features(std::move(x)), tally(empty_tally(features.arms)) {
    parameters.require_valid();
    if (features.arms < 2) throw shape_error("features", "a duel needs two arms, got " + std::to_string(features.arms));
    network.widths = {features.dimensions, p.hidden, p.hidden, 1};
    weights.assign(detail::at(features.dimensions), 0.0);
    for (std::int64_t k = 0; k < network.parameters(); ++k)
      initial_.push_back(normal(p.seed, 0, static_cast<std::uint64_t>(k)));
    network.weights = initial_;
    reward.assign(detail::at(features.arms), 0.0);
  }
  ZERMELO_INLINE std::int64_t items() const { return features.arms; }
  ZERMELO_INLINE void rebuild() {}
  template <draw_source D>
  ZERMELO_INLINE duel next_pair(D& draws) {
    const std::int64_t n = items();
    if (round <= parameters.initial_pairs) {
      const std::int64_t i = draw_index(draws, n), j = draw_index(draws, n - 1);
      return {i, j < i ? j : j + 1};
    }
    learn();
    const auto gradients = gradients_of_now();
    const auto rows = parameters.freeze_features ? frozen : feature_differences(gradients, n, tally);
    return apohf_choose(reward, gradients, rows, parameters).arms;
  }
  /// Errors: domain_error for an arm out of range.
  ZERMELO_INLINE void observe(std::int64_t i, std::int64_t j, bool first_won) {
    tally.record(i, j, first_won);
    ++round;
    if (!parameters.freeze_features || i == j) return;
    const auto g = gradients_of_now();
    const std::size_t p = g.size() / detail::at(items());
    for (std::size_t k = 0; k < p; ++k) frozen.push_back(g[detail::at(i) * p + k] - g[detail::at(j) * p + k]);
  }
  /// The best of the arms that were in a duel; −1 before the first.
  ZERMELO_INLINE std::int64_t report() {
    learn();
    return best_of_met(reward, tally);
  }
  /// Fits the reward to the duels.
  ZERMELO_INLINE void learn() {
    const auto pairs = detail::pairs_of(tally);
    if (parameters.model == reward_model::linear) {
      detail::fit_utilities(features, pairs, parameters.ridge, weights, newton_, 1e-9);
      for (std::int64_t i = 0; i < items(); ++i) reward[detail::at(i)] = detail::dot(weights, features.row(i));
      return;
    }
    network.weights = initial_;
    const double decay = parameters.ridge / (tally.total() + 50);
    detail::train(network, features, pairs, decay, parameters.steps, parameters.learning_rate, adam_);
    for (std::int64_t i = 0; i < items(); ++i)
      reward[detail::at(i)] = detail::forward(network, features.row(i), adam_.pass);
  }

 private:
  ZERMELO_INLINE std::vector<double> gradients_of_now() const {
    return parameters.model == reward_model::linear ? features.values : rewards_and_gradients(network, features).second;
  }
  std::vector<double> initial_ = {};
  detail::adam_space adam_ = {};
  detail::newton_space newton_ = {};
};

}  // namespace zermelo::inline v1::bandit
