// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/distributions.hpp"
#include "../core/error.hpp"
#include "../core/random.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"

/// Small preference games with known answers, and generators of larger ones.
namespace zermelo::inline v1::bandit {

/// P[i, j] = Pr(i beats j), and the Nash policy to twelve digits where it is known.
struct toy_game {
  std::string name = {};
  std::int64_t items = 0;
  std::vector<double> preferences = {};  ///< [n, n], row after row
  std::vector<double> nash = {};         ///< [n]; empty where nobody has worked it out
  bool unique = true;                    ///< whether that is the only Nash policy

  ZERMELO_INLINE tensor_view<const double, 2> table() const { return matrix_view(preferences.data(), items, items); }
};

namespace detail::inline ZERMELO_ISA {

inline toy_game empty_game(std::string name, std::int64_t n) {
  if (n < 1) throw shape_error("items", std::to_string(n) + ", expected one at least");
  const auto size = static_cast<std::size_t>(n);
  return {.name = std::move(name), .items = n, .preferences = std::vector<double>(size * size, 0.5)};
}

/// i beats j with probability p, and j beats i with 1 − p.
inline void set_pair(toy_game& g, std::int64_t i, std::int64_t j, double p) {
  if (!(p >= 0 && p <= 1))
    throw domain_error("probability", domain_error::whole, zermelo::detail::text(p) + ", expected one in [0, 1]");
  g.preferences[static_cast<std::size_t>(i * g.items + j)] = p;
  g.preferences[static_cast<std::size_t>(j * g.items + i)] = 1 - p;
}

inline std::vector<double> even(std::int64_t n) {
  return std::vector<double>(static_cast<std::size_t>(n), 1 / static_cast<double>(n));
}
inline std::vector<double> only(std::int64_t n, std::int64_t i) {
  std::vector<double> p(static_cast<std::size_t>(n));
  p[static_cast<std::size_t>(i)] = 1;
  return p;
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Rock-paper-scissors:  A = s [[0, c, −b], [−c, 0, a], [b, −a, 0]],  Nash (a, b, c)/(a + b + c).
/// Errors: domain_error unless a, b, c, s > 0 and s·max(a, b, c) ≤ ½.
inline toy_game rock_paper_scissors(double a = 1, double b = 1, double c = 1, double scale = 0.5) {
  if (!(a > 0 && b > 0 && c > 0 && scale > 0))
    throw domain_error("weights", domain_error::whole, "expected positive weights and a positive scale");
  toy_game g = detail::empty_game("rps", 3);
  detail::set_pair(g, 0, 1, 0.5 + scale * c);
  detail::set_pair(g, 2, 0, 0.5 + scale * b);
  detail::set_pair(g, 1, 2, 0.5 + scale * a);
  g.nash = {a / (a + b + c), b / (a + b + c), c / (a + b + c)};
  return g;
}

/// A tournament on a circle: each of an odd number of items beats the next (n−1)/2 clockwise with probability p. Nash: uniform.
/// Errors: domain_error for an even number, and unless p is a probability.
inline toy_game cycle_tournament(std::int64_t items, double p) {
  toy_game g = detail::empty_game("cycle" + std::to_string(items), items);
  if (items % 2 == 0) throw domain_error("items", domain_error::whole, "expected an odd number");
  for (std::int64_t i = 0; i < items; ++i)
    for (std::int64_t k = 1; k <= (items - 1) / 2; ++k) detail::set_pair(g, i, (i + k) % items, p);
  g.nash = detail::even(items);
  g.unique = p != 0.5 || items == 1;
  return g;
}

/// Each item beats the next with probability p and ties with the others. Uniform is Nash, for four items not the only one;
/// it is the one of largest entropy.   Errors: domain_error for fewer than three items, and unless p is a probability.
inline toy_game sparse_cycle(std::int64_t items, double p) {
  toy_game g = detail::empty_game("sparse_cycle" + std::to_string(items), items);
  if (items < 3) throw domain_error("items", domain_error::whole, "expected three at least");
  for (std::int64_t i = 0; i < items; ++i) detail::set_pair(g, i, (i + 1) % items, p);
  g.nash = detail::even(items);
  g.unique = items % 2 == 1 && p != 0.5;
  return g;
}

/// Item 0 beats all others by a margin, and these beat each other in a cycle_tournament. Nash: item 0.
/// Errors: domain_error for an odd number of items, and unless both are probabilities.
inline toy_game condorcet_cycle(std::int64_t items, double margin, double p) {
  toy_game g = detail::empty_game("condorcet_cycle" + std::to_string(items), items);
  if (items % 2 == 1)
    throw domain_error("items", domain_error::whole, "expected an even number: one, and an odd cycle");
  const std::int64_t others = items - 1;
  for (std::int64_t i = 0; i < others; ++i) {
    detail::set_pair(g, 0, i + 1, 0.5 + margin);
    for (std::int64_t k = 1; k <= (others - 1) / 2; ++k) detail::set_pair(g, i + 1, (i + k) % others + 1, p);
  }
  g.nash = detail::only(items, 0);
  g.unique = margin > 0;
  return g;
}

/// The Bradley–Terry game of strengths [n]:  P[i, j] = σ(sᵢ − sⱼ). Nash: the strongest.
inline toy_game bradley_terry_toy(std::span<const double> strengths) {
  toy_game g = detail::empty_game("bt" + std::to_string(strengths.size()), static_cast<std::int64_t>(strengths.size()));
  std::int64_t best = 0;
  for (std::int64_t i = 0; i < g.items; ++i) {
    const auto s = [&](std::int64_t k) { return strengths[static_cast<std::size_t>(k)]; };
    if (!is_finite(s(i))) throw domain_error("strengths", i, "is not a finite number");
    if (s(i) > s(best)) best = i;
    for (std::int64_t j = 0; j < i; ++j) detail::set_pair(g, i, j, sigmoid(s(i) - s(j)));
  }
  g.nash = detail::only(g.items, best);
  return g;
}

/// Skew scores of embeddings v [n, 2k]:  s(i ≻ j) = Σₗ vᵢ[2l] vⱼ[2l+1] − vᵢ[2l+1] vⱼ[2l],  P = σ(s). Of rank 2k at most.
inline toy_game embedded_game(std::span<const double> embeddings, std::int64_t items, std::int64_t blocks) {
  toy_game g = detail::empty_game("gpm" + std::to_string(items), items);
  const std::int64_t d = 2 * blocks;
  if (static_cast<std::int64_t>(embeddings.size()) != items * d)
    throw shape_error("embeddings", std::to_string(embeddings.size()) + " numbers, expected " + std::to_string(items) +
                                        " × " + std::to_string(d));
  for (std::int64_t i = 0; i < items; ++i)
    for (std::int64_t j = 0; j < i; ++j) {
      double s = 0;
      for (std::int64_t l = 0; l < blocks; ++l) {
        const auto v = [&](std::int64_t of, std::int64_t k) {
          return embeddings[static_cast<std::size_t>(of * d + 2 * l + k)];
        };
        s += v(i, 0) * v(j, 1) - v(i, 1) * v(j, 0);
      }
      detail::set_pair(g, i, j, sigmoid(s));
    }
  return g;
}

/// P = σ(s) of embeddings drawn from N(0, 1)^{n×2k}.
inline toy_game random_low_rank_game(std::int64_t items, std::int64_t blocks, std::uint64_t seed) {
  if (items < 1 || blocks < 1) throw shape_error("items", "expected an item and a block at least");
  std::vector<double> v(static_cast<std::size_t>(items * 2 * blocks));
  for (std::size_t k = 0; k < v.size(); ++k) v[k] = normal(seed, 0, k);
  toy_game g = embedded_game(v, items, blocks);
  g.name = "random_low_rank" + std::to_string(items);
  return g;
}

/// The lower triangle of P drawn from U(0, 1).
inline toy_game random_game(std::int64_t items, std::uint64_t seed) {
  toy_game g = detail::empty_game("random" + std::to_string(items), items);
  std::uint64_t k = 0;
  for (std::int64_t i = 0; i < items; ++i)
    for (std::int64_t j = 0; j < i; ++j) detail::set_pair(g, i, j, uniform(seed, 0, k++));
  return g;
}

/// The zoo: twelve games with their Nash policies, exact or to twelve digits.
inline std::vector<toy_game> toy_games() {
  std::vector<toy_game> zoo;
  const auto add = [&](const char* name, toy_game g) {
    g.name = name;
    zoo.push_back(std::move(g));
  };
  add("rps_fair", rock_paper_scissors());
  add("rps_biased", rock_paper_scissors(1, 2, 3, 0.1));
  add("cycle5_p07", cycle_tournament(5, 0.7));
  add("cycle7_p09", cycle_tournament(7, 0.9));
  add("cycle4_sparse", sparse_cycle(4, 0.8));
  add("condorcet_cycle6", condorcet_cycle(6, 0.05, 0.9));
  // The game of the NLHF paper: its reward optimum changes with the reference's constraint, its Nash does not.
  add("nlhf_bt3", bradley_terry_toy(std::vector<double>{0, -std::log(9.0), -std::log(2.0)}));
  // Three voters with cyclic rankings.
  add("majority3", rock_paper_scissors(1, 1, 1, 1.0 / 6));
  add("bt5", bradley_terry_toy(std::vector<double>{0.3, -0.2, 1.1, 0, 0.7}));
  {
    const std::vector<double> v{0.31,  -1.12, 0.84,  0.27, -0.75, 0.46,  0.19, -0.92, 1.23,  0.58, -0.33, 0.41,
                                -0.22, -0.67, -1.05, 0.13, 0.95,  -0.28, 0.61, -0.74, -1.04, 0.71, 0.36,  0.88};
    toy_game g = embedded_game(v, 6, 2);
    g.nash = {
        0, 0.06606459319983876, 0.07517522510133452, 0.28683796365483744, 0.29461407380989774, 0.27730814423409156};
    add("gpm6_rank4", std::move(g));
  }
  {
    const double half = 0.5, height = std::sqrt(0.75);
    toy_game g = embedded_game(std::vector<double>{1, 0, -half, height, -half, -height}, 3, 1);
    g.nash = detail::even(3);
    add("gpm_circle3", std::move(g));
  }
  {
    // The lower triangle, in thousandths, row after row.
    constexpr int thousandths[] = {637, 270, 41,  17,  813, 913, 607, 729, 544, 935, 816, 3,   857, 34,  730,
                                   176, 863, 541, 300, 423, 28,  124, 671, 647, 615, 384, 997, 981, 686, 650,
                                   688, 389, 135, 721, 525, 310, 486, 889, 934, 358, 572, 322, 594, 338, 392};
    toy_game g = detail::empty_game("egpo_random10", 10);
    std::size_t k = 0;
    for (std::int64_t i = 0; i < 10; ++i)
      for (std::int64_t j = 0; j < i; ++j) detail::set_pair(g, i, j, thousandths[k++] / 1000.0);
    g.nash = {0, 0, 0, 0, 497.0 / 843, 116.0 / 843, 0, 230.0 / 843, 0, 0};
    add("egpo_random10", std::move(g));
  }
  return zoo;
}

/// One answer of a judge who follows P: whether i beats j in duel k, a pure function of (seed, k) on every backend.
/// Errors: domain_error for items out of range.
inline bool wins_duel(const toy_game& g, std::int64_t i, std::int64_t j, std::uint64_t seed, std::uint64_t k) {
  if (i < 0 || i >= g.items || j < 0 || j >= g.items)
    throw domain_error("item", domain_error::whole, "expected one in [0, " + std::to_string(g.items) + ")");
  return uniform(seed, 0, k) < g.preferences[static_cast<std::size_t>(i * g.items + j)];
}

/// P as somebody sees it who errs: σ(logit P + noise·z), z standard normal a pair, still P + Pᵀ = 1.
/// Errors: domain_error unless noise ≥ 0.
inline toy_game noisy(const toy_game& g, double noise, std::uint64_t seed) {
  if (!(noise >= 0) || !is_finite(noise)) throw domain_error("noise", domain_error::whole, "expected zero or more");
  toy_game seen = detail::empty_game(g.name + "_noisy", g.items);
  std::uint64_t k = 0;
  for (std::int64_t i = 0; i < g.items; ++i)
    for (std::int64_t j = 0; j < i; ++j) {
      const double p = g.preferences[static_cast<std::size_t>(i * g.items + j)];
      detail::set_pair(seen, i, j, sigmoid(log(p) - log(1 - p) + noise * normal(seed, 0, k++)));
    }
  return seen;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::bandit
