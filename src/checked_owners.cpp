#include "checked_owners.hpp"

#include <algorithm>
#include <mutex>
#include <vector>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {
namespace {

struct owner_list {
  std::mutex lock;
  std::vector<owner_facts> all;
};

// Never destroyed: resources of static storage may end later.
owner_list& owners() {
  static owner_list& list = *new owner_list;
  return list;
}

}  // namespace

void enter_checked_owner(const owner_facts& owner) {
  const std::lock_guard<std::mutex> held(owners().lock);
  owners().all.push_back(owner);
}

void leave_checked_owner(const void* owner) noexcept {
  const std::lock_guard<std::mutex> held(owners().lock);
  auto& all = owners().all;
  all.erase(
      std::remove_if(all.begin(), all.end(), [=](const owner_facts& each) { return each.owner == owner; }),
      all.end());
}

std::mutex& checked_owners_lock() {
  return owners().lock;
}

owner_facts find_other_owner(const void* owner, const void* pointer, core::slot_record* record) noexcept {
  const std::lock_guard<std::mutex> held(owners().lock);
  for (const owner_facts& each : owners().all) {
    if (each.owner == owner || !each.owns(each.owner, pointer)) continue;
    if (record != nullptr && each.record_of != nullptr) *record = each.record_of(each.owner, pointer);
    return each;
  }
  return {};
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
