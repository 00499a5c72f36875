// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>
#include <zermelo/bandit/toy_games.hpp>

/// A game of the table, and the policy that every method starts from.
struct contest {
  zermelo::bandit::toy_game game;
  std::vector<double> start;
};

/// The games of the table: small ones of the zoo, and a random one of a hundred items from the file of data.
/// Errors: std::runtime_error if the file cannot be read.
std::vector<contest> contests(const std::string& data_folder);
