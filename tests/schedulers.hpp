// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include "zermelo/core/detail/tile_scheduler.hpp"

/// The schedulers of the host behind one type: what is to run on all of them is compiled once.
namespace schedulers {

using scheduler = zermelo::detail::tile_scheduler;

struct named_scheduler {
  std::string name;
  scheduler policy;
};

/// Our own threads, two of them, and those of the libraries that are there: OpenMP, TBB, Thrust's host systems. Made at the
/// first call.
const std::vector<named_scheduler>& all();

}  // namespace schedulers
