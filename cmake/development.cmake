# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# How this project compiles its own programs. Nothing here reaches those who use the library.

option(ZERMELO_NATIVE "Compile tests, examples and benchmarks for this machine's instruction set" ON)
set(ZERMELO_SANITIZE "" CACHE STRING "Sanitizers for the tests, for example address,undefined or thread")
option(ZERMELO_BUILD_CHECKS "Build the checks of the project as a whole: headers, consumers, mixed objects, fuzzers" OFF)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug or Release" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2") # assertions stay
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(CCACHE ccache)
mark_as_advanced(CCACHE)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # What ccache must be told before it caches anything that uses a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros "${CCACHE}")
endif()

# zermelo_warnings: warnings are errors. zermelo_development: also the libraries that parts of zermelo need, and the
# instruction set of this machine.
add_library(zermelo_warnings INTERFACE)
target_compile_options(zermelo_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow -Werror)

add_library(zermelo_development INTERFACE)
target_link_libraries(zermelo_development INTERFACE zermelo_warnings)
if(ZERMELO_NATIVE)
  target_compile_options(zermelo_development INTERFACE -march=native)
endif()
foreach(component IN ITEMS eigen threads)
  if(NOT TARGET zermelo::${component})
    list(GET zermelo_component_${component} 0 package)
    message(FATAL_ERROR "the tests, examples and benchmarks need ${package}")
  endif()
  target_link_libraries(zermelo_development INTERFACE zermelo::${component})
endforeach()
