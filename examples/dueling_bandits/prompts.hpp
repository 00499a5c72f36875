// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include "contest.hpp"

/// How good the reported prompt is, as a share of the way from the mean prompt to the best one.
struct prompt_row {
  std::string method;
  std::vector<double> share;  ///< after each of `prompt_checks` duels
};

inline constexpr std::int64_t prompt_checks[] = {15, 30, 60, 90};

/// Prompt optimisation with human feedback on sixty prompts whose reward has two humps over their embeddings, by a linear and a
/// neural latent reward, with chosen and with random pairs.
std::vector<prompt_row> optimise_prompts(const zm::threads& pool, const contest_settings& settings);
