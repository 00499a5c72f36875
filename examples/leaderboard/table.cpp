// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "text.hpp"

namespace {

/// What is drawn in one column of the bar at the right of the table.
struct bar_scale {
  double lowest, highest;  ///< log-strengths at its ends
  int width;

  int column(double x) const { return static_cast<int>(std::lround((x - lowest) / (highest - lowest) * (width - 1))); }
};

std::string bar(const standing& s, const bar_scale& scale) {
  std::string out;
  for (int c = 0; c < scale.width; ++c) {
    const auto within = [&](double from, double to) { return scale.column(from) <= c && c <= scale.column(to); };
    out += c == scale.column(s.strength)          ? "●"
           : within(s.inner_lower, s.inner_upper) ? "━"
           : within(s.lower, s.upper)             ? "─"
                                                  : " ";
  }
  out.erase(out.find_last_not_of(' ') + 1);
  return out;
}

std::string ranks(const standing& s) {
  return s.best_rank == s.worst_rank ? fmt::format("{}", s.best_rank) : fmt::format("{}–{}", s.best_rank, s.worst_rank);
}

/// A column of the table: its heading, its cells, and the side they are pushed to.
struct column {
  std::string heading;
  std::vector<std::string> cells = {};
  bool left = false;
  int spare = 0;  ///< columns of a higher number go first where the table is too wide; 0 stays

  int width() const {
    int w = display_width(heading);
    for (const auto& cell : cells) w = std::max(w, display_width(cell));
    return w;
  }
};

template <class F>
column column_of(std::string heading, std::span<const standing> rows, F cell, int spare = 0) {
  column c{.heading = std::move(heading), .cells = {}, .left = false, .spare = spare};
  for (const standing& s : rows) c.cells.push_back(cell(s));
  return c;
}

std::string in_column(const std::string& text, int width, bool left) {
  return left ? in_columns(text, width)
              : std::string(static_cast<std::size_t>(width - display_width(text)), ' ') + text;
}

std::vector<column> columns_of(const leaderboard& board, std::span<const standing> rows, int name_width) {
  const zm::preference::elo_scale& elo = board.elo;
  std::int64_t rank = 0;
  std::vector<column> columns;
  columns.push_back(column_of("#", rows, [&](const standing&) { return fmt::format("{}", ++rank); }));
  columns.push_back(column_of("name", rows, [&](const standing& s) { return cut(s.name, name_width); }));
  columns.back().left = true;
  columns.push_back(column_of(
      "strength", rows, [](const standing& s) { return fmt::format("{:+.3f}", s.strength); }, 1));
  columns.push_back(column_of("Elo", rows, [&](const standing& s) { return fmt::format("{:.0f}", elo(s.strength)); }));
  if (!board.intervals.empty()) {
    columns.push_back(column_of(
        "±", rows, [&](const standing& s) { return fmt::format("{:.0f}", elo.per_unit() * (s.upper - s.lower) / 2); },
        3));
    columns.push_back(column_of(fmt::format("{:g} %", 100 * board.level), rows, [&](const standing& s) {
      return fmt::format("{:.0f}–{:.0f}", elo(s.lower), elo(s.upper));
    }));
    columns.push_back(column_of("ranks", rows, ranks));
  }
  if (board.truth_known())
    columns.push_back(column_of("true", rows, [&](const standing& s) {
      return fmt::format("{:.0f}{}", elo(*s.truth), s.covers_truth() ? " " : "!");
    }));
  columns.push_back(column_of("games", rows, [](const standing& s) { return fmt::format("{:g}", s.games()); }));
  columns.push_back(column_of(
      "won", rows, [](const standing& s) { return fmt::format("{:g}", s.wins); }, 2));
  columns.push_back(column_of(
      "lost", rows, [](const standing& s) { return fmt::format("{:g}", s.losses); }, 2));
  if (std::any_of(rows.begin(), rows.end(), [](const standing& s) { return s.ties > 0; }))
    columns.push_back(column_of(
        "tied", rows, [](const standing& s) { return fmt::format("{:g}", s.ties); }, 2));
  return columns;
}

int width_of(const std::vector<column>& columns) {
  int all = 0;
  for (const column& c : columns) all += 2 + c.width();
  return all;
}

/// As much as fits: names are shortened first, then columns are left out.
std::vector<column> columns_within(int width, const leaderboard& board, std::span<const standing> rows) {
  constexpr int widest_name = 30, narrowest_name = 12, most_spare = 3;
  std::vector<column> columns;
  for (int name_width = widest_name; name_width >= narrowest_name; --name_width) {
    columns = columns_of(board, rows, name_width);
    if (width_of(columns) <= width) return columns;
  }
  for (int spare = most_spare; spare > 0 && width_of(columns) > width; --spare)
    std::erase_if(columns, [spare](const column& c) { return c.spare == spare; });
  return columns;
}

std::string notes(const leaderboard& board, std::size_t shown) {
  std::string out;
  const auto say = [&](const std::string& line) { out += "  " + line + "\n"; };
  if (shown < board.standings.size()) say(fmt::format("… and {} more items", board.standings.size() - shown));
  if (board.truth_known() && !board.intervals.empty())
    say(fmt::format("{} of the {} intervals of {:g} % cover the true strength{}", board.covered(),
                    board.standings.size(), 100 * board.level,
                    board.covered() < static_cast<std::int64_t>(board.standings.size()) ? "; ! marks the others" : ""));
  for (const std::string& note : board.notes) say(note);
  return out;
}

}  // namespace

std::string summary(const leaderboard& board) {
  return fmt::format("{} items, {} battles; Bradley–Terry, {}", board.standings.size(), board.battles, board.model);
}

std::string table_text(const leaderboard& board, std::int64_t top, int width) {
  std::string out = board.title + "\n";
  if (board.standings.size() == 1) return out + "  " + board.standings[0].name + ", by itself\n";

  out += "  " + summary(board) + "\n";
  out +=
      fmt::format("  {}: {} after {} iterations, gradient {:.1e} of the games{}; log-likelihood {:.3f}\n", board.method,
                  name(board.convergence.status), board.convergence.iterations, board.convergence.residual,
                  board.certificate.newton_decrement > 0
                      ? fmt::format(", Newton decrement {:.1e}", board.certificate.newton_decrement)
                      : "",
                  board.log_likelihood);
  if (!board.intervals.empty()) out += fmt::format("  {:g} % {}\n", 100 * board.level, board.intervals);
  out += "\n";

  const auto all = board.standings.size();
  const std::span rows(board.standings.data(), top > 0 ? std::min(all, static_cast<std::size_t>(top)) : all);
  constexpr int least_bar = 12;
  const std::vector<column> columns = columns_within(width, board, rows);
  const int left_for_bar = width - width_of(columns) - 2;
  const bool bars = !board.intervals.empty() && left_for_bar >= least_bar;
  bar_scale scale{.lowest = rows[0].lower, .highest = rows[0].upper, .width = left_for_bar};
  for (const standing& s : rows)
    scale = {std::min(scale.lowest, s.lower), std::max(scale.highest, s.upper), scale.width};

  const auto line = [&](auto&& cell) {
    std::string text;
    for (const column& c : columns) text += "  " + in_column(cell(c), c.width(), c.left);
    return text;
  };
  out += line([](const column& c) { return c.heading; }) + "\n";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    out += line([r](const column& c) { return c.cells[r]; });
    if (bars) out += "  " + bar(rows[r], scale);
    out += "\n";
  }
  return out + notes(board, rows.size());
}
