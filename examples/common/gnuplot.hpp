// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

extern char** environ;

/// Pictures of the examples: a script for gnuplot, run by it.
namespace gnuplot {

// Okabe and Ito's colours, which colour-blind readers can tell apart.
constexpr const char *blue = "#0072B2", *vermilion = "#D55E00", *green = "#009E73", *orange = "#E69F00",
                     *sky = "#56B4E9", *purple = "#CC79A7", *ink = "#222222", *faint = "#666666", *grid = "#E4E4E4";

/// A string of gnuplot's in which only its markup has a meaning.
inline std::string literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

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

/// Runs gnuplot: its exit status, or −1 where there is none.
inline int run(const std::string& path) {
  std::string program = "gnuplot", file = path;
  char* arguments[] = {program.data(), file.data(), nullptr};
  pid_t child = 0;
  int status = 0;
  if (posix_spawnp(&child, program.c_str(), nullptr, nullptr, arguments, environ) != 0) return -1;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 1;
  return WEXITSTATUS(status) == 127 ? -1 : WEXITSTATUS(status);
}

/// Draws BASENAME.svg and BASENAME.png by what `body` plots, width × height pixels. Returns a sentence for the user.
inline std::string draw(const std::string& body, const std::string& basename, int width, int height, int font = 11) {
  const std::string path = basename + ".gnuplot";
  if (const auto folder = std::filesystem::path(basename).parent_path(); !folder.empty())
    std::filesystem::create_directories(folder);
  script whole;
  whole.line("set encoding utf8");
  whole.line("set terminal svg size {}, {} font 'Helvetica,{}' background '#FFFFFF'", width, height, font);
  whole.line("set output {}", literal(basename + ".svg"));
  whole.line("{}", body);
  whole.line("reset");
  whole.line("set terminal pngcairo size {}, {} font 'Helvetica,{}' fontscale 2 linewidth 2 pointscale 2", 2 * width,
             2 * height, font);
  whole.line("set output {}", literal(basename + ".png"));
  whole.line("{}", body);
  whole.line("set output");
  std::ofstream(path) << whole.text();
  const int status = run(path);
  if (status < 0) return fmt::format("no picture: gnuplot was not found; its script is {}", path);
  if (status > 0) return fmt::format("no picture: gnuplot failed on {}", path);
  return fmt::format("picture: {0}.svg, {0}.png", basename);
}

}  // namespace gnuplot
