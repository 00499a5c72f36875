// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <span>
#include <string>

#include "board.hpp"

/// {"leaderboards": [{"title", …, "items": [{"rank", "name", "strength", …}, …]}, …]}, every number in full.
std::string json_text(std::span<const leaderboard> boards);

/// A header and one line an item, as RFC 4180 wants it; `leaderboard` is the title.
std::string csv_text(std::span<const leaderboard> boards);

/// Writes the text to a file, or to the standard output where the path is "-".
void write_text(const std::string& path, const std::string& text);
