// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

/// Rewards from which pairs are made: density ratios, follow-ups, statements about a persona, consistency of two models.
namespace zermelo::inline v1::alignment {

/// The best and the worst of some responses, first ones on ties.
struct best_and_worst {
  std::int64_t best = 0, worst = 0;
  double margin = 0;  ///< of their rewards; a pair is dropped if it is not above a threshold
};

/// The reward of a response by its follow-ups.
struct follow_up_figures {
  double reward = 0;
  std::int64_t positives = 0, negatives = 0;  ///< follow-ups counted; of none the term is 0
};

/// How two rankings of the same responses are compared.
enum class rank_agreement : std::uint8_t {
  kendall,   ///< τ of ordinal ranks, equal rewards in the order of their positions
  spearman,  ///< ρ of the same ranks
  top_order  ///< 1 if both have the same best and the same worst response, first ones on ties; −1 otherwise
};

/// Agreement of two models on the ranking of responses, averaged over prompts.
struct consistency_figures {
  double average = 0;  ///< of (coefficient + 1)/2
  std::int64_t prompts = 0;
};

/// Parameters of route_domains.
struct domain_router {
  enum class mode_t : std::uint8_t {
    argmax,  ///< all weight on the first domain of the largest relevance
    mixture  ///< softmax(relevance/temperature)
  } mode = mode_t::argmax;
  double temperature = 1;  ///< of a mixture, > 0

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("temperature", temperature); }
};

