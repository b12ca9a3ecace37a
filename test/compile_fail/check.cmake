# Checks one file that must not compile. It holds one or more lines
#   // expect: words of the compiler's message
# Each must appear in the message. The same file compiled with -DQUARRY_COMPILE_OK leaves the mistake out and must compile,
# which shows that nothing else stopped it. With a line `// errors: 1` the compiler must say no more than that many errors. A line
# `// options: ...` adds compile options.
#   cmake -DCOMPILER=c++ -DFLAGS= -DINCLUDE=include -DFILE=x.cpp -P check.cmake

file(STRINGS ${FILE} expectations REGEX "^// expect: ")
if(NOT expectations)
  message(FATAL_ERROR "${FILE} says nothing about the message it expects: add a line `// expect: words`")
endif()
separate_arguments(flags UNIX_COMMAND "${FLAGS}")
set(command "${COMPILER}" ${flags} -std=c++17 -fsyntax-only "-I${INCLUDE}")
file(STRINGS ${FILE} options REGEX "^// options: ")
foreach(line IN LISTS options)
  string(REGEX REPLACE "^// options: *" "" line "${line}")
  separate_arguments(line)
  list(APPEND command ${line})
endforeach()

execute_process(COMMAND ${command} -DQUARRY_COMPILE_OK "${FILE}" RESULT_VARIABLE status ERROR_VARIABLE diagnostics)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "the control (-DQUARRY_COMPILE_OK) does not compile:\n${diagnostics}")
endif()
execute_process(COMMAND ${command} "${FILE}" RESULT_VARIABLE status ERROR_VARIABLE diagnostics)
if(status EQUAL 0)
  message(FATAL_ERROR "${FILE} compiles, and must not")
endif()
file(STRINGS ${FILE} most_errors REGEX "^// errors: ")
if(most_errors)
  string(REGEX REPLACE "^// errors: *" "" most_errors "${most_errors}")
  string(REGEX MATCHALL "error: " errors "${diagnostics}")
  list(LENGTH errors error_count)
  if(error_count GREATER most_errors)
    message(FATAL_ERROR "the compiler says ${error_count} errors, more than ${most_errors}:\n${diagnostics}")
  endif()
endif()
foreach(line IN LISTS expectations)
  string(REGEX REPLACE "^// expect: *" "" line "${line}")
  string(FIND "${diagnostics}" "${line}" position)
  if(position EQUAL -1)
    message(FATAL_ERROR "the compiler's message lacks \"${line}\":\n${diagnostics}")
  endif()
endforeach()
