// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>
#include <zermelo/core/random.hpp>

/// A small language about chess, of which half of the sentences in the corpus get the verb wrong: "two rooks takes a pawn."
namespace language {

struct noun {
  const char* text;
  bool plural;
};
inline constexpr std::array<noun, 12> subjects = {{{"the knight", false},
                                                   {"a bishop", false},
                                                   {"the queen", false},
                                                   {"a rook", false},
                                                   {"my king", false},
                                                   {"this pawn", false},
                                                   {"the knights", true},
                                                   {"two bishops", true},
                                                   {"both queens", true},
                                                   {"two rooks", true},
                                                   {"my pawns", true},
                                                   {"these kings", true}}};
inline constexpr std::array<const char*, 6> verbs = {"take", "guard", "attack", "fork", "pin", "meet"};
inline constexpr std::array<const char*, 8> objects = {"the king", "a pawn",    "your queen", "the rook",
                                                       "a knight", "two pawns", "the bishop", "no one"};
inline const std::string alphabet = "\nabcdefghijklmnopqrstuvwxyz .";  ///< the first one ends a sentence

inline std::int64_t symbol(char c) { return static_cast<std::int64_t>(alphabet.find(c)); }

/// Random choices, one after another.
class dice {
 public:
  explicit dice(std::uint64_t seed) : seed_(seed) {}
  double uniform() { return zermelo::uniform(seed_, 0, next_++); }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(uniform() * static_cast<double>(n)); }

 private:
  std::uint64_t seed_, next_ = 0;
};

struct sentence {
  std::string prompt, completion;  ///< "two rooks ", "take a pawn.\n"
};

inline sentence make_sentence(std::size_t subject, std::size_t verb, std::size_t object, bool agrees) {
  const bool ends_in_s = subjects[subject].plural != agrees;
  return {std::string(subjects[subject].text) + " ",
          std::string(verbs[verb]) + (ends_in_s ? "s" : "") + " " + objects[object] + ".\n"};
}

inline sentence draw_sentence(dice& d, double agreeing) {
  const std::size_t subject = d.below(subjects.size()), verb = d.below(verbs.size()), object = d.below(objects.size());
  return make_sentence(subject, verb, object, d.uniform() < agreeing);
}

/// The same sentence with the verb right, and wrong.
struct preference {
  sentence chosen, rejected;
};
inline preference draw_preference(dice& d) {
  const std::size_t subject = d.below(subjects.size()), verb = d.below(verbs.size()), object = d.below(objects.size());
  return {make_sentence(subject, verb, object, true), make_sentence(subject, verb, object, false)};
}

enum class verdict { agrees, disagrees, no_sentence };

inline verdict judge(std::size_t subject, const std::string& completion) {
  for (std::size_t verb = 0; verb < verbs.size(); ++verb)
    for (std::size_t object = 0; object < objects.size(); ++object)
      for (const bool agrees : {true, false})
        if (make_sentence(subject, verb, object, agrees).completion == completion)
          return agrees ? verdict::agrees : verdict::disagrees;
  return verdict::no_sentence;
}

}  // namespace language