namespace annotation::inline ZERMELO_ISA {

template <class View>
double number_at(const View& v, const char* name, std::int64_t k) {
  const double x = static_cast<double>(v.element(k));
  if (is_nan(x)) throw domain_error(name, k, "is not a number");
  return x;
}

template <class View, class First>
void require_shape(const View& v, const char* name, const First& first, const char* first_name) {
  if (v.shape[0] != first.shape[0] || v.shape[1] != first.shape[1])
    throw shape_error(name, std::to_string(v.shape[0]) + " × " + std::to_string(v.shape[1]) +
                                ", expected the shape of " + first_name + ", " + std::to_string(first.shape[0]) +
                                " × " + std::to_string(first.shape[1]));
}

template <class View>
void require_size(const View& v, const char* name, std::int64_t n) {
  if (v.size() != n) throw shape_error(name, std::to_string(v.size()) + " elements, expected " + std::to_string(n));
}

/// Writes where it is wanted.
template <class O>
void put(O&& out, const char* name, std::int64_t n, std::int64_t k, double x) {
  if constexpr (!std::is_same_v<std::remove_cvref_t<O>, discard_t>) {
    const auto to = view(out);
    require_size(to, name, n);
    to.element(k) = static_cast<typename std::remove_const_t<decltype(to)>::value_type>(x);
  }
}

/// The mean over rows of their masked means. Errors: a row without a token that counts.
template <class X, class M>
double mean_of_means(const char* name, const X& x, const char* mask_name, const M& mask) {
  require_shape(mask, mask_name, x, name);
  double sum = 0;
  for (std::int64_t f = 0; f < x.shape[0]; ++f) {
    double row = 0;
    std::int64_t tokens = 0;
    for (std::int64_t t = 0; t < x.shape[1]; ++t) {
      if (mask(f, t) == 0) continue;
      row += number_at(x, name, f * x.shape[1] + t);
      ++tokens;
    }
    if (tokens == 0) throw domain_error(mask_name, f, "no token of this follow-up counts");
    sum += row / static_cast<double>(tokens);
  }
  return sum;
}

/// The places of a row's numbers in ascending order, equal ones in the order of their positions.
template <class View>
void sort_places(const View& v, std::int64_t row, std::vector<std::int64_t>& places) {
  for (std::size_t k = 0; k < places.size(); ++k) places[k] = static_cast<std::int64_t>(k);
  std::stable_sort(places.begin(), places.end(), [&](std::int64_t i, std::int64_t j) { return v(row, i) < v(row, j); });
}

/// The first place of a row's largest number, or of its smallest.
template <class View>
std::int64_t first_largest(const View& v, std::int64_t row) {
  std::int64_t at = 0;
  for (std::int64_t k = 1; k < v.shape[1]; ++k)
    if (v(row, k) > v(row, at)) at = k;
  return at;
}
template <class View>
std::int64_t first_smallest(const View& v, std::int64_t row) {
  std::int64_t at = 0;
  for (std::int64_t k = 1; k < v.shape[1]; ++k)
    if (v(row, k) < v(row, at)) at = k;
  return at;
}

/// How many pairs of places are not in ascending order; sorts them on the way.
inline std::int64_t inversions(std::vector<std::int64_t>& x, std::vector<std::int64_t>& room, std::size_t begin,
                               std::size_t end) {
  if (end - begin < 2) return 0;
  const std::size_t middle = begin + (end - begin) / 2;
  std::int64_t count = inversions(x, room, begin, middle) + inversions(x, room, middle, end);
  std::size_t a = begin, b = middle, to = begin;
  while (a < middle || b < end) {
    if (b == end || (a < middle && x[a] <= x[b])) {
      room[to++] = x[a++];
    } else {
      count += static_cast<std::int64_t>(middle - a);
      room[to++] = x[b++];
    }
  }
  std::copy(room.begin() + static_cast<std::ptrdiff_t>(begin), room.begin() + static_cast<std::ptrdiff_t>(end),
            x.begin() + static_cast<std::ptrdiff_t>(begin));
  return count;
}

/// τ = 1 − 2 inversions/pairs, for a ranking by the ranks that the other one gives its places.
inline double kendall(std::vector<std::int64_t>& ranks, std::vector<std::int64_t>& room) {
  const auto n = static_cast<double>(ranks.size());
  return 1 - 2 * static_cast<double>(inversions(ranks, room, 0, ranks.size())) / (0.5 * n * (n - 1));
}

/// ρ = 1 − 6 Σd²/(n(n² − 1)), likewise.
inline double spearman(const std::vector<std::int64_t>& ranks) {
  double squares = 0;
  for (std::size_t k = 0; k < ranks.size(); ++k) {
    const double d = static_cast<double>(ranks[k]) - static_cast<double>(k);
    squares += d * d;
  }
  const auto n = static_cast<double>(ranks.size());
  return 1 - 6 * squares / (n * (n * n - 1));
}

}  // namespace annotation::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// The first response of the largest reward, and the first of the smallest.
/// Errors: shape_error for none; domain_error("rewards", k) at a NaN.
template <tensor R>
best_and_worst pick_best_and_worst(const R& rewards) {
  const auto r = view(rewards);
  if (r.size() == 0) throw shape_error("rewards", "is empty");
  best_and_worst picked;
  for (std::int64_t k = 0; k < r.size(); ++k) {
    const double x = annotation::number_at(r, "rewards", k);
    if (x > static_cast<double>(r.element(picked.best))) picked.best = k;
    if (x < static_cast<double>(r.element(picked.worst))) picked.worst = k;
  }
  const double most = static_cast<double>(r.element(picked.best)), least = static_cast<double>(r.element(picked.worst));
  picked.margin = most == least ? 0 : most - least;
  return picked;
}

