// Read before libstdc++'s own tests of the pool resources (g++ -include): makes them test Quarry's classes.
//
// <memory_resource> comes first, so that the standard classes keep their names. Then Quarry's classes are
// declared where the tests look for the standard ones, and the standard names are turned into Quarry's.
// Without QUARRY_CONFORMANCE this does nothing, and the tests judge the standard classes: the control that
// every one of them must pass.
#pragma once

#include <memory_resource>

#ifdef QUARRY_CONFORMANCE
#if __has_include(<quarry/unsynchronized_slab_resource.hpp>)
#include <quarry/unsynchronized_slab_resource.hpp>
namespace std::pmr {
using quarry::unsynchronized_slab_resource;
}
#define unsynchronized_pool_resource unsynchronized_slab_resource
#endif
#if __has_include(<quarry/synchronized_slab_resource.hpp>)
#include <quarry/synchronized_slab_resource.hpp>
namespace std::pmr {
using quarry::synchronized_slab_resource;
}
#define synchronized_pool_resource synchronized_slab_resource
#endif
#endif
