# A single version is served by the same minor version, at least as new; a range by any version that lies in it.
if(PACKAGE_FIND_VERSION_RANGE)
  include("${CMAKE_CURRENT_LIST_DIR}/quarry-config-version-range.cmake")
else()
  include("${CMAKE_CURRENT_LIST_DIR}/quarry-config-version-single.cmake")
endif()
