// An order book. Mistake: an order that is filled whole is freed, and its trader cancels it afterwards.
// Told at full: a block is freed that is free already.*deallocate.*16, 8.*.orders.*allocated for 16 bytes.*called by.*freed by.*allocated by
// Told at pointers: a block is freed that is free already.*.orders.*QUARRY_CHECKS=full.*called by
#include <map>
#include <memory_resource>
#include <quarry/unsynchronized_slab_resource.hpp>

struct order {
  int id;
  int quantity;
  double price;
};

class order_book {
 public:
  explicit order_book(std::pmr::memory_resource& memory) : memory_(memory), orders_(&memory) {}

  order* add(int id, int quantity, double price) {
    order* const placed = ::new (memory_.allocate(sizeof(order), alignof(order))) order{id, quantity, price};
    orders_.emplace(price, placed);
    return placed;
  }
  void fill(double price, int quantity) {
    const auto best = orders_.find(price);
    if (best == orders_.end()) return;
    best->second->quantity -= quantity;
    if (best->second->quantity > 0) return;
    free(best->second);
    orders_.erase(best);
  }
  void cancel(order* one) { free(one); }

 private:
  void free(order* one) { memory_.deallocate(one, sizeof(order), alignof(order)); }

  std::pmr::memory_resource& memory_;
  std::pmr::multimap<double, order*> orders_;
};

int main() {
  quarry::slab_options options;
  options.name = "orders";
  quarry::unsynchronized_slab_resource memory(options);
  order_book book(memory);
  order* const mine = book.add(1, 100, 10.5);
  book.add(2, 50, 10.6);
  book.fill(10.5, 100);
  book.cancel(mine);
}
