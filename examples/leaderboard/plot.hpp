// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <string>

#include "board.hpp"

/// Writes a gnuplot script, BASENAME.gnuplot, of a forest plot: one row an item, strongest first; a point and two
/// intervals on the Elo scale. Runs it, where gnuplot is there, for BASENAME.svg and BASENAME.png. Says what was done.
std::string draw(const leaderboard& board, std::int64_t top, const std::string& basename);
