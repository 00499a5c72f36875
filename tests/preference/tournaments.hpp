// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "zermelo/core/random.hpp"
#include "zermelo/preference/comparison_graph.hpp"

/// Tournaments to fit: made of counts, or played.
namespace tournaments {

namespace zm = zermelo;
namespace zp = zermelo::preference;

/// Counts of "row beat column", n × n.
struct win_table {
  std::int64_t n;
  std::vector<double> wins;

  explicit win_table(std::int64_t items) : n(items), wins(static_cast<std::size_t>(items * items), 0.0) {}
  double& operator()(std::int64_t i, std::int64_t j) { return wins[static_cast<std::size_t>(i * n + j)]; }
  double operator()(std::int64_t i, std::int64_t j) const { return wins[static_cast<std::size_t>(i * n + j)]; }
  auto view() const { return zm::matrix_view(wins.data(), n, n); }
  zp::comparison_graph graph() const { return zp::graph_from_wins(view()); }
};

using pair_list = std::vector<std::pair<std::int32_t, std::int32_t>>;

inline pair_list every_pair(std::int32_t n) {
  pair_list pairs;
  for (std::int32_t i = 0; i < n; ++i)
    for (std::int32_t j = i + 1; j < n; ++j) pairs.emplace_back(i, j);
  return pairs;
}

/// Each item meets the next, and the last meets the first.
inline pair_list ring(std::int32_t n) {
  pair_list pairs;
  for (std::int32_t i = 0; i < n; ++i) pairs.emplace_back(i, (i + 1) % n);
  return pairs;
}

/// Counts from 1 to `most` both ways on every pair with probability `density`, and always on a ring: there is a maximum.
inline win_table random_wins(std::int64_t n, double density, int most, std::uint64_t seed) {
  win_table w(n);
  std::uint64_t at = 0;
  const auto games = [&] { return static_cast<double>(1 + zm::index_below(zm::random_bits(seed, 0, at++), most)); };
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = i + 1; j < n; ++j)
      if (j == i + 1 || (i == 0 && j == n - 1) || zm::uniform(seed, 1, static_cast<std::uint64_t>(i * n + j)) < density)
        w(i, j) = games(), w(j, i) = games();
  return w;
}

/// Outcomes of `games` battles of every pair: a tie with probability `tie`, otherwise by the strengths.
struct played {
  std::vector<std::int32_t> first, second;
  std::vector<zp::outcome> outcomes;

  played(const std::vector<double>& strength, const pair_list& pairs, int games, double tie, std::uint64_t seed,
         std::uint64_t tournament) {
    std::uint64_t at = 0;
    for (const auto& [i, j] : pairs)
      for (int k = 0; k < games; ++k, ++at) {
        const double d = strength[static_cast<std::size_t>(i)] - strength[static_cast<std::size_t>(j)];
        const bool tied = zm::uniform(seed, 2 * tournament, at) < tie;
        const bool won = zm::uniform(seed, 2 * tournament + 1, at) < 1 / (1 + std::exp(-d));
        first.push_back(i), second.push_back(j);
        outcomes.push_back(tied ? zp::outcome::tie : won ? zp::outcome::first : zp::outcome::second);
      }
  }
};

}  // namespace tournaments
