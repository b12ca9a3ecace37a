// Quarry, all of its public face.
#pragma once

#include "multiallocation_chain.hpp"
#include "page_sources.hpp"
#include "slab_allocator.hpp"
#include "slab_options.hpp"
#include "slab_stats.hpp"
#include "unsynchronized_slab_resource.hpp"
