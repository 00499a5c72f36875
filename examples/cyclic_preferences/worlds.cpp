// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "worlds.hpp"

#include <cmath>
#include <utility>
#include <zermelo/core/distributions.hpp>
#include <zermelo/core/random.hpp>
#include <zermelo/core/value.hpp>

namespace {

/// Battles of every pair that meets, outcomes drawn from the truth. Certain outcomes come out as they must.
zm::preference::comparison_graph play(const world& w, std::int64_t battles, std::uint64_t seed) {
  const std::int64_t n = w.size();
  std::vector<double> wins(static_cast<std::size_t>(n * n), 0.0);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < i; ++j) {
      if (w.probability(i, j) < 0) continue;
      for (std::int64_t b = 0; b < battles; ++b) {
        const auto pair = static_cast<std::uint64_t>(i * n + j);
        const bool first = zm::uniform(seed, pair, static_cast<std::uint64_t>(b)) < w.probability(i, j);
        wins[static_cast<std::size_t>(first ? i * n + j : j * n + i)] += 1;
      }
    }
  return zm::preference::graph_from_wins(zm::matrix_view(wins.data(), n, n));
}

world make(std::string name, std::vector<std::string> items, std::int64_t battles, std::uint64_t seed,
           auto probability) {
  world w{.name = std::move(name), .items = std::move(items)};
  for (std::int64_t i = 0; i < w.size(); ++i)
    for (std::int64_t j = 0; j < w.size(); ++j) w.truth.push_back(i == j ? 0.5 : probability(i, j));
  w.learned = play(w, battles, seed);
  w.held_out = play(w, battles, seed + 1);
  return w;
}

std::vector<std::string> letters(std::int64_t n) {
  std::vector<std::string> names;
  for (std::int64_t k = 0; k < n; ++k) names.push_back(std::string(1, static_cast<char>('A' + k)));
  return names;
}

constexpr double full_turn = 2 * 3.14159265358979323846;

}  // namespace

world circle_of_four(std::int64_t battles_a_pair) {
  return make("A > B > C > D > A", letters(4), battles_a_pair, 1, [](std::int64_t i, std::int64_t j) {
    const std::int64_t ahead = (j - i + 4) % 4;
    return ahead == 1 ? 1.0 : ahead == 3 ? 0.0 : -1.0;
  });
}

world five_gestures(std::int64_t battles_a_pair) {
  return make("five gestures", {"rock", "lizard", "Spock", "scissors", "paper"}, battles_a_pair, 1,
              [](std::int64_t i, std::int64_t j) {
                const std::int64_t ahead = (j - i + 5) % 5;
                return ahead == 1 || ahead == 3 ? 1.0 : 0.0;
              });
}

world ladder(std::int64_t items, std::int64_t battles_a_pair, std::uint64_t seed) {
  return make("strengths only", letters(items), battles_a_pair, seed, [=](std::int64_t i, std::int64_t j) {
    const auto strength = [&](std::int64_t k) { return zm::normal(seed, 7, static_cast<std::uint64_t>(k)); };
    return zm::sigmoid(strength(i) - strength(j));
  });
}

world ladder_with_taste(std::int64_t items, std::int64_t battles_a_pair, std::uint64_t seed) {
  return make("strengths and a taste", letters(items), battles_a_pair, seed, [=](std::int64_t i, std::int64_t j) {
    const auto strength = [&](std::int64_t k) { return zm::normal(seed, 7, static_cast<std::uint64_t>(k)); };
    const auto angle = [&](std::int64_t k) { return full_turn * zm::uniform(seed, 8, static_cast<std::uint64_t>(k)); };
    return zm::sigmoid(strength(i) - strength(j) + 2 * std::sin(angle(j) - angle(i)));
  });
}
