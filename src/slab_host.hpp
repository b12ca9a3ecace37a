// The verbs that both resources share; each resource's source file instantiates them.
#pragma once

#include <ostream>
#include <stdexcept>

#include "checked_owners.hpp"
#include "picture.hpp"
#include "quarry/detail/slab_host.hpp"
#include "refusal.hpp"
#include "report.hpp"
#include "survey.hpp"
#include "watched_calls.hpp"
#include "watched_slots.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

template <class Derived, class Engine>
slab_host<Derived, Engine>::slab_host(const slab_options& options, std::pmr::memory_resource* upstream,
                                      std::uint32_t growth_log2)
    : slab_host(options, nullptr, 0, upstream, growth_log2) {}

template <class Derived, class Engine>
slab_host<Derived, Engine>::slab_host(const slab_options& options, void* buffer, std::size_t bytes,
                                      std::pmr::memory_resource* upstream, std::uint32_t growth_log2)
    : setup_(options, bytes, upstream != std::pmr::null_memory_resource()),
      engine_(resource_supply(checked_upstream(upstream), setup_.options(), setup_.limits().granule_bytes),
              setup_.limits(), growth_log2) {
  if (buffer == nullptr && bytes != 0)
    refuse<std::invalid_argument>(
        "quarry: the initial buffer is null; allowed is a buffer of the size given, or size 0.");
  if (buffer != nullptr) engine_.memory().start_in(buffer, bytes);
  if (setup_.is_checked()) begin_checks();
}

template <class Derived, class Engine>
owner_facts slab_host<Derived, Engine>::owner() const noexcept {
  owner_facts facts;
  facts.owner = this;
  facts.type = Derived::type_name;
  facts.name = setup_.options().name;
  facts.holds = [](const void* owner, const void* pointer) noexcept {
    const auto& memory = static_cast<const slab_host*>(owner)->engine().memory();
    return memory.holds(pointer) || memory.oversize_at(pointer).memory != nullptr;
  };
  facts.record_of = [](const void* owner, const void* pointer) noexcept {
    const core::slot_record* const record =
        record_of(static_cast<const slab_host*>(owner)->engine(), pointer);
    return record != nullptr ? *record : core::slot_record();
  };
  return facts;
}

template <class Derived, class Engine>
void slab_host<Derived, Engine>::begin_checks() {
  enter_checked_owner(owner());
}

template <class Derived, class Engine>
void slab_host<Derived, Engine>::end_checked() noexcept {
  leave_checked_owner(this);
  close("ended");
  engine_.release();
}

// Without its caches every thread comes the way on which it is asked whether the resource is closed. `what` is for
// look_at_what_is_left().
template <class Derived, class Engine>
void slab_host<Derived, Engine>::close(const char* what) noexcept {
  is_closed_.store(true,
                   std::memory_order_relaxed);  // Relaxed: who does not see it is inside a call already.
  this->self().forget_caches();
  engine_.mend_slabs();
  watch(*this).report_strays();
  slots_of(*this).look_at_what_is_left(what);
}

template <class Derived, class Engine>
void slab_host<Derived, Engine>::release(std::size_t keep_bytes) noexcept {
  if (engine_.memory().untouched()) return;
  setup_.is_checked() ? close("was released") : this->self().forget_caches();
  engine_.release(true, keep_bytes);
  is_closed_.store(false, std::memory_order_relaxed);  // Relaxed: as in close().
}

template <class Derived, class Engine>
std::size_t slab_host<Derived, Engine>::trim(std::size_t keep_bytes) noexcept {
  const std::size_t before_bytes = resident_bytes();
  if (core::cache* const own = this->self().opened_cache()) engine_.flush_cache(*own);
  engine_.flush_depots();
  if (setup_.is_checked()) {
    engine_.mend_slabs();
    watch(*this).report_strays();
    slots_of(*this).verify_free_slots();
  }
  bool is_empty = false;
  if constexpr (Derived::is_for_one_thread) {
    const auto& memory = engine_.memory();
    const bool may_release = keep_bytes == 0 && memory.supply().takes_back() && !memory.is_within_call();
    is_empty = may_release && engine_.used_slots() == 0 && engine_.has_no_block();
    if (is_empty) {
      this->self().forget_caches();
      engine_.release(false);
    }
  }
  if (!is_empty) engine_.trim(keep_bytes);
  const std::size_t after_bytes = resident_bytes();
  return after_bytes < before_bytes ? before_bytes - after_bytes : 0;  // others may have taken more meanwhile
}

template <class Derived, class Engine>
slab_stats slab_host<Derived, Engine>::stats() const {
  slab_stats result;
  engine_.for_each_shelf([&](typename Engine::shelf_type& shelf) {
    slab_class_stats& row = result.classes[result.class_rows++];
    std::size_t in_caches = 0;
    this->self().for_each_cache(
        [&](const core::cache& each) { in_caches += core::slots_resting_in(each, shelf.index); });
    std::size_t used_slots = 0;
    {
      const core::lock_holder held(shelf.lock);
      row.slot_bytes = shelf.slots.layout().slot_bytes;
      row.cached_slots = in_caches + shelf.parked.slots();
      row.slab_count = shelf.slots.slabs_in_use();
      used_slots = shelf.slots.used_slots();
      row.free_slots = shelf.slots.slots() - used_slots;
    }
    // Slots that another thread moves meanwhile may be seen twice.
    row.live_slots = used_slots > row.cached_slots ? used_slots - row.cached_slots : 0;
    result.live_slots += row.live_slots;
    result.live_bytes += row.live_slots * row.slot_bytes;
    result.cached_slots += row.cached_slots;
    result.slab_count += row.slab_count;
  });
  core::resting_blocks resting;
  this->self().for_each_cache([&](const core::cache& each) { each.last.add_to(resting); });
  const auto figures = engine_.memory().inspect();
  // Blocks that another thread frees meanwhile may be seen twice.
  if (figures.oversize_blocks > resting.blocks)
    result.oversize_blocks = figures.oversize_blocks - resting.blocks;
  if (figures.oversize_bytes > resting.bytes) result.oversize_bytes = figures.oversize_bytes - resting.bytes;
  result.discarded_bytes = figures.discarded_bytes;
  result.upstream_bytes = engine_.memory().held_bytes();
  result.upstream_peak_bytes = engine_.memory().peak_bytes();
  result.live_bytes += result.oversize_bytes;
  return result;
}

template <class Derived, class Engine>
void slab_host<Derived, Engine>::report(std::ostream& out) const {
  write_table(out, stats());
}

template <class Derived, class Engine>
void slab_host<Derived, Engine>::report_json(std::ostream& out) const {
  write_json(out, stats());
}

template <class Derived, class Engine>
void slab_host<Derived, Engine>::report_svg(std::ostream& out) const {
  write_svg(out, take_survey(), setup_.options().name);
}

template <class Derived, class Engine>
void slab_host<Derived, Engine>::report_live(std::ostream& out) const {
  write_live(out, take_survey(), setup_.options().name);
}

template <class Derived, class Engine>
survey slab_host<Derived, Engine>::take_survey() const {
  return survey_of(engine_, stats(), [this](auto f) { this->self().for_each_cache(f); });
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
