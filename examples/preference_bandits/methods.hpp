// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>
#include <zermelo/game/solve.hpp>

#include "games.hpp"

/// When a method first reached each gap.
struct reached {
  std::int64_t round = 0;
  double seconds = 0;
};

struct run_result {
  std::optional<reached> at[3];  ///< gaps of 1e-3, 1e-6, 1e-9
  std::int64_t rounds = 0;       ///< done in all
  double seconds = 0;
};

inline constexpr double gap_levels[3] = {1e-3, 1e-6, 1e-9};

using observer = std::function<void(const zermelo::game::iterate<double>&)>;

/// A way to play, and which policy of it counts.
struct method {
  std::string name;
  zermelo::game::judged judged;
  /// Plays until the gap is at the target or the rounds are over.
  std::function<void(const contest&, std::int64_t limit, double target, const observer&)> play;
};

/// Methods that seek a Nash policy of the game itself.
std::vector<method> plain_methods();
/// Methods that seek the equilibrium of the game regularised by τ KL(·‖uniform).
std::vector<method> regularized_methods(double kl_weight);

run_result measure(const method& m, const contest& c, std::int64_t limit);
