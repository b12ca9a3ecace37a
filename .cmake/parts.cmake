# Parts of the project that need packages beside a compiler. QUARRY_BUILD_<PART> is
#
#   ON     everything of the part is built; what is missing is an error that says how to get it
#   OFF    the part is left out
#   AUTO   what can be built is built; what is left out is told in one line
#
# quarry_part(<PART> <what>)     declares the option; AUTO where Quarry is a project of its own, OFF inside another
# quarry_left_out(<PART> <what> <needed> <Debian> <Homebrew> <vcpkg>)
#                                tells that `what` is left out because `needed` is not there: an error or a line

function(quarry_part part what)
  set(default OFF)
  if(PROJECT_IS_TOP_LEVEL)
    set(default AUTO)
  endif()
  set(QUARRY_BUILD_${part} ${default} CACHE STRING "Build ${what}: ON, OFF, or AUTO (what can be built is)")
  set_property(CACHE QUARRY_BUILD_${part} PROPERTY STRINGS AUTO ON OFF)
endfunction()

function(quarry_left_out part what needed debian homebrew vcpkg)
  set(packages "Debian ${debian}, Homebrew ${homebrew}, vcpkg ${vcpkg}")
  if(QUARRY_BUILD_${part} STREQUAL "AUTO")
    message(STATUS "quarry: left out: ${what}, for want of ${needed} (${packages})")
  else()
    message(FATAL_ERROR "QUARRY_BUILD_${part} is ${QUARRY_BUILD_${part}}, and ${needed} is not there, which ${what} need. "
      "Install it (${packages}), or set QUARRY_BUILD_${part} to AUTO or OFF.")
  endif()
endfunction()
