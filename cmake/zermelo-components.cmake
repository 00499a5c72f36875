# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# The optional parts of the package: component, the CMake package it needs, the target it links. The build tree and the
# installed package both read this list; a component is the target zermelo::<component>.

set(zermelo_components eigen threads)
set(zermelo_component_eigen Eigen3 Eigen3::Eigen)
set(zermelo_component_threads Threads Threads::Threads)

# Defines zermelo::<component> if its package is found. With GLOBAL, projects that add this one as a subdirectory see it.
macro(zermelo_find_component component)
  list(GET zermelo_component_${component} 0 zermelo_package)
  list(GET zermelo_component_${component} 1 zermelo_dependency)
  if(NOT TARGET ${zermelo_dependency})
    find_package(${zermelo_package} QUIET)
    if("${ARGN}" STREQUAL "GLOBAL" AND TARGET ${zermelo_dependency})
      set_target_properties(${zermelo_dependency} PROPERTIES IMPORTED_GLOBAL TRUE)
    endif()
  endif()
  if(TARGET ${zermelo_dependency} AND NOT TARGET zermelo::${component})
    add_library(zermelo::${component} INTERFACE IMPORTED ${ARGN})
    target_link_libraries(zermelo::${component} INTERFACE zermelo::zermelo ${zermelo_dependency})
  endif()
endmacro()
