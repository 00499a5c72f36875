// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The game of general preferences' scores on a device, against the host's.
#include <algorithm>

#include "check.cuh"
#include "zermelo/game/general_preference_operator.hpp"

namespace {

namespace zg = zermelo::game;

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

}  // namespace

int main() try {
  if (no_device()) return skipped;
  const zm::cuda gpu;
  for (const std::int64_t n : {1, 1000, 1000003})
    for (const std::int64_t k : {1, 4}) {
      scores<float>(gpu, n, k);
      scores<double>(gpu, n, k);
    }
  return verdict();
} catch (const std::exception& e) {
  std::printf("%s\n", e.what());
  return 1;
}
