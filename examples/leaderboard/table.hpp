// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <string>

#include "board.hpp"

/// The leaderboard as text, in at most `width` columns: what was fitted and how well, then one line an item with its
/// interval as numbers and as a bar. `top` lines at most; 0: all.
std::string table_text(const leaderboard& board, std::int64_t top, int width);

/// What was fitted, how, and what proves it, on one line.
std::string summary(const leaderboard& board);
