// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../../core/error.hpp"
#include "../../core/execution/policy.hpp"
#include "../battle_table.hpp"
#include "json.hpp"
#include "name_table.hpp"
#include "scan.hpp"

namespace zermelo::inline v1::io::detail::inline ZERMELO_ISA {

enum role : int { role_first, role_second, role_outcome, role_weight, role_first_wins, role_second_wins, role_ties };
inline constexpr int roles = 7;

/// A text as a message may quote it: whole, or its first 200 bytes.
inline std::string clipped(std::string_view text) {
  constexpr std::size_t longest = 200;
  if (text.size() <= longest) return std::string(text);
  std::size_t cut = longest;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
  return std::string(text.substr(0, cut)) + "…";
}

/// Outcomes by label. Labels of at most 8 bytes are found at the first look, the others in a name table.
class winner_table {
 public:
  static constexpr std::uint8_t both_bad = 3;  ///< a tie; smaller meanings are those of `outcome`

  void add(std::string_view label, std::uint8_t meaning) {
    const std::int32_t before = names_.size();
    const std::int32_t id = names_.intern(label);
    if (id < before && meanings_[static_cast<std::size_t>(id)] != meaning)
      throw domain_error("labels", domain_error::whole, "'" + clipped(label) + "' names two outcomes");
    if (id == before) meanings_.push_back(meaning);
  }

  /// After the last label: looks for a multiplier that keeps the short labels apart.
  void settle() {
    bool apart = false;
    for (int round = 0; round < 256 && !apart; ++round) {
      multiplier_ += 0x9e3779b97f4a7c16u;  // even: it stays odd
      apart = true;
      for (short_label& s : short_) s = {};
      for (std::size_t id = 0; id < meanings_.size(); ++id) {
        const std::string& name = names_.names()[id];
        if (name.empty() || name.size() > sizeof(std::uint64_t)) continue;
        std::uint64_t word = 0;
        std::memcpy(&word, name.data(), name.size());
        short_label& s = short_[word * multiplier_ >> shift];
        apart = apart && s.length == 0;
        s = {word, static_cast<std::uint32_t>(name.size()), meanings_[id]};
      }
    }
  }

  /// The meaning, or −1.
  ZERMELO_INLINE int find(const char* label, std::size_t length, std::size_t room) const {
    if (length <= sizeof(std::uint64_t) && room >= sizeof(std::uint64_t)) [[likely]] {
      std::uint64_t word;
      std::memcpy(&word, label, sizeof word);
      word &= ~std::uint64_t{0} >> ((64 - 8 * length) & 63);
      const short_label& s = short_[word * multiplier_ >> shift];
      if (s.word == word && s.length == length) [[likely]]
        return s.meaning;
    }
    return find(std::string_view(label, length));
  }
  int find(std::string_view label) const {
    const std::int32_t id = names_.find(label);
    return id < 0 ? -1 : meanings_[static_cast<std::size_t>(id)];
  }

 private:
  struct short_label {
    std::uint64_t word = 0;
    std::uint32_t length = 0;
    std::int32_t meaning = -1;
  };
  static constexpr int shift = 64 - 5;
  short_label short_[std::size_t{1} << 5]{};
  std::uint64_t multiplier_ = 1;
  name_table names_{};
  std::vector<std::uint8_t> meanings_{};
};

/// Which columns or keys are read, and what the outcome's texts mean.
struct battle_plan {
  bool known = false;
  bool counts = false;              ///< wins are counted, no outcome is named
  int columns = 0;                  ///< of the header
  std::array<int, roles> column{};  ///< by role, −1: not there
  std::array<std::string, roles> name{};
  winner_table winners{};

