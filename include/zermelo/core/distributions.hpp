// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "config.hpp"
#include "error.hpp"
#include "random.hpp"
#include "statistics.hpp"
#include "value.hpp"

/// Draws from distributions, each a pure function of (seed, stream, i); multinomial counts, each vector of counts a
/// pure function of (seed, replicate).
///
/// Logarithms are those of value.hpp, not the C library's: draws differ between machines only where the compiler fuses
/// products and sums differently, and then by rounding.
namespace zermelo::inline v1 {

/// Element i of a stream of standard normal numbers, by inversion: Φ⁻¹ of uniform_open(seed, stream, i); |z| < 8.3.
ZERMELO_FN double normal(std::uint64_t seed, std::uint64_t stream, std::uint64_t i) {
  return detail::normal_quantile_inside(uniform_open(seed, stream, i));
}

/// Element i of a stream of exponential numbers of mean 1: −log u.
ZERMELO_FN double exponential(std::uint64_t seed, std::uint64_t stream, std::uint64_t i) {
  return -log(uniform_open(seed, stream, i));
}

/// Element i of a stream of standard Gumbel numbers: −log(−log u). The largest of θₖ + gₖ is item k with probability
/// softmax(θ)ₖ.
ZERMELO_FN double gumbel(std::uint64_t seed, std::uint64_t stream, std::uint64_t i) {
  return -log(-log(uniform_open(seed, stream, i)));
}

namespace detail {

/// Counters of the blocks that Poisson draws use: position | attempt · 2³² | trial · 2⁴⁸; alias draws set the highest
/// bit.
inline constexpr std::uint64_t next_attempt = std::uint64_t{1} << 32;
inline constexpr std::uint64_t next_trial = std::uint64_t{1} << 48;
inline constexpr std::uint64_t alias_counters = std::uint64_t{1} << 63;
inline constexpr double smallest_transformed_mean = 10;

/// Poisson means of cells, ordered for the loops that draw them; arrays are padded so that lanes can read past the end.
struct poisson_cells {
  // by transformed rejection, mean ≥ 10
  std::vector<double> mean, width, quick;  ///< λ, b, v_r
  std::vector<std::int64_t> cell;
  // by inversion, mean < 10, ascending
  std::vector<double> small_mean, none;  ///< λ, e^−λ
  std::vector<std::int64_t> small_cell;
};

struct alias_entry {
  std::uint64_t threshold;  ///< below it this entry's own index is drawn, else the other
  std::int64_t other;
};

}  // namespace detail

namespace detail::inline ZERMELO_ISA {

/// 2/3 + 2z/5 + 2z²/7 + …: log((1+s)/(1−s)) = 2s + s z tail(z), z = s². On |s| ≤ 3 − 2√2 the first term left out is
/// 2⁻⁶¹.
template <class D>
ZERMELO_INLINE D atanh_tail(D z) {
  D sum = z * (2.0 / 23) + 2.0 / 21;
  sum = sum * z + 2.0 / 19;
  sum = sum * z + 2.0 / 17;
  sum = sum * z + 2.0 / 15;
  sum = sum * z + 2.0 / 13;
  sum = sum * z + 2.0 / 11;
  sum = sum * z + 2.0 / 9;
  sum = sum * z + 2.0 / 7;
  sum = sum * z + 2.0 / 5;
  return sum * z + 2.0 / 3;
}

/// A small integer as a double, by way of the bits of 3·2⁵¹ + e.
template <class D, class N>
ZERMELO_INLINE D to_double(N e) {
  return __builtin_bit_cast(D, e + std::int64_t{0x4338000000000000}) - 0x1.8p52;
}

/// The e with x/2ᵉ in [√½, √2), for x > 0 and normal.
template <class D, class N>
ZERMELO_INLINE N nearest_exponent(D x) {
  return (__builtin_bit_cast(N, x) - std::int64_t{0x3FE6A09E667F3BCD}) >> 52;
}

template <class D, class N>
ZERMELO_INLINE D log_of_normal(D x) {
  const N e = nearest_exponent<D, N>(x);
  const D m = __builtin_bit_cast(D, __builtin_bit_cast(N, x) - (e << 52));
  const D s = (m - 1.0) / (m + 1.0), z = s * s;
  return to_double<D, N>(e) * 0.69314718055994531 + (2.0 * s + s * z * atanh_tail(z));
}

/// Whether transformed rejection keeps k ≥ 16:  log(v α⁻¹ / (a/u² + b)) ≤ log P(k; λ), with
///   −log P(k; λ) = ½ log 2πk + δ(k) + k log(k/λ) − (k − λ),   δ Stirling's series (five terms: 10⁻¹⁶ at k = 16).
/// k log(k/λ) − (k − λ) is formed from (k − λ)/(k + λ), so that nothing cancels at large λ (Loader 2000).
template <class D, class N>
ZERMELO_INLINE auto keeps(D k, D mean, D width, D u, D v) {
  const D a = 0.02483 * width - 0.059;
  const D density = v * (1.1239 + 1.1328 / (width - 3.4)) / (a / (u * u) + width);
  const N e = nearest_exponent<D, N>(k / mean);
  const D scaled = __builtin_bit_cast(D, __builtin_bit_cast(N, mean) + (e << 52));
  const D s = (k - scaled) / (k + scaled), z = s * s;
  const D deviance = k * (to_double<D, N>(e) * 0.69314718055994531) + (mean - scaled) +
                     ((k - scaled) * s + k * (s * z) * atanh_tail(z));
  const D r = 1.0 / k, q = r * r;
  const D stirling = r * (1.0 / 12 - q * (1.0 / 360 - q * (1.0 / 1260 - q * (1.0 / 1680 - q * (1.0 / 1188)))));
  return 0.5 * log_of_normal<D, N>(density * density * (6.2831853071795865 * k)) + stirling + deviance <= 0.0;
}

/// The same for k < 16, from log k!.
inline bool keeps_small(double k, double mean, double width, double u, double v) {
  constexpr double log_factorial[16] = {0.0,
                                        0.0,
                                        0.69314718055994530942,
                                        1.7917594692280550008,
                                        3.1780538303479456197,
                                        4.7874917427820459942,
                                        6.5792512120101009951,
                                        8.5251613610654143002,
                                        10.604602902745250228,
                                        12.801827480081469611,
                                        15.104412573075515295,
                                        17.502307845873885839,
                                        19.987214495661886150,
                                        22.552163853123422886,
                                        25.191221182738681500,
                                        27.899271383840891566};
  const double a = 0.02483 * width - 0.059;
  const double density = v * (1.1239 + 1.1328 / (width - 3.4)) / (a / (u * u) + width);
  return log(density) <= k * log(mean) - mean - log_factorial[static_cast<int>(k)];
}

ZERMELO_INLINE double floor_of(double x) { return std::floor(x); }

#if !defined(__CUDA_ARCH__)

ZERMELO_INLINE lane_doubles floor_of(lane_doubles x) {
#if ZERMELO_VECTOR_BYTES == 64
  return __builtin_bit_cast(lane_doubles, _mm512_maskz_roundscale_pd(0xFF, __builtin_bit_cast(__m512d, x), 0x09));
#elif ZERMELO_VECTOR_BYTES == 32
  return __builtin_bit_cast(lane_doubles, _mm256_floor_pd(__builtin_bit_cast(__m256d, x)));
#elif defined(__SSE4_1__)
  return __builtin_bit_cast(lane_doubles, _mm_floor_pd(__builtin_bit_cast(__m128d, x)));
#else
  for (int k = 0; k < word_lanes; ++k) x[k] = std::floor(x[k]);
  return x;
#endif
}

#endif

/// open_unit_interval of every lane, bit for bit: bits of [1, 2) less 1, and half a step.
template <class D, class W>
ZERMELO_INLINE D open_unit_interval_of(W bits) {
  return (__builtin_bit_cast(D, (bits >> 12) | std::uint64_t{0x3FF0000000000000}) - 1.0) + 0x1p-53;
}

/// A candidate of transformed rejection and what its tests need.
template <class D>
struct poisson_candidate {
  D k, u, v;
};

template <class D>
ZERMELO_INLINE poisson_candidate<D> transform(D uniform, D v, D mean, D width) {
  const D centered = uniform - 0.5;
  const D u = 0.5 - (centered < 0.0 ? -centered : centered);
  const D a = 0.02483 * width - 0.059;
  const D k = floor_of((2.0 * a / u + width) * centered + mean + 0.43);
  const D bounded = k < 0x1p53 ? k : D{} + 0x1p53;  // an integer for certain; neither bound is ever kept
  return {bounded > -1.0 ? bounded : D{} - 1.0, u, v};
}

/// b and v_r of Hörmann's table; 1/α and a are formed from b.
inline double transformed_width(double mean) { return 0.931 + 2.53 * std::sqrt(mean); }
inline double transformed_quick(double width) { return 0.9277 - 3.6224 / (width - 2); }

inline constexpr std::int64_t batch = 64;

#if !defined(__CUDA_ARCH__)

/// Draws X ~ Poisson(λ) for all cells with λ ≥ 10 by transformed rejection, a batch of candidates at a time.
///
/// Four of five candidates pass the quick test; the rest is compacted and tested in batches as well, and what is
/// rejected comes back with the next attempt's counter. Which block a candidate uses depends on its cell and attempt
/// alone.
template <class T>
class transformed_rejection {
 public:
  transformed_rejection(const poisson_cells& cells, philox source, std::uint64_t base, T* counts)
      : cells_(cells), source_(source), counts_(counts), base_(base) {}

