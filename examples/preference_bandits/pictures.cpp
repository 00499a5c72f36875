// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "pictures.hpp"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <utility>
#include <zermelo/bandit/toy_games.hpp>
#include <zermelo/game/dynamics.hpp>
#include <zermelo/game/regularized_equilibrium.hpp>

#include "methods.hpp"

extern char** environ;

namespace zm = zermelo;
namespace game = zermelo::game;

namespace {

// Okabe and Ito's colours, which colour-blind readers can tell apart.
constexpr const char *blue = "#0072B2", *vermilion = "#D55E00", *green = "#009E73", *purple = "#CC79A7",
                     *sky = "#56B4E9", *orange = "#E69F00", *ink = "#222222", *faint = "#777777", *grid = "#E4E4E4";

class script {
 public:
  template <class... A>
  void line(fmt::format_string<A...> format, A&&... values) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<A>(values)...);
    text_ += '\n';
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Writes the script and runs gnuplot, where it is there.
std::string run(const std::string& script, const std::string& basename) {
  const std::string path = basename + ".gnuplot";
  if (const auto folder = std::filesystem::path(basename).parent_path(); !folder.empty())
    std::filesystem::create_directories(folder);
  std::ofstream(path) << script;
  std::string program = "gnuplot", file = path;
  char* arguments[] = {program.data(), file.data(), nullptr};
  pid_t child = 0;
  int status = 0;
  if (posix_spawnp(&child, program.c_str(), nullptr, nullptr, arguments, environ) != 0 ||
      waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) == 127)
    return fmt::format("no picture: gnuplot was not found; its script is {}", path);
  if (WEXITSTATUS(status) != 0) return fmt::format("no picture: gnuplot failed on {}", path);
  return fmt::format("picture: {0}.svg, {0}.png", basename);
}

/// Draws the same plot as SVG and as PNG of twice the size; `plot` gives the commands.
void finish(script& to, const std::string& basename, int width, int height, const std::string& plot) {
  to.line("set terminal svg size {}, {} font 'Helvetica,12' background '#FFFFFF'", width, height);
  to.line("set output '{}.svg'", basename);
  to.line("{}", plot);
  to.line("set terminal pngcairo size {}, {} font 'Helvetica,12' fontscale 2 linewidth 2 pointscale 2", 2 * width,
          2 * height);
  to.line("set output '{}.png'", basename);
  to.line("{}", plot);
}

struct point {
  double x, y;
};

/// Rock at the left, paper at the right, scissors on top.
point on_triangle(double, double paper, double scissors) { return {paper + scissors / 2, scissors * std::sqrt(0.75)}; }

struct panel {
  std::string title, note;
  const char* colour;
  bool regularized;
  std::vector<point> path;
};

const std::vector<double> inside{0.55, 0.3, 0.15}, outside{0.82, 0.13, 0.05}, reference{0.15, 0.6, 0.25};
constexpr double weight = 0.1;

template <class D>
panel follow(std::string title, std::string note, const char* colour, bool regularized, std::int64_t rounds,
             const std::vector<double>& start, const D& dynamics) {
  panel p{std::move(title), std::move(note), colour, regularized, {on_triangle(start[0], start[1], start[2])}};
  const auto rps = zm::bandit::rock_paper_scissors();
  game::solve(
      game::preference_matrix(rps.table()), dynamics, start, reference, {.limit = rounds, .target = 0},
      [&](const game::iterate<double>& i) { p.path.push_back(on_triangle(i.policy[0], i.policy[1], i.policy[2])); });
  return p;
}

}  // namespace

