// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/execution/policy.hpp"
#include "../core/lanes.hpp"
#include "../core/random.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "../preference/skew_scores.hpp"

/// Preference operators of general preferences, whose items are embeddings, and of a judge who is asked.
///
///   scores          S[i, j] = s(vᵢ, vⱼ)        S p in O(nk): never a matrix
///   probabilities   P[i, j] = σ(s(vᵢ, vⱼ)/τ)   P p in O(n²k), tile by tile: no entry is stored
///
/// Each models preference_operator. Embeddings stay the caller's, and must outlive the operator.
/// Source: Zhang et al. 2024, "General preference modeling with preference representations for aligning language models".
namespace zermelo::inline v1::game {

namespace detail::inline ZERMELO_ISA {

using namespace zermelo::detail;

template <class E, class S>
void require_embeddings(const E& e, const S& scales, const char* name) {
  const std::int64_t blocks = preference::detail::blocks_of(e, name);
  if (e.shape[0] == 0) throw shape_error(name, "no items");
  if constexpr (E::where == memory::host) preference::detail::require_finite_rows(e, name, 0, e.shape[0]);
  static_cast<void>(preference::detail::scales_of<false>(scales, e.shape[0], blocks));
}

/// Rows of a tile of probabilities, and items that it meets at a time.
inline constexpr std::int64_t probability_rows = 128;
inline constexpr std::int64_t probability_items = 256;
/// Coordinates whose block of items lies on the stack.
inline constexpr std::int64_t probability_width = 16;

/// Items [begin, begin + count) by columns, and their weights; zeros behind them, up to a whole pack.
template <class T, class E, class W>
void pack_items(const E& e, const W& p, std::int64_t begin, std::int64_t count, std::int64_t padded, T* columns,
                T* weights) {
  const std::int64_t width = e.shape[1];
  for (std::int64_t j = 0; j < padded; ++j) {
    const bool real = j < count;
    weights[j] = real ? static_cast<T>(p.element(begin + j)) : T(0);
    for (std::int64_t d = 0; d < width; ++d) columns[d * probability_items + j] = real ? e(begin + j, d) : T(0);
  }
}

/// Σⱼ pⱼ σ(⟨turned, vⱼ⟩) over a block of items.
template <class V, int Width, class T>
ZERMELO_INLINE double probability_block(const T* turned, const T* columns, const T* weights, std::int64_t padded,
                                        std::int64_t width_) {
  constexpr std::int64_t step = lanes<V>;
  const std::int64_t width = Width > 0 ? Width : width_;
  V even = V(T(0)), odd = V(T(0));
  const auto term = [&](std::int64_t j, V sum) ZERMELO_LAMBDA_INLINE {
    V score = V(T(0));
    for (std::int64_t d = 0; d < width; ++d)
      score = multiply_add(V(turned[d]), load<V>(columns + d * probability_items + j), score);
    return multiply_add(load<V>(weights + j), sigmoid(score), sum);
  };
  std::int64_t j = 0;
  for (; j + 2 * step <= padded; j += 2 * step) {
    even = term(j, even);
    odd = term(j + step, odd);
  }
  for (; j < padded; j += step) even = term(j, even);
  return static_cast<double>(reduce_add(even + odd));
}

template <int Width, class P, class E, class L, class W, class O>
void run_probabilities(P&& policy, const E& e, const L& scales, double temperature, const W& p, const O& out) {
  using T = typename E::value_type;
  using V = value_of<P, T>;
  constexpr std::int64_t step = lanes<V>;
  const std::int64_t n = e.shape[0], width = e.shape[1];
  for_each_tile(policy, (n + probability_rows - 1) / probability_rows, [&](std::int64_t t) {
    const std::int64_t first = t * probability_rows, rows = (std::min)(probability_rows, n - first);
    T few[probability_width * (probability_items + probability_rows)];
    std::vector<T> many;
    T* columns = few;
    if (width > probability_width) {
      many.resize(static_cast<std::size_t>(width * (probability_items + probability_rows)));
      columns = many.data();
    }
    T* const turned = columns + width * probability_items;
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t d = 0; d < width; d += 2) {
        const double by = scales.template at<double>(0, d / 2) / temperature;
        turned[i * width + d] = static_cast<T>(-by * static_cast<double>(e(first + i, d + 1)));
        turned[i * width + d + 1] = static_cast<T>(by * static_cast<double>(e(first + i, d)));
      }
    T weights[probability_items];
    double sum[probability_rows] = {};
    for (std::int64_t begin = 0; begin < n; begin += probability_items) {
      const std::int64_t count = (std::min)(probability_items, n - begin);
      const std::int64_t padded = (count + step - 1) / step * step;
      pack_items(e, p, begin, count, padded, columns, weights);
      for (std::int64_t i = 0; i < rows; ++i)
        sum[i] += probability_block<V, Width>(turned + i * width, columns, weights, padded, width);
    }
    for (std::int64_t i = 0; i < rows; ++i) out.element(first + i) = static_cast<typename O::value_type>(sum[i]);
  });
}

template <class E, class W, class O>
void require_lengths(const E& e, const W& p, const O& out) {
  const std::int64_t n = e.shape[0];
  if (p.size() != n)
    throw shape_error("policy", std::to_string(p.size()) + " probabilities, expected " + std::to_string(n));
  if (out.size() != n)
    throw shape_error("win_rate", std::to_string(out.size()) + " elements, expected " + std::to_string(n));
}

/// Calls f with the scales, or with what stands for ones.
template <class T, memory Where, class F>
ZERMELO_INLINE decltype(auto) with_scales(const tensor_view<const T, 1, Where>& scales, F&& f) {
  if (scales.data == nullptr) return f(preference::unit_scales);
  return f(scales);
}

}  // namespace detail::inline ZERMELO_ISA

