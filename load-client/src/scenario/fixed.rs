//! The same request, again and again.

use bytes::Bytes;

use super::{Request, Scenario};

/// Requests that differ in nothing but their id.
#[derive(Debug, Clone)]
pub struct Fixed {
    name: [String; 1],
    body: Bytes,
}

impl Fixed {
    /// Names the one kind, by its topic for example, and gives its body.
    #[must_use]
    pub fn new(name: String, body: Bytes) -> Self {
        Self { name: [name], body }
    }
}

impl Scenario for Fixed {
    fn kinds(&self) -> &[String] {
        &self.name
    }

    fn next(&self, _user: u32) -> Request {
        Request {
            body: Some(self.body.clone()),
            ..Request::new(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_id_differs() {
        let scenario = Fixed::new("createOrder".to_owned(), Bytes::from_static(b"{}"));
        let (first, mut second) = (scenario.next(0), scenario.next(1));
        assert_ne!(first.id, second.id);
        second.id = first.id;
        assert_eq!(first, second);
        assert_eq!(scenario.kinds(), ["createOrder"]);
    }
}
