# install.cmake: what does find_package(sluice) find?
#
# The headers, the target sluice::sluice, and a version file. In 0.x a new minor version may break its users.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/sluice")

install(TARGETS sluice EXPORT sluice-targets FILE_SET HEADERS FILE_SET adapters)
install(EXPORT sluice-targets NAMESPACE sluice:: DESTINATION "${package_dir}")

write_basic_package_version_file("${PROJECT_BINARY_DIR}/sluice-config-version.cmake"
    COMPATIBILITY SameMinorVersion
    ARCH_INDEPENDENT)
install(FILES cmake/sluice-config.cmake "${PROJECT_BINARY_DIR}/sluice-config-version.cmake"
    DESTINATION "${package_dir}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