/// The game of general preferences' scores: payoffs are expected scores, and a tie is 0.
template <class T, memory Where = memory::host>
struct general_preference_scores {
  using value_type = T;
  tensor_view<const T, 2, Where> embeddings = {};  ///< [n, 2k]
  tensor_view<const T, 1> scales = {};             ///< [k] on the host; no data: ones

  ZERMELO_INLINE std::int64_t items() const { return embeddings.shape[0]; }
  ZERMELO_INLINE double tie() const { return 0; }
  /// S[i, j], which −S[j, i] is to the last bit.
  ZERMELO_INLINE double probability(std::int64_t i, std::int64_t j) const {
    return detail::with_scales(scales, [&](const auto& lambda) {
      return preference::detail::row_score<double>(
          embeddings, embeddings, preference::detail::scales_of<false>(lambda, items(), embeddings.shape[1] / 2), i, j,
          embeddings.shape[1] / 2);
    });
  }
  /// out = S p.   Cost: two passes over the embeddings, O(nk).
  template <execution P, tensor X, tensor Y>
  ZERMELO_INLINE void win_rate(P&& policy, const X& p, Y&& out) const {
    detail::require_lengths(embeddings, view(p), view(out));
    detail::with_scales(scales,
                        [&](const auto& lambda) { preference::scores_against(policy, embeddings, lambda, p, out); });
  }
};

/// The game of general preferences' probabilities.
template <class T>
struct general_preference_probabilities {
  using value_type = T;
  tensor_view<const T, 2> embeddings = {};  ///< [n, 2k]
  tensor_view<const T, 1> scales = {};      ///< [k]; no data: ones
  double temperature = 1;                   ///< τ

  ZERMELO_INLINE std::int64_t items() const { return embeddings.shape[0]; }
  /// P[i, j]; P[i, j] + P[j, i] is 1 up to one rounding.
  ZERMELO_INLINE double probability(std::int64_t i, std::int64_t j) const {
    return sigmoid(general_preference_scores<T>{embeddings, scales}.probability(i, j) / temperature);
  }
  /// out = P p.   Cost: n² scores and sigmoids; memory for one tile a thread, on its stack up to k = 8.
  template <host_policy P, tensor X, tensor Y>
  ZERMELO_INLINE void win_rate(P&& policy, const X& p, Y&& out) const;
};

/// Scores of general preferences under several prompts: embeddings [G, n, 2k], scales [G, k] or none. A preference_batch.
template <class T>
struct general_preference_batch {
  using value_type = T;
  tensor_view<const T, 3> embeddings = {};
  tensor_view<const T, 2> scales = {};  ///< no data: ones

  ZERMELO_INLINE std::int64_t games() const { return embeddings.shape[0]; }
  ZERMELO_INLINE std::int64_t items() const { return embeddings.shape[1]; }
  ZERMELO_INLINE general_preference_scores<T> game(std::int64_t g) const {
    general_preference_scores<T> one{.embeddings = {.data = embeddings.data + g * embeddings.strides[0],
                                                    .shape = {embeddings.shape[1], embeddings.shape[2]},
                                                    .strides = {embeddings.strides[1], embeddings.strides[2]}}};
    if (scales.data != nullptr)
      one.scales = {
          .data = scales.data + g * scales.strides[0], .shape = {scales.shape[1]}, .strides = {scales.strides[1]}};
    return one;
  }
};

struct judge_parameters {
  std::int64_t samples = 64;  ///< questions an item: opponents drawn from the policy, one verdict each; ≥ 1
  std::uint64_t seed = 0;
  std::uint64_t round = 0;  ///< which of independent repetitions
};

