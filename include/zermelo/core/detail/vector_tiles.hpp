// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../config.hpp"
#include "../execution/policy.hpp"

/// Passes over long vectors by tiles: updates fused with the sums they feed.
///
/// Tiles have a fixed length, their sums are added pairwise in a fixed tree, and every tile runs the same compiled
/// function (hence `noinline`): all policies give the same bits.
namespace zermelo::inline v1::detail::inline ZERMELO_ISA {

inline constexpr std::int64_t vector_tile = 8192;

#define ZERMELO_DETAIL_TILE_KERNEL [[gnu::noinline]] inline

/// Eight partial sums, which the compiler keeps in vector registers.
struct lane_sums {
  static constexpr int lanes = 8;
  double s[lanes] = {};
  ZERMELO_INLINE double total() const { return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7])); }
};

/// Calls step(i, lane) for i in [0, n), in blocks whose length is known at compile time.
template <class F>
ZERMELO_INLINE void for_each_lane(std::int64_t n, F&& step) {
  constexpr int lanes = lane_sums::lanes;
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int k = 0; k < lanes; ++k) step(i + k, k);
  for (int k = 0; i + k < n; ++k) step(i + k, k);
}

/// Adds terms[first … last) pairwise: half of the range, then the other half.
template <std::size_t K>
inline std::array<double, K> add_pairwise(const std::array<double, K>* terms, std::int64_t n) {
  if (n <= 0) return {};
  if (n == 1) return terms[0];
  const std::int64_t half = n / 2;
  std::array<double, K> a = add_pairwise(terms, half);
  const std::array<double, K> b = add_pairwise(terms + half, n - half);
  for (std::size_t k = 0; k < K; ++k) a[k] += b[k];
  return a;
}

constexpr std::int64_t tiles_of(std::int64_t n, std::int64_t tile) { return (n + tile - 1) / tile; }

/// Σ over tiles of f(first, length) → K sums. `partial` is scratch that keeps its capacity between calls.
template <std::size_t K, host_policy P, class F>
std::array<double, K> sum_over_tiles(P&& policy, std::int64_t n, std::int64_t tile,
                                     std::vector<std::array<double, K>>& partial, F&& f) {
  const std::int64_t tiles = tiles_of(n, tile);
  partial.resize(static_cast<std::size_t>(tiles));
  const auto one = [&](std::int64_t t) {
    const std::int64_t first = t * tile;
    partial[static_cast<std::size_t>(t)] = f(first, (std::min)(tile, n - first));
  };
  for_each_tile(policy, tiles, one);
  return add_pairwise(partial.data(), tiles);
}

template <host_policy P, class F>
void over_tiles(P&& policy, std::int64_t n, std::int64_t tile, F&& f) {
  const auto one = [&](std::int64_t t) {
    const std::int64_t first = t * tile;
    f(first, (std::min)(tile, n - first));
  };
  for_each_tile(policy, tiles_of(n, tile), one);
}

using sums3 = std::array<double, 3>;
using tile_sums = std::vector<sums3>;

/// Σ a b
ZERMELO_DETAIL_TILE_KERNEL double dot_tile(const double* a, const double* b, std::int64_t n) {
  lane_sums ab;
  for_each_lane(n, [&](std::int64_t i, int k) { ab.s[k] += a[i] * b[i]; });
  return ab.total();
}

/// Σ a², Σ a, Σ |a|
ZERMELO_DETAIL_TILE_KERNEL sums3 moments_tile(const double* a, std::int64_t n) {
  lane_sums aa, sum, size;
  for_each_lane(n, [&](std::int64_t i, int k) {
    aa.s[k] += a[i] * a[i];
    sum.s[k] += a[i];
    size.s[k] += std::abs(a[i]);
  });
  return {aa.total(), sum.total(), size.total()};
}

/// r = b − q, then Σ r², Σ r
ZERMELO_DETAIL_TILE_KERNEL sums3 residual_tile(const double* b, const double* q, double* __restrict__ r,
                                               std::int64_t n) {
  lane_sums rr, sum;
  for_each_lane(n, [&](std::int64_t i, int k) {
    const double d = b[i] - q[i];
    r[i] = d;
    rr.s[k] += d * d;
    sum.s[k] += d;
  });
  return {rr.total(), sum.total(), 0};
}

/// x += α p, r −= α q, then Σ r², Σ r
ZERMELO_DETAIL_TILE_KERNEL sums3 step_tile(double alpha, const double* __restrict__ p, const double* __restrict__ q,
                                           double* __restrict__ x, double* __restrict__ r, std::int64_t n) {
  lane_sums rr, sum;
  for_each_lane(n, [&](std::int64_t i, int k) {
    x[i] += alpha * p[i];
    const double d = r[i] - alpha * q[i];
    r[i] = d;
    rr.s[k] += d * d;
    sum.s[k] += d;
  });
  return {rr.total(), sum.total(), 0};
}

/// Σ z r, Σ z q, Σ z
ZERMELO_DETAIL_TILE_KERNEL sums3 dots_tile(const double* z, const double* r, const double* q, std::int64_t n) {
  lane_sums zr, zq, sum;
  for_each_lane(n, [&](std::int64_t i, int k) {
    zr.s[k] += z[i] * r[i];
    zq.s[k] += z[i] * q[i];
    sum.s[k] += z[i];
  });
  return {zr.total(), zq.total(), sum.total()};
}

/// p = (z − mean) + β p
ZERMELO_DETAIL_TILE_KERNEL void direction_tile(const double* __restrict__ z, double mean, double beta,
                                               double* __restrict__ p, std::int64_t n) {
  for_each_lane(n, [&](std::int64_t i, int) { p[i] = (z[i] - mean) + beta * p[i]; });
}

/// y += a x
ZERMELO_DETAIL_TILE_KERNEL void add_scaled_tile(double a, const double* __restrict__ x, double* __restrict__ y,
                                                std::int64_t n) {
  for_each_lane(n, [&](std::int64_t i, int) { y[i] += a * x[i]; });
}

/// y −= c
ZERMELO_DETAIL_TILE_KERNEL void shift_tile(double c, double* y, std::int64_t n) {
  for_each_lane(n, [&](std::int64_t i, int) { y[i] -= c; });
}

#undef ZERMELO_DETAIL_TILE_KERNEL

}  // namespace zermelo::inline v1::detail::inline ZERMELO_ISA
