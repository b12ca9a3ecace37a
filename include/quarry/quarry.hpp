// Quarry, all of its public face.
#pragma once

#include "locks.hpp"
#include "multiallocation_chain.hpp"
#include "page_sources.hpp"
#include "recycle_policy.hpp"
#include "slab_allocator.hpp"
#include "slab_cache.hpp"
#include "slab_cache_stats.hpp"
#include "slab_errc.hpp"
#include "slab_options.hpp"
#include "slab_ptr.hpp"
#include "slab_stats.hpp"
#include "slab_thread_view.hpp"
#include "static_slab_allocator.hpp"
#include "synchronized_slab_resource.hpp"
#include "unsynchronized_slab_resource.hpp"
#include "version.hpp"
