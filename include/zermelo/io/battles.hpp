// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "../core/config.hpp"
#include "../core/execution/policy.hpp"
#include "battle_table.hpp"
#include "detail/battle_parser.hpp"
#include "detail/file_source.hpp"

/// Battles from CSV and JSON lines. A record is two items and who won:
///
///     model_a,model_b,winner          {"model_a": "ant", "model_b": "bee", "winner": "tie", "judge": "cat"}
///     ant,bee,model_a
///
/// or two items and how often each won (home,away,home_wins,away_wins[,ties]). Labels become ids in order of first
/// appearance. Every record is accepted, or rejected with its line, column and reason; nothing is dropped silently.
///
/// Columns (CSV, found by the header) and keys (JSON), unless `battle_options` names them:
///   items    the first pair present of  model_a model_b | left right | model_x model_y | x y | first second | home
///   away outcome  winner; or, without one, the pair's names with _wins after them, and `ties` or `draws` where present
///   weight   weight, where present
/// and the winner is named by
///   model_a model_b   with the items model_a model_b (Chatbot Arena)
///   left right, x y   with left right; also model_x model_y with model_x model_y and x y (evalica)
///   first second, home away   with those
///   tie, draw; tie (bothbad), both_bad, bothbad   with all: the last three are ties and are marked as "both bad".
///
/// CSV is RFC 4180: quoted fields may hold delimiters, doubled quotes and line ends; lines end with LF or CRLF, also
/// mixed; a byte order mark and a missing last line end are fine; fields are not trimmed. Lines without any
/// character are skipped and counted; a line of another number of fields than the header is rejected. After a
/// malformed record, reading resumes at the next line.
/// JSON lines are strict RFC 8259, one object a line; other keys are checked and skipped; a key that is read must stand
/// there exactly once; a key that is found by itself in the first record must be there in all, or in none.
/// Text must be UTF-8 without zero bytes.
///
/// Source: formats of FastChat/Chatbot Arena (model_a, model_b, winner) and evalica (left, right, winner).
namespace zermelo::inline v1::io::inline ZERMELO_ISA {

/// Reads the text and hands every battle to the sink, in order, without storing any.
/// Errors: parse_error (see error_policy; an unusable header, a record that is too long: in any case),
/// domain_error for options that contradict each other and for more than 2³¹ − 1 items.
/// Cost: one pass; memory for the items and the rejected lines.
template <battle_sink Sink>
battle_summary stream_battles(std::string_view text, Sink&& sink, const battle_options& options = {}) {
  detail::battle_parser<std::remove_reference_t<Sink>> parser(options, "<memory>", sink);
  parser.consume(text.data(), text.data() + text.size(), true);
  return parser.finish();
}

/// The same from any source of bytes; holds one chunk, or one record where that is longer.
template <byte_source Source, battle_sink Sink>
battle_summary stream_battles(Source&& source, Sink&& sink, const battle_options& options = {}) {
  detail::battle_parser<std::remove_reference_t<Sink>> parser(options, "<stream>", sink);
  detail::feed(source, parser, options.chunk_bytes);
  return parser.finish();
}

/// The same from a file. Errors: also `error`, with the system's words, when it cannot be opened or read.
template <battle_sink Sink>
battle_summary stream_battles_file(const std::string& path, Sink&& sink, const battle_options& options = {}) {
  detail::file_source source(path);
  detail::battle_parser<std::remove_reference_t<Sink>> parser(options, path, sink);
  detail::feed(source, parser, options.chunk_bytes);
  return parser.finish();
}

/// The text as a table. Errors as for stream_battles.   Cost: one pass, 9 bytes a battle (17 with weights).
inline battle_table read_battles(std::string_view text, const battle_options& options = {}) {
  detail::table_sink sink(text);
  return std::move(sink).table(stream_battles(text, sink, options));
}

inline battle_table read_battles_file(const std::string& path, const battle_options& options = {}) {
  detail::table_sink sink;
  return std::move(sink).table(stream_battles_file(path, sink, options));
}

/// On a policy: blocks of text are read at the same time and merged in order. Sink, table and errors see what one pass
/// would show them, whatever the number of threads. CSV is read in one pass from the first block on that has a
/// quotation mark.
template <host_policy P, battle_sink Sink>
battle_summary stream_battles(P&& policy, std::string_view text, Sink&& sink, const battle_options& options = {}) {
  detail::battle_parser<std::remove_reference_t<Sink>> parser(options, "<memory>", sink);
  detail::block_reader<std::remove_cvref_t<P>, decltype(parser)> blocks(policy, parser);
  blocks.consume(text.data(), text.data() + text.size(), true);
  return parser.finish();
}

template <host_policy P, battle_sink Sink>
battle_summary stream_battles_file(P&& policy, const std::string& path, Sink&& sink,
                                   const battle_options& options = {}) {
  detail::file_source source(path);
  detail::battle_parser<std::remove_reference_t<Sink>> parser(options, path, sink);
  detail::block_reader<std::remove_cvref_t<P>, decltype(parser)> blocks(policy, parser);
  detail::feed(source, blocks, blocks.chunk_bytes());
  return parser.finish();
}

template <host_policy P>
battle_table read_battles(P&& policy, std::string_view text, const battle_options& options = {}) {
  detail::table_sink sink(text);
  return std::move(sink).table(stream_battles(policy, text, sink, options));
}

template <host_policy P>
battle_table read_battles_file(P&& policy, const std::string& path, const battle_options& options = {}) {
  detail::table_sink sink;
  return std::move(sink).table(stream_battles_file(policy, path, sink, options));
}

}  // namespace zermelo::inline v1::io::inline ZERMELO_ISA
