# The target `site` writes docs/ and the public headers as pages into <build>/site/html; Doxygen and Python do the work.
function(quarry_add_site)
  find_package(Python3 QUIET COMPONENTS Interpreter)
  find_program(QUARRY_DOXYGEN doxygen)
  mark_as_advanced(QUARRY_DOXYGEN)
  if(NOT QUARRY_DOXYGEN OR NOT Python3_Interpreter_FOUND)
    message(STATUS "quarry: left out: the target site, for want of Doxygen or Python (Debian doxygen python3, Homebrew doxygen python)")
    return()
  endif()

  # What Doxyfile.in names between @ and @.
  set(SOURCE ${PROJECT_SOURCE_DIR})
  set(OUTPUT ${PROJECT_BINARY_DIR}/site)
  set(VERSION ${PROJECT_VERSION})
  set(PYTHON ${Python3_EXECUTABLE})
  set(INPUT "\"${OUTPUT}/pages\" \"${SOURCE}/include/quarry\"")
  foreach(face slab_face slab_host allocator_face)
    string(APPEND INPUT " \"${SOURCE}/include/quarry/detail/${face}.hpp\"")
  endforeach()
  file(GLOB PICTURES CONFIGURE_DEPENDS ${SOURCE}/docs/pictures/*.svg)
  list(TRANSFORM PICTURES REPLACE "(.+)" "\"\\1\"")
  list(JOIN PICTURES " " PICTURES)
  configure_file(docs/site/Doxyfile.in ${OUTPUT}/Doxyfile @ONLY)
  add_custom_target(site
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${OUTPUT}/pages ${OUTPUT}/html
    COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/docs/site/pages.py ${PROJECT_SOURCE_DIR} ${OUTPUT}/pages
    COMMAND ${QUARRY_DOXYGEN} ${OUTPUT}/Doxyfile
    COMMENT "Writing the site into ${OUTPUT}/html"
    VERBATIM)
endfunction()

quarry_add_site()