/// A judge who gives verdicts, not probabilities: win rates are shares of verdicts.
///
/// The opponents of one call are the same for all items, and drawn at equal distances along the cumulated policy from one
/// random start, which is as unbiased as independent draws and varies less. Verdict m on an item is a Bernoulli bit, a
/// pure function of (seed, round, item, m): the same question gets the same answer, and at_round() asks again.
template <class Operator>
struct sampled_judge {
  using value_type = typename Operator::value_type;
  Operator preferences = {};  ///< what the judge believes
  judge_parameters parameters = {};

  ZERMELO_INLINE std::int64_t items() const { return preferences.items(); }
  /// The same judge, asked another time.
  ZERMELO_INLINE sampled_judge at_round(std::uint64_t round) const {
    sampled_judge other = *this;
    other.parameters.round = round;
    return other;
  }
  /// Verdict m on the pair: whether i wins. The verdicts on (j, i) are the opposite ones.
  ZERMELO_INLINE bool prefers(std::int64_t i, std::int64_t j, std::int64_t m) const {
    const std::int64_t low = i < j ? i : j, high = i < j ? j : i;
    const auto pair = static_cast<std::uint64_t>(low * items() + high);
    const bool first = uniform(parameters.seed + 0x9E3779B97F4A7C15u * (1 + pair), 2 * parameters.round + 1,
                               static_cast<std::uint64_t>(m)) < preferences.probability(low, high);
    return i < j ? first : !first;
  }
  /// The share of `samples` verdicts that i won; ½ against itself.
  ZERMELO_INLINE double probability(std::int64_t i, std::int64_t j) const {
    if (i == j) return 0.5;
    std::int64_t wins = 0;
    for (std::int64_t m = 0; m < parameters.samples; ++m) wins += prefers(i, j, m);
    return static_cast<double>(wins) / static_cast<double>(parameters.samples);
  }
  /// Shares of verdicts against opponents drawn from p.   Cost: n · samples probabilities.
  template <host_policy P, tensor X, tensor Y>
  ZERMELO_INLINE void win_rate(P&& policy, const X& p, Y&& out) const;
};

namespace detail::inline ZERMELO_ISA {

template <class P, class E, class S, class W, class O>
void probabilities_against(P&& policy, const E& e, const S& scales, double temperature, const W& p, const O& out) {
  require_lengths(e, p, out);
  double mass = 0;
  for (std::int64_t j = 0; j < p.size(); ++j) mass += static_cast<double>(p.element(j));
  if (!is_finite(mass))
    for (std::int64_t j = 0; j < p.size(); ++j)
      if (!is_finite(p.element(j))) throw domain_error("policy", j, "is not a finite number");
  const auto lambda = preference::detail::scales_of<false>(scales, e.shape[0], e.shape[1] / 2);
  switch (e.shape[1]) {
    case 2:
      return run_probabilities<2>(policy, e, lambda, temperature, p, out);
    case 4:
      return run_probabilities<4>(policy, e, lambda, temperature, p, out);
    case 8:
      return run_probabilities<8>(policy, e, lambda, temperature, p, out);
    default:
      return run_probabilities<0>(policy, e, lambda, temperature, p, out);
  }
}

/// m opponents at equal distances along the cumulated policy.
template <class W>
std::vector<std::int64_t> systematic_draws(const W& p, std::int64_t m, double start) {
  double mass = 0;
  for (std::int64_t j = 0; j < p.size(); ++j) {
    const double x = static_cast<double>(p.element(j));
    if (!is_finite(x) || x < 0) throw domain_error("policy", j, text(x) + ", expected a probability");
    mass += x;
  }
  if (!(mass > 0)) throw domain_error("policy", domain_error::whole, "has no mass");
  std::vector<std::int64_t> draws;
  double below = 0;
  std::int64_t last = 0;
  for (std::int64_t j = 0; j < p.size(); ++j) {
    const double x = static_cast<double>(p.element(j));
    if (x > 0) last = j;
    below += x;
    while (static_cast<std::int64_t>(draws.size()) < m &&
           (static_cast<double>(draws.size()) + start) * mass < below * static_cast<double>(m))
      draws.push_back(j);
  }
  draws.resize(static_cast<std::size_t>(m), last);  // what rounding left over
  return draws;
}

template <class P, class Judge, class W, class O>
void verdicts_against(P&& policy, const Judge& judge, const W& p, const O& out) {
  const std::int64_t n = judge.items(), m = judge.parameters.samples;
  if (p.size() != n)
    throw shape_error("policy", std::to_string(p.size()) + " probabilities, expected " + std::to_string(n));
  if (out.size() != n)
    throw shape_error("win_rate", std::to_string(out.size()) + " elements, expected " + std::to_string(n));
  const std::uint64_t seed = judge.parameters.seed, stream = 2 * judge.parameters.round;
  const auto opponents = systematic_draws(p, m, uniform(seed, stream, ~std::uint64_t{0}));
  constexpr std::int64_t rows = 16;
  for_each_tile(policy, (n + rows - 1) / rows, [&](std::int64_t t) {
    for (std::int64_t i = t * rows; i < (std::min)(n, (t + 1) * rows); ++i) {
      std::int64_t halves = 0;  // against itself a response gets half a win
      for (std::int64_t k = 0; k < m; ++k) {
        const std::int64_t j = opponents[static_cast<std::size_t>(k)];
        if (j == i)
          halves += 1;
        else
          halves +=
              2 * (uniform(seed, stream, static_cast<std::uint64_t>(i * m + k)) < judge.preferences.probability(i, j));
      }
      out.element(i) = static_cast<typename O::value_type>(static_cast<double>(halves) / static_cast<double>(2 * m));
    }
  });
}

}  // namespace detail::inline ZERMELO_ISA

