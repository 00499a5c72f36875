// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <string>
#include <vector>
#include <zermelo/core/execution/threads.hpp>
#include <zermelo/preference/fit.hpp>
#include <zermelo/preference/priors.hpp>

#include "board.hpp"

struct ranking_settings {
  zm::preference::fit_method method = zm::preference::fit_method::newton;
  zm::preference::strength_prior prior = {};
  zm::preference::elo_scale elo = {};
  double level = 0.95;
  bool sandwich = false;
  bool by_component = false;    ///< where no maximum exists, rank what can be ranked
  std::int64_t replicates = 0;  ///< of the bootstrap; 0: Wald intervals
  std::uint64_t seed = 0;
  bool progress = false;  ///< draw a bar on the standard error while the bootstrap runs
};

/// Fits the league and ranks its items: one leaderboard, or one for every component.
/// Errors: zermelo's own; not_identifiable and no_maximum unless by_component.
std::vector<leaderboard> rank(zm::threads& pool, const league& league, const ranking_settings& settings);