  bool reads(int r) const { return column[static_cast<std::size_t>(r)] >= 0; }
};

struct item_pair {
  const char *first, *second;
};
inline constexpr item_pair item_pairs[] = {{"model_a", "model_b"}, {"left", "right"},
                                           {"model_x", "model_y"}, {"x", "y"},
                                           {"first", "second"},    {"home", "away"}};

inline void set_vocabulary(battle_plan& plan, const battle_labels& labels) {
  constexpr std::uint8_t second = 0, first = 1, tie = 2;
  if (!labels.first.empty() || !labels.second.empty() || !labels.tie.empty() || !labels.both_bad.empty()) {
    for (const auto& l : labels.first) plan.winners.add(l, first);
    for (const auto& l : labels.second) plan.winners.add(l, second);
    for (const auto& l : labels.tie) plan.winners.add(l, tie);
    for (const auto& l : labels.both_bad) plan.winners.add(l, winner_table::both_bad);
    return;
  }
  const auto add = [&](item_pair p) {
    plan.winners.add(p.first, first);
    plan.winners.add(p.second, second);
  };
  const std::string_view a = plan.name[role_first], b = plan.name[role_second];
  bool familiar = false;
  for (const item_pair p : item_pairs)
    if (a == p.first && b == p.second) {
      familiar = true;
      add(p);
    }
  if (!familiar)
    for (const item_pair p : item_pairs) add(p);
  if (a == "left" || a == "model_x" || a == "x") {
    add({"left", "right"});
    add({"x", "y"});
  }
  for (const char* l : {"tie", "draw"}) plan.winners.add(l, tie);
  for (const char* l : {"tie (bothbad)", "both_bad", "bothbad"}) plan.winners.add(l, winner_table::both_bad);
}

/// Finds the columns among the header's names (or the keys among an object's). Returns what is wrong; empty: nothing.
/// `what` is "column" or "key".
inline std::string make_plan(battle_plan& plan, const std::vector<std::string>& names, const battle_options& options,
                             const std::string& what) {
  std::string wrong;
  const auto find = [&](const std::string& name) {
    int found = -1;
    for (std::size_t k = 0; k < names.size(); ++k)
      if (names[k] == name) {
        if (found >= 0 && wrong.empty()) wrong = what + " appears twice: " + clipped(name);
        found = static_cast<int>(k);
      }
    return found;
  };
  plan.columns = static_cast<int>(names.size());
  plan.column.fill(-1);
  const auto read = [&](int r, const std::string& name) {
    const auto at = static_cast<std::size_t>(r);
    plan.name[at] = name;
    plan.column[at] = find(name);
    if (plan.column[at] < 0 && wrong.empty()) wrong = "missing " + what + ": " + clipped(name);
  };

  const battle_columns& asked = options.columns;
  std::string first = asked.first, second = asked.second;
  if (first.empty()) {
    const auto has = [&](const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); };
    for (const item_pair p : item_pairs)
      if (has(p.first) && has(p.second)) {
        first = p.first;
        second = p.second;
        break;
      }
    if (first.empty())
      for (const item_pair p : item_pairs)
        if (has(p.first) || has(p.second)) return "missing " + what + ": " + (has(p.first) ? p.second : p.first);
    if (first.empty()) {
      std::string all;
      for (const item_pair p : item_pairs) all += std::string(all.empty() ? "" : "; ") + p.first + ", " + p.second;
      return "missing " + what + "s of the two items: expected " + all;
    }
  }
  read(role_first, first);
  read(role_second, second);

  std::string outcome = asked.outcome, first_wins = asked.first_wins, second_wins = asked.second_wins,
              ties = asked.ties;
  if (outcome.empty() && first_wins.empty()) {
    if (find("winner") < 0 && find(first + "_wins") >= 0) {
      first_wins = first + "_wins";
      second_wins = second + "_wins";
      if (ties.empty()) ties = find("ties") >= 0 ? "ties" : find("draws") >= 0 ? "draws" : "";
    } else {
      outcome = "winner";
    }
  }
  plan.counts = outcome.empty();
  if (plan.counts) {
    read(role_first_wins, first_wins);
    read(role_second_wins, second_wins);
    if (!ties.empty()) read(role_ties, ties);
    if (!asked.weight.empty())
      throw domain_error("columns.weight", domain_error::whole, "wins are counted already; expected an outcome column");
  } else {
    read(role_outcome, outcome);
    if (!asked.weight.empty() || find("weight") >= 0) read(role_weight, asked.weight.empty() ? "weight" : asked.weight);
    if (!asked.ties.empty())
      throw domain_error("columns.ties", domain_error::whole, "expected columns of wins beside it, not an outcome");
  }
  for (int a = 0; a < roles; ++a)
    for (int b = 0; b < a; ++b)
      if (plan.reads(a) && plan.column[static_cast<std::size_t>(a)] == plan.column[static_cast<std::size_t>(b)])
        throw domain_error("columns", domain_error::whole,
                           "'" + clipped(plan.name[static_cast<std::size_t>(a)]) + "' is asked for twice");
  if (!wrong.empty()) return wrong;
  plan.winners = winner_table();
  set_vocabulary(plan, options.labels);
  plan.winners.settle();
  plan.known = true;
  return {};
}

inline void check(const battle_options& options) {
  const char d = options.delimiter;
  if (d == '"' || d == '\n' || d == '\r' || d == '\0' || (static_cast<unsigned char>(d) & 0x80) != 0)
    throw domain_error("delimiter", domain_error::whole,
                       "expected an ASCII character other than a quotation mark or a line end");
  if (options.chunk_bytes < 1) throw domain_error("chunk_bytes", domain_error::whole, "expected at least 1");
  if (options.longest_record < 1) throw domain_error("longest_record", domain_error::whole, "expected at least 1");
  const battle_columns& c = options.columns;
  if (c.first.empty() != c.second.empty())
    throw domain_error("columns", domain_error::whole, "one item's column is named; expected both or none");
  if (c.first_wins.empty() != c.second_wins.empty())
    throw domain_error("columns", domain_error::whole, "one column of wins is named; expected both or none");
  if (!c.outcome.empty() && !c.first_wins.empty())
    throw domain_error("columns", domain_error::whole, "expected an outcome or columns of wins, not both");
}