  void run() {
    const std::int64_t n = static_cast<std::int64_t>(cells_.cell.size());
    std::int64_t fresh = 0;
    for (;;) {
      if (doubtful_ >= batch || (fresh >= n && doubtful_ > 0)) {
        judge();
      } else if (rejected_ >= batch || (fresh >= n && rejected_ > 0)) {
        retry();
      } else if (fresh < n) {
        for (std::int64_t k = 0; k < batch; ++k) counter_[k] = base_ + static_cast<std::uint64_t>(fresh + k);
        propose(cells_.mean.data() + fresh, cells_.width.data() + fresh, cells_.quick.data() + fresh,
                (std::min)(batch, n - fresh));
        fresh += batch;
      } else {
        return;
      }
    }
  }

 private:
  static std::size_t position(std::uint64_t counter) { return static_cast<std::size_t>(counter & 0xFFFFFFFFu); }

  void propose(const double* mean, const double* width, const double* quick, std::int64_t n) {
    alignas(64) double k[batch], u[batch], v[batch];
    alignas(64) std::int64_t quickly[batch], hopeful[batch];
    for (std::int64_t j = 0; j < batch; j += word_lanes) {
      lane_words counter;
      lane_doubles m, w, q;
      std::memcpy(&counter, counter_ + j, sizeof counter);
      std::memcpy(&m, mean + j, sizeof m);
      std::memcpy(&w, width + j, sizeof w);
      std::memcpy(&q, quick + j, sizeof q);
      const lane_pairs bits = philox_lanes(source_, counter);
      const auto c = transform(open_unit_interval_of<lane_doubles>(bits.first),
                               open_unit_interval_of<lane_doubles>(bits.second), m, w);
      const lane_integers at_once = (c.u >= 0.07) & (c.v <= q);
      const lane_integers perhaps = ~at_once & (c.k >= 0.0) & ((c.u >= 0.013) | (c.v <= c.u));
      std::memcpy(k + j, &c.k, sizeof c.k);
      std::memcpy(u + j, &c.u, sizeof c.u);
      std::memcpy(v + j, &c.v, sizeof c.v);
      std::memcpy(quickly + j, &at_once, sizeof at_once);
      std::memcpy(hopeful + j, &perhaps, sizeof perhaps);
    }
    std::int32_t in_doubt[batch];
    std::int64_t doubts = 0, rejections = 0;
    for (std::int64_t j = 0; j < n; ++j) {
      counts_[cells_.cell[position(counter_[j])]] = static_cast<T>(k[j]);
      in_doubt[doubts] = static_cast<std::int32_t>(j);
      doubts -= hopeful[j];
      rejected_counter_[rejected_ + rejections] = counter_[j] + next_attempt;
      rejections += 1 + hopeful[j] + quickly[j];  // masks are 0 or −1
    }
    rejected_ += rejections;
    for (std::int64_t d = 0; d < doubts; ++d) {
      const std::int64_t j = in_doubt[d], to = doubtful_++;
      doubtful_counter_[to] = counter_[j];
      doubtful_k_[to] = k[j];
      doubtful_u_[to] = u[j];
      doubtful_v_[to] = v[j];
    }
  }

