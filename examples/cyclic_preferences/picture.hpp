// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "worlds.hpp"

/// One world as the picture shows it: what was seen, what both models make of it, and the embedding.
struct panel {
  const world* of = nullptr;
  std::function<double(std::int64_t, std::int64_t)> bradley_terry, general;  ///< P(i beats j)
  std::vector<double> embedding = {};                                        ///< [n, 2]
};

/// Draws BASENAME.svg and .png; returns a sentence for the user.
std::string draw(const std::vector<panel>& panels, const std::string& basename);