/// What an element of a record says, and where it stands.
struct value_text {
  std::string_view text{};
  const char* at = nullptr;
  enum : std::uint8_t { missing, string, number, other } kind = missing;
};

struct csv_field {
  std::string_view raw;  ///< without the outer quotation marks
  const char* at;
  bool doubled;  ///< contains doubled quotation marks
};

enum class progress : std::uint8_t { record, incomplete, quote };

template <class Sink>
class battle_parser {
 public:
  battle_parser(const battle_options& options, const std::string& name, Sink& sink)
      : options_(options), name_(options.name.empty() ? name : options.name), sink_(sink) {
    check(options);
  }

  /// One more parser of the same text, for a block that begins at the beginning of a line.
  template <class Other>
  battle_parser(const battle_parser<Other>& main, Sink& sink)
      : options_(main.options_),
        name_(main.name_),
        sink_(sink),
        format_(main.format_),
        plan_(main.plan_),
        started_(true) {
    in_block_ = true;
  }

  /// Reads whole records from [at, end); `final` says that nothing follows. Returns the first byte not consumed.
  const char* consume(const char* at, const char* end, bool final) {
    const char* begin = at;
    if (!started_) at = start(at, end, final);
    if (started_) {
      if (format_ == battle_format::jsonl)
        at = consume_jsonl(at, end, final);
      else
        at = consume_csv(at, end, final);
    }
    summary_.bytes += at - begin;
    return at;
  }

  battle_summary finish() {
    if (!started_ || (format_ == battle_format::csv && !plan_.known))
      throw parse_error(name_, summary_.lines + 1, 1,
                        format_ == battle_format::csv ? "no data: expected a header line"
                                                      : "no data: expected a header line or a JSON object");
    summary_.items = items_.take();
    summary_.counted = plan_.counts;
    return std::move(summary_);
  }

  bool ready() const { return started_ && plan_.known; }
  bool quote_seen() const { return quote_seen_; }
  std::int64_t chunk_bytes() const { return options_.chunk_bytes; }

  /// Takes over what another parser read from the text that follows: `kept` is its battles. Its first error, if any, is
  /// thrown after them.
  template <class Other>
  void merge(battle_parser<Other>& part, const std::vector<battle>& kept, const std::optional<parse_error>& failure) {
    renumbered_.clear();
    for (const std::string& name : part.items_.names()) renumbered_.push_back(items_.intern(name));
    for (const battle& b : kept)
      emit(renumbered_[static_cast<std::size_t>(b.first)], renumbered_[static_cast<std::size_t>(b.second)],
           b.both_bad ? winner_table::both_bad : static_cast<unsigned>(b.outcome), b.weight);
    if (failure) throw parse_error(name_, summary_.lines + failure->line(), failure->column(), failure->reason());
    battle_summary& s = part.summary_;
    for (rejected_line& r : s.rejected) {
      r.line += summary_.lines;
      summary_.rejected.push_back(std::move(r));
    }
    summary_.bytes += s.bytes;
    summary_.lines += s.lines;
    summary_.blank_lines += s.blank_lines;
    summary_.records += s.records;
    summary_.accepted += s.accepted;
    summary_.battles += s.battles;
  }

 private:
  template <class Other>
  friend class battle_parser;

  static constexpr std::size_t segment_bytes = 16384;  // text and its index stay in the first cache level

  std::int64_t longest() const { return (std::max)(options_.longest_record, static_cast<std::int64_t>(segment_bytes)); }

  [[noreturn]] void refuse(std::int64_t column, const std::string& reason) {
    throw parse_error(name_, summary_.lines + 1, column, reason);
  }

  void reject(const char* record, const char* at, std::string reason) {
    if (options_.on_error == error_policy::refuse) refuse(at - record + 1, reason);
    summary_.rejected.push_back({summary_.lines + 1, at - record + 1, std::move(reason)});
  }

  void check_length(const char* record, const char* end) {
    if (end - record > longest())
      refuse(1, "record longer than " + std::to_string(longest()) +
                    " bytes: expected its end, perhaps a closing quotation mark");
  }

  ZERMELO_INLINE void emit(std::int32_t first, std::int32_t second, unsigned meaning, double weight) {
    const bool both_bad = meaning == winner_table::both_bad;
    const auto won = both_bad ? outcome::tie : static_cast<outcome>(meaning);
    if constexpr (std::invocable<Sink&, const battle&>)
      sink_(battle{first, second, won, both_bad, weight});
    else
      sink_(first, second, won, weight);
  }