template <class T>
template <host_policy P, tensor X, tensor Y>
ZERMELO_INLINE void general_preference_probabilities<T>::win_rate(P&& policy, const X& p, Y&& out) const {
  detail::with_scales(scales, [&](const auto& lambda) {
    detail::probabilities_against(policy, embeddings, lambda, temperature, view(p), view(out));
  });
}

template <class Operator>
template <host_policy P, tensor X, tensor Y>
ZERMELO_INLINE void sampled_judge<Operator>::win_rate(P&& policy, const X& p, Y&& out) const {
  detail::verdicts_against(policy, *this, view(p), view(out));
}

inline namespace ZERMELO_ISA {

/// The game of the scores of embeddings [n, 2k], on the host or on a device, with scales [k] on the host or unit_scales.
/// Errors: shape_error; domain_error with the row-major position of a number that is not finite (of device memory when it
///         is used).
template <tensor E, class S = preference::unit_scales_t>
auto general_preference_score_game(const E& embeddings, const S& scales = {}) {
  const auto e = view(embeddings);
  using view_type = std::remove_const_t<decltype(e)>;
  using T = typename view_type::value_type;
  detail::require_embeddings(e, scales, "embeddings");
  general_preference_scores<T, view_type::where> game{.embeddings = e};
  if constexpr (!std::is_same_v<S, preference::unit_scales_t>) game.scales = view(scales);
  return game;
}

/// The game of the win probabilities of embeddings [n, 2k], with scales [k] or unit_scales.
/// Errors: shape_error; domain_error, also for a temperature that is not positive.
template <tensor E, class S = preference::unit_scales_t>
auto general_preference_game(const E& embeddings, const S& scales = {},
                             const preference::temperature_parameters& parameters = {}) {
  const auto e = view(embeddings);
  using T = typename std::remove_const_t<decltype(e)>::value_type;
  preference::detail::require_temperature(parameters.temperature);
  detail::require_embeddings(e, scales, "embeddings");
  general_preference_probabilities<T> game{.embeddings = e, .temperature = parameters.temperature};
  if constexpr (!std::is_same_v<S, preference::unit_scales_t>) game.scales = view(scales);
  return game;
}

/// The games of scores under several prompts: embeddings [G, n, 2k], scales [G, k] or unit_scales.
template <tensor E, class S = preference::unit_scales_t>
auto general_preference_games(const E& embeddings, const S& scales = {}) {
  const auto e = view(embeddings);
  using T = typename std::remove_const_t<decltype(e)>::value_type;
  general_preference_batch<T> batch{.embeddings = e};
  if constexpr (!std::is_same_v<S, preference::unit_scales_t>) {
    batch.scales = view(scales);
    if (batch.scales.shape[0] != batch.games())
      throw shape_error("scales", std::to_string(batch.scales.shape[0]) + " rows, expected one for each of " +
                                      std::to_string(batch.games()) + " games");
  }
  for (std::int64_t g = 0; g < batch.games(); ++g) {
    const auto one = batch.game(g);
    detail::with_scales(one.scales,
                        [&](const auto& lambda) { detail::require_embeddings(one.embeddings, lambda, "embeddings"); });
  }
  return batch;
}

/// A judge of whom verdicts on the preferences given are asked.   Errors: domain_error for samples < 1.
template <class Operator>
sampled_judge<Operator> judge_of(const Operator& preferences, const judge_parameters& parameters = {}) {
  if (parameters.samples < 1)
    throw domain_error("samples", domain_error::whole, std::to_string(parameters.samples) + ", expected at least 1");
  return {.preferences = preferences, .parameters = parameters};
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