/// Rewards by a density ratio of a stronger over a weaker model:  sum = Σₜ log π_strong(yₜ) − log π_weak(yₜ),  mean = sum/tokens.
///
/// strong, weak, mask [N, T], of the tokens of N responses; sums, means [N] written, `discard` what is not wanted
/// Returns best and worst by the sums. With π* and π_ref it is r/β and a constant.
/// Errors: shape_error; domain_error("mask", i) for a response without tokens, and at a NaN that counts.
/// Source: Xu et al. 2025, "CDR: Customizable density ratios of strong-over-weak LLMs for preference annotation", eq. 1.
template <tensor S, tensor W, tensor M, class A, class B>
best_and_worst density_ratio_reward(const S& strong, const W& weak, const M& mask, A&& sums, B&& means) {
  const auto s = view(strong);
  const auto w = view(weak);
  const auto m = view(mask);
  annotation::require_shape(w, "weak", s, "strong");
  annotation::require_shape(m, "mask", s, "strong");
  const std::int64_t n = s.shape[0];
  std::vector<double> rewards(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    double sum = 0;
    std::int64_t tokens = 0;
    for (std::int64_t t = 0; t < s.shape[1]; ++t) {
      if (m(i, t) == 0) continue;
      const std::int64_t k = i * s.shape[1] + t;
      const double d = annotation::number_at(s, "strong", k) - annotation::number_at(w, "weak", k);
      if (is_nan(d)) throw domain_error("strong", k, "the log-ratio is a difference of equal infinities");
      sum += d;
      ++tokens;
    }
    if (tokens == 0) throw domain_error("mask", i, "no token of this response counts");
    rewards[static_cast<std::size_t>(i)] = sum;
    annotation::put(sums, "sums", n, i, sum);
    annotation::put(means, "means", n, i, sum / static_cast<double>(tokens));
  }
  return pick_best_and_worst(rewards);
}

/// The reward of a response by what a user would say next: the mean over positive follow-ups of their mean token
/// log-probability, less that over negative ones.
///
/// positive, positive_mask [F, T];   negative, negative_mask [G, U]; one of F and G may be 0, and its term then is
/// Errors: shape_error; domain_error where no token of a follow-up counts, at a NaN that counts, or if F = G = 0.
/// Source: Zhang et al. 2025, "Aligning language models using follow-up likelihood as reward signal", eq. 3.
template <tensor P, tensor PM, tensor N, tensor NM>
follow_up_figures follow_up_reward(const P& positive, const PM& positive_mask, const N& negative,
                                   const NM& negative_mask) {
  const auto p = view(positive);
  const auto pm = view(positive_mask);
  const auto q = view(negative);
  const auto qm = view(negative_mask);
  if (p.shape[0] == 0 && q.shape[0] == 0)
    throw shape_error("positive", "there are neither positive nor negative follow-ups");
  follow_up_figures result{.positives = p.shape[0], .negatives = q.shape[0]};
  if (p.shape[0] > 0)
    result.reward += annotation::mean_of_means("positive", p, "positive_mask", pm) / static_cast<double>(p.shape[0]);
  if (q.shape[0] > 0)
    result.reward -= annotation::mean_of_means("negative", q, "negative_mask", qm) / static_cast<double>(q.shape[0]);
  return result;
}

/// Faithfulness to a persona, statement by statement:  score = g₁·e + g₀·(1 − c)
///
/// relevance [S, 2]  probabilities that a statement is (irrelevant g₀, relevant g₁) to the query
/// entailment [S, 3]  that the response (contradicts c, is neutral to n, entails e) it
/// scores [S]  written, or discard.   Returns their sum, in [0, S].
/// Errors: shape_error; domain_error where probabilities are outside [0, 1] or do not sum to 1 within 10⁻⁶.
/// Source: Peng and Shang 2024, "Quantifying and optimizing global faithfulness in persona-driven role-playing", eq. 1–2 (APC).
template <tensor R, tensor E, class O>
double active_passive_score(const R& relevance, const E& entailment, O&& scores) {
  const auto g = view(relevance);
  const auto nli = view(entailment);
  if (g.shape[1] != 2 && g.shape[0] > 0) throw shape_error("relevance", "expected two probabilities a statement");
  if (nli.shape[1] != 3 && nli.shape[0] > 0)
    throw shape_error("entailment", "expected three probabilities a statement");
  if (nli.shape[0] != g.shape[0])
    throw shape_error("entailment",
                      std::to_string(nli.shape[0]) + " statements, expected " + std::to_string(g.shape[0]));
  const auto check = [](const auto& v, const char* name, std::int64_t s) {
    double sum = 0;
    for (std::int64_t k = 0; k < v.shape[1]; ++k) {
      const double x = static_cast<double>(v(s, k));
      if (!(x >= 0 && x <= 1))
        throw domain_error(name, s * v.shape[1] + k, zermelo::detail::text(x) + ", expected a probability");
      sum += x;
    }
    if (!(sum >= 1 - 1e-6 && sum <= 1 + 1e-6))
      throw domain_error(name, s * v.shape[1],
                         "probabilities of this statement sum to " + zermelo::detail::text(sum) + ", expected 1");
  };
  double all = 0;
  for (std::int64_t s = 0; s < g.shape[0]; ++s) {
    check(g, "relevance", s);
    check(nli, "entailment", s);
    const double x = static_cast<double>(g(s, 1)) * static_cast<double>(nli(s, 2)) +
                     static_cast<double>(g(s, 0)) * (1 - static_cast<double>(nli(s, 0)));
    annotation::put(scores, "scores", g.shape[0], s, x);
    all += x;
  }
  return all;
}

