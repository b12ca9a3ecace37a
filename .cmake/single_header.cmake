# The target quarry_single_header writes quarry_core.hpp into the build folder: slab_cache.hpp and all of Quarry that it includes, as
# one file for projects that take a header and nothing else. This script does the writing, run by `cmake -P`:
#
#   cmake -DINCLUDE=include -DLICENSE=LICENSE -DVERSION=0.1.0 -DOUTPUT=quarry_core.hpp -P .cmake/single_header.cmake

if(NOT CMAKE_SCRIPT_MODE_FILE)
  file(GLOB_RECURSE quarry_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/quarry/*.hpp)
  add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/quarry_core.hpp
    COMMAND ${CMAKE_COMMAND} -DINCLUDE=${PROJECT_SOURCE_DIR}/include -DLICENSE=${PROJECT_SOURCE_DIR}/LICENSE
      -DVERSION=${PROJECT_VERSION} -DOUTPUT=${PROJECT_BINARY_DIR}/quarry_core.hpp -P ${CMAKE_CURRENT_LIST_FILE}
    DEPENDS ${quarry_headers} ${CMAKE_CURRENT_LIST_FILE} ${PROJECT_SOURCE_DIR}/LICENSE
    COMMENT "Writing quarry_core.hpp" VERBATIM)
  add_custom_target(quarry_single_header DEPENDS ${PROJECT_BINARY_DIR}/quarry_core.hpp)
  return()
endif()

cmake_minimum_required(VERSION 3.22)

# As the preprocessor would: each header where it is included first, and not again.
set(written "")
function(write_header name)
  if(name IN_LIST written)
    return()
  endif()
  list(APPEND written ${name})
  get_filename_component(folder ${name} DIRECTORY)
  file(READ ${INCLUDE}/${name} rest)
  string(REPLACE "#pragma once\n" "" rest "${rest}")
  while(rest MATCHES "#include (<(quarry/[^>\n]+)>|\"([^\"\n]+)\")[^\n]*\n")
    set(line "${CMAKE_MATCH_0}")
    if(CMAKE_MATCH_2)
      set(included ${CMAKE_MATCH_2})
    else()
      set(included ${folder}/${CMAKE_MATCH_3})
    endif()
    string(FIND "${rest}" "${line}" begin)
    string(LENGTH "${line}" length)
    string(SUBSTRING "${rest}" 0 ${begin} before)
    math(EXPR end "${begin} + ${length}")
    string(SUBSTRING "${rest}" ${end} -1 rest)
    file(APPEND ${OUTPUT}.new "${before}")
    write_header(${included})
  endwhile()
  file(APPEND ${OUTPUT}.new "${rest}")
  set(written "${written}" PARENT_SCOPE)
endfunction()

file(READ ${LICENSE} license)
string(STRIP "${license}" license)
string(REPLACE "\n" "\n// " license "${license}")
string(REPLACE "// \n" "//\n" license "${license}")
file(WRITE ${OUTPUT}.new "// Quarry ${VERSION}: typed caches, quarry::slab_cache and what it needs, written from Quarry's headers. A machine without
// an operating system needs nothing else; elsewhere os_page_source, the default, needs the library, other sources do not.
//
// ${license}
#pragma once

")
write_header(quarry/slab_cache.hpp)
file(RENAME ${OUTPUT}.new ${OUTPUT})