  /// Byte order mark and format.
  const char* start(const char* at, const char* end, bool final) {
    constexpr std::string_view mark = "\xef\xbb\xbf";
    const std::string_view text(at, static_cast<std::size_t>(end - at));
    if (!final && text.size() < mark.size() && text == mark.substr(0, text.size())) return at;
    const char* begin = text.substr(0, mark.size()) == mark ? at + mark.size() : at;
    format_ = options_.format;
    if (format_ == battle_format::automatic) {
      const char* p = begin;
      while (p != end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) ++p;
      if (p == end) return final ? end : at;
      if (*p == '[')
        throw parse_error(name_, 1 + std::count(begin, p, '\n'), 1,
                          "a JSON array: expected JSON lines, one object a line, or a CSV header");
      format_ = *p == '{' ? battle_format::jsonl : battle_format::csv;
    }
    started_ = true;
    return begin;
  }

  /// A number of wins; negative: not one.
  static std::int64_t count_of(std::string_view text) {
    std::int64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || end != text.data() + text.size() || n > std::int64_t{1} << 53) return -1;
    return n;
  }

  /// False where the text is not a finite number ≥ 0.
  ZERMELO_INLINE static bool weight_of(std::string_view text, double& weight) {
    if (text.size() == 1 && text[0] >= '0' && text[0] <= '9') [[likely]] {
      weight = text[0] - '0';
      return true;
    }
    return weight_of_number(text, weight);
  }
  static bool weight_of_number(std::string_view text, double& weight) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), weight);
    if (error != std::errc() || end != text.data() + text.size()) return false;
    if (text.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return false;  // inf, nan
    if (!(weight >= 0)) return false;
    weight += 0.0;  // −0 is 0
    return true;
  }

  bool reject_unless_item(const char* record, const value_text& v) {
    if (!v.text.empty()) return true;
    reject(record, v.at, "item without a name");
    return false;
  }

  bool accept(const char* record, const std::array<value_text, roles>& v) {
    unsigned meaning = 0;
    double weight = 1;
    std::int64_t wins[3] = {0, 0, 0};  // by outcome
    if (plan_.counts) {
      constexpr int of[3] = {role_second_wins, role_first_wins, role_ties};
      for (const int k : {1, 0, 2}) {
        if (!plan_.reads(of[k])) continue;
        const value_text& n = v[static_cast<std::size_t>(of[k])];
        wins[k] = count_of(n.text);
        if (wins[k] < 0) {
          reject(record, n.at,
                 plan_.name[static_cast<std::size_t>(of[k])] + " is '" + clipped(n.text) +
                     "': expected a whole number from 0 to 2^53");
          return false;
        }
      }
    } else {
      const value_text& w = v[role_outcome];
      const int found = plan_.winners.find(w.text);
      if (found < 0) {
        reject(record, w.at, "unknown winner: " + clipped(w.text));
        return false;
      }
      meaning = static_cast<unsigned>(found);
      if (plan_.reads(role_weight) && !weight_of(v[role_weight].text, weight)) {
        reject(record, v[role_weight].at,
               plan_.name[role_weight] + " is '" + clipped(v[role_weight].text) + "': expected a finite number >= 0");
        return false;
      }
    }
    const value_text &a = v[role_first], &b = v[role_second];
    if (!reject_unless_item(record, a) || !reject_unless_item(record, b)) return false;
    if (a.text == b.text) {
      reject(record, b.at, "item compared with itself: " + clipped(a.text));
      return false;
    }
    const std::int32_t first = items_.intern(a.text), second = items_.intern(b.text);
    if (plan_.counts) {
      for (const unsigned k : {1u, 0u, 2u})
        if (wins[k] > 0) {
          emit(first, second, k, static_cast<double>(wins[k]));
          ++summary_.battles;
        }
    } else {
      emit(first, second, meaning, weight);
      ++summary_.battles;
    }
    return true;
  }

  void close_record(const char* record, const char* next, bool accepted) {
    ++summary_.records;
    summary_.accepted += accepted;
    close_lines(record, next);
  }

  void close_lines(const char* record, const char* next) {
    const std::int64_t ends = std::count(record, next, '\n');
    summary_.lines += ends + (next[-1] != '\n');
  }

  /// The region of a record must be text; says so if not.
  bool reject_unless_text(const char* record, const char* end) {
    const auto length = static_cast<std::size_t>(end - record);
    const std::size_t bad = first_bad_byte(record, length);
    if (bad == length) return true;
    const auto byte = static_cast<unsigned char>(record[bad]);
    constexpr char digits[] = "0123456789ABCDEF";
    reject(record, record + bad,
           byte == 0 ? std::string("zero byte: expected text")
                     : std::string("not UTF-8: byte 0x") + digits[byte >> 4] + digits[byte & 15]);
    return false;
  }

  /// Splits the record at `at` into fields_, by the letter of RFC 4180.
  progress split(const char* at, const char* end, bool final) {
    fields_.clear();
    wrong_ = nullptr;
    const char delimiter = options_.delimiter;
    const char* p = at;
    for (;;) {
      csv_field field{{}, p, false};
      if (p != end && *p == '"') {
        if (in_block_) return progress::quote;
        const char* begin = ++p;
        for (;;) {
          p = static_cast<const char*>(std::memchr(p, '"', static_cast<std::size_t>(end - p)));
          if (p == nullptr || (p + 1 == end && !final)) {
            if (!final) return progress::incomplete;
            return malformed(field.at, "quoted field is never closed", end, end, final);
          }
          if (p + 1 == end || p[1] != '"') break;
          field.doubled = true;
          p += 2;
        }
        field.raw = {begin, static_cast<std::size_t>(p - begin)};
        ++p;
        if (p != end && *p != delimiter && *p != '\n' && *p != '\r')
          return malformed(p, "text after a closing quotation mark: expected the delimiter or the end of the line", p,
                           end, final);
      } else {
        while (p != end && *p != delimiter && *p != '\n' && *p != '\r' && *p != '"') ++p;
        if (p != end && *p == '"') {
          if (in_block_) return progress::quote;
          return malformed(p,
                           "quotation mark inside a field: expected the field in quotation marks and this one doubled",
                           p, end, final);
        }
        field.raw = {field.at, static_cast<std::size_t>(p - field.at)};
      }
      fields_.push_back(field);
      if (p == end) {
        if (!final) return progress::incomplete;
        record_end_ = next_ = end;
        return progress::record;
      }
      if (*p == delimiter) {
        ++p;
        continue;
      }
      record_end_ = p;
      if (*p == '\r') {
        ++p;
        if (p == end) {
          if (!final) return progress::incomplete;
          next_ = end;
          return progress::record;
        }
        if (*p != '\n')
          return malformed(p - 1, "carriage return inside a line: expected a line feed after it", p, end, final);
      }
      next_ = p + 1;
      return progress::record;
    }
  }

  progress malformed(const char* at, const char* what, const char* from, const char* end, bool final) {
    wrong_ = what;
    wrong_at_ = at;
    const auto* feed =
        from == end ? nullptr : static_cast<const char*>(std::memchr(from, '\n', static_cast<std::size_t>(end - from)));
    if (feed == nullptr && !final) return progress::incomplete;
    if (in_block_ && std::memchr(from, '"', static_cast<std::size_t>((feed ? feed : end) - from)) != nullptr)
      return progress::quote;
    next_ = feed ? feed + 1 : end;
    record_end_ = feed ? feed : end;
    return progress::record;
  }

  value_text text_of(const csv_field& field, std::string& scratch) {
    if (!field.doubled) return {field.raw, field.at, value_text::string};
    scratch.clear();
    for (std::size_t k = 0; k < field.raw.size(); ++k) {
      scratch += field.raw[k];
      k += field.raw[k] == '"';
    }
    return {scratch, field.at, value_text::string};
  }

  /// One blank line, header or record at `at`, with all checks.
  progress read_csv(const char* at, const char* end, bool final) {
    if (*at == '\n' || *at == '\r') {
      if (*at == '\r' && at + 1 == end && !final) return progress::incomplete;
      if (*at == '\n' || at + 1 == end || at[1] == '\n') {
        next_ = *at == '\n' || at + 1 == end ? at + 1 : at + 2;
        ++summary_.lines;
        ++summary_.blank_lines;
        return progress::record;
      }
    }
    const progress found = split(at, end, final);
    if (found == progress::incomplete) check_length(at, end);
    if (found != progress::record) {
      quote_seen_ = found == progress::quote;
      return found;
    }
    check_length(at, next_);
    if (!plan_.known)
      read_header(at);
    else
      close_record(at, next_, read_fields(at));
    return progress::record;
  }

  void read_header(const char* at) {
    // Without a header nothing can be read: whatever is wrong with it is an error under both policies.
    const error_policy kept = std::exchange(options_.on_error, error_policy::refuse);
    reject_unless_text(at, next_);
    if (wrong_) reject(at, wrong_at_, wrong_);
    std::vector<std::string> names;
    for (const csv_field& field : fields_) names.emplace_back(text_of(field, scratch_[0]).text);
    const std::string why = make_plan(plan_, names, options_, "column");
    if (!why.empty()) {
      std::string all;
      for (const auto& n : names) all += (all.empty() ? "" : ", ") + n;
      reject(at, at, why + " (the header has: " + clipped(all) + ")");
    }
    options_.on_error = kept;
    close_lines(at, next_);
  }

  bool read_fields(const char* at) {
    if (!reject_unless_text(at, next_)) return false;
    if (wrong_) {
      reject(at, wrong_at_, wrong_);
      return false;
    }
    const auto expected = static_cast<std::size_t>(plan_.columns);
    if (fields_.size() != expected) {
      const bool few = fields_.size() < expected;
      reject(at, few ? record_end_ : fields_[expected].at,
             std::to_string(fields_.size()) + (fields_.size() == 1 ? " field" : " fields") + ": expected " +
                 std::to_string(expected) + ", as in the header");
      return false;
    }
    std::array<value_text, roles> values;
    for (std::size_t r = 0; r < roles; ++r)
      if (plan_.column[r] >= 0) values[r] = text_of(fields_[static_cast<std::size_t>(plan_.column[r])], scratch_[r]);
    return accept(at, values);
  }

  const char* consume_csv(const char* at, const char* end, bool final) {
    while (at != end) {
      const char* begin = at;
      const auto length = (std::min)(static_cast<std::size_t>(end - at), segment_bytes);
      bool careful = plan_.counts;
      if (plan_.known && !plan_.counts) {
        index_segment(at, length, options_.delimiter, index_);
        if (index_.quote && in_block_) {
          quote_seen_ = true;
          return at;
        }
        if (!index_.quote && !index_.other) {
          const progress last =
              plan_.reads(role_weight) ? read_plain<true>(at, end, final) : read_plain<false>(at, end, final);
          if (last != progress::record) return at;
          if (at != begin) continue;
        } else {
          careful = true;
        }
      }
      const char* segment_end = begin + length;
      do {
        const progress found = read_csv(at, end, final);
        if (found != progress::record) return at;
        at = next_;
      } while (careful && at < segment_end);
    }
    return at;
  }

  /// The records of an indexed segment that has no quotation mark: fields lie between the marks of the index. Whatever
  /// is unusual, a new name too, goes through read_csv.
  template <bool Weighted>
  progress read_plain(const char*& at, const char* end, bool final) {
    const char* const base = at;
    const char delimiter = options_.delimiter;
    const auto columns = static_cast<std::size_t>(plan_.columns);
    const auto first_column = static_cast<std::size_t>(plan_.column[role_first]);
    const auto second_column = static_cast<std::size_t>(plan_.column[role_second]);
    const auto outcome_column = static_cast<std::size_t>(plan_.column[role_outcome]);
    const auto weight_column = static_cast<std::size_t>(Weighted ? plan_.column[role_weight] : 0);
    const std::uint32_t* mark = index_.at.data();
    const std::uint32_t* const last_mark = mark + index_.count;
    const bool high = index_.high;
    const char* record = base;
    std::int64_t plain = 0;
    while (static_cast<std::size_t>(last_mark - mark) >= columns) {
      const char* line_end = base + mark[columns - 1];
      bool regular = *line_end == '\n';
      for (std::size_t k = 0; k + 1 < columns; ++k) regular &= base[mark[k]] == delimiter;
      if (regular) [[likely]] {
        const char* text_end = line_end - (line_end[-1] == '\r');
        const auto begins = [&](std::size_t column) { return column == 0 ? record : base + mark[column - 1] + 1; };
        const auto ends = [&](std::size_t column) { return column + 1 == columns ? text_end : base + mark[column]; };
        const auto find = [&](const auto& table, std::size_t column) __attribute__((always_inline)) {
          const char* begin = begins(column);
          return table.find(begin, static_cast<std::size_t>(ends(column) - begin),
                            static_cast<std::size_t>(end - begin));
        };
        const std::int32_t first = find(items_, first_column);
        const std::int32_t second = find(items_, second_column);
        const int won = find(plan_.winners, outcome_column);
        double weight = 1;
        bool good = (first | second | won) >= 0 && first != second;
        if constexpr (Weighted) {
          const char* begin = begins(weight_column);
          good = good && weight_of({begin, static_cast<std::size_t>(ends(weight_column) - begin)}, weight);
        }
        if (high) {
          const auto length = static_cast<std::size_t>(line_end - record);
          good = good && first_bad_byte(record, length) == length;
        }
        if (good) [[likely]] {
          emit(first, second, static_cast<unsigned>(won), weight);
          ++plain;
          record = line_end + 1;
          mark += columns;
          continue;
        }
      }
      summary_.lines += plain;
      summary_.records += plain;
      summary_.accepted += plain;
      summary_.battles += plain;
      plain = 0;
      at = record;
      const progress found = read_csv(record, end, final);
      if (found != progress::record) return found;
      record = next_;
      while (mark != last_mark && base + *mark < record) ++mark;
    }
    summary_.lines += plain;
    summary_.records += plain;
    summary_.accepted += plain;
    summary_.battles += plain;
    at = record;
    return progress::record;
  }

  const char* consume_jsonl(const char* at, const char* end, bool final) {
    while (at != end) {
      const auto* feed = static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)));
      if (feed == nullptr && !final) {
        check_length(at, end);
        return at;
      }
      const char* line_end = feed ? feed : end;
      const char* next = feed ? feed + 1 : end;
      check_length(at, next);
      if (line_end == at || (line_end - at == 1 && *at == '\r')) {
        ++summary_.lines;
        ++summary_.blank_lines;
      } else {
        const bool accepted = reject_unless_text(at, line_end) && read_object(at, line_end);
        ++summary_.records;
        summary_.accepted += accepted;
        ++summary_.lines;
      }
      at = next;
    }
    return at;
  }

  bool read_object(const char* record, const char* end) {
    if (!plan_.known) {
      std::vector<std::string> names;
      json_cursor keys(record, end);
      if (!each_member(keys, [&](std::string_view key, const char*) {
            names.emplace_back(key);
            return keys.skip();
          })) {
        reject(record, keys.at, keys.why);
        return false;
      }
      const std::string why = make_plan(plan_, names, options_, "key");
      if (!why.empty()) {
        reject(record, record, why);
        return false;
      }
    }
    std::array<value_text, roles> values;
    const char* twice = nullptr;
    const char* uninvited = nullptr;
    std::string_view twice_key;
    json_cursor json(record, end);
    const bool whole = each_member(json, [&](std::string_view key, const char* key_at) {
      for (std::size_t r = 0; r < roles; ++r) {
        if (plan_.column[r] < 0 || key != plan_.name[r]) continue;
        value_text& v = values[r];
        if (v.at != nullptr) {
          if (twice == nullptr) {
            twice = key_at;
            twice_key = plan_.name[r];
          }
          return json.skip();
        }
        v.at = json.at;
        const char c = json.peek();
        if (c == '"') {
          v.kind = value_text::string;
          return json.string(scratch_[r], v.text);
        }
        if (c == '-' || (c >= '0' && c <= '9')) {
          v.kind = value_text::number;
          return json.number(v.text);
        }
        v.kind = value_text::other;
        return json.skip();
      }
      if (!plan_.counts && !plan_.reads(role_weight) && key == "weight") uninvited = key_at;
      return json.skip();
    });
    if (!whole) {
      reject(record, json.at, json.why);
      return false;
    }
    if (twice != nullptr) {
      reject(record, twice, "key appears twice: " + clipped(twice_key));
      return false;
    }
    for (std::size_t r = 0; r < roles; ++r) {
      if (plan_.column[r] < 0) continue;
      const value_text& v = values[r];
      if (v.at == nullptr) {
        reject(record, end, "missing key: " + clipped(plan_.name[r]));
        return false;
      }
      const bool text = r == role_first || r == role_second || r == role_outcome;
      if (v.kind != (text ? value_text::string : value_text::number)) {
        reject(record, v.at, clipped(plan_.name[r]) + (text ? ": expected a string" : ": expected a number"));
        return false;
      }
    }
    if (uninvited != nullptr) {
      reject(record, uninvited, "weight: expected none, as in the first record");
      return false;
    }
    return accept(record, values);
  }

  /// member(key, where the key stands) reads the value; stops where that or the grammar fails.
  template <class F>
  bool each_member(json_cursor& json, F&& member) {
    json.blanks();
    if (!json.expect('{', "expected a JSON object")) return false;
    json.blanks();
    if (json.peek() == '}') {
      ++json.at;
    } else {
      for (;;) {
        std::string_view key;
        const char* key_at = json.at;
        if (!json.string(key_, key)) return false;
        json.blanks();
        if (!json.expect(':', "expected ':' after the key")) return false;
        json.blanks();
        if (!member(key, key_at)) return false;
        json.blanks();
        if (json.peek() == '}') {
          ++json.at;
          break;
        }
        if (!json.expect(',', "expected ',' or '}'")) return false;
        json.blanks();
      }
    }
    json.blanks();
    return json.done() || json.fail("text after the object: expected the end of the line");
  }

  battle_options options_;
  std::string name_;
  Sink& sink_;
  battle_format format_ = battle_format::automatic;
  battle_plan plan_{};
  bool started_ = false;
  bool in_block_ = false;
  bool quote_seen_ = false;
  name_table items_{};
  battle_summary summary_{};
  segment_index index_{};
  std::vector<csv_field> fields_{};
  const char* wrong_ = nullptr;
  const char* wrong_at_ = nullptr;
  const char* record_end_ = nullptr;
  const char* next_ = nullptr;
  std::array<std::string, roles> scratch_{};
  std::string key_{};
  std::vector<std::int32_t> renumbered_{};
};

