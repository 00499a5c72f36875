// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>
#include <zermelo/core/certificate.hpp>
#include <zermelo/io/battle_table.hpp>
#include <zermelo/preference/bradley_terry.hpp>

namespace zm = zermelo;

/// Battles, and what to call them.
struct league {
  std::string title;  ///< over the table and the picture
  std::string name;   ///< in names of files
  zm::io::battle_table battles = {};
  std::vector<double> truth = {};  ///< by item: the log-strengths that the battles were drawn from, if known
};

/// One line of a leaderboard.
struct standing {
  std::string name;
  double strength;                     ///< log-strength
  double standard_error;               ///< of the strength
  double lower, upper;                 ///< of the interval
  double inner_lower, inner_upper;     ///< of the interval that holds half
  std::int64_t best_rank, worst_rank;  ///< that the data do not rule out
  double wins, losses, ties;           ///< weights of its battles
  std::optional<double> truth = {};

  double games() const { return wins + losses + ties; }
  bool covers_truth() const { return truth && lower <= *truth && *truth <= upper; }
};

/// A fitted model, strongest item first.
struct leaderboard {
  std::string title, name;
  std::string model;           ///< "maximum likelihood", or the prior
  std::string method;          ///< how it was fitted
  std::string intervals = {};  ///< what the intervals are; empty: there are none
  double level = 0.95;
  std::int64_t battles = 0;
  std::int64_t rejected = 0;  ///< lines of the file that could not be read
  double log_likelihood = 0;
  zm::convergence convergence = {};
  zm::preference::optimum_certificate certificate = {};
  zm::preference::elo_scale elo = {};
  std::vector<std::string> notes = {};
  std::vector<standing> standings = {};

  std::int64_t covered() const {
    std::int64_t n = 0;
    for (const auto& s : standings) n += s.covers_truth();
    return n;
  }
  bool truth_known() const { return !standings.empty() && standings.front().truth.has_value(); }
};
