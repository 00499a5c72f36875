// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>
#include <zermelo/bandit/duels.hpp>
#include <zermelo/core/random.hpp>
#include <zermelo/core/tensor.hpp>

/// Preferences that the tests of this room share.
namespace worlds {

struct square {
  std::int64_t n = 0;
  std::vector<double> values = {};
  double& operator()(std::int64_t i, std::int64_t j) { return values[static_cast<std::size_t>(i * n + j)]; }
  double operator()(std::int64_t i, std::int64_t j) const { return values[static_cast<std::size_t>(i * n + j)]; }
  auto view() const { return zermelo::matrix_view(values.data(), n, n); }
};

inline square indifferent(std::int64_t n) { return {n, std::vector<double>(static_cast<std::size_t>(n * n), 0.5)}; }

/// P = σ(uᵢ − uⱼ)
inline square of_utilities(std::span<const double> u) {
  square p = indifferent(static_cast<std::int64_t>(u.size()));
  for (std::int64_t i = 0; i < p.n; ++i)
    for (std::int64_t j = 0; j < p.n; ++j)
      p(i, j) = 1 / (1 + std::exp(u[static_cast<std::size_t>(j)] - u[static_cast<std::size_t>(i)]));
  return p;
}

/// Five arms, of which number 2 beats all others.
inline square five() { return of_utilities(std::vector<double>{.3, -.2, 1.1, 0, .7}); }

/// Each of n arms (n odd) beats the next (n − 1)/2 with probability p: nobody beats all.
inline square cycle(std::int64_t n, double p) {
  square m = indifferent(n);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t k = 1; k <= (n - 1) / 2; ++k) m(i, (i + k) % n) = p, m((i + k) % n, i) = 1 - p;
  return m;
}

/// Preferences drawn at random, uniform in (0, 1).
inline square drawn(std::int64_t n, std::uint64_t seed) {
  square m = indifferent(n);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < i; ++j) {
      m(i, j) = zermelo::uniform(seed, 99, static_cast<std::uint64_t>(i * n + j));
      m(j, i) = 1 - m(i, j);
    }
  return m;
}

/// m duels of random pairs.
inline zermelo::bandit::duel_tally played(const square& p, std::int64_t m, std::uint64_t seed) {
  auto tally = zermelo::bandit::empty_tally(p.n);
  zermelo::bandit::draw_stream draws(seed, 5);
  for (std::int64_t k = 0; k < m; ++k) {
    const auto i = zermelo::bandit::draw_index(draws, p.n), j = zermelo::bandit::draw_index(draws, p.n);
    tally.record(i, j, draws.uniform() < p(i, j));
  }
  return tally;
}

/// The same world with arm i called label[i].
template <class Matrix>
Matrix relabelled(const Matrix& m, std::span<const std::int64_t> label) {
  Matrix to = m;
  for (std::int64_t i = 0; i < m.n; ++i)
    for (std::int64_t j = 0; j < m.n; ++j)
      to(label[static_cast<std::size_t>(i)], label[static_cast<std::size_t>(j)]) = m(i, j);
  return to;
}

}  // namespace worlds