/// How consistently two models rank the responses of each prompt: Kendall's τ of their ordinal ranks, or another coefficient,
/// and C = (coefficient + 1)/2, the weight of `cream`.
///
/// current, previous [P, N]  rewards by the current and the previous model, N ≥ 2
/// coefficient, consistency, chosen, rejected [P]  written, `discard` what is not wanted; chosen and rejected are positions of
///                                                 the largest and smallest current reward, first ones on ties: the same
///                                                 position, and no pair, where all are equal
/// Errors: shape_error; domain_error at a NaN.   Cost: O(PN log N), of top_order O(PN).
/// Source: Wang et al. 2025, "CREAM: Consistency regularized self-rewarding language models", eq. 9;
/// Spearman and top order are options of its code.
template <tensor A, tensor B, class T, class C, class Most, class Least>
consistency_figures cream_consistency(const A& current, const B& previous, T&& coefficient, C&& consistency,
                                      Most&& chosen, Least&& rejected,
                                      rank_agreement agreement = rank_agreement::kendall) {
  const auto a = view(current);
  const auto b = view(previous);
  annotation::require_shape(b, "previous", a, "current");
  const std::int64_t prompts = a.shape[0], n = a.shape[1];
  if (prompts > 0 && n < 2)
    throw shape_error("current", "one response a prompt has no ranking to agree on, expected two");
  const std::size_t count = agreement == rank_agreement::top_order ? 0 : static_cast<std::size_t>(n);
  std::vector<std::int64_t> order(count), before(count), rank(count), room(count);
  consistency_figures result{.prompts = prompts};
  for (std::int64_t p = 0; p < prompts; ++p) {
    for (std::int64_t k = p * n; k < (p + 1) * n; ++k)
      annotation::number_at(a, "current", k), annotation::number_at(b, "previous", k);
    const std::int64_t best = annotation::first_largest(a, p), worst = annotation::first_smallest(a, p);
    double c;
    if (agreement == rank_agreement::top_order) {
      c = best == annotation::first_largest(b, p) && worst == annotation::first_smallest(b, p) ? 1 : -1;
    } else {
      annotation::sort_places(a, p, order);
      annotation::sort_places(b, p, before);
      for (std::size_t k = 0; k < count; ++k) rank[static_cast<std::size_t>(before[k])] = static_cast<std::int64_t>(k);
      std::vector<std::int64_t>& ranks_in_order = before;
      for (std::size_t k = 0; k < count; ++k) ranks_in_order[k] = rank[static_cast<std::size_t>(order[k])];
      c = agreement == rank_agreement::kendall ? annotation::kendall(ranks_in_order, room)
                                               : annotation::spearman(ranks_in_order);
    }
    annotation::put(coefficient, "coefficient", prompts, p, c);
    annotation::put(consistency, "consistency", prompts, p, 0.5 * (c + 1));
    annotation::put(chosen, "chosen", prompts, p, static_cast<double>(best));
    annotation::put(rejected, "rejected", prompts, p, static_cast<double>(worst));
    result.average += 0.5 * (c + 1);
  }
  if (prompts > 0) result.average /= static_cast<double>(prompts);
  return result;
}

