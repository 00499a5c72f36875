// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "picture.hpp"

#include <algorithm>
#include <cmath>

#include "gnuplot.hpp"

namespace {

constexpr int square = 205, gap = 26, before_plane = 70, left = 66, top = 66, row = 276;

struct geometry {
  int width, height;
  double x(int pixel) const { return static_cast<double>(pixel) / width; }
  double y(int from_top) const { return 1 - static_cast<double>(from_top) / height; }
};

/// Where column c begins; the last has an axis.
int left_of(int c) { return left + c * (square + gap) + (c == 3 ? before_plane - gap : 0); }

/// Room for one square plot: column c of row r.
void place(gnuplot::script& to, const geometry& g, int r, int c) {
  const int x = left_of(c), y = top + r * row;
  to.line("set lmargin at screen {:.5f}", g.x(x));
  to.line("set rmargin at screen {:.5f}", g.x(x + square));
  to.line("set tmargin at screen {:.5f}", g.y(y));
  to.line("set bmargin at screen {:.5f}", g.y(y + square));
}

/// A table of probabilities as coloured squares with numbers.
template <class F>
void table(gnuplot::script& to, const world& w, bool names, F probability) {
  const std::int64_t n = w.size();
  to.line("set xrange [-0.5:{0}.5]\nset yrange [{0}.5:-0.5]", n - 1);
  to.line("set cbrange [0:1]\nunset colorbox\nset border 0\nset size ratio 1");
  to.line("set palette defined (0 '#E89A66', 0.5 '#F7F7F7', 1 '#6FB1D6')");
  to.line("unset xtics\nunset ytics");
  for (std::int64_t i = 0; i < n; ++i) {
    to.line("set label {} at {}, -0.66 center font ',8' tc rgb '{}'", gnuplot::literal(w.items[std::size_t(i)]), i,
            gnuplot::ink);
    if (names)
      to.line("set label {} at -0.6, {} right font ',9' tc rgb '{}'", gnuplot::literal(w.items[std::size_t(i)]), i,
              gnuplot::ink);
  }
  to.line("$table << END");
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      const double p = i == j ? -1 : probability(i, j);
      to.line("{} {} {}", j, i, p < 0 ? std::string("NaN") : fmt::format("{:.6f}", p));
    }
  to.line("END");
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      const double p = i == j ? -1 : probability(i, j);
      if (p < 0)
        to.line("set label '–' at {}, {} center font ',10' tc rgb '#AAAAAA' front", j, i);
      else
        to.line("set label '{:.2f}' at {}, {} center font ',10' tc rgb '{}' front", p, j, i, gnuplot::ink);
    }
  to.line("plot $table using 1:2:3 with image pixels notitle");
  to.line("unset label\nunset arrow");
}

/// The embedding in the plane: an arrow from every winner to whom it beats.
void plane(gnuplot::script& to, const panel& p) {
  const world& w = *p.of;
  const std::int64_t n = w.size();
  // Turning the plane leaves all scores: the first item is put on top.
  const double turn = std::atan2(p.embedding[0], p.embedding[1]);
  std::vector<double> x, y;
  double reach = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double a = p.embedding[std::size_t(2 * i)], b = p.embedding[std::size_t(2 * i + 1)];
    x.push_back(std::cos(turn) * a - std::sin(turn) * b);
    y.push_back(std::sin(turn) * a + std::cos(turn) * b);
    reach = std::max(reach, std::hypot(a, b));
  }
  const bool initials = std::all_of(w.items.begin(), w.items.end(), [](const auto& name) { return name.size() == 1; });
  const double range = (initials ? 1.5 : 2.1) * reach;
  to.line("set xrange [{0}:{1}]\nset yrange [{0}:{1}]\nset size ratio 1", -range, range);
  to.line("set border 3 lc rgb '{}'\nset tics nomirror out scale 0.5 font ',9' tc rgb '{}'", gnuplot::faint,
          gnuplot::ink);
  to.line("set xtics {0} nomirror\nset ytics {0} nomirror", range > 4 ? 2 : 1);
  to.line(
      "set xlabel 'v_1' font ',10' offset 0, 0.5 tc rgb '{0}'\nset ylabel 'v_2' font ',10' offset 1.2, 0 tc rgb '{0}'",
      gnuplot::ink);
  to.line("set arrow from {}, 0 to {}, 0 nohead lw 0.6 lc rgb '{}' back", -range, range, gnuplot::grid);
  to.line("set arrow from 0, {} to 0, {} nohead lw 0.6 lc rgb '{}' back", -range, range, gnuplot::grid);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      if (w.probability(i, j) <= 0.5 || i == j) continue;
      const auto a = std::size_t(i), b = std::size_t(j);
      const double dx = x[b] - x[a], dy = y[b] - y[a], length = std::hypot(dx, dy), cut = 0.14 * reach / length;
      to.line("set arrow from {}, {} to {}, {} head filled size screen 0.009, 18 lw 1.3 lc rgb '{}' front",
              x[a] + cut * dx, y[a] + cut * dy, x[b] - cut * dx, y[b] - cut * dy, gnuplot::blue);
    }
  to.line("$items << END");
  for (std::int64_t i = 0; i < n; ++i) to.line("{} {}", x[std::size_t(i)], y[std::size_t(i)]);
  to.line("END");
  for (std::int64_t i = 0; i < n; ++i) {
    const double px = x[std::size_t(i)], py = y[std::size_t(i)], away = 0.1 * reach;
    const bool beside = std::abs(px) > 0.5 * reach;  // else above or below
    to.line("set label {} at {}, {} {} font ',10' tc rgb '{}' front", gnuplot::literal(w.items[std::size_t(i)]),
            beside ? px + std::copysign(away, px) : px,
            beside ? py + (py > 0       ? away
                           : py < -away ? -away
                                        : 0)
                   : py + std::copysign(2 * away, py),
            beside ? (px > 0 ? "left" : "right") : "center", gnuplot::ink);
  }
  to.line("plot $items using 1:2 with points pt 7 ps 0.7 lc rgb '{}' notitle", gnuplot::vermilion);
  to.line("unset label\nunset arrow\nunset xlabel\nunset ylabel");
}

}  // namespace

std::string draw(const std::vector<panel>& panels, const std::string& basename) {
  const geometry g{left_of(3) + square + 20, top + static_cast<int>(panels.size()) * row - 6};
  gnuplot::script to;
  to.line("set multiplot");
  const char* headings[] = {"battles: share won by the row", "Bradley–Terry", "general preferences, k = 1",
                            "its embedding: who beats whom"};
  for (int r = 0; r < static_cast<int>(panels.size()); ++r) {
    const panel& p = panels[static_cast<std::size_t>(r)];
    const world& w = *p.of;
    for (int c = 0; c < 4; ++c) {
      place(to, g, r, c);
      if (r == 0)
        to.line("set label {} at screen {:.5f}, screen {:.5f} left font ',11' tc rgb '{}'",
                gnuplot::literal(fmt::format("{{/:Bold {}}}  {}", static_cast<char>('a' + c), headings[c])),
                g.x(left_of(c) - (c == 3 ? 34 : 4)), g.y(top - 44), gnuplot::ink);
      if (c == 0)
        table(to, w, true, [&](std::int64_t i, std::int64_t j) { return w.probability(i, j); });
      else if (c == 1)
        table(to, w, false, p.bradley_terry);
      else if (c == 2)
        table(to, w, false, p.general);
      else
        plane(to, p);
    }
  }
  to.line("unset multiplot");
  return gnuplot::draw(to.text(), basename, g.width, g.height);
}
