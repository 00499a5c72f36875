// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/certificate.hpp"
#include "../core/config.hpp"
#include "../core/detail/tile_scheduler.hpp"
#include "../core/distributions.hpp"
#include "../core/error.hpp"
#include "../core/execution/policy.hpp"
#include "../core/lanes.hpp"
#include "../core/optimize.hpp"
#include "../core/pair_loss.hpp"
#include "../core/random.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "comparison_graph.hpp"
#include "detail/simulate_games.hpp"
#include "outcome.hpp"
#include "skew_scores.hpp"

/// The general preference model: losses of embeddings with their gradients, and fits to counts of battles.
///
///   P(i beats j) = σ(s(vᵢ, vⱼ)/τ),   s as in skew_scores.hpp
///
/// Source: Zhang et al. 2024, "General preference modeling with preference representations for aligning language models".
namespace zermelo::inline v1::preference {

/// The loss of a score:  ℓ(s) = softplus(−(s − m)/τ).
struct score_logistic {
  double temperature = 0.1;  ///< τ > 0
  double margin = 0;         ///< m

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V score) const {
    const V inverse = V(1 / temperature);
    const auto t = softplus_sigmoid((V(margin) - score) * inverse);
    return {.value = t.softplus, .slope = -inverse * t.sigmoid};
  }
  ZERMELO_INLINE void require_valid() const {
    detail::require_temperature(temperature);
    if (!is_finite(margin)) throw domain_error("margin", domain_error::whole, "is not a finite number");
  }
};

/// The loss of a score by regression on a target:  ℓ(s) = ½(s/τ − M)².
struct score_regression {
  double temperature = 0.1;  ///< τ > 0
  double target = 10;        ///< M

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V score) const {
    const V inverse = V(1 / temperature);
    const V residual = (score - V(target * temperature)) * inverse;
    return {.value = V(0.5) * residual * residual, .slope = residual * inverse};
  }
  ZERMELO_INLINE void require_valid() const {
    detail::require_temperature(temperature);
    if (!is_finite(target)) throw domain_error("target", domain_error::whole, "is not a finite number");
  }
};

/// The model. Ties count as half a win for either side.
struct general_preference {
  std::int64_t blocks = 1;  ///< k: embeddings have 2k numbers, and scores are a skew matrix of rank 2k at most
  double temperature = 1;   ///< τ > 0
  /// λ ≥ 0 of the penalty ½λ‖V‖², which is ½λ times the nuclear norm of the scores. Without it an optimum may lie at
  /// infinity: a cycle that was never broken gets ever larger scores.
  double weight_decay = 1e-3;

  ZERMELO_INLINE void require_valid() const {
    if (blocks < 1) throw domain_error("blocks", domain_error::whole, std::to_string(blocks) + ", expected at least 1");
    detail::require_temperature(temperature);
    if (!is_finite(weight_decay) || weight_decay < 0)
      throw domain_error("weight_decay", domain_error::whole,
                         zermelo::detail::text(weight_decay) + ", expected zero or more");
  }
};

struct general_preference_parameters {
  /// Stop at ‖gradient‖∞ ≤ tolerance · max over items of the games played.
  double tolerance = 1e-6;
  std::int64_t max_iterations = 2000;  ///< steps of L-BFGS from the best start
  std::int64_t starts = 4;             ///< random starts; the best goes on
  std::int64_t trial_iterations = 30;  ///< steps that every start gets, if there are several
  std::uint64_t seed = 0;
  std::span<const double> start = {};  ///< [items, 2k] to begin with, instead of random ones
  bool certify = true;                 ///< compute the certificate's spectral norm and bound, at about 60 evaluations
};

