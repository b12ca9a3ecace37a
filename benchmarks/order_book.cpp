// What does an exchange's order book cost? Its events are derived from real text, word by word: the word
// decides side, price and quantity, and a word seen again trades against, changes or cancels the order it
// placed before, so orders live as long as words stay away: many briefly, some for the whole day.
#include <cctype>
#include <list>
#include <map>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loads.hpp"
#include "real_input.hpp"
#include "workload.hpp"

namespace {

struct event {
  std::uint32_t order_id;
  std::uint32_t price;
  std::uint32_t quantity;
  bool buys;
};

struct order {
  std::uint32_t id;
  std::uint32_t quantity;
};

class order_book {
 public:
  explicit order_book(std::pmr::memory_resource& resource)
      : bids_(&resource), asks_(&resource), resting_(&resource), trades_(&resource) {}

  // A new id places an order, which first trades against the other side; a known one cancels or changes its
  // order.
  void apply(const event& next) {
    const auto known = resting_.find(next.order_id);
    if (known != resting_.end()) {
      if (next.quantity % 4 != 0) {
        cancel(known);
        return;
      }
      known->second.place->quantity += next.quantity;
      return;
    }
    order incoming{next.order_id, next.quantity};
    if (next.buys) {
      trade(
          incoming, asks_, [&](std::uint32_t price) { return price <= next.price; }, first_level{});
    } else {
      trade(
          incoming, bids_, [&](std::uint32_t price) { return price >= next.price; }, last_level{});
    }
    if (incoming.quantity == 0) return;
    side& own = next.buys ? bids_ : asks_;
    level& orders = own.try_emplace(next.price).first->second;
    orders.push_back(incoming);
    resting_.emplace(incoming.id, resting_order{next.price, next.buys, std::prev(orders.end())});
  }

  std::uint64_t sum() const {
    std::uint64_t total = trades_.size();
    for (const side* each : {&bids_, &asks_}) {
      for (const auto& [price, orders] : *each) total = total * 31 + price * orders.size();
    }
    return total * 31 + resting_.size();
  }

 private:
  using level = std::pmr::list<order>;
  using side = std::pmr::map<std::uint32_t, level>;
  struct resting_order {
    std::uint32_t price;
    bool buys;
    level::iterator place;
  };
  struct first_level {
    side::iterator operator()(side& all) const { return all.begin(); }
  };
  struct last_level {
    side::iterator operator()(side& all) const { return std::prev(all.end()); }
  };

  template <class Acceptable, class Best>
  void trade(order& incoming, side& other, const Acceptable& acceptable, const Best& best) {
    while (incoming.quantity != 0 && !other.empty()) {
      const auto at = best(other);
      if (!acceptable(at->first)) return;
      level& orders = at->second;
      order& oldest = orders.front();
      const std::uint32_t quantity = std::min(incoming.quantity, oldest.quantity);
      incoming.quantity -= quantity;
      oldest.quantity -= quantity;
      if (trades_.size() == 1000) trades_.pop_front();
      trades_.push_back({oldest.id, quantity});
      if (oldest.quantity == 0) {
        resting_.erase(oldest.id);
        orders.pop_front();
        if (orders.empty()) other.erase(at);
      }
    }
  }

  void cancel(std::pmr::unordered_map<std::uint32_t, resting_order>::iterator known) {
    side& own = known->second.buys ? bids_ : asks_;
    const auto at = own.find(known->second.price);
    at->second.erase(known->second.place);
    if (at->second.empty()) own.erase(at);
    resting_.erase(known);
  }

  side bids_;
  side asks_;
  std::pmr::unordered_map<std::uint32_t, resting_order> resting_;
  std::pmr::list<order> trades_;  // the latest thousand
};

std::vector<event> events_of_a_day() {
  std::vector<event> day;
  std::unordered_map<std::string_view, std::uint32_t> ids;
  std::uint32_t position = 0;
  for (const bench::document& each : bench::real_text()) {
    const std::string_view text = each.text;
    for (std::size_t at = 0; at < text.size(); ++at) {
      const std::size_t start = at;
      std::uint32_t hash = 2166136261U;
      for (; at < text.size() && std::isalnum(static_cast<unsigned char>(text[at])) != 0; ++at) {
        hash = (hash ^ static_cast<unsigned char>(text[at])) * 16777619U;
      }
      if (at == start) continue;
      // Common words lie around the middle price, as most orders do; their ids come round every few hundred
      // events.
      const bool buys = (hash >> 13) % 2 == 0;
      const std::uint32_t away = (hash >> 3) % 500 * ((hash >> 20) % 8) / 4;
      const std::uint32_t price = buys ? 10'000 - away + 3 : 10'000 + away - 3;
      ++position;
      day.push_back({hash, price, 1 + (hash ^ position) % 100, buys});
    }
  }
  return day;
}

bench::workload day_of_trading(const bench::run_mode& mode) {
  auto events = std::make_shared<std::vector<event>>(events_of_a_day());
  if (mode.smoke) events->resize(std::min<std::size_t>(events->size(), 2000));
  return {"order_book",
          "one event of a day of trading derived from real text",
          events->size(),
          150,
          true,
          [events](std::pmr::memory_resource& resource) {
            return [events, &resource](bool) {
              order_book book(resource);
              for (const event& next : *events) book.apply(next);
              return book.sum();
            };
          }};
}

}  // namespace

std::vector<bench::workload> bench::order_book_loads(const run_mode& mode) {
  return std::vector{day_of_trading(mode)};
}
