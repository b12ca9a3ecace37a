// Templates of which no member is left uncompiled.
#pragma once

#include <quarry/core/engine/engine.hpp>
#include <quarry/locks.hpp>
#include <quarry/page_sources.hpp>
#include <quarry/slab_cache.hpp>
#include <quarry/static_page_source.hpp>

namespace quarry_test {

struct order {
  int number;
  double price;
};

using supply = quarry::core::plain_supply<quarry::hooked_page_source>;

}  // namespace quarry_test

template class quarry::core::held_memory<quarry::spin_lock>;
template class quarry::core::store<quarry_test::supply, quarry::spin_lock>;
template class quarry::core::engine<quarry_test::supply, quarry::spin_lock>;
template class quarry::slab_cache<quarry_test::order, quarry::spin_lock, 4096, quarry::hooked_page_source>;
template class quarry::slab_cache<quarry_test::order, quarry::null_lock, 4096,
                                  quarry::static_page_source<65536>>;
