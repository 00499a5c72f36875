// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include "contest.hpp"

/// Curves of mean cumulative regret with bands from the 10 % to the 90 % quantile over repetitions, a panel a contest:
/// BASENAME on logarithmic axes, BASENAME_linear on linear ones. Says what was done.
std::string draw_contests(const std::vector<contest>& contests, const std::string& basename);
