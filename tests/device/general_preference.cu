// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The game of general preferences' scores on a device, against the host's.
#include <algorithm>

#include "check.cuh"
#include "zermelo/game/general_preference_operator.hpp"

namespace {

namespace zg = zermelo::game;
namespace zp = zermelo::preference;

template <class T>
void scores(const zm::cuda& gpu, std::int64_t n, std::int64_t k) {
  const auto v = random_numbers<T>(n * 2 * k, 1);
  auto p = random_numbers<T>(n, 2);
  for (T& x : p) x = x * x;
  const auto scales = random_numbers<T>(k, 3);
  const on_device<T> device_v(v), device_p(p), device_out(n);
  const auto e = device_v.matrix(n, 2 * k);
  zg::general_preference_score_game(e, scales).win_rate(gpu, device_p.view(), device_out.view());
  std::vector<T> expected(static_cast<std::size_t>(n));
  zg::general_preference_score_game(zm::matrix_view(v.data(), n, 2 * k), scales).win_rate(zm::simd{}, p, expected);
  T size = 0;
  for (const T x : expected) size = std::max(size, std::abs(x));
  CHECK(distance(device_out.get(), expected) <= 64 * epsilon<T>() * size);
}

template <class T>
void pairs(const zm::cuda& gpu, std::int64_t n, std::int64_t k) {
  const auto u = random_numbers<T>(n * 2 * k, 4), v = random_numbers<T>(n * 2 * k, 5), scales = random_numbers<T>(k, 6);
  const on_device<T> device_u(u), device_v(v), device_scales(scales), out(n), swapped(n);
  const auto a = device_u.matrix(n, 2 * k), b = device_v.matrix(n, 2 * k);
  zp::pair_scores(gpu, a, b, device_scales.view(), out.view());
  zp::pair_scores(gpu, b, a, device_scales.view(), swapped.view());
  const auto scores = out.get(), opposite = swapped.get();
  bool skew = true;
  for (std::size_t r = 0; r < scores.size(); ++r) skew = skew && scores[r] == -opposite[r];
  CHECK(skew);
  std::vector<T> expected(static_cast<std::size_t>(n));
  zp::pair_scores(zm::matrix_view(u.data(), n, 2 * k), zm::matrix_view(v.data(), n, 2 * k), scales, expected);
  CHECK(distance(scores, expected) <= 64 * epsilon<T>() * static_cast<double>(k) * 16);
}

}  // namespace

int main() try {
  if (no_device()) return skipped;
  const zm::cuda gpu;
  for (const std::int64_t n : {1, 1000, 1000003})
    for (const std::int64_t k : {1, 4}) {
      scores<float>(gpu, n, k);
      scores<double>(gpu, n, k);
      pairs<float>(gpu, n, k);
      pairs<double>(gpu, n, k);
    }
  return verdict();
} catch (const std::exception& e) {
  std::printf("%s\n", e.what());
  return 1;
}
