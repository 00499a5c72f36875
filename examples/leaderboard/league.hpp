// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <zermelo/core/execution/threads.hpp>

#include "board.hpp"

/// The battles of a file, or of the standard input where the path is "-".
league read_league(zm::threads& pool, const std::string& path, zm::io::battle_options options);

/// Baseball's American League in 1987, from the file beside this program's source.
league american_league();

/// Battles of players that do not exist, drawn from known strengths.
league invented_league(std::int64_t battles, std::uint64_t seed);

/// The battles among some of the items, which are numbered in the order given.
league among(const league& whole, std::span<const std::int64_t> items);
