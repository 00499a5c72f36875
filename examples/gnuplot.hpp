// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>

/// Pictures by gnuplot: a script that is written line by line, and run for an SVG and a PNG.
namespace gnuplot {

// Okabe and Ito's colours, which colour-blind readers can tell apart; for words, rulers and what is in the background.
inline constexpr const char *blue = "#0072B2", *vermilion = "#D55E00", *green = "#009E73", *purple = "#CC79A7",
                            *orange = "#E69F00", *sky = "#56B4E9", *yellow = "#C9B800", *black = "#222222",
                            *ink = "#222222", *faint = "#666666", *grid = "#E4E4E4";

/// A string of gnuplot's in which nothing has a meaning.
inline std::string literal(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

class script {
 public:
  template <class... A>
  void line(fmt::format_string<A...> format, A&&... values) {
    text_ += fmt::format(format, std::forward<A>(values)...) + '\n';
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Runs body, a script without a terminal, for BASENAME.svg and BASENAME.png of a size in pixels. Says what was done.
inline std::string draw(const std::string& body, const std::string& basename, int width, int height, int font = 12) {
  if (const auto folder = std::filesystem::path(basename).parent_path(); !folder.empty())
    std::filesystem::create_directories(folder);
  script all;
  all.line("set encoding utf8");
  for (const bool vector : {true, false}) {
    if (vector)
      all.line("set terminal svg size {}, {} font 'Helvetica,{}' background '#FFFFFF' dynamic", width, height, font);
    else
      all.line("set terminal pngcairo size {}, {} font 'Helvetica,{}' fontscale 2 linewidth 2 pointscale 2", 2 * width,
               2 * height, font);
    all.line("set output {}", literal(basename + (vector ? ".svg" : ".png")));
    all.line("{}", body);
    all.line("unset output");
    all.line("reset");
  }
  const std::string path = basename + ".gnuplot";
  std::ofstream(path) << all.text();
  std::string program = "gnuplot", file = path;
  char* arguments[] = {program.data(), file.data(), nullptr};
  pid_t child = 0;
  int status = 0;
  if (posix_spawnp(&child, program.c_str(), nullptr, nullptr, arguments, environ) != 0)
    return fmt::format("no picture: gnuplot was not found; its script is {}", path);
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return fmt::format("no picture: gnuplot failed on {}", path);
  return fmt::format("picture: {0}.svg, {0}.png", basename);
}

}  // namespace gnuplot
