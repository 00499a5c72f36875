// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <string>
#include <vector>
#include <zermelo/bandit/simulate_duels.hpp>
#include <zermelo/core/execution/threads.hpp>

namespace zm = zermelo;

struct contest_settings {
  std::int64_t horizon = 20'000, repetitions = 16;
  std::uint64_t seed = 1;
};

/// An algorithm in a world.
struct entry {
  std::string algorithm;
  zm::bandit::regret_curves curves;
};

struct contest {
  std::string title;   ///< of the world
  std::string regret;  ///< what is counted
  std::vector<entry> entries = {};
};

/// All algorithms in four worlds: with transitive preferences, with a cycle below the winner, without a winner, and with
/// features of the arms.
std::vector<contest> hold_contests(const zm::threads& pool, const contest_settings& settings);