std::string draw_paths(const std::string& basename) {
  const auto rps = zm::bandit::rock_paper_scissors();
  const auto preferences = game::preference_matrix(rps.table());
  const auto target = game::regularized_equilibrium(preferences, reference, {.kl_weight = weight}).policy;
  const std::vector<panel> panels{
      follow("Hedge (SPPO)", "spirals out", vermilion, false, 260, inside, game::hedge{0.4}),
      follow("Optimistic Hedge", "last policy reaches the Nash", blue, false, 400, inside, game::optimistic_hedge{0.4}),
      follow("MPO", "the magnet follows", green, false, 1500, outside, game::mpo{0.4, weight, 25}),
      follow("Nash-MD, η_t = 2/(τ(t+2))", "O(1/t)", vermilion, true, 400, outside, game::nash_md{0, weight}),
      follow("INPO, mirror descent", "linear", blue, true, 400, outside, game::mirror_descent{0.5, weight}),
      follow("EGPO, extragradient", "linear", green, true, 400, outside, game::egpo{0.5, weight})};
  const point nash = on_triangle(1.0 / 3, 1.0 / 3, 1.0 / 3), equilibrium = on_triangle(target[0], target[1], target[2]),
              anchor = on_triangle(reference[0], reference[1], reference[2]);
  script to;
  to.line("set encoding utf8");
  to.line("set border 0; unset tics; unset key");
  to.line("set xrange [-0.1:1.1]; set yrange [-0.1:1.1]; set size ratio -1");
  for (std::size_t k = 0; k < panels.size(); ++k) {
    to.line("$path{} << END", k);
    for (const point& p : panels[k].path) to.line("{:.6f} {:.6f}", p.x, p.y);
    to.line("END");
  }
  to.line("$triangle << END\n0 0\n1 0\n0.5 {0:.6f}\n0 0\nEND", std::sqrt(0.75));
  std::string plot = "set multiplot\n";
  constexpr int columns = 3;
  const double width = 1.0 / columns, height = 0.45;
  for (std::size_t k = 0; k < panels.size(); ++k) {
    const panel& p = panels[k];
    const double left = width * static_cast<double>(k % columns), bottom = k < columns ? 0.53 : 0.06;
    plot += "unset label; unset arrow\n";
    plot += fmt::format("set origin {:.4f}, {:.4f}; set size {:.4f}, {:.4f}\n", left, bottom, width, height);
    plot += "set lmargin 0; set rmargin 0; set bmargin 0; set tmargin 0\n";
    plot += fmt::format("set label '{{/:Bold {}}}' at 0.5, 1.045 center tc rgb '{}' font ',13'\n", p.title, ink);
    plot += fmt::format("set label '{}' at 0.5, 0.965 center tc rgb '{}' font ',11'\n", p.note, faint);
    plot += fmt::format(
        "set label 'rock' at -0.01, -0.055 center tc rgb '{0}' font ',11'\n"
        "set label 'paper' at 1.01, -0.055 center tc rgb '{0}' font ',11'\n"
        "set label 'scissors' at 0.555, 0.86 left tc rgb '{0}' font ',11'\n",
        faint);
    plot += fmt::format("plot $triangle with lines lc rgb '{}' lw 1.2 notitle", "#999999");
    plot += fmt::format(", $path{} with lines lc rgb '{}' lw 1.3 notitle", k, p.colour);
    plot += fmt::format(", $path{} every ::0::30 with points pt 7 ps 0.28 lc rgb '{}' notitle", k, p.colour);
    plot += fmt::format(", '+' using ({:.6f}):({:.6f}) every ::0::0 with points pt 6 ps 0.8 lw 1.6 lc rgb '{}' notitle",
                        p.path[0].x, p.path[0].y, ink);
    plot += fmt::format(", '+' using ({:.6f}):({:.6f}) every ::0::0 with points pt 2 ps 0.9 lw 2 lc rgb '{}' notitle",
                        nash.x, nash.y, ink);
    if (p.regularized) {
      plot += fmt::format(", '+' using ({:.6f}):({:.6f}) every ::0::0 with points pt 9 ps 1 lc rgb '{}' notitle",
                          equilibrium.x, equilibrium.y, ink);
      plot +=
          fmt::format(", '+' using ({:.6f}):({:.6f}) every ::0::0 with points pt 4 ps 0.9 lw 1.6 lc rgb '{}' notitle",
                      anchor.x, anchor.y, ink);
    }
    plot += '\n';
  }
  // The legend is a plot of its own, of nothing but its marks.
  plot += "unset label; set origin 0, 0; set size 1, 0.06; set size noratio; set xrange [0:100]; set yrange [0:1]\n";
  const auto entry = [&](double x, const char* text) {
    plot += fmt::format("set label '{}' at {}, 0.5 left tc rgb '{}' font ',11'\n", text, x + 1.4, ink);
  };
  entry(9, "start");
  entry(22, "Nash policy");
  entry(42, "regularised equilibrium, τ = 0.1");
  entry(78, "reference μ");
  plot += fmt::format(
      "plot '+' using (9):(0.5) every ::0::0 with points pt 6 ps 0.8 lw 1.6 lc rgb '{0}' notitle, "
      "'+' using (22):(0.5) every ::0::0 with points pt 2 ps 0.9 lw 2 lc rgb '{0}' notitle, "
      "'+' using (42):(0.5) every ::0::0 with points pt 9 ps 1 lc rgb '{0}' notitle, "
      "'+' using (78):(0.5) every ::0::0 with points pt 4 ps 0.9 lw 1.6 lc rgb '{0}' notitle\n",
      ink);
  plot += "unset multiplot\nset xrange [-0.1:1.1]; set yrange [-0.1:1.1]; set size ratio -1";
  finish(to, basename, 840, 560, plot);
  return run(to.text(), basename);
}