/// What proves a fit. As a function of the scores S alone the objective is convex,
///
///   f(S) = Σᵢⱼ Wᵢⱼ softplus(−Sᵢⱼ/τ) + ½λ‖S‖₊   (the nuclear norm),
///
/// so that an embedding is the optimum among those of all dimensions if its gradient vanishes and G = ∂(data term)/∂S has
/// a spectral norm of λ. More generally scaling G into that ball bounds the optimum from below.
/// Source: Burer and Monteiro 2003; Srebro, Rennie and Jaakkola 2004; the bound: Lagrange's dual.
struct embedding_certificate {
  double gradient_norm = 0;  ///< ‖gradient‖∞ at the point returned
  double scale = 0;          ///< max over items of the games played
  double spectral_ratio = 0;  ///< ‖G‖₂/λ; 1 at the optimum of all dimensions, larger where more blocks help; ∞ if λ = 0
  double lower_bound = 0;  ///< no embedding of any dimension has a smaller objective; −∞ if not certified
};

/// Fitted embeddings.
struct general_preference_fit {
  std::int64_t items = 0, blocks = 0;
  double temperature = 1;
  std::vector<double> embedding = {};     ///< [items, 2k], row by row
  double log_likelihood = 0;              ///< Σ wins·log P, ties as half a win of each
  double objective = 0;                   ///< what was minimised: −log_likelihood + ½λ‖V‖²
  zermelo::convergence convergence = {};  ///< residual: ‖gradient‖∞ / max over items of the games played
  embedding_certificate certificate = {};

  /// The embeddings as a tensor of rank 2.
  ZERMELO_INLINE tensor_view<const double, 2> matrix() const {
    return matrix_view(embedding.data(), items, 2 * blocks);
  }
  /// s(vᵢ, vⱼ), not divided by τ. Errors: domain_error for ids out of range.
  ZERMELO_INLINE double score(std::int64_t i, std::int64_t j) const;
  /// P(i beats j).
  ZERMELO_INLINE double win_probability(std::int64_t i, std::int64_t j) const {
    return sigmoid(score(i, j) / temperature);
  }
  /// Draws outcomes of battles between first[k] and second[k]: wins of the first with P, wins of the second otherwise.
  /// Battle k is a pure function of (seed, k). Errors: shape_error; domain_error.
  template <tensor F, tensor S, tensor O>
  ZERMELO_INLINE void simulate(const F& first, const S& second, O&& outcomes, std::uint64_t seed) const;
};

namespace detail::inline ZERMELO_ISA {

/// Pairs that met, by rows: opponents[e] for offsets[i] ≤ e < offsets[i+1]; ties are shared out.
struct met_pairs {
  std::vector<std::int64_t> offsets;
  std::vector<std::int32_t> opponents;
  std::vector<double> wins, losses;
  double most_games = 0;

