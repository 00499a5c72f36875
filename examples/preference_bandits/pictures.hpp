// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include "games.hpp"

/// Paths of six dynamics on the simplex of rock-paper-scissors: BASENAME.svg, BASENAME.png. Says what was done.
std::string draw_paths(const std::string& basename);

/// Duality gap against rounds on logarithmic axes, without and with regularisation.
std::string draw_gaps(const contest& c, const std::string& basename);