std::string draw_gaps(const contest& c, const std::string& basename) {
  struct curve {
    std::string title;
    const char* colour;
    int dash;
    std::vector<std::pair<std::int64_t, double>> points;
  };
  const auto follow_gap = [&](const method& m, const char* colour, int dash) {
    curve line{m.name + (m.judged == game::judged::average ? ", average" : ""), colour, dash, {}};
    m.play(c, 30000, 1e-12, [&](const game::iterate<double>& i) {
      if (i.measured && i.gap > 0) line.points.emplace_back(i.round, i.gap);
    });
    return line;
  };
  std::vector<curve> left, right;
  const auto pick = [&](const std::vector<method>& from, const char* name, game::judged judged) -> const method& {
    return *std::find_if(from.begin(), from.end(),
                         [&](const method& m) { return m.name == name && m.judged == judged; });
  };
  using enum game::judged;
  const auto plain = plain_methods(), soft = regularized_methods(0.1);
  left.push_back(follow_gap(pick(plain, "Hedge .1", last), vermilion, 1));
  left.push_back(follow_gap(pick(plain, "Hedge .1", average), vermilion, 2));
  left.push_back(follow_gap(pick(plain, "fictitious play", average), orange, 2));
  left.push_back(follow_gap(pick(plain, "RM+", average), purple, 2));
  left.push_back(follow_gap(pick(plain, "optimistic Hedge .5", last), sky, 1));
  left.push_back(follow_gap(pick(plain, "COMAL τ=.1", last), ink, 1));
  left.push_back(follow_gap(pick(plain, "OGDA .25/ρ", last), blue, 1));
  left.push_back(follow_gap(pick(plain, "extragradient .7/ρ", last), green, 1));
  right.push_back(follow_gap(pick(soft, "Nash-MD 2/(τ(t+2))", last), vermilion, 1));
  right.push_back(follow_gap(pick(soft, "Nash-MD .1", last), orange, 1));
  right.push_back(follow_gap(pick(soft, "optimistic .5", last), sky, 1));
  right.push_back(follow_gap(pick(soft, "EGPO 1", last), green, 1));
  right.push_back(follow_gap(pick(soft, "INPO τ/(τ²+1/16)", last), blue, 1));
  right.push_back(follow_gap(pick(soft, "Nash-MP 2τ", last), purple, 1));
  script to;
  to.line("set encoding utf8");
  const auto data = [&](const char* name, const std::vector<curve>& curves) {
    for (std::size_t k = 0; k < curves.size(); ++k) {
      to.line("${}{} << END", name, k);
      for (const auto& [round, gap] : curves[k].points) to.line("{} {:.6g}", round, gap);
      to.line("END");
    }
  };
  data("left", left);
  data("right", right);
  to.line("set logscale xy; set format y '10^{{%T}}'; set format x '10^{{%T}}'");
  to.line("set border 3 lc rgb '{0}'; set tics nomirror out scale 0.6 tc rgb '{1}'; set mxtics 1; set mytics 1", faint,
          ink);
  to.line("set grid xtics ytics lt 1 lw 0.6 lc rgb '{}'", grid);
  to.line("set ytics 1e-12, 1000, 1; set yrange [1e-12:2]");
  std::string plot =
      fmt::format("set multiplot\nset label 9 '{}' noenhanced at screen 0.99, 0.025 right font ',10' tc rgb '{}'\n",
                  "game: " + c.game.name, faint);
  const auto half = [&](const char* name, const std::vector<curve>& curves, double from, double until,
                        const std::string& title, const char* rounds, const char* key, const char* ylabel) {
    plot += fmt::format(
        "set lmargin at screen {}; set rmargin at screen {}; set bmargin at screen 0.13; "
        "set tmargin at screen 0.9\n",
        from, until);
    plot += fmt::format("set title '{{/:Bold {}}}' font ',13' tc rgb '{}' offset 0, -0.3\n", title, ink);
    plot += fmt::format("set xlabel 'round' tc rgb '{}' offset 0, 0.3\n", ink);
    plot += fmt::format("set ylabel '{}' tc rgb '{}' offset 0.8, 0\n", ylabel, ink);
    plot += fmt::format("set xrange [{}]\nset key {} Left reverse samplen 2.2 spacing 1.1 font ',10' noautotitle\n",
                        rounds, key);
    std::string commands;
    for (std::size_t k = 0; k < curves.size(); ++k)
      commands += fmt::format("{}${}{} using 1:2 with lines lw 1.8 dt {} lc rgb '{}' title '{}'", k ? ", " : "", name,
                              k, curves[k].dash == 1 ? "1" : "(7,4)", curves[k].colour, curves[k].title);
    plot += "plot " + commands + "\n";
  };
  half("left", left, 0.075, 0.49, "No regularisation", "1:30000", "bottom left", "duality gap");
  half("right", right, 0.575, 0.99, "Regularised by τ KL(π‖μ), τ = 0.1, μ uniform", "1:30000", "top right",
       "regularised duality gap");
  plot += "unset multiplot";
  finish(to, basename, 980, 430, plot);
  return run(to.text(), basename);
}
