// What both slab resources do with their constructor's arguments.
#pragma once

#include <memory_resource>

#include "quarry/core/size_class.hpp"
#include "quarry/slab_options.hpp"

namespace quarry {

/// Returns `upstream`. Errors: std::invalid_argument when it is null.
std::pmr::memory_resource* checked_upstream(std::pmr::memory_resource* upstream);

/// Returns the largest class that is pooled.
core::class_index last_pooled_class(const slab_options& given, const slab_options& resolved) noexcept;

}  // namespace quarry
