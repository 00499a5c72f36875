// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <string>
#include <vector>
#include <zermelo/preference/comparison_graph.hpp>

namespace zm = zermelo;

/// Items whose true win probabilities are known, and battles between them.
struct world {
  std::string name = {};
  std::vector<std::string> items = {};
  std::vector<double> truth = {};                 ///< [n, n] P(i beats j); −1 for pairs that never meet
  zm::preference::comparison_graph learned = {};  ///< battles to learn from
  zm::preference::comparison_graph held_out = {};

  std::int64_t size() const { return static_cast<std::int64_t>(items.size()); }
  double probability(std::int64_t i, std::int64_t j) const { return truth[static_cast<std::size_t>(i * size() + j)]; }
};

/// A > B > C > D > A: every item always beats the next one and loses to the one before.
world circle_of_four(std::int64_t battles_a_pair);

/// Rock, paper, scissors, lizard, Spock: every item beats two of the others.
world five_gestures(std::int64_t battles_a_pair);

/// Strengths and nothing else, as Bradley and Terry have it.
world ladder(std::int64_t items, std::int64_t battles_a_pair, std::uint64_t seed);

/// Strengths, and a taste that runs in a circle.
world ladder_with_taste(std::int64_t items, std::int64_t battles_a_pair, std::uint64_t seed);