/// Chunks from a source into a parser. What a chunk leaves unfinished is kept; the more is kept, the more is read next,
/// so that a long record is looked at a bounded number of times.
template <class Source, class Parser>
void feed(Source& source, Parser& parser, std::int64_t chunk_bytes) {
  std::vector<char> buffer;
  std::size_t kept = 0;
  for (bool final = false; !final;) {
    const std::size_t room = (std::max)(static_cast<std::size_t>(chunk_bytes), kept);
    if (buffer.size() < kept + room) buffer.resize(kept + room);
    std::size_t filled = kept;
    while (filled < kept + room) {
      const std::size_t got = source(buffer.data() + filled, kept + room - filled);
      if (got == 0) {
        final = true;
        break;
      }
      filled += got;
    }
    const char* rest = parser.consume(buffer.data(), buffer.data() + filled, final);
    kept = static_cast<std::size_t>(buffer.data() + filled - rest);
    std::memmove(buffer.data(), rest, kept);
  }
}

/// Battles into columns.
class table_sink {
 public:
  table_sink() = default;
  /// Makes room for about as many battles as the text has lines, judged by its beginning.
  explicit table_sink(std::string_view text) {
    const std::string_view sample = text.substr(0, 65536);
    const auto ends = static_cast<double>(std::count(sample.begin(), sample.end(), '\n'));
    if (text.size() > sample.size())
      resize(static_cast<std::size_t>(1.02 * ends * static_cast<double>(text.size()) /
                                      static_cast<double>(sample.size())));
  }