  explicit met_pairs(const comparison_graph& g) {
    offsets.push_back(0);
    for (std::int64_t i = 0; i < g.items; ++i) {
      double games = 0;
      for_each_opponent(g, i, [&](std::int64_t j, std::int64_t e) {
        const pair_record r = record_at(g, i, j, e);
        if (r.wins + r.losses + r.ties == 0) return;
        opponents.push_back(static_cast<std::int32_t>(j));
        wins.push_back(r.wins + r.ties / 2);
        losses.push_back(r.losses + r.ties / 2);
        games += r.wins + r.losses + r.ties;
      });
      offsets.push_back(static_cast<std::int64_t>(opponents.size()));
      most_games = (std::max)(most_games, games);
    }
  }
  std::int64_t items() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
};

/// Entries whose scores are in the near cache at once.
inline constexpr std::int64_t pair_chunk = 512;

/// One row: the data term's share of it, and its gradient. `slopes`, if wanted: ∂/∂s of every entry.
template <int Width>
double embedding_row(const met_pairs& pairs, double temperature, std::int64_t width_, const double* v, std::int64_t i,
                     double* turned, double* sum, double* gradient, double* slopes) {
  using V = value_of<simd, double>;  // nvcc refuses packs where it reads this for the device
  constexpr std::int64_t step = lanes<V>;
  const std::int64_t width = Width > 0 ? Width : width_;
  const double* own = v + i * width;
  for (std::int64_t d = 0; d < width; d += 2) turned[d] = -own[d + 1], turned[d + 1] = own[d], sum[d] = sum[d + 1] = 0;
  const V inverse(1 / temperature);
  V value(0.0);
  const std::int64_t last = pairs.offsets[static_cast<std::size_t>(i) + 1];
  for (std::int64_t begin = pairs.offsets[static_cast<std::size_t>(i)]; begin < last; begin += pair_chunk) {
    const std::int64_t count = (std::min)(pair_chunk, last - begin);
    const std::int32_t* opponent = pairs.opponents.data() + begin;
    const double* wins = pairs.wins.data() + begin;
    const double* losses = pairs.losses.data() + begin;
    double score[pair_chunk];
    for (std::int64_t e = 0; e < count; ++e) {
      const double* other = v + opponent[e] * width;
      double even = 0, odd = 0;
      for (std::int64_t d = 0; d < width; d += 2) even += turned[d] * other[d], odd += turned[d + 1] * other[d + 1];
      score[e] = even + odd;
    }
    for (std::int64_t e = count; e % step != 0; ++e) score[e] = 0;
    for (std::int64_t e = 0; e < count; e += step) {
      const V w = load<V>(wins + e, (std::min)(step, count - e), 0.0);
      const V l = load<V>(losses + e, (std::min)(step, count - e), 0.0);
      const auto t = softplus_sigmoid(-load<V>(score + e) * inverse);
      value = value + w * t.softplus;
      store(score + e, (l * t.complement - w * t.sigmoid) * inverse);
    }
    for (std::int64_t e = 0; e < count; ++e) {
      const double* other = v + opponent[e] * width;
      for (std::int64_t d = 0; d < width; ++d) sum[d] += score[e] * other[d];
    }
    if (slopes != nullptr) std::copy_n(score, count, slopes + begin);
  }
  if (gradient != nullptr)
    for (std::int64_t d = 0; d < width; d += 2) {
      gradient[i * width + d] = sum[d + 1];
      gradient[i * width + d + 1] = -sum[d];
    }
  return reduce_add(value);
}

/// The data term and its gradient by V, tiles of rows at a time, added in the order of tiles.
template <int Width>
double embedding_pass(const zermelo::detail::tile_scheduler& policy, const met_pairs& pairs, double temperature,
                      std::int64_t width, const double* v, double* gradient, double* slopes,
                      std::vector<double>& values) {
  const std::int64_t n = pairs.items();
  const std::int64_t rows = 1 + 32768 * n / (1 + n + static_cast<std::int64_t>(pairs.opponents.size()));
  const std::int64_t tiles = (n + rows - 1) / rows;
  values.assign(static_cast<std::size_t>(tiles), 0.0);
  const auto tile = [&](std::int64_t t) {
    double few[2 * (Width > 0 ? Width : 1)];
    std::vector<double> many;
    double* scratch = few;
    if constexpr (Width == 0) {
      many.resize(static_cast<std::size_t>(2 * width));
      scratch = many.data();
    }
    double sum = 0;
    for (std::int64_t i = t * rows; i < (std::min)(n, (t + 1) * rows); ++i)
      sum += embedding_row<Width>(pairs, temperature, width, v, i, scratch, scratch + width, gradient, slopes);
    values[static_cast<std::size_t>(t)] = sum;
  };
  for_each_tile(policy, tiles, tile);
  double total = 0;
  for (const double x : values) total += x;
  return total;
}

/// The objective of a model on counts, as L-BFGS wants it.
struct embedding_objective {
  zermelo::detail::tile_scheduler policy;
  const met_pairs& pairs;
  const general_preference& model;
  std::vector<double> values = {};
  double data_value = 0;

