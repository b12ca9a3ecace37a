# What is built beside the library, and needs packages beside a compiler: tests, benchmarks, examples. QUARRY_BUILD_<EXTRA> is
#
#   ON     all of it is built; what is missing is an error that says how to get it
#   OFF    it is left out
#   AUTO   what can be built is built; what is left out is told in one line
#
# quarry_extra(<EXTRA> <what>)   declares the option; AUTO where Quarry is a project of its own, OFF inside another
# quarry_left_out(<EXTRA> <what> <needed> <Debian> <Homebrew> <vcpkg>)
#                                tells that `what` is left out because `needed` is not there: an error or a line

function(quarry_extra extra what)
  set(default OFF)
  if(PROJECT_IS_TOP_LEVEL)
    set(default AUTO)
  endif()
  set(QUARRY_BUILD_${extra} ${default} CACHE STRING "Build ${what}: ON, OFF, or AUTO (what can be built is)")
  set_property(CACHE QUARRY_BUILD_${extra} PROPERTY STRINGS AUTO ON OFF)
endfunction()

function(quarry_left_out extra what needed debian homebrew vcpkg)
  set(packages "Debian ${debian}, Homebrew ${homebrew}, vcpkg ${vcpkg}")
  if(QUARRY_BUILD_${extra} STREQUAL "AUTO")
    message(STATUS "quarry: left out: ${what}, for want of ${needed} (${packages})")
  else()
    message(FATAL_ERROR "QUARRY_BUILD_${extra} is ${QUARRY_BUILD_${extra}}, and ${needed} is not there, which ${what} need. "
      "Install it (${packages}), or set QUARRY_BUILD_${extra} to AUTO or OFF.")
  endif()
endfunction()
