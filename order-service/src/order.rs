//! The domain: what an order is, and which orders are valid. Knows neither HTTP nor a store.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// How many items one order may have.
pub const MAX_ITEMS: usize = 1000;
/// How long an article number may be, in bytes.
pub const MAX_SKU_BYTES: usize = 64;

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// The article number (stock keeping unit).
    #[schema(example = "id-1234", min_length = 1, max_length = 64)]
    pub sku: String,
    /// How many of it.
    #[schema(example = 1, minimum = 1)]
    pub count: u32,
}

/// An order as a client asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// What is ordered.
    #[schema(min_items = 1, max_items = 1000)]
    pub items: Vec<Item>,
}

/// An order as it is stored and answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Order {
    /// The order's identity, chosen by the service.
    pub id: Uuid,
    /// What is ordered.
    pub items: Vec<Item>,
}

/// Why an order is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrder {
    /// There is nothing in it.
    #[error("an order has at least one item")]
    NoItems,
    /// There is too much in it.
    #[error("an order has at most {MAX_ITEMS} items, this one has {0}")]
    TooManyItems(usize),
    /// An article number is empty or too long.
    #[error("items[{0}].sku has 1 to {MAX_SKU_BYTES} bytes")]
    Sku(usize),
    /// None of an article is ordered.
    #[error("items[{0}].count is at least 1")]
    Count(usize),
}

impl NewOrder {
    /// Checks the rules that the types do not carry, and gives the order its identity.
    ///
    /// # Errors
    ///
    /// Fails with the first rule that is broken.
    pub fn accept(self, id: Uuid) -> Result<Order, InvalidOrder> {
        match self.items.len() {
            0 => return Err(InvalidOrder::NoItems),
            1..=MAX_ITEMS => {}
            count => return Err(InvalidOrder::TooManyItems(count)),
        }
        for (index, item) in self.items.iter().enumerate() {
            if item.sku.is_empty() || item.sku.len() > MAX_SKU_BYTES {
                return Err(InvalidOrder::Sku(index));
            }
            if item.count == 0 {
                return Err(InvalidOrder::Count(index));
            }
        }
        Ok(Order {
            id,
            items: self.items,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(sku: &str, count: u32) -> Item {
        Item {
            sku: sku.to_owned(),
            count,
        }
    }

    fn accept(items: Vec<Item>) -> Result<Order, InvalidOrder> {
        NewOrder { items }.accept(Uuid::nil())
    }

    #[test]
    fn accepts_items_as_sent() {
        let items = vec![item("id-1234", 1), item("id-1234", u32::MAX)];
        assert_eq!(
            accept(items.clone()),
            Ok(Order {
                id: Uuid::nil(),
                items
            })
        );
    }

    #[test]
    fn names_the_rule_that_is_broken() {
        assert_eq!(accept(vec![]), Err(InvalidOrder::NoItems));
        assert_eq!(
            accept(vec![item("a", 1); 1001]),
            Err(InvalidOrder::TooManyItems(1001))
        );
        assert_eq!(
            accept(vec![item("a", 1), item("", 1)]),
            Err(InvalidOrder::Sku(1))
        );
        assert_eq!(
            accept(vec![item(&"a".repeat(65), 1)]),
            Err(InvalidOrder::Sku(0))
        );
        assert_eq!(accept(vec![item("a", 0)]), Err(InvalidOrder::Count(0)));
    }
}