  double pass(const double* v, double* gradient, double* slopes) {
    const std::int64_t width = 2 * model.blocks;
    const auto run = [&](auto known) {
      return embedding_pass<decltype(known)::value>(policy, pairs, model.temperature, width, v, gradient, slopes,
                                                    values);
    };
    switch (width) {
      case 2:
        return run(std::integral_constant<int, 2>{});
      case 4:
        return run(std::integral_constant<int, 4>{});
      case 6:
        return run(std::integral_constant<int, 6>{});
      case 8:
        return run(std::integral_constant<int, 8>{});
      default:
        return run(std::integral_constant<int, 0>{});
    }
  }
  double operator()(std::span<const double> v, std::span<double> gradient) {
    data_value = pass(v.data(), gradient.data(), nullptr);
    double square = 0;
    for (std::size_t k = 0; k < v.size(); ++k) {
      square += v[k] * v[k];
      gradient[k] += model.weight_decay * v[k];
    }
    return data_value + 0.5 * model.weight_decay * square;
  }
};

/// The largest eigenvalue of a symmetric tridiagonal matrix, by bisection on Sturm's count.
inline double largest_eigenvalue(const std::vector<double>& diagonal, const std::vector<double>& beside) {
  double high = 0;
  for (std::size_t k = 0; k < diagonal.size(); ++k)
    high = (std::max)(high, diagonal[k] + (k > 0 ? beside[k - 1] : 0) + (k < beside.size() ? beside[k] : 0));
  double low = 0;
  for (int step = 0; step < 100 && high - low > 1e-15 * high; ++step) {
    const double x = 0.5 * (low + high);
    bool above = false;  // an eigenvalue
    double pivot = 1;
    for (std::size_t k = 0; k < diagonal.size() && !above; ++k) {
      pivot = x - diagonal[k] - (k > 0 ? beside[k - 1] * beside[k - 1] / pivot : 0);
      above = pivot <= 0;
    }
    (above ? low : high) = x;
  }
  return high;
}

/// ‖G‖₂ of the skew matrix of slopes, by Lanczos's iterations on GᵀG.
inline double spectral_norm(const zermelo::detail::tile_scheduler& policy, const met_pairs& pairs,
                            const std::vector<double>& slopes) {
  const auto n = static_cast<std::size_t>(pairs.items());
  const auto multiply = [&](const std::vector<double>& x, std::vector<double>& y) {
    constexpr std::int64_t rows = 256;
    const auto tile = [&](std::int64_t t) {
      for (std::int64_t i = t * rows; i < (std::min)(pairs.items(), (t + 1) * rows); ++i) {
        double sum = 0;
        for (std::int64_t e = pairs.offsets[static_cast<std::size_t>(i)];
             e < pairs.offsets[static_cast<std::size_t>(i) + 1]; ++e) {
          const auto k = static_cast<std::size_t>(e);
          sum += slopes[k] * x[static_cast<std::size_t>(pairs.opponents[k])];
        }
        y[static_cast<std::size_t>(i)] = sum;
      }
    };
    for_each_tile(policy, (pairs.items() + rows - 1) / rows, tile);
  };
  const auto dot = [&](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t k = 0; k < n; ++k) sum += a[k] * b[k];
    return sum;
  };
  std::vector<double> now(n), before(n, 0.0), half(n), image(n), diagonal, beside;
  for (std::size_t k = 0; k < n; ++k) now[k] = normal(1913, 0, k);
  double size = std::sqrt(dot(now, now)), found = 0;
  for (double& x : now) x /= size;
  const std::size_t steps = (std::min)(n, std::size_t{60});
  for (std::size_t step = 0; step < steps; ++step) {
    multiply(now, half);
    multiply(half, image);  // G² = −GᵀG
    diagonal.push_back(dot(half, half));
    for (std::size_t k = 0; k < n; ++k)
      image[k] = -image[k] - diagonal.back() * now[k] - (beside.empty() ? 0 : beside.back() * before[k]);
    size = std::sqrt(dot(image, image));
    const double largest = largest_eigenvalue(diagonal, beside);
    const bool settled = step > 10 && largest - found <= 1e-14 * largest;
    found = largest;
    if (settled || size <= 1e-14 * largest) break;
    beside.push_back(size);
    std::swap(before, now);
    for (std::size_t k = 0; k < n; ++k) now[k] = image[k] / size;
  }
  return std::sqrt(found);
}

