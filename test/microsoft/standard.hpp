// Included before everything else: the standard library as it is for this compiler. From here on, with AS_MICROSOFTS, the
// compiler looks like Microsoft's, so that Quarry takes that branch of whatever it asks of compilers and systems.
#pragma once

#include <array>
#include <atomic>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>
#if defined(_MSC_VER)
#include <intrin.h>
#endif
#if __STDC_HOSTED__
#include <algorithm>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iomanip>
#include <iosfwd>
#include <iterator>
#include <locale>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <typeinfo>
#include <vector>
#endif

#if defined(AS_MICROSOFTS)
#undef __clang__
#undef __GNUC__
#undef __ELF__
#undef __linux__
#undef __unix__
#undef __x86_64__
#if !defined(_MSC_VER)
#define _MSC_VER 1929
#define _WIN32 1
#define _M_X64 100
#endif
#endif
