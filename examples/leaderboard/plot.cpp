// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "plot.hpp"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "export.hpp"
#include "table.hpp"
#include "text.hpp"

extern char** environ;

namespace {

// Okabe and Ito's blue and vermilion, which colour-blind readers can tell apart.
constexpr const char *blue = "#0072B2", *vermilion = "#D55E00", *ink = "#222222", *faint = "#666666", *grid = "#E4E4E4",
                     *band = "#F3F5F7";

/// A string of gnuplot's in which nothing has a meaning.
std::string literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

/// The same in bold letters, by gnuplot's markup, of which the text itself has none.
std::string bold(std::string_view text) {
  std::string out = "'{/:Bold ";
  for (const char c : text) {
    if (std::string_view("^_{}@&~\\").find(c) != std::string_view::npos) out += '\\';
    out += c == '\'' ? std::string("''") : std::string(1, c);
  }
  return out + "}'";
}

/// Lengths in pixels.
struct geometry {
  int rows;
  int font = 11, row = 19;                                    ///< size of the letters, height of a row
  int left = 0, right = 0, top = 78, bottom = 94, width = 0;  ///< margins and the whole

  int height() const { return top + rows * row + bottom; }
  double x(int pixel) const { return static_cast<double>(pixel) / width; }
  double y(int pixel_from_bottom) const { return static_cast<double>(pixel_from_bottom) / height(); }
};

geometry lay_out(std::span<const standing> rows) {
  geometry g{.rows = static_cast<int>(rows.size())};
  if (g.rows <= 12) g.row = 24;
  if (g.rows > 60) g.font = 8, g.row = 13;
  int longest = 0;
  for (const standing& s : rows) longest = std::max(longest, display_width(cut(s.name, 36)));
  g.left = 34 + longest * g.font * 70 / 100;
  g.right = g.font * 19;
  g.width = g.left + 430 + g.right;
  return g;
}

/// Rows that start a group: everything above is better than everything below, and significantly so.
std::vector<std::size_t> group_starts(std::span<const standing> all, std::size_t shown) {
  std::vector<std::size_t> starts{0};
  for (std::size_t k = 1; k < shown; ++k) {
    const auto rank = static_cast<std::int64_t>(k);
    const bool above = std::all_of(all.begin(), all.begin() + rank, [&](auto& s) { return s.worst_rank <= rank; });
    const bool below = std::all_of(all.begin() + rank, all.end(), [&](auto& s) { return s.best_rank > rank; });
    if (above && below) starts.push_back(k);
  }
  return starts;
}

/// Whether the thick lines reach out from under their points.
bool wide_intervals(std::span<const standing> rows) {
  double low = rows[0].lower, high = rows[0].upper, inner = 0;
  for (const standing& s : rows) {
    low = std::min(low, s.lower), high = std::max(high, s.upper);
    inner += (s.inner_upper - s.inner_lower) / static_cast<double>(rows.size());
  }
  return inner > 0.045 * (high - low);
}

class script {
 public:
  template <class... A>
  void line(fmt::format_string<A...> format, A&&... values) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<A>(values)...);
    text_ += '\n';
  }
  /// position: "screen 0.1, first 3"
  void label(std::string_view text, const std::string& position, std::string_view look) {
    line("set label {} at {} noenhanced {}", literal(text), position, look);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void write_data(script& to, std::span<const standing> rows, const zm::preference::elo_scale& elo) {
  to.line("$board << END");
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const standing& s = rows[k];
    to.line("{} {} {} {} {} {} {}", k + 1, elo(s.strength), elo(s.lower), elo(s.upper), elo(s.inner_lower),
            elo(s.inner_upper), elo(s.truth.value_or(s.strength)));
  }
  to.line("END");
}