/// What Lagrange's dual says of the optimum if slopes are scaled by c:  Σ over pairs of N·H(p), p = (w + cτm)/N.
inline double dual_bound(const met_pairs& pairs, const std::vector<double>& slopes, double temperature, double c) {
  double bound = 0;
  for (std::size_t e = 0; e < slopes.size(); ++e) {  // every pair stands in two rows
    const double w = pairs.wins[e], games = w + pairs.losses[e];
    const double p = (std::min)((std::max)((w + c * temperature * slopes[e]) / games, 0.0), 1.0);
    bound += games * (p > 0 ? -p * std::log(p) : 0);
  }
  return bound;
}

inline std::vector<double> random_embedding(std::int64_t items, const general_preference& model, std::uint64_t seed,
                                            std::uint64_t start) {
  // Scores of τ/2 or so: neither a saddle point, which the origin is, nor certainty.
  const double deviation = std::sqrt(0.5 * model.temperature / std::sqrt(2.0 * static_cast<double>(model.blocks)));
  std::vector<double> v(static_cast<std::size_t>(2 * items * model.blocks));
  for (std::size_t k = 0; k < v.size(); ++k) v[k] = deviation * normal(seed, start, k);
  return v;
}

/// Elements [first, first + count) of a vector.
template <class View>
ZERMELO_INLINE View stretch_of(const View& v, std::int64_t first, std::int64_t count) {
  return {.data = v.data + first * v.strides[0], .shape = {count}, .strides = {v.strides[0]}};
}

