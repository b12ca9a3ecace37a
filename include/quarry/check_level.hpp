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

/// What a checked resource does about blocks that live when it ends or is released. Levels below `pointers` do nothing.
enum class leak_action {
  by_level,  // `report` at check_level::full, `quiet` below
  quiet,     // nothing: the resource is meant to take what lives along
  report,  // writes their count, bytes, sizes and, at check_level::full, call stacks to the standard error stream
  abort  // the same, and ends the program
};

}  // namespace QUARRY_ABI
}  // namespace quarry
