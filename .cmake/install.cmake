# What `cmake --install` installs, and by which other projects find it: quarry-config.cmake for find_package, quarry.pc for
# pkg-config. Both find the rest from where they lie, so an installed Quarry may be moved.
#
# In an export set of its own, so that a library which links quarry::quarry can be exported by its project. Component
# quarry_runtime is what programs need to run, quarry_development what they need to be built.
if(NOT QUARRY_INSTALL)
  return()
endif()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(quarry_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/quarry)
set(quarry_files ${PROJECT_BINARY_DIR}/install)

install(DIRECTORY include/quarry DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT quarry_development)
install(TARGETS quarry_core EXPORT quarry-core-targets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT quarry-core-targets NAMESPACE quarry:: DESTINATION ${quarry_package_dir} COMPONENT quarry_development)

# One version is compatible as docs/versioning.md says; a range means what it says.
set(quarry_version_architecture ARCH_INDEPENDENT)
if(TARGET quarry)
  set(quarry_version_architecture "")
endif()
write_basic_package_version_file(${quarry_files}/quarry-config-version-single.cmake VERSION ${PROJECT_VERSION}
  COMPATIBILITY SameMinorVersion ${quarry_version_architecture})
write_basic_package_version_file(${quarry_files}/quarry-config-version-range.cmake VERSION ${PROJECT_VERSION}
  COMPATIBILITY AnyNewerVersion ${quarry_version_architecture})
configure_file(${CMAKE_CURRENT_LIST_DIR}/quarry-config-version.cmake ${quarry_files}/quarry-config-version.cmake COPYONLY)
configure_file(${CMAKE_CURRENT_LIST_DIR}/quarry-config.cmake ${quarry_files}/quarry-config.cmake COPYONLY)
install(FILES ${quarry_files}/quarry-config.cmake ${quarry_files}/quarry-config-version.cmake
  ${quarry_files}/quarry-config-version-single.cmake ${quarry_files}/quarry-config-version-range.cmake
  DESTINATION ${quarry_package_dir} COMPONENT quarry_development)

if(NOT TARGET quarry)
  return()
endif()
install(TARGETS quarry EXPORT quarry-targets
  RUNTIME COMPONENT quarry_runtime
  LIBRARY COMPONENT quarry_runtime NAMELINK_COMPONENT quarry_development
  ARCHIVE COMPONENT quarry_development)
install(EXPORT quarry-targets NAMESPACE quarry:: DESTINATION ${quarry_package_dir} COMPONENT quarry_development)

# quarry.pc: definitions as the target has them for its users; who links the archive needs threads, too.
set(quarry_pc_prefix ${CMAKE_INSTALL_PREFIX})
cmake_path(IS_PREFIX CMAKE_INSTALL_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR} NORMALIZE quarry_libraries_in_prefix)
if(quarry_libraries_in_prefix)
  file(RELATIVE_PATH quarry_pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
  string(REGEX REPLACE "/$" "" quarry_pc_prefix "\${pcfiledir}/${quarry_pc_prefix}")
endif()
foreach(folder INCLUDEDIR LIBDIR)
  set(quarry_pc_${folder} ${CMAKE_INSTALL_${folder}})
  if(NOT IS_ABSOLUTE ${CMAKE_INSTALL_${folder}})
    set(quarry_pc_${folder} "\${prefix}/${CMAKE_INSTALL_${folder}}")
  endif()
endforeach()
set(quarry_pc_definitions "")
get_target_property(quarry_definitions quarry INTERFACE_COMPILE_DEFINITIONS)
if(quarry_definitions)
  list(TRANSFORM quarry_definitions PREPEND " -D")
  list(JOIN quarry_definitions "" quarry_pc_definitions)
endif()
set(quarry_pc_threads "")
set(quarry_pc_private_threads "")
get_target_property(quarry_type quarry TYPE)
if(CMAKE_THREAD_LIBS_INIT AND quarry_type STREQUAL "STATIC_LIBRARY")
  set(quarry_pc_threads " ${CMAKE_THREAD_LIBS_INIT}")
elseif(CMAKE_THREAD_LIBS_INIT)
  set(quarry_pc_private_threads " ${CMAKE_THREAD_LIBS_INIT}")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/quarry.pc.in ${quarry_files}/quarry.pc @ONLY)
install(FILES ${quarry_files}/quarry.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT quarry_development)

# What debuggers are told. gdb looks by itself for what belongs to a shared library, under the library's own path.
set(quarry_debuggers ${PROJECT_SOURCE_DIR}/src/debuggers)
install(FILES ${quarry_debuggers}/quarry-gdb.py ${quarry_debuggers}/quarry_gdb.py
  DESTINATION ${CMAKE_INSTALL_DATADIR}/quarry/gdb COMPONENT quarry_development)
install(FILES ${quarry_debuggers}/quarry.natvis DESTINATION ${CMAKE_INSTALL_DATADIR}/quarry COMPONENT quarry_development)
if(quarry_type STREQUAL "SHARED_LIBRARY" AND UNIX AND NOT APPLE)
  install(FILES ${quarry_debuggers}/quarry-gdb.py
    DESTINATION ${CMAKE_INSTALL_DATADIR}/gdb/auto-load${CMAKE_INSTALL_FULL_LIBDIR}
    RENAME ${CMAKE_SHARED_LIBRARY_PREFIX}quarry${CMAKE_SHARED_LIBRARY_SUFFIX}.${PROJECT_VERSION}-gdb.py
    COMPONENT quarry_development)
endif()

if(PROJECT_IS_TOP_LEVEL)
  include(${CMAKE_CURRENT_LIST_DIR}/package.cmake)
endif()
