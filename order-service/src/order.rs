//! The domain: orders and their rules. It knows neither HTTP nor a store.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Most items of one order.
pub const MAX_ITEMS: usize = 1000;
/// Longest article number, in bytes.
pub const MAX_SKU_BYTES: usize = 64;

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// The article number (stock keeping unit).
    #[schema(example = "id-1234", min_length = 1, max_length = 64)]
    pub sku: String,
    /// How many pieces.
    #[schema(example = 1, minimum = 1)]
    pub count: u32,
}

/// The request for an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// The ordered items.
    #[schema(min_items = 1, max_items = 1000)]
    pub items: Vec<Item>,
}

/// An order as in a reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Order {
    /// The order's id, chosen by the service.
    pub id: Uuid,
    /// The ordered items.
    pub items: Vec<Item>,
    /// Whether the order is cancelled. Left out if it is not.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(default = false)]
    pub cancelled: bool,
}

/// An order as in the store, with the digest that recognizes a repeated request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredOrder {
    /// The order as in a reply.
    #[serde(flatten)]
    pub order: Order,
    /// Digest of the request that created the order, if that request had an idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Uuid>,
}

/// Why an order is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrder {
    /// It has no items.
    #[error("an order has at least one item")]
    NoItems,
    /// It has too many items.
    #[error("an order has at most {MAX_ITEMS} items, this one has {0}")]
    TooManyItems(usize),
    /// An article number is empty or too long.
    #[error("items[{0}].sku has 1 to {MAX_SKU_BYTES} bytes")]
    Sku(usize),
    /// A count is zero.
    #[error("items[{0}].count is at least 1")]
    Count(usize),
}

/// A change is refused because the order is cancelled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("order {0} is cancelled, it cannot be changed")]
pub struct Cancelled(pub Uuid);

fn is_false(value: &bool) -> bool {
    !value
}

impl Order {
    /// Replaces the ordered items.
    ///
    /// # Errors
    ///
    /// Fails if the order is cancelled.
    pub fn update(&mut self, items: &[Item]) -> Result<(), Cancelled> {
        if self.cancelled {
            return Err(Cancelled(self.id));
        }
        self.items = items.to_vec();
        Ok(())
    }

    /// Cancels the order. A second cancellation changes nothing.
    pub fn cancel(&mut self) {
        self.cancelled = true;
    }
}

impl NewOrder {
    /// Checks the rules that the types do not express, and returns the items.
    ///
    /// # Errors
    ///
    /// Fails with the first broken rule.
    pub fn accept(self) -> Result<Vec<Item>, InvalidOrder> {
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
        Ok(self.items)
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

    fn accept(items: Vec<Item>) -> Result<Vec<Item>, InvalidOrder> {
        NewOrder { items }.accept()
    }

    fn order() -> Order {
        Order {
            id: Uuid::nil(),
            items: vec![item("a", 1)],
            cancelled: false,
        }
    }

    #[test]
    fn accepts_items_as_sent() {
        let items = vec![item("id-1234", 1), item("id-1234", u32::MAX)];
        assert_eq!(accept(items.clone()), Ok(items));
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

    #[test]
    fn a_cancelled_order_stays_cancelled() {
        let mut order = order();
        assert_eq!(order.update(&[item("b", 2)]), Ok(()));
        order.cancel();
        order.cancel();
        assert_eq!(order.update(&[item("c", 3)]), Err(Cancelled(Uuid::nil())));
        assert_eq!((order.items, order.cancelled), (vec![item("b", 2)], true));
    }

    #[test]
    fn only_what_is_so_is_written() {
        let mut stored = StoredOrder {
            order: order(),
            request: None,
        };
        let plain =
            r#"{"id":"00000000-0000-0000-0000-000000000000","items":[{"sku":"a","count":1}]}"#;
        assert_eq!(serde_json::to_string(&stored).unwrap(), plain);
        assert_eq!(serde_json::from_str::<StoredOrder>(plain).unwrap(), stored);

        stored.order.cancel();
        stored.request = Some(Uuid::nil());
        let text = serde_json::to_string(&stored).unwrap();
        assert!(
            text.contains(r#""cancelled":true,"request":"0000"#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<StoredOrder>(&text).unwrap(), stored);
    }
}
