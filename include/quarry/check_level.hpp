// How much of its users' work a resource or typed cache checks.
//
// Layer      Vocabulary of the public face; freestanding.
#pragma once

#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {

/// Each level finds what the one before finds, and more. docs/checks.md tells which error is found where, and what it costs.
enum class check_level {
  off,  // nothing at run time: a hit costs not one instruction more
  pointers,  // at the call: a block freed twice, a pointer that is none of a block, the wrong size, the wrong resource
  full  // also writes behind a block's end or after its free; who allocated and freed it; what lives at the end
};

}  // namespace QUARRY_ABI
}  // namespace quarry