  void retry() {
    alignas(64) double mean[batch], width[batch], quick[batch];
    const std::int64_t n = (std::min)(batch, rejected_);
    rejected_ -= n;
    for (std::int64_t k = 0; k < batch; ++k) {
      counter_[k] = rejected_counter_[rejected_ + (k < n ? k : 0)];
      const std::size_t at = position(counter_[k]);
      mean[k] = cells_.mean[at], width[k] = cells_.width[at], quick[k] = cells_.quick[at];
    }
    propose(mean, width, quick, n);
  }

  void judge() {
    alignas(64) double mean[batch], width[batch];
    alignas(64) std::int64_t keep[batch];
    const std::int64_t n = (std::min)(batch, doubtful_), from = doubtful_ - n;
    for (std::int64_t k = 0; k < batch; ++k) {
      const std::size_t at = position(doubtful_counter_[from + (k < n ? k : 0)]);
      mean[k] = cells_.mean[at], width[k] = cells_.width[at];
    }
    for (std::int64_t j = 0; j < n; j += word_lanes) {
      lane_doubles m, w, k, u, v;
      std::memcpy(&m, mean + j, sizeof m);
      std::memcpy(&w, width + j, sizeof w);
      std::memcpy(&k, doubtful_k_ + from + j, sizeof k);
      std::memcpy(&u, doubtful_u_ + from + j, sizeof u);
      std::memcpy(&v, doubtful_v_ + from + j, sizeof v);
      const lane_integers kept = keeps<lane_doubles, lane_integers>(k, m, w, u, v);
      std::memcpy(keep + j, &kept, sizeof kept);
    }
    for (std::int64_t j = 0; j < n; ++j) {
      const std::int64_t at = from + j;
      const bool kept = doubtful_k_[at] >= 16
                            ? keep[j] != 0
                            : keeps_small(doubtful_k_[at], mean[j], width[j], doubtful_u_[at], doubtful_v_[at]);
      rejected_counter_[rejected_] = doubtful_counter_[at] + next_attempt;
      rejected_ += kept ? 0 : 1;
    }
    doubtful_ = from;
  }

