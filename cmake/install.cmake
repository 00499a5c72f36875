# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include(CMakePackageConfigHelpers)

set(package_directory "${CMAKE_INSTALL_DATADIR}/cmake/zermelo")

configure_package_config_file(cmake/zermelo-config.cmake.in "${PROJECT_BINARY_DIR}/zermelo-config.cmake"
                              INSTALL_DESTINATION "${package_directory}" NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/zermelo-config-version.cmake" COMPATIBILITY SameMinorVersion
                                 ARCH_INDEPENDENT)

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(TARGETS zermelo EXPORT zermelo)
install(EXPORT zermelo NAMESPACE zermelo:: FILE zermelo-targets.cmake DESTINATION "${package_directory}")
install(FILES "${PROJECT_BINARY_DIR}/zermelo-config.cmake" "${PROJECT_BINARY_DIR}/zermelo-config-version.cmake"
              cmake/zermelo-components.cmake DESTINATION "${package_directory}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/zermelo")
