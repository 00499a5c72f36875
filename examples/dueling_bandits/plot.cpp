// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "plot.hpp"

#include <algorithm>
#include <map>

#include "gnuplot.hpp"

namespace {

constexpr const char *brown = "#8B5A2B", *indigo = "#5B3FA0", *solid = "1", *dashed = "(8,5)", *dotted = "(1.5,4)",
                     *chained = "(10,4,2,4)";

struct look {
  const char* colour;
  const char* dash;
};

look look_of(const std::string& algorithm) {
  using namespace gnuplot;
  static const std::map<std::string, look> looks{{"random pairs", {faint, dotted}},
                                                 {"beat the mean", {yellow, chained}},
                                                 {"interleaved filter", {orange, solid}},
                                                 {"RUCB", {blue, solid}},
                                                 {"relative confidence sampling", {sky, solid}},
                                                 {"Copeland confidence bound", {purple, dashed}},
                                                 {"RMED1", {green, solid}},
                                                 {"RMED2", {green, dashed}},
                                                 {"double Thompson sampling", {vermilion, solid}},
                                                 {"D-TS+", {vermilion, dashed}},
                                                 {"MaxInP", {purple, solid}},
                                                 {"VACDB", {purple, chained}},
                                                 {"greedy arm, then UCB", {black, solid}},
                                                 {"pair by UCB", {black, dashed}},
                                                 {"CoLSTIM", {brown, solid}},
                                                 {"APOHF, linear", {indigo, solid}}};
  return looks.at(algorithm);
}

/// A data block a curve: round, mean, low, high.
void write_data(gnuplot::script& to, const std::vector<contest>& contests) {
  for (std::size_t k = 0; k < contests.size(); ++k)
    for (std::size_t e = 0; e < contests[k].entries.size(); ++e) {
      const auto& c = contests[k].entries[e].curves;
      to.line("$c{}_{} << END", k, e);
      for (std::int64_t t = 0; t < c.count(); ++t)
        to.line("{} {:.6g} {:.6g} {:.6g}", c.rounds[static_cast<std::size_t>(t)], c.mean(t), c.quantile(0.1, t),
                c.quantile(0.9, t));
      to.line("END");
    }
}

void write_panel(gnuplot::script& to, const contest& contest, std::size_t k, bool logarithmic) {
  double highest = 0, lowest_last = 1e300;
  for (const entry& e : contest.entries) {
    const auto& c = e.curves;
    highest = std::max(highest, c.mean(c.count() - 1));
    lowest_last = std::min(lowest_last, c.mean(c.count() - 1));
  }
  const double ceiling = logarithmic ? 1.6 * highest : std::min(1.05 * highest, 9 * lowest_last);
  const auto last = contest.entries[0].curves.rounds.back();
  to.line("set title {} noenhanced font ',12' tc rgb '{}' offset 0, -0.4", gnuplot::literal(contest.title),
          gnuplot::ink);
  to.line("set xlabel 'duels' font ',11' offset 0, 0.4");
  to.line("set ylabel 'cumulative {}' font ',11' offset 0.8, 0", contest.regret);
  if (logarithmic) {
    to.line("set logscale xy");
    to.line("set format x '10^{{%T}}'");
    to.line("set format y '10^{{%T}}'");
    to.line("set xrange [10:{}]", last);
    to.line("set yrange [1:{:.6g}]", ceiling);
  } else {
    to.line("unset logscale");
    to.line("set format '%g'");
    to.line("set xrange [0:{}]", last);
    to.line("set yrange [0:{:.6g}]", ceiling);
  }
  std::string plot = "plot ";
  for (std::size_t e = 0; e < contest.entries.size(); ++e) {
    const auto& c = contest.entries[e].curves;
    if (c.quantile(0.9, c.count() - 1) > ceiling) continue;  // its band would be cut off
    plot += fmt::format(
        "$c{}_{} using 1:($3 > 1e-3 ? $3 : 1e-3):($4 > 1e-3 ? $4 : 1e-3) with filledcurves lc rgb '{}' "
        "fs transparent solid 0.13 noborder notitle, ",
        k, e, look_of(contest.entries[e].algorithm).colour);
  }
  for (std::size_t e = 0; e < contest.entries.size(); ++e) {
    const look l = look_of(contest.entries[e].algorithm);
    plot += fmt::format("$c{}_{} using 1:($2 > 1e-3 ? $2 : 1e-3) with lines lw 1.8 dt {} lc rgb '{}' notitle, ", k, e,
                        l.dash, l.colour);
  }
  to.line("{}", plot.substr(0, plot.size() - 2));
}

/// The names of all algorithms, each once.
std::vector<std::string> names_of(const std::vector<contest>& contests) {
  std::vector<std::string> names;
  for (const contest& c : contests)
    for (const entry& e : c.entries)
      if (std::find(names.begin(), names.end(), e.algorithm) == names.end()) names.push_back(e.algorithm);
  return names;
}

/// A line and a name for each algorithm, in `rows` rows of a strip at the bottom of a picture of that height, in pixels.
void write_key(gnuplot::script& to, const std::vector<std::string>& names, std::size_t rows, int strip, int height) {
  constexpr double columns[] = {0.02, 0.25, 0.5, 0.77};
  for (std::size_t k = 0; k < names.size(); ++k) {
    const look l = look_of(names[k]);
    const double x = columns[k / rows], y = (strip - 22 - 22 * static_cast<double>(k % rows)) / height;
    to.line(
        "set arrow from screen {:.4f}, screen {:.4f} to screen {:.4f}, screen {:.4f} nohead lw {} dt {} lc rgb '{}'", x,
        y, x + 0.035, y, k % 2 ? 2.2 : 2.21, l.dash, l.colour);  // gnuplot's SVG overlooks a change of dashes alone
    to.line("set label {} at screen {:.4f}, screen {:.4f} left noenhanced font ',10' tc rgb '{}'",
            gnuplot::literal(names[k]), x + 0.042, y, gnuplot::ink);
  }
}

std::string draw_panels(const std::vector<contest>& contests, const std::string& basename, bool logarithmic) {
  constexpr int width = 980, panel = 330;
  const auto names = names_of(contests);
  const std::size_t key_rows = (names.size() + 3) / 4;
  const int key = 18 + 22 * static_cast<int>(key_rows);
  const int rows = (static_cast<int>(contests.size()) + 1) / 2, height = rows * panel + key;
  gnuplot::script to;
  write_data(to, contests);
  to.line("set multiplot");
  to.line("set border 3 lc rgb '{}'", gnuplot::faint);
  to.line("set tics nomirror out scale 0.5 font ',10' tc rgb '{}'", gnuplot::ink);
  to.line("set grid lt 1 lw 0.6 lc rgb '{}'", gnuplot::grid);
  to.line("unset key");
  for (std::size_t k = 0; k < contests.size(); ++k) {
    const int row = static_cast<int>(k) / 2, column = static_cast<int>(k) % 2;
    const double top = 1 - static_cast<double>(row * panel + 34) / height;
    const double bottom = 1 - static_cast<double>((row + 1) * panel - 52) / height;
    to.line("set lmargin at screen {:.4f}; set rmargin at screen {:.4f}", 0.075 + 0.5 * column, 0.475 + 0.5 * column);
    to.line("set tmargin at screen {:.4f}; set bmargin at screen {:.4f}", top, bottom);
    if (k == 0) write_key(to, names, key_rows, key, height);
    if (k == 1) to.line("unset label; unset arrow");
    write_panel(to, contests[k], k, logarithmic);
  }
  to.line("unset multiplot");
  return gnuplot::draw(to.text(), basename, width, height);
}

}  // namespace

std::string draw_contests(const std::vector<contest>& contests, const std::string& basename) {
  return draw_panels(contests, basename, true) + "\n" + draw_panels(contests, basename + "_linear", false);
}