void write_axes(script& to, const leaderboard& board, std::span<const standing> rows, const geometry& g) {
  double low = rows[0].lower, high = rows[0].upper;
  for (const standing& s : rows) {
    low = std::min({low, s.lower, s.truth.value_or(s.lower)});
    high = std::max({high, s.upper, s.truth.value_or(s.upper)});
  }
  const double margin = 0.04 * (high - low) + 1e-9;
  to.line("set encoding utf8");
  to.line("unset key");
  to.line("set lmargin at screen {:.5f}", g.x(g.left));
  to.line("set rmargin at screen {:.5f}", g.x(g.width - g.right));
  to.line("set bmargin at screen {:.5f}", g.y(g.bottom));
  to.line("set tmargin at screen {:.5f}", g.y(g.height() - g.top));
  to.line("set xrange [{}:{}]", board.elo(low - margin), board.elo(high + margin));
  to.line("set yrange [{}:0.5]", static_cast<double>(rows.size()) + 0.5);
  to.line("set border 1 lc rgb '{}'", faint);
  to.line("set xtics nomirror out scale 0.5 font ',{}' tc rgb '{}'", g.font - 1, ink);
  to.line("set grid xtics front lt 1 lw 0.6 lc rgb '{}'", grid);
  to.line("set grid noytics back");
  to.line("set format x '%g'");
  to.line("set xlabel {} noenhanced font ',{}' tc rgb '{}' offset 0, 0.2",
          literal(fmt::format("Elo scale: centre {:g}, {:g} points are odds of ten to one", board.elo.centre,
                              board.elo.scale)),
          g.font - 1, ink);
  to.line("set ytics scale 0 noenhanced tc rgb '{}' ()", ink);
  for (std::size_t k = 0; k < rows.size(); ++k) to.line("set ytics add ({} {})", literal(cut(rows[k].name, 36)), k + 1);
}

/// Shades every other group.
void write_bands(script& to, std::vector<std::size_t> starts, std::size_t shown, const geometry& g) {
  if (starts.size() == 1) return;
  starts.push_back(shown);
  for (std::size_t k = 0; k + 1 < starts.size(); k += 2)
    to.line(
        "set object rectangle from screen {:.5f}, first {} to screen {:.5f}, first {} "
        "fc rgb '{}' fs solid noborder behind",
        g.x(10), static_cast<double>(starts[k]) + 0.5, g.x(g.width - 10), static_cast<double>(starts[k + 1]) + 0.5,
        band);
}

void write_numbers(script& to, const leaderboard& board, std::span<const standing> rows, const geometry& g) {
  const int rating = g.width - g.right + g.font * 5 / 2 + 10, interval = rating + g.font * 17 / 2, ranks = g.width - 16;
  const std::string heading = fmt::format("right font ',{}' tc rgb '{}'", g.font - 1, faint);
  const std::string number = fmt::format("right font ',{}' tc rgb '{}'", g.font - 1, ink);
  const auto above = [&](int x) {
    return fmt::format("screen {:.5f}, screen {:.5f}", g.x(x), g.y(g.height() - g.top + 10));
  };
  const auto beside = [&](int x, std::size_t k) { return fmt::format("screen {:.5f}, first {}", g.x(x), k + 1); };
  to.label("Elo", above(rating), heading);
  if (!board.intervals.empty()) {
    to.label(fmt::format("{:g} %", 100 * board.level), above(interval), heading);
    to.label("ranks", above(ranks), heading);
  }
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const standing& s = rows[k];
    to.label(fmt::format("{:.0f}", board.elo(s.strength)), beside(rating, k), number);
    if (board.intervals.empty()) continue;
    to.label(fmt::format("{:.0f}–{:.0f}", board.elo(s.lower), board.elo(s.upper)), beside(interval, k), number);
    to.label(
        s.best_rank == s.worst_rank ? fmt::format("{}", s.best_rank) : fmt::format("{}–{}", s.best_rank, s.worst_rank),
        beside(ranks, k), number);
  }
}

