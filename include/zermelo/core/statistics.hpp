// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>

#include "config.hpp"
#include "detail/unrolled.hpp"
#include "error.hpp"
#include "execution/policy.hpp"
#include "lanes.hpp"
#include "simd.hpp"
#include "value.hpp"

/// Sums and counts, means and variances, quantiles, and the normal distribution.
namespace zermelo::inline v1 {

/// A sum and how many terms it has: a monoid, so that any split of the terms merges to the same mean, formed once.
struct sum_count {
  double sum = 0;
  std::int64_t count = 0;

  ZERMELO_FN void merge(const sum_count& other) {
    sum += other.sum;
    count += other.count;
  }
  /// sum / count. Errors: domain_error when nothing was counted.
  ZERMELO_INLINE double mean() const {
    if (count <= 0) throw domain_error("mean", domain_error::whole, "of no terms is undefined");
    return sum / static_cast<double>(count);
  }
};

namespace detail::inline ZERMELO_ISA {

/// A running sum that carries what rounding lost (Neumaier's): for the few partial sums of tiles.
struct compensated_sum {
  double sum = 0, lost = 0;
  ZERMELO_FN void add(double x) {
    const double t = sum + x;
    lost += (sum < 0 ? -sum : sum) >= (x < 0 ? -x : x) ? (sum - t) + x : (x - t) + sum;
    sum = t;
  }
  /// What was lost is NaN once the sum is infinite; then the sum alone is the answer.
  ZERMELO_FN double value() const { return is_nan(lost) ? sum : sum + lost; }
};

/// Lanes are added in halves, whatever the vector unit.
template <class T, std::size_t Lanes>
ZERMELO_INLINE double sum_of_lanes(T (&lane)[Lanes]) {
  for (std::size_t half = Lanes / 2; half > 0; half /= 2)
    for (std::size_t k = 0; k < half; ++k) lane[k] += lane[k + half];
  return lane[0];
}

inline constexpr std::size_t sum_lanes = 64;  // eight registers of eight doubles, four of sixteen floats
inline constexpr std::size_t sum_rows = 16;   // lanes of float are flushed to double after so many terms each

/// total += lanes, each converted.
template <class V>
ZERMELO_INLINE void flush_lanes(V x, double* total) {
  using T = scalar_t<V>;
  if constexpr (lanes<V> == 1) {
    *total += static_cast<double>(x);
  } else if constexpr (sizeof(T) == 8) {
    (V::load(total) + x).store(total);
  } else {
    flush_lanes(convert<double>(low_half(x)), total);
    flush_lanes(convert<double>(high_half(x)), total + lanes<V> / 2);
  }
}

/// Σ x over one tile: every lane adds its terms in order, floats at most 16 of them before they are flushed to double.
template <class T, class F>
ZERMELO_INLINE double tile_sum(const T* x, std::int64_t n, F term) {
  using V = value_of<simd, T>;  // the bits are those of any other width
  constexpr int width = static_cast<int>(lanes<V>), packs = static_cast<int>(sum_lanes) / width;
  double total[sum_lanes] = {};
  std::int64_t k = 0;
  constexpr std::int64_t block = sum_lanes * sum_rows;
  for (; k + block <= n; k += block) {
    V lane[packs];
    unrolled<packs>([&](auto j) ZERMELO_LAMBDA_INLINE { lane[j] = term(load<V>(x + k + j * width)); });
    for (std::int64_t row = 1; row < static_cast<std::int64_t>(sum_rows); ++row) {
      const T* const from = x + k + row * static_cast<std::int64_t>(sum_lanes);
      unrolled<packs>([&](auto j) ZERMELO_LAMBDA_INLINE {
        if constexpr (j * width % (64 / static_cast<int>(sizeof(T))) == 0) prefetch(from + j * width, 2048);
        lane[j] = lane[j] + term(load<V>(from + j * width));
      });
    }
    unrolled<packs>([&](auto j) ZERMELO_LAMBDA_INLINE { flush_lanes(lane[j], total + j * width); });
  }
  for (std::int64_t j = 0; k + j < n; ++j)
    total[static_cast<std::size_t>(j) % sum_lanes] += static_cast<double>(term(x[k + j]));
  return sum_of_lanes(total);
}

/// Tiles of at least 2¹⁶ terms, at most 1024 of them: they depend on n alone.
template <class P, class T, class F>
double tiled_sum(P&& policy, std::span<const T> x, F term) {
  constexpr std::int64_t smallest = 1 << 16, most = 1024;
  const std::int64_t n = static_cast<std::int64_t>(x.size());
  const std::int64_t tile = (std::max)(smallest, (n + most - 1) / most);
  const std::int64_t tiles = (n + tile - 1) / tile;
  double partial[most];
  for_each_tile(policy, tiles, [&](std::int64_t t) {
    partial[t] = tile_sum(x.data() + t * tile, (std::min)(tile, n - t * tile), term);
  });
  compensated_sum total;
  for (std::int64_t t = 0; t < tiles; ++t) total.add(partial[t]);
  return total.value();
}

template <class T>
[[noreturn]] void throw_undefined_sum(std::span<const T> x, const char* name) {
  for (std::size_t k = 0; k < x.size(); ++k)
    if (is_nan(x[k])) throw domain_error(name, static_cast<std::int64_t>(k), "is not a number");
  throw domain_error(name, domain_error::whole, "holds terms (or sums) of +inf and -inf, whose sum is undefined");
}

template <class P, class T>
sum_count checked_sum(P&& policy, std::span<const T> x) {
  const double sum = tiled_sum(policy, x, [](auto v) ZERMELO_LAMBDA_INLINE { return v; });
  if (is_nan(sum)) throw_undefined_sum(x, "x");
  return {sum, static_cast<std::int64_t>(x.size())};
}

template <class P>
double refined_mean(P&& policy, std::span<const double> x) {
  const sum_count first = checked_sum(policy, x);
  const double mean = first.mean();
  if (!is_finite(mean)) return mean;
  return mean + tiled_sum(policy, x, [mean](auto v) ZERMELO_LAMBDA_INLINE { return v - decltype(v)(mean); }) /
                    static_cast<double>(first.count);
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Σ xₖ and the number of terms. The same bits for every policy and number of threads.
///
/// double: 64 lanes added in order, then pairwise: relative to Σ|xₖ| the error stays below 10⁻¹² up to 10⁸ terms, and
/// is usually a few units of 10⁻¹⁶.
/// float: lanes of float flushed to double after 16 terms: relative to Σ|xₖ| the error stays below 10⁻⁶, whatever the
/// number of terms; usually 10⁻⁷.
/// One infinity gives infinity. Errors: domain_error at a NaN, or when +∞ meets −∞.
template <host_policy P>
sum_count sum(P&& policy, std::span<const double> x) {
  return detail::checked_sum(policy, x);
}
template <host_policy P>
sum_count sum(P&& policy, std::span<const float> x) {
  return detail::checked_sum(policy, x);
}
inline sum_count sum(std::span<const double> x) { return detail::checked_sum(simd{}, x); }
inline sum_count sum(std::span<const float> x) { return detail::checked_sum(simd{}, x); }

/// x̄ = Σ xₖ / n, refined by the mean of the deviations from it: a constant sample has exactly its value as mean.
///
/// Errors: domain_error for an empty sample, a NaN, or both infinities. Cost: two passes.
template <host_policy P>
double mean(P&& policy, std::span<const double> x) {
  return detail::refined_mean(policy, x);
}
inline double mean(std::span<const double> x) { return detail::refined_mean(simd{}, x); }

/// Σ (xₖ − x̄)² / (n − ddof), in two passes, less the square of what the mean was off: exactly 0 for a constant sample.
///
/// ddof  what is taken from n: 1 for the unbiased estimate from a sample, 0 for the variance of these n numbers
/// Errors: domain_error if n ≤ ddof, or at a term that is not finite. Cost: three passes.
template <host_policy P>
double variance(P&& policy, std::span<const double> x, std::int64_t ddof = 1) {
  const std::int64_t n = static_cast<std::int64_t>(x.size());
  if (ddof < 0 || n <= ddof)
    throw domain_error(
        "x", domain_error::whole,
        "a variance needs more than ddof = " + std::to_string(ddof) + " terms, got " + std::to_string(n));
  const double center = detail::refined_mean(policy, x);
  if (!is_finite(center)) {
    std::int64_t at = 0;
    while (at < n && is_finite(x[static_cast<std::size_t>(at)])) ++at;
    throw domain_error("x", at < n ? at : domain_error::whole, "the variance needs finite terms and a finite sum");
  }
  const double squares = detail::tiled_sum(policy, x, [center](auto v) ZERMELO_LAMBDA_INLINE {
    return (v - decltype(v)(center)) * (v - decltype(v)(center));
  });
  const double off =
      detail::tiled_sum(policy, x, [center](auto v) ZERMELO_LAMBDA_INLINE { return v - decltype(v)(center); });
  return (std::max)(0.0, squares - off * (off / static_cast<double>(n))) / static_cast<double>(n - ddof);
}
inline double variance(std::span<const double> x, std::int64_t ddof = 1) { return variance(simd{}, x, ddof); }

}  // namespace ZERMELO_ISA

namespace detail::inline ZERMELO_ISA {

/// Where the quantile lies between two neighbours of the sorted sample.
struct quantile_position {
  std::int64_t below = 0;
  double fraction = 0;
};

inline quantile_position position_of(double q, std::int64_t n) {
  if (is_nan(q) || q < 0 || q > 1)
    throw domain_error("q", domain_error::whole, "a quantile lies in [0, 1], got " + text(q));
  const double position = static_cast<double>(n - 1) * q;
  const std::int64_t below = (std::min)(static_cast<std::int64_t>(position), n - 1);
  return {below, position - static_cast<double>(below)};
}

inline double between(double a, double b, double fraction) {
  if (fraction == 0 || a == b) return a;
  const double gap = b - a;
  const double x = is_finite(gap) ? a + fraction * gap : (1 - fraction) * a + fraction * b;
  if (is_nan(x))
    throw domain_error("sample", domain_error::whole, "the quantile falls between -inf and +inf: it is undefined");
  return x;
}

inline std::int64_t checked_sample(std::span<const double> sample) {
  if (sample.empty()) throw shape_error("sample", "is empty; a quantile needs at least one value");
  for (std::size_t k = 0; k < sample.size(); ++k)
    if (is_nan(sample[k])) throw domain_error("sample", static_cast<std::int64_t>(k), "is not a number");
  return static_cast<std::int64_t>(sample.size());
}

/// Puts the values of the given ranks (ascending, unique) where they would stand if x were sorted.
inline void select_ranks(double* x, std::int64_t begin, std::int64_t end, const std::int64_t* rank,
                         std::int64_t ranks) {
  while (ranks > 0 && end - begin > 1) {
    const std::int64_t half = ranks / 2, middle = rank[half];
    std::nth_element(x + begin, x + middle, x + end);
    select_ranks(x, begin, middle, rank, half);
    begin = middle + 1;
    rank += half + 1;
    ranks -= half + 1;
  }
}

/// (n₀ + n₁r + …) / (d₀ + d₁r + …), eight coefficients each.
ZERMELO_FN double ratio(const double (&n)[8], const double (&d)[8], double r) {
  double above = n[7], below = d[7];
  for (int k = 6; k >= 0; --k) {
    above = above * r + n[k];
    below = below * r + d[k];
  }
  return above / below;
}

/// Φ⁻¹ on the open interval (0, 1).
ZERMELO_FN double normal_quantile_inside(double p) {
  const double q = p - 0.5;
  if (q >= -0.425 && q <= 0.425) {
    constexpr double n[8] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                             1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                             3.3430575583588128105e4, 2.5090809287301226727e3};
    constexpr double d[8] = {1.0,
                             4.2313330701600911252e1,
                             6.8718700749205790830e2,
                             5.3941960214247511077e3,
                             2.1213794301586595867e4,
                             3.9307895800092710610e4,
                             2.8729085735721942674e4,
                             5.2264952788528545610e3};
    return q * ratio(n, d, 0.180625 - q * q);
  }
  const double r = std::sqrt(-zermelo::log(q < 0 ? p : 1 - p));
  double x;
  if (r <= 5) {
    constexpr double n[8] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                             3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                             2.27238449892691845833e-2, 7.74545014278341407640e-4};
    constexpr double d[8] = {1.0,
                             2.05319162663775882187e0,
                             1.67638483018380384940e0,
                             6.89767334985100004550e-1,
                             1.48103976427480074590e-1,
                             1.51986665636164571966e-2,
                             5.47593808499534494600e-4,
                             1.05075007164441684324e-9};
    x = ratio(n, d, r - 1.6);
  } else {
    constexpr double n[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                             2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                             2.71155556874348757815e-5, 2.01033439929228813265e-7};
    constexpr double d[8] = {1.0,
                             5.99832206555887937690e-1,
                             1.36929880922735805310e-1,
                             1.48753612908506148525e-2,
                             7.86869131145613259100e-4,
                             1.84631831751005468180e-5,
                             1.42151175831644588870e-7,
                             2.04426310338993978564e-15};
    x = ratio(n, d, r - 5);
  }
  return q < 0 ? -x : x;
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// The q-quantile of a sorted sample: its value at position (n − 1) q, counted from 0, interpolated linearly.
///
/// sorted  [n]  ascending; ±∞ are values like others: between equal neighbours their value, else the limit
/// Errors: shape_error if empty; domain_error for q outside [0, 1], a NaN at either neighbour, or a quantile between −∞
/// and +∞.   Cost: O(1).   Known as type 7 (Hyndman and Fan 1996).
inline double quantile_of_sorted(std::span<const double> sorted, double q) {
  const std::int64_t n = static_cast<std::int64_t>(sorted.size());
  if (n == 0) throw shape_error("sorted", "is empty; a quantile needs at least one value");
  const auto [below, fraction] = detail::position_of(q, n);
  const std::int64_t above = fraction > 0 ? below + 1 : below;
  for (const std::int64_t k : {below, above})
    if (is_nan(sorted[static_cast<std::size_t>(k)])) throw domain_error("sorted", k, "is not a number");
  return detail::between(sorted[static_cast<std::size_t>(below)], sorted[static_cast<std::size_t>(above)], fraction);
}

/// Several quantiles of a sample by selection:  out[k] = the q[k]-quantile, by the rule of quantile_of_sorted.
///
/// sample  [n]  reordered
/// q, out  [m]
/// Errors: shape_error if the sample is empty or q and out differ in length; domain_error for a NaN or q outside [0,
/// 1]. Cost: O(n log m); no memory is allocated.
inline void quantiles(std::span<double> sample, std::span<const double> q, std::span<double> out) {
  constexpr std::size_t most = 64;
  if (q.size() != out.size())
    throw shape_error("out",
                      "has " + std::to_string(out.size()) + " elements for " + std::to_string(q.size()) + " quantiles");
  const std::int64_t n = detail::checked_sample(sample);
  std::int64_t rank[2 * most];
  for (std::size_t begin = 0; begin < q.size(); begin += most) {
    const std::size_t end = (std::min)(begin + most, q.size());
    std::int64_t ranks = 0;
    for (std::size_t k = begin; k < end; ++k) {
      const auto [below, fraction] = detail::position_of(q[k], n);
      rank[ranks++] = below;
      if (fraction > 0) rank[ranks++] = below + 1;
    }
    std::sort(rank, rank + ranks);
    ranks = std::unique(rank, rank + ranks) - rank;
    detail::select_ranks(sample.data(), 0, n, rank, ranks);
    for (std::size_t k = begin; k < end; ++k) {
      const auto [below, fraction] = detail::position_of(q[k], n);
      const double* at = sample.data() + below;
      out[k] = fraction > 0 ? detail::between(at[0], at[1], fraction) : at[0];
    }
  }
}

/// One quantile of a sample, which is reordered. Cost: O(n).
inline double quantile(std::span<double> sample, double q) {
  double out = 0;
  quantiles(sample, {&q, 1}, {&out, 1});
  return out;
}

/// Φ(x) = P(Z ≤ x) for a standard normal Z, to a few units in the last place in both tails.
///
/// The argument x/√2 of the complementary error function is corrected for its rounding, which would cost x²/2 units.
/// Uses the C library's erfc and exp.
inline double normal_cdf(double x) {
  constexpr double high = 0.70710678118654752440, low = -4.8336466567264567e-17;  // 1/√2 in two parts
  const double t = -x * high;
  if (!(t < 28 && t > -6)) return 0.5 * std::erfc(t);
  const double rest = std::fma(-x, high, -t) - x * low;
  return 0.5 * (std::erfc(t) - 1.1283791670955126 * rest * std::exp(-t * t));
}

/// Φ⁻¹(p): the x with P(Z ≤ x) = p, to 10⁻¹⁵ relative; ∓∞ at p = 0 and 1.
///
/// Errors: domain_error for p outside [0, 1].   Source: Wichura 1988, algorithm AS 241 (PPND16).
inline double normal_quantile(double p) {
  if (is_nan(p) || p < 0 || p > 1)
    throw domain_error("p", domain_error::whole, "a probability lies in [0, 1], got " + detail::text(p));
  if (p == 0 || p == 1) return p == 0 ? -HUGE_VAL : HUGE_VAL;
  return detail::normal_quantile_inside(p);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1
