// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "export.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <zermelo/core/error.hpp>

namespace {

using nlohmann::ordered_json;

ordered_json json_of(const standing& s, std::size_t rank, const leaderboard& board) {
  ordered_json item{{"rank", rank}, {"name", s.name}, {"strength", s.strength}, {"elo", board.elo(s.strength)}};
  if (!board.intervals.empty()) {
    item["standard_error"] = s.standard_error;
    item["interval"] = {s.lower, s.upper};
    item["elo_interval"] = {board.elo(s.lower), board.elo(s.upper)};
    item["rank_interval"] = {s.best_rank, s.worst_rank};
  }
  item["games"] = s.games();
  item["wins"] = s.wins;
  item["losses"] = s.losses;
  item["ties"] = s.ties;
  if (s.truth) item["true_strength"] = *s.truth;
  return item;
}

ordered_json json_of(const leaderboard& board) {
  ordered_json items = ordered_json::array();
  for (std::size_t r = 0; r < board.standings.size(); ++r) items.push_back(json_of(board.standings[r], r + 1, board));
  ordered_json out{{"title", board.title},
                   {"model", "Bradley–Terry, " + board.model},
                   {"method", board.method},
                   {"battles", board.battles},
                   {"rejected_lines", board.rejected},
                   {"log_likelihood", board.log_likelihood},
                   {"convergence",
                    {{"status", name(board.convergence.status)},
                     {"iterations", board.convergence.iterations},
                     {"residual", board.convergence.residual},
                     {"gradient_norm", board.certificate.gradient_norm},
                     {"newton_decrement", board.certificate.newton_decrement}}}};
  if (!board.intervals.empty()) {
    out["intervals"] = board.intervals;
    out["level"] = board.level;
    if (board.truth_known()) out["true_strengths_covered"] = board.covered();
  }
  out["elo_scale"] = {{"centre", board.elo.centre}, {"scale", board.elo.scale}, {"base", board.elo.base}};
  if (!board.notes.empty()) out["notes"] = board.notes;
  out["items"] = std::move(items);
  return out;
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

}  // namespace

std::string json_text(std::span<const leaderboard> boards) {
  ordered_json all = ordered_json::array();
  for (const leaderboard& board : boards) all.push_back(json_of(board));
  // The name of a file need not be UTF-8.
  return ordered_json{{"leaderboards", std::move(all)}}.dump(2, ' ', false, ordered_json::error_handler_t::replace) +
         "\n";
}

std::string csv_text(std::span<const leaderboard> boards) {
  std::string out =
      "leaderboard,rank,name,strength,standard_error,lower,upper,elo,elo_lower,elo_upper,best_rank,worst_rank,"
      "games,wins,losses,ties\n";
  for (const leaderboard& board : boards)
    for (std::size_t r = 0; r < board.standings.size(); ++r) {
      const standing& s = board.standings[r];
      const std::string interval =
          board.intervals.empty() ? ",," : fmt::format("{},{},{}", s.standard_error, s.lower, s.upper);
      const std::string elo_interval =
          board.intervals.empty()
              ? ",,,"
              : fmt::format("{},{},{},{}", board.elo(s.lower), board.elo(s.upper), s.best_rank, s.worst_rank);
      out +=
          fmt::format("{},{},{},{},{},{},{},{},{},{},{}\n", csv_field(board.title), r + 1, csv_field(s.name),
                      s.strength, interval, board.elo(s.strength), elo_interval, s.games(), s.wins, s.losses, s.ties);
    }
  return out;
}

void write_text(const std::string& path, const std::string& text) {
  std::FILE* const file = path == "-" ? stdout : std::fopen(path.c_str(), "wb");
  const bool written = file && std::fwrite(text.data(), 1, text.size(), file) == text.size() && std::fflush(file) == 0;
  const int failure = errno;
  if (file && file != stdout) std::fclose(file);
  if (!written) throw zm::error(path + ": cannot be written: " + std::generic_category().message(failure));
}
