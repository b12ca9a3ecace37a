#include "checked_owners.hpp"

#include <cstdlib>
#include <mutex>
#include <new>

#include "refusal.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {
namespace {

struct owner_node {
  owner_facts facts;
  owner_node* next;
};

struct owner_list {
  std::mutex lock;
  owner_node* first = nullptr;
};

// Never destroyed: resources of static storage may end later. Nothing here comes from operator new, which a resource may serve.
owner_list& owners() {
  alignas(owner_list) static unsigned char place[sizeof(owner_list)];
  static owner_list& list = *::new (place) owner_list;
  return list;
}

}  // namespace

void enter_checked_owner(const owner_facts& owner) {
  void* const place = std::malloc(sizeof(owner_node));
  if (place == nullptr) refuse_memory();
  const std::lock_guard<std::mutex> held(owners().lock);
  owners().first = ::new (place) owner_node{owner, owners().first};
}

void leave_checked_owner(const void* owner) noexcept {
  owner_node* left = nullptr;
  {
    const std::lock_guard<std::mutex> held(owners().lock);
    owner_node** each = &owners().first;
    while (*each != nullptr && (*each)->facts.owner != owner) each = &(*each)->next;
    if ((left = *each) != nullptr) *each = left->next;
  }
  std::free(left);
}

std::mutex& checked_owners_lock() {
  return owners().lock;
}

owner_facts find_other_owner(const void* owner, const void* pointer, core::slot_record* record) noexcept {
  const std::lock_guard<std::mutex> held(owners().lock);
  for (const owner_node* node = owners().first; node != nullptr; node = node->next) {
    const owner_facts& each = node->facts;
    if (each.owner == owner || !each.holds(each.owner, pointer)) continue;
    if (record != nullptr && each.record_of != nullptr) *record = each.record_of(each.owner, pointer);
    return each;
  }
  return {};
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