void write_words(script& to, const leaderboard& board, std::size_t shown, bool shaded, const geometry& g) {
  const auto at = [&](int y) { return fmt::format("screen {:.5f}, screen {:.5f}", g.x(12), g.y(y)); };
  const std::string small = fmt::format("left font ',9' tc rgb '{}'", faint);
  to.line("set label {} at {} left font ',13' tc rgb '{}'", bold(board.title), at(g.height() - 22), ink);
  std::string what = summary(board);
  if (shown < board.standings.size()) what += fmt::format("; the {} strongest are shown", shown);
  to.label(what, at(g.height() - 43), small);
  if (board.intervals.empty()) return;
  std::string first = fmt::format("Thin lines: {:g} % {}; thick lines hold half.", 100 * board.level, board.intervals);
  if (board.truth_known())
    first += fmt::format(" Diamonds: true strengths, {} of {} covered.", board.covered(), board.standings.size());
  to.label(first, at(32), small);
  std::string second = "Ranks: those that the data do not rule out.";
  if (shaded) second += " Where the shade changes, every difference across is significant.";
  to.label(second, at(16), small);
}

std::string script_of(const leaderboard& board, std::span<const standing> rows, const std::string& basename) {
  const geometry g = lay_out(rows);
  script to;
  write_data(to, rows, board.elo);
  write_axes(to, board, rows, g);
  const auto groups = group_starts(board.standings, rows.size());
  write_bands(to, groups, rows.size(), g);
  write_numbers(to, board, rows, g);
  write_words(to, board, rows.size(), groups.size() > 1, g);
  const double point = g.font >= 10 ? 0.56 : 0.4;
  std::string plot = fmt::format(
      "plot $board using 3:1:($4-$3):(0) with vectors nohead lw 1.2 lc rgb '{0}', "
      "$board using 5:1:($6-$5):(0) with vectors nohead lw 3.2 lc rgb '{0}', ",
      blue);
  if (wide_intervals(rows))  // else the white ring would hide them
    plot += fmt::format("$board using 2:1 with points pt 7 ps {} lc rgb 'white', ", 1.4 * point);
  plot += fmt::format("$board using 2:1 with points pt 7 ps {} lc rgb '{}'", point, blue);
  if (board.truth_known())
    plot += fmt::format(", $board using 7:1 with points pt 12 ps 0.72 lw 1.4 lc rgb '{}'", vermilion);
  to.line("set terminal svg size {}, {} font 'Helvetica,{}' background '#FFFFFF'", g.width, g.height(), g.font);
  to.line("set output {}", literal(basename + ".svg"));
  to.line("{}", plot);
  to.line("set terminal pngcairo size {}, {} font 'Helvetica,{}' fontscale 2 linewidth 2 pointscale 2.8", 2 * g.width,
          2 * g.height(), g.font);
  to.line("set output {}", literal(basename + ".png"));
  to.line("replot");
  return to.text();
}

/// Runs gnuplot: its exit status, or −1 where there is none.
int run_gnuplot(const std::string& path) {
  std::string program = "gnuplot", file = path;
  char* arguments[] = {program.data(), file.data(), nullptr};
  pid_t child = 0;
  int status = 0;
  if (posix_spawnp(&child, program.c_str(), nullptr, nullptr, arguments, environ) != 0) return -1;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 1;
  return WEXITSTATUS(status) == 127 ? -1 : WEXITSTATUS(status);
}

}  // namespace

std::string draw(const leaderboard& board, std::int64_t top, const std::string& basename) {
  const auto all = board.standings.size();
  const std::span rows(board.standings.data(), top > 0 ? std::min(all, static_cast<std::size_t>(top)) : all);
  const std::string path = basename + ".gnuplot";
  if (const auto folder = std::filesystem::path(basename).parent_path(); !folder.empty())
    std::filesystem::create_directories(folder);
  write_text(path, script_of(board, rows, basename));
  const int status = run_gnuplot(path);
  if (status < 0) return fmt::format("no picture: gnuplot was not found; its script is {}", path);
  if (status > 0) return fmt::format("no picture: gnuplot failed on {}", path);
  return fmt::format("picture: {0}.svg, {0}.png", basename);
}