  ZERMELO_INLINE void operator()(const battle& b) {
    if (used_ == table_.first.size()) grow();
    table_.first[used_] = b.first;
    table_.second[used_] = b.second;
    table_.outcome[used_] = b.outcome;
    if (b.weight != 1 || !table_.weight.empty()) [[unlikely]]
      put_weight(b.weight);
    if (b.both_bad) [[unlikely]]
      table_.both_bad.push_back(static_cast<std::int64_t>(used_));
    ++used_;
  }

  battle_table table(battle_summary summary) && {
    table_.first.resize(used_);
    table_.second.resize(used_);
    table_.outcome.resize(used_);
    if (!table_.weight.empty()) table_.weight.resize(used_);
    static_cast<battle_summary&>(table_) = std::move(summary);
    return std::move(table_);
  }

 private:
  void grow() { resize((std::max)(std::size_t{256}, used_ * 2)); }
  void resize(std::size_t size) {
    table_.first.resize(size);
    table_.second.resize(size);
    table_.outcome.resize(size);
    if (!table_.weight.empty()) table_.weight.resize(size, 1.0);
  }
  void put_weight(double weight) {
    if (table_.weight.empty()) table_.weight.resize(table_.first.size(), 1.0);
    table_.weight[used_] = weight;
  }

  battle_table table_{};
  std::size_t used_ = 0;
};