/// ∂s/∂u of one pair, times its slope; of the second vector the sign is the other one.
template <class T, class W, class L, class G>
ZERMELO_INLINE void score_gradients(const W& w, const L& scales, std::int64_t r, std::int64_t blocks, T slope,
                                    const G& into) {
  const auto* from = w.data + r * w.strides[0];
  auto* to = into.data + r * into.strides[0];
  const std::int64_t along = w.strides[1], across = into.strides[1];
  for (std::int64_t q = 0; q < blocks; ++q) {
    const T by = slope * scales.template at<T>(r, q);
    to[2 * q * across] = static_cast<typename G::value_type>(by * static_cast<T>(from[(2 * q + 1) * along]));
    to[(2 * q + 1) * across] = static_cast<typename G::value_type>(-by * static_cast<T>(from[2 * q * along]));
  }
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// The loss of embeddings of pairs and its gradients.
///
///   s = Σ_q λ_q (u₂q v₂q₊₁ − u₂q₊₁ v₂q),   losses = w ℓ(s),   ∂s/∂u₂q = λ_q v₂q₊₁,   ∂s/∂u₂q₊₁ = −λ_q v₂q, …
///
/// kernel             a loss of the score: score_logistic, score_regression, or any loss of a margin
/// chosen, rejected   [B, 2k]  u and v
/// scales             unit_scales, [k] or [B, k]: λ, which gate_scales makes of a prompt
/// scores, losses     [B]      written; `discard` what is not wanted
/// grad_chosen, grad_rejected [B, 2k], grad_scales [B, k]   of the sum of the losses
/// options            weighted_by(w), counted_where(mask)
/// Errors: shape_error; domain_error naming tensor and position; parameters of the kernel. What a mask leaves out is
///         never looked at; its gradients are zero.
/// Returns pair_sums.   Cost: one pass, a tile of pairs at a time; allocates a sum for every 1024 pairs.
template <host_policy P, class Kernel, tensor C, tensor R, class S, class O, class L, class GC, class GR, class GS,
          class... Options>
pair_sums general_preference_loss(P&& policy, const Kernel& kernel, const C& chosen, const R& rejected, const S& scales,
                                  O&& scores, L&& losses, GC&& grad_chosen, GR&& grad_rejected, GS&& grad_scales,
                                  const Options&... options) {
  using namespace zermelo::detail;
  kernel.require_valid();
  const auto u = view(chosen);
  const auto v = view(rejected);
  const std::int64_t blocks = detail::blocks_of(u, "chosen"), rows = u.shape[0];
  if (detail::blocks_of(v, "rejected") != blocks || v.shape[0] != rows)
    throw shape_error("rejected", "[" + std::to_string(v.shape[0]) + ", " + std::to_string(v.shape[1]) +
                                      "], expected the shape of chosen, [" + std::to_string(rows) + ", " +
                                      std::to_string(2 * blocks) + "]");
  const auto lambda = detail::scales_of<true>(scales, rows, blocks);
  const auto masks = masks_of(options...);
  const auto weights = weights_of(options...);
  constexpr bool masked = std::tuple_size_v<decltype(masks)> > 0, heavy = std::tuple_size_v<decltype(weights)> > 0;
  using known = options_known<weighted_by, counted_where>;
  static_assert(known::include<Options...> && known::once<Options...>,
                "zermelo: options of general_preference_loss are weighted_by and counted_where, each once");
  const auto column_of_pairs = [&]<class X>(X& x, const char* name) {
    const auto all = view(x);
    static_assert(decltype(all)::rank == 1, "zermelo: there is one weight, mask, score and loss for each pair");
    if (all.size() != rows)
      throw shape_error(name, std::to_string(all.size()) + " elements, expected " + std::to_string(rows));
    return all;
  };
  const auto mask = [&] {
    if constexpr (masked)
      return column_of_pairs(std::get<0>(masks).tensor, "mask");
    else
      return discard;
  }();
  const auto weight = [&] {
    if constexpr (heavy)
      return column_of_pairs(std::get<0>(weights).tensor, "weights");
    else
      return discard;
  }();
  const auto optional_column = [&]<class X>(X& x, const char* name) {
    if constexpr (std::is_same_v<std::remove_const_t<X>, discard_t>)
      return discard;
    else
      return column_of_pairs(x, name);
  };
  const auto loss_of = optional_column(losses, "losses");
  const auto score_of = optional_column(scores, "scores");
  const auto matrix_of = [&]<class X>(X& x, const char* name, std::int64_t columns) {
    if constexpr (std::is_same_v<std::remove_const_t<X>, discard_t>) {
      return discard;
    } else {
      const auto to = view(x);
      if (to.shape[0] != rows || to.shape[1] != columns)
        throw shape_error(name, "expected [" + std::to_string(rows) + ", " + std::to_string(columns) + "]");
      return to;
    }
  };
  const auto for_chosen = matrix_of(grad_chosen, "grad_chosen", 2 * blocks);
  const auto for_rejected = matrix_of(grad_rejected, "grad_rejected", 2 * blocks);
  const auto for_scales = matrix_of(grad_scales, "grad_scales", blocks);
  using T = std::common_type_t<typename decltype(u)::value_type, typename decltype(v)::value_type>;

  // Tiles of rows, whose scores and slopes stay in the near cache.
  const std::int64_t tiles = (rows + detail::score_rows - 1) / detail::score_rows;
  std::vector<pair_sums> parts(static_cast<std::size_t>(tiles));
  for_each_tile(policy, tiles, [&](std::int64_t t) {
    const std::int64_t first = t * detail::score_rows, count = (std::min)(detail::score_rows, rows - first);
    const auto counts = [&](std::int64_t r) {
      if constexpr (masked)
        return mask.element(r) != typename decltype(mask)::value_type(0);
      else
        return static_cast<void>(r), true;
    };
    T score[detail::score_rows], slope[detail::score_rows];
    const T zeros[detail::score_rows] = {};
    for (std::int64_t k = 0; k < count; ++k) {
      const std::int64_t r = first + k;
      score[k] = counts(r) ? detail::row_score<T>(u, v, lambda, r, r, blocks) : T(0);
      if (is_finite(score[k])) continue;
      detail::require_finite_rows(u, "chosen", r, r + 1);
      detail::require_finite_rows(v, "rejected", r, r + 1);
      throw domain_error("scores", r, "overflows");
    }
    const auto part_of = [&](const auto& all) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(all)>, discard_t>)
        return discard;
      else
        return detail::stretch_of(all, first, count);
    };
    const auto score_part = vector_view(static_cast<const T*>(score), count), zero_part = vector_view(zeros, count);
    const auto slope_part = vector_view(slope, count);
    const auto run = [&](const auto&... given) {
      using inner = std::conditional_t<uses_vector_units<P>, simd, serial>;
      const auto with_mask = [&](const auto&... option) {
        return pair_loss(inner{}, kernel, score_part, zero_part, no_reference, no_reference, part_of(loss_of),
                         slope_part, discard, given..., option...);
      };
      if constexpr (masked) {
        const auto m = part_of(mask);
        return with_mask(counted_where(m));
      } else {
        return with_mask();
      }
    };
    try {
      if constexpr (heavy) {
        const auto w = part_of(weight);
        parts[static_cast<std::size_t>(t)] = run(weighted_by(w));
      } else {
        parts[static_cast<std::size_t>(t)] = run();
      }
    } catch (const domain_error& e) {
      if (e.index() < 0) throw;
      const std::string what = e.what();
      throw domain_error(e.argument(), first + e.index(), what.substr((std::min)(what.find(": ") + 2, what.size())));
    }
    for (std::int64_t k = 0; k < count; ++k) {
      const std::int64_t r = first + k;
      const bool counted = counts(r);
      if constexpr (!std::is_same_v<std::remove_const_t<decltype(score_of)>, discard_t>)
        score_of.element(r) = static_cast<typename decltype(score_of)::value_type>(score[k]);
      const auto write = [&](const auto& to, const auto& other, T by) {
        if constexpr (!std::is_same_v<std::remove_cvref_t<decltype(to)>, discard_t>) {
          if (counted)
            detail::score_gradients(other, lambda, r, blocks, by, to);
          else
            for (std::int64_t d = 0; d < 2 * blocks; ++d) to(r, d) = 0;
        }
      };
      write(for_chosen, v, slope[k]);
      write(for_rejected, u, -slope[k]);
      if constexpr (!std::is_same_v<std::remove_const_t<decltype(for_scales)>, discard_t>)
        for (std::int64_t q = 0; q < blocks; ++q) {
          using G = typename decltype(for_scales)::value_type;
          for_scales(r, q) =
              counted ? static_cast<G>(slope[k] *
                                       skew_block{}(static_cast<T>(u(r, 2 * q)), static_cast<T>(u(r, 2 * q + 1)),
                                                    static_cast<T>(v(r, 2 * q)), static_cast<T>(v(r, 2 * q + 1))))
                      : G(0);
        }
    }
  });
  pair_sums sums;
  for (const pair_sums& part : parts) sums = merge(sums, part);
  return sums;
}