  const poisson_cells& cells_;
  philox source_;
  T* counts_;
  std::uint64_t base_;
  std::int64_t doubtful_ = 0, rejected_ = 0;
  std::uint64_t counter_[batch];
  // Each step adds a batch at most, and a pile of a batch is worked off before another is added to it.
  std::uint64_t rejected_counter_[4 * batch], doubtful_counter_[3 * batch] = {};
  double doubtful_k_[3 * batch] = {}, doubtful_u_[3 * batch] = {}, doubtful_v_[3 * batch] = {};
};

/// Draws X ~ Poisson(λ) for all cells with λ < 10 by inversion: the X with F(X − 1) ≤ u < F(X), a batch in lockstep.
template <class T>
void invert_poisson(const poisson_cells& cells, philox source, std::uint64_t base, T* counts) {
  constexpr int registers = 4;
  constexpr std::int64_t group = registers * word_lanes;
  const std::int64_t n = static_cast<std::int64_t>(cells.small_cell.size());
  for (std::int64_t first = 0; first < n; first += group) {
    lane_doubles u[registers], mean[registers], term[registers], sum[registers], k[registers];
    for (int j = 0; j < registers; ++j) {
      const std::int64_t at = first + j * word_lanes;
      const lane_pairs bits = philox_lanes(source, counters_from(base + static_cast<std::uint64_t>(at)));
      u[j] = open_unit_interval_of<lane_doubles>(bits.first);
      std::memcpy(&mean[j], cells.small_mean.data() + at, sizeof mean[j]);
      std::memcpy(&term[j], cells.none.data() + at, sizeof term[j]);
      sum[j] = term[j];
      k[j] = lane_doubles{};
    }
    for (double next = 1;; ++next) {
      lane_integers beyond{};
      for (int j = 0; j < registers; ++j) {
        // Terms below 2⁻⁵⁶ of the tail cannot move the sum: what is still beyond then has reached the end of the tail.
        const lane_integers more = (u[j] >= sum[j]) & (term[j] > 0x1p-56);
        beyond |= more;
        k[j] = more ? lane_doubles{} + next : k[j];
        term[j] *= mean[j] * (1 / next);
        sum[j] += term[j];
      }
      std::int64_t lanes = 0;
      for (int j = 0; j < word_lanes; ++j) lanes |= beyond[j];
      if (lanes == 0) break;
    }
    for (std::int64_t j = 0; j < group && first + j < n; ++j)
      counts[cells.small_cell[static_cast<std::size_t>(first + j)]] =
          static_cast<T>(k[j / word_lanes][static_cast<int>(j % word_lanes)]);
  }
}

#endif

/// counts[c] ~ Poisson(λ_c) for all cells, independently, from the blocks base + …
template <class T>
void draw_poisson(const poisson_cells& cells, philox source, std::uint64_t base, T* counts) {
#if !defined(__CUDA_ARCH__)
  transformed_rejection<T>(cells, source, base, counts).run();
  invert_poisson(cells, source, base + cells.cell.size(), counts);
#endif
}

inline poisson_cells prepare_poisson(std::span<const double> means) {
  poisson_cells cells;
  std::vector<std::pair<double, std::int64_t>> small;
  for (std::size_t c = 0; c < means.size(); ++c) {
    const double mean = means[c];
    if (mean >= smallest_transformed_mean) {
      const double width = transformed_width(mean);
      cells.mean.push_back(mean);
      cells.width.push_back(width);
      cells.quick.push_back(transformed_quick(width));
      cells.cell.push_back(static_cast<std::int64_t>(c));
    } else if (mean > 0) {
      small.emplace_back(mean, static_cast<std::int64_t>(c));
    }
  }
  for (auto* column : {&cells.mean, &cells.width, &cells.quick}) column->resize(cells.cell.size() + batch, 10.0);
  std::sort(small.begin(), small.end());
  for (const auto& [mean, c] : small) {
    cells.small_mean.push_back(mean);
    cells.none.push_back(std::exp(-mean));
    cells.small_cell.push_back(c);
  }
  cells.small_mean.resize(small.size() + batch, 0.0);
  cells.none.resize(small.size() + batch, 1.0);
  return cells;
}

/// Walker's table by Vose's construction: every entry holds its own share and the overflow of one other.
inline std::vector<alias_entry> prepare_alias(std::span<const double> shares, double total) {
  const std::int64_t n = static_cast<std::int64_t>(shares.size());
  std::vector<double> filled(shares.size());
  std::vector<std::int64_t> below, above;
  std::int64_t largest = 0;
  for (std::int64_t c = 0; c < n; ++c) {
    const double share = shares[static_cast<std::size_t>(c)];
    if (share > shares[static_cast<std::size_t>(largest)]) largest = c;
    filled[static_cast<std::size_t>(c)] = share / total * static_cast<double>(n);
    (filled[static_cast<std::size_t>(c)] < 1 ? below : above).push_back(c);
  }
  std::vector<alias_entry> table(shares.size());
  while (!below.empty() && !above.empty()) {
    const std::int64_t less = below.back(), more = above.back();
    below.pop_back();
    const double own = filled[static_cast<std::size_t>(less)];
    table[static_cast<std::size_t>(less)] = {static_cast<std::uint64_t>(own * 0x1p64), more};
    double& rest = filled[static_cast<std::size_t>(more)];
    rest = (rest + own) - 1;
    if (rest < 1) {
      above.pop_back();
      below.push_back(more);
    }
  }
  // What rounding left over is full; an entry whose share is zero must never be drawn, so it sends all elsewhere.
  for (const auto* left : {&below, &above})
    for (const std::int64_t c : *left) {
      const bool empty = shares[static_cast<std::size_t>(c)] == 0;
      table[static_cast<std::size_t>(c)] = {empty ? 0 : ~std::uint64_t{0}, empty ? largest : c};
    }
  return table;
}

ZERMELO_INLINE std::int64_t alias_draw(const alias_entry* table, std::uint64_t size, std::uint64_t bits) {
  __extension__ typedef unsigned __int128 wide;
  const wide product = static_cast<wide>(bits) * size;
  const std::int64_t c = static_cast<std::int64_t>(product >> 64);
  const alias_entry& entry = table[c];
  return static_cast<std::uint64_t>(product) < entry.threshold ? c : entry.other;
}

/// Adds n draws to the counts.
template <class T>
void draw_alias(const std::vector<alias_entry>& table, philox source, std::int64_t n, T* counts) {
#if !defined(__CUDA_ARCH__)
  constexpr std::int64_t size = 256;
  alignas(64) std::uint64_t bits[size];
  for (std::int64_t begin = 0; begin < n; begin += size) {
    for (std::int64_t k = 0; k < size; k += 2 * word_lanes) {
      const std::uint64_t block = alias_counters + static_cast<std::uint64_t>((begin + k) / 2);
      const lane_pairs words = weave(philox_lanes(source, counters_from(block)));
      std::memcpy(bits + k, &words, sizeof words);
    }
    const std::int64_t end = (std::min)(size, n - begin);
    for (std::int64_t k = 0; k < end; ++k) counts[alias_draw(table.data(), table.size(), bits[k])] += T(1);
  }
#endif
}

template <class T>
T total_of(std::span<const T> counts) {
  T lane[16] = {};
  std::size_t k = 0;
  for (; k + 16 <= counts.size(); k += 16)
    for (std::size_t j = 0; j < 16; ++j) lane[j] += counts[k + j];
  for (; k < counts.size(); ++k) lane[k % 16] += counts[k];
  for (std::size_t half = 8; half > 0; half /= 2)
    for (std::size_t j = 0; j < half; ++j) lane[j] += lane[j + half];
  return lane[0];
}

/// What a multinomial sampler holds.
struct multinomial_plan {
  std::int64_t trials = 0, cells = 0;
  bool by_poisson = false;
  poisson_cells poisson;
  std::vector<alias_entry> alias;
};

/// Nanoseconds of one Poisson cell and of one alias draw, roughly: they choose the way, not the distribution.
inline constexpr double cost_of_cell = 5, cost_of_alias = 3;

/// The margin c that makes one vector of counts cheapest, or a negative cost where alias draws alone are.
///
/// With S ~ Normal(m − c√m, m):  P(S ≤ m) = Φ(c),  E[m − S | S ≤ m] = √m (c + φ(c)/Φ(c)).
inline std::pair<double, bool> cheapest_margin(double m, double cells) {
  double best = 0, least = cost_of_alias * m;
  bool pays = false;
  const double root = std::sqrt(m);
  for (double c = -1; c <= 3; c += 0.125) {
    if (m - c * root < 0.5 * m) break;
    const double below = normal_cdf(c), density = 0.3989422804014327 * std::exp(-0.5 * c * c);
    const double cost = cost_of_cell * cells / below + cost_of_alias * root * (c + density / below);
    if (cost < least) best = c, least = cost, pays = true;
  }
  return {best, pays};
}

inline multinomial_plan plan_multinomial(std::int64_t trials, std::span<const double> shares) {
  if (trials < 0 || trials > (std::int64_t{1} << 53))
    throw domain_error("trials", domain_error::whole, "must lie in 0 ... 2^53, got " + std::to_string(trials));
  if (shares.empty()) throw shape_error("shares", "is empty; a multinomial needs at least one cell");
  std::int64_t positive = 0;
  compensated_sum sum;
  for (std::size_t c = 0; c < shares.size(); ++c) {
    if (!is_finite(shares[c]) || shares[c] < 0)
      throw domain_error("shares", static_cast<std::int64_t>(c),
                         "must be finite and not negative, got " + text(shares[c]));
    positive += shares[c] > 0 ? 1 : 0;
    sum.add(shares[c]);
  }
  const double total = sum.value();
  if (!is_finite(total) || total <= 0)
    throw domain_error("shares", domain_error::whole, "must have a positive finite sum, got " + text(total));
  multinomial_plan plan;
  plan.trials = trials;
  plan.cells = static_cast<std::int64_t>(shares.size());
  plan.alias = prepare_alias(shares, total);
  const double m = static_cast<double>(trials);
  const auto [margin, pays] = cheapest_margin(m, static_cast<double>(positive));
  plan.by_poisson = pays;
  if (pays) {
    std::vector<double> means(shares.size());
    const double mean = m - margin * std::sqrt(m);
    for (std::size_t c = 0; c < shares.size(); ++c) means[c] = shares[c] / total * mean;
    plan.poisson = prepare_poisson(means);
  }
  return plan;
}

template <class T>
void draw_multinomial(const multinomial_plan& plan, std::uint64_t seed, std::uint64_t replicate, std::span<T> counts) {
  if (static_cast<std::int64_t>(counts.size()) != plan.cells)
    throw shape_error(
        "counts", "has " + std::to_string(counts.size()) + " elements for " + std::to_string(plan.cells) + " cells");
  const philox source{seed, replicate};
  std::fill(counts.begin(), counts.end(), T(0));
  if (!plan.by_poisson) return draw_alias(plan.alias, source, plan.trials, counts.data());
  for (std::uint64_t trial = 0;; trial += next_trial) {
    draw_poisson(plan.poisson, source, trial, counts.data());
    const std::int64_t total = static_cast<std::int64_t>(total_of(std::span<const T>(counts)));
    if (total <= plan.trials) return draw_alias(plan.alias, source, plan.trials - total, counts.data());
  }
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Element i < 2⁴⁸ of a stream of Poisson numbers, whose means may all differ:  P(k) = λᵏ e^−λ / k!
///
/// mean  λ in 0 … 10¹⁵
/// Errors: domain_error for another mean. Cost: expected O(1); by transformed rejection from λ = 10, inversion below.
/// Source: Hörmann 1993 (PTRS).
inline std::int64_t poisson(std::uint64_t seed, std::uint64_t stream, std::uint64_t i, double mean) {
  if (!is_finite(mean) || mean < 0 || mean > 1e15)
    throw domain_error("mean", domain_error::whole,
                       "of a Poisson number must lie in 0 ... 1e15, got " + detail::text(mean));
  const philox source{seed, stream};
  if (mean < detail::smallest_transformed_mean) {
    const double u = open_unit_interval(source(i).pair(0));
    double term = exp(-mean), sum = term;
    std::int64_t k = 0;
    while (u >= sum && term > 0x1p-56) {
      ++k;
      term *= mean / static_cast<double>(k);
      sum += term;
    }
    return k;
  }
  const double width = detail::transformed_width(mean), quick = detail::transformed_quick(width);
  for (std::uint64_t counter = i;; counter += std::uint64_t{1} << 48) {
    const random_block block = source(counter);
    const auto c = detail::transform(open_unit_interval(block.pair(0)), open_unit_interval(block.pair(1)), mean, width);
    if ((c.u >= 0.07 && c.v <= quick) || (c.k >= 0 && (c.u >= 0.013 || c.v <= c.u) &&
                                          (c.k >= 16 ? detail::keeps<double, std::int64_t>(c.k, mean, width, c.u, c.v)
                                                     : detail::keeps_small(c.k, mean, width, c.u, c.v))))
      return static_cast<std::int64_t>(c.k);
  }
}

}  // namespace ZERMELO_ISA

/// Exact draws of multinomial counts: how many of m trials fall into each cell.
///
///   P(n₁, …, n_C) = m! ∏ p_cⁿᶜ / n_c!,   p = shares / Σ shares
///
/// Independent X_c ~ Poisson(p_c (m − c√m)) given their sum are multinomial. All cells are drawn again while the sum
/// exceeds m, and what lacks to m is drawn one by one from an alias table: exact for any margin c, which is chosen to
/// be cheapest. With few trials all are drawn from the table. Poisson numbers come from transformed rejection (mean ≥
/// 10) and inversion, both on vector lanes; "exact" means up to the 52 bits of a uniform number and rounding.
///
/// A sampler is built once for (m, shares); drawing changes nothing in it, and threads can share it. Counts of one
/// (seed, replicate) are always the same in one build of a program.
/// Source: Hörmann 1993 (transformed rejection, PTRS), Walker 1977 and Vose 1991 (alias table).
class multinomial_sampler {
 public:
  /// trials m  in 0 … 2⁵³
  /// shares [C]  ≥ 0, not all 0; need not sum to one; a cell of share 0 always gets 0
  /// Errors: shape_error if there is no cell; domain_error for a share that is negative, NaN or infinite, or no
  /// positive share.   Cost: O(C), or O(C log C) with many cells of small mean.
  ZERMELO_INLINE multinomial_sampler(std::int64_t trials, std::span<const double> shares)
      : plan_(detail::plan_multinomial(trials, shares)) {}

  ZERMELO_INLINE std::int64_t trials() const { return plan_.trials; }
  ZERMELO_INLINE std::int64_t cells() const { return plan_.cells; }

  /// counts [C]  written: the counts of one replicate, which sum to m.
  /// Cost: min(O(C + √m), O(m)) expected; allocates nothing. Errors: shape_error.
  ZERMELO_INLINE void draw(std::uint64_t seed, std::uint64_t replicate, std::span<double> counts) const {
    detail::draw_multinomial(plan_, seed, replicate, counts);
  }
  ZERMELO_INLINE void draw(std::uint64_t seed, std::uint64_t replicate, std::span<std::int64_t> counts) const {
    detail::draw_multinomial(plan_, seed, replicate, counts);
  }

 private:
  detail::multinomial_plan plan_;
};

}  // namespace zermelo::inline v1