/// Reads text in blocks that end at line ends, several at the same time, and merges them in order. A quotation mark can
/// hide line ends in CSV: the first block that has one, and all text after it, is read by the main parser.
template <host_policy P, class Main>
class block_reader {
 public:
  block_reader(const P& policy, Main& main)
      : policy_(policy),
        main_(main),
        in_one_pass_(concurrency(policy) == 1),
        parts_(4 * static_cast<std::size_t>(concurrency(policy))) {}

  /// How much text keeps all threads busy.
  std::int64_t chunk_bytes() const {
    return in_one_pass_ ? main_.chunk_bytes() : main_.chunk_bytes() * static_cast<std::int64_t>(parts_.size());
  }

  const char* consume(const char* at, const char* end, bool final) {
    const auto block = static_cast<std::size_t>(main_.chunk_bytes());
    for (std::size_t window = block; !in_one_pass_ && !main_.ready() && at != end; window *= 2) {
      const std::size_t length = (std::min)(static_cast<std::size_t>(end - at), window);
      const bool whole = at + length == end;
      at = main_.consume(at, at + length, final && whole);
      if (whole) break;
    }
    while (!in_one_pass_ && main_.ready() && at != end) {
      std::size_t blocks = 0;
      for (const char* begin = at; blocks < parts_.size() && begin != end; ++blocks) {
        const char* close = end;
        if (static_cast<std::size_t>(end - begin) > block)
          close = static_cast<const char*>(
              std::memchr(begin + block - 1, '\n', static_cast<std::size_t>(end - begin) - block + 1));
        else if (!final)
          break;
        if (close == nullptr) {
          if (!final) break;
          close = end;
        }
        close += close != end;
        parts_[blocks].begin = begin;
        parts_[blocks].end = begin = close;
      }
      if (blocks == 0) break;
      for_each_tile(policy_, static_cast<std::int64_t>(blocks),
                    [&](std::int64_t t) { read(parts_[static_cast<std::size_t>(t)]); });
      for (std::size_t k = 0; k < blocks && !in_one_pass_; ++k) {
        part& p = parts_[k];
        in_one_pass_ = p.parser->quote_seen();
        if (in_one_pass_) break;
        main_.merge(*p.parser, p.kept, p.failure);
        at = p.end;
      }
    }
    return at == end && !final ? at : main_.consume(at, end, final);
  }

 private:
  struct keep {
    std::vector<battle>& kept;
    ZERMELO_INLINE void operator()(const battle& b) const { kept.push_back(b); }
  };
  struct part {
    const char *begin = nullptr, *end = nullptr;
    std::vector<battle> kept{};
    keep sink{kept};
    std::optional<battle_parser<keep>> parser{};
    std::optional<parse_error> failure{};
    part() = default;
    part(const part&) = delete;
    part& operator=(const part&) = delete;
  };

  void read(part& p) const {
    p.kept.clear();
    p.failure.reset();
    p.parser.emplace(main_, p.sink);
    try {
      p.parser->consume(p.begin, p.end, true);
    } catch (const parse_error& failure) {
      p.failure = failure;
    }
  }

  const P& policy_;
  Main& main_;
  bool in_one_pass_;
  std::vector<part> parts_;
};

}  // namespace zermelo::inline v1::io::detail::inline ZERMELO_ISA