/// Which domain's instruction conditions the models of a density ratio, or with which weights several do.
///
/// relevance [D]  how well each domain fits the prompt, whatever the scale; −∞ excludes a domain
/// weights   [D]  written, or `discard`: 1 at the first most relevant domain, or softmax(relevance/temperature)
/// Returns the first domain of the largest relevance: under argmax no other one's rewards need to be computed.
/// Errors: shape_error for none; domain_error at a NaN, if all are −∞, and for a mixture at +∞.
/// Source: Xu et al. 2025 (CDR), the router.
template <tensor R, class W>
std::int64_t route_domains(const R& relevance, W&& weights, const domain_router& router = {}) {
  router.require_valid();
  const auto r = view(relevance);
  if (r.size() == 0) throw shape_error("relevance", "is empty, expected at least one domain");
  std::int64_t best = 0;
  double most = 0;
  for (std::int64_t d = 0; d < r.size(); ++d) {
    const double x = annotation::number_at(r, "relevance", d);
    if (d == 0 || x > most) best = d, most = x;
  }
  const bool mixture = router.mode == domain_router::mode_t::mixture;
  if (!is_finite(most) && most < 0) throw domain_error("relevance", 0, "every domain has -inf, expected one to choose");
  if (!is_finite(most) && mixture) throw domain_error("relevance", best, "is +inf: the softmax is undefined");
  const auto share = [&](std::int64_t d) {
    return exp((static_cast<double>(r.element(d)) - most) / router.temperature);
  };
  double sum = 0;
  if (mixture)
    for (std::int64_t d = 0; d < r.size(); ++d) sum += share(d);
  for (std::int64_t d = 0; d < r.size(); ++d)
    annotation::put(weights, "weights", r.size(), d, mixture ? share(d) / sum : d == best ? 1.0 : 0.0);
  return best;
}

/// Rewards under several domains as one:  Rᵢ = Σ_d w_d R_{d,i}. A domain of weight zero is not looked at.
///
/// weights [D], at least 0 and of sum 1, as of route_domains;   rewards [D, N], of N responses under every domain's instruction
/// mixed   [N]  written, or `discard`.   Returns the best and the worst response, first ones on ties.
/// Errors: shape_error; domain_error for weights that are none, at a NaN that counts, and where infinite rewards cancel.
/// Source: Xu et al. 2025 (CDR), the router.
template <tensor W, tensor R, class O>
best_and_worst mix_domain_rewards(const W& weights, const R& rewards, O&& mixed) {
  const auto w = view(weights);
  const auto r = view(rewards);
  annotation::require_size(w, "weights", r.shape[0]);
  const std::int64_t n = r.shape[1];
  std::vector<double> sum(static_cast<std::size_t>(n));
  double whole = 0;
  for (std::int64_t d = 0; d < r.shape[0]; ++d) {
    const double weight = annotation::number_at(w, "weights", d);
    if (!(weight >= 0 && weight <= 1))
      throw domain_error("weights", d, zermelo::detail::text(weight) + ", expected a number from 0 to 1");
    whole += weight;
    if (weight == 0) continue;
    for (std::int64_t i = 0; i < n; ++i) {
      double& to = sum[static_cast<std::size_t>(i)];
      to += weight * annotation::number_at(r, "rewards", d * n + i);
      if (is_nan(to))
        throw domain_error("rewards", d * n + i, "infinite rewards of opposite sign, which have no mixture");
    }
  }
  if (!(whole >= 1 - 1e-6 && whole <= 1 + 1e-6))
    throw domain_error("weights", domain_error::whole, "they sum to " + zermelo::detail::text(whole) + ", expected 1");
  const best_and_worst picked = pick_best_and_worst(sum);
  for (std::int64_t i = 0; i < n; ++i) annotation::put(mixed, "mixed", n, i, sum[static_cast<std::size_t>(i)]);
  return picked;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::alignment
