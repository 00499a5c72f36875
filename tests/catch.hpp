// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Catch2 3 where it is installed, else Catch2 2.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif
