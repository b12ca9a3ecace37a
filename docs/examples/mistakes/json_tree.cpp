// A tree of values. Mistake: values are freed by a function that knows only the size of what they have in common.
// Told at full: the size is not the one.*deallocate.*16, 8.*allocated for 52 bytes.*derived object freed as its base
// Told at pointers: the size is not the one.*deallocate.*16, 8.*derived object freed as its base
#include <memory_resource>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <string>
#include <vector>

struct value {
  enum class kind { number, text, list } what;
};
struct number : value {
  double digits;
};
struct text : value {
  char letters[48];
};
struct list : value {
  std::pmr::vector<value*> items;
};

quarry::unsynchronized_slab_resource memory;

template <class T>
T* make(value::kind what) {
  T* const made = ::new (memory.allocate(sizeof(T), alignof(T))) T{};
  made->what = what;
  return made;
}

void free(value* one) {
  if (one->what == value::kind::list) {
    for (value* each : static_cast<list*>(one)->items) free(each);
    static_cast<list*>(one)->~list();
    memory.deallocate(one, sizeof(list), alignof(list));
  } else {
    memory.deallocate(one, sizeof(number), alignof(number));
  }
}

int main() {
  list* const root = make<list>(value::kind::list);
  root->items.push_back(make<number>(value::kind::number));
  root->items.push_back(make<text>(value::kind::text));
  free(root);
}