template <class Kernel, tensor C, tensor R, class S, class O, class L, class GC, class GR, class GS, class... Options>
  requires(!execution<Kernel>)
pair_sums general_preference_loss(const Kernel& kernel, const C& chosen, const R& rejected, const S& scales, O&& scores,
                                  L&& losses, GC&& grad_chosen, GR&& grad_rejected, GS&& grad_scales,
                                  const Options&... options) {
  return general_preference_loss(simd{}, kernel, chosen, rejected, scales, scores, losses, grad_chosen, grad_rejected,
                                 grad_scales, options...);
}

/// Fits embeddings to counts:  minimise  Σᵢⱼ Wᵢⱼ softplus(−s(vᵢ, vⱼ)/τ) + ½λ‖V‖²,  W = wins + ties/2.
///
/// Not convex in V, and so L-BFGS from several random starts; the certificate says how far the optimum over embeddings
/// of all dimensions can be. Embeddings are unique up to a change of basis that keeps all scores. Items that never met
/// anyone get the vector zero if λ > 0.
/// Errors: domain_error for parameters and an empty graph; shape_error for a start of another size.
/// Cost: a step is about 6 ns a pair and its mirror image for k = 3. The same bits under every policy.
/// Source: Zhang et al. 2024.
template <host_policy P>
general_preference_fit fit(P&& policy, const general_preference& model, const comparison_graph& graph,
                           const general_preference_parameters& parameters = {}) {
  model.require_valid();
  if (is_nan(parameters.tolerance) || parameters.tolerance < 0)
    throw domain_error("tolerance", domain_error::whole,
                       zermelo::detail::text(parameters.tolerance) + ", expected zero or more");
  if (parameters.max_iterations < 0) throw domain_error("max_iterations", domain_error::whole, "expected zero or more");
  if (parameters.starts < 1) throw domain_error("starts", domain_error::whole, "expected at least 1");
  if (parameters.trial_iterations < 0)
    throw domain_error("trial_iterations", domain_error::whole, "expected zero or more");
  const auto size = static_cast<std::size_t>(2 * graph.items * model.blocks);
  if (!parameters.start.empty() && parameters.start.size() != size)
    throw shape_error("start", std::to_string(parameters.start.size()) + " numbers, expected " + std::to_string(size));
  const detail::met_pairs pairs(graph);
  if (pairs.opponents.empty()) throw domain_error("graph", domain_error::whole, "no battles to learn from");

  detail::embedding_objective objective{zermelo::detail::schedule_on(policy), pairs, model};
  general_preference_fit result{.items = graph.items, .blocks = model.blocks, .temperature = model.temperature};
  const lbfgs_parameters full{
      .memory = 10, .tolerance = parameters.tolerance * pairs.most_games, .max_iterations = parameters.max_iterations};
  std::vector<double> gradient(size);
  if (!parameters.start.empty()) {
    result.embedding.assign(parameters.start.begin(), parameters.start.end());
  } else {
    result.embedding = detail::random_embedding(graph.items, model, parameters.seed, 0);
    lbfgs_parameters trial = full;
    trial.max_iterations = (std::min)(full.max_iterations, parameters.trial_iterations);
    double best = 0;
    for (std::int64_t k = 0; k < parameters.starts && parameters.starts > 1; ++k) {
      auto v = detail::random_embedding(graph.items, model, parameters.seed, static_cast<std::uint64_t>(k));
      result.convergence.iterations += lbfgs(objective, std::span<double>(v), trial).iterations;
      const double value = objective(v, gradient);
      if (k == 0 || value < best) best = value, result.embedding = std::move(v);
    }
  }
  const auto steps = result.convergence.iterations;
  result.convergence = lbfgs(objective, std::span<double>(result.embedding), full);
  result.convergence.iterations += steps;
  result.objective = objective(result.embedding, gradient);
  result.log_likelihood = -objective.data_value;
  result.certificate = {.gradient_norm = zermelo::detail::largest_magnitude(gradient),
                        .scale = pairs.most_games,
                        .spectral_ratio = 0,
                        .lower_bound = -zermelo::detail::infinity<double>()};
  result.convergence.residual = result.certificate.gradient_norm / pairs.most_games;
  if (parameters.certify) {
    std::vector<double> slopes(pairs.opponents.size());
    objective.pass(result.embedding.data(), nullptr, slopes.data());
    const double norm = detail::spectral_norm(objective.policy, pairs, slopes);
    const double shrink = norm > model.weight_decay ? model.weight_decay / norm : 1;
    result.certificate.spectral_ratio =
        model.weight_decay > 0 ? norm / model.weight_decay : zermelo::detail::infinity<double>();
    result.certificate.lower_bound = detail::dual_bound(pairs, slopes, model.temperature, shrink);
  }
  return result;
}

inline general_preference_fit fit(const general_preference& model, const comparison_graph& graph,
                                  const general_preference_parameters& parameters = {}) {
  return fit(simd{}, model, graph, parameters);
}

}  // namespace ZERMELO_ISA

ZERMELO_INLINE double general_preference_fit::score(std::int64_t i, std::int64_t j) const {
  detail::require_id("i", domain_error::whole, i, items);
  detail::require_id("j", domain_error::whole, j, items);
  const auto m = matrix();
  return detail::row_score<double>(m, m, detail::no_scales{}, i, j, blocks);
}

template <tensor F, tensor S, tensor O>
ZERMELO_INLINE void general_preference_fit::simulate(const F& first, const S& second, O&& outcomes,
                                                     std::uint64_t seed) const {
  detail::simulate_games(*this, items, first, second, outcomes, seed);
}

}  // namespace zermelo::inline v1::preference
