//! Concurrent changes of one order: none is lost, and a cancelled order stays cancelled.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::BodyExt;
use order_service::app;
use order_service::asyncapi::Deployment;
use order_service::order::StoredOrder;
use order_service::store::memory::MemoryStore;
use order_service::store::{Found, OrderStore, StoreFuture, Version};
use serde_json::Value;
use tower::ServiceExt;
use uuid::Uuid;

const ID: Uuid = Uuid::from_u128(1);
const ORDER: &str = r#"{"items":[{"sku":"id-1234","count":1}]}"#;

/// A store in which another request changes the order between reading and writing, this number of times.
struct Meddled {
    store: Arc<MemoryStore>,
    times: AtomicUsize,
    /// The other request: `PUT`, with the number of changes that are left as the count, or `DELETE`.
    method: Method,
}

impl Meddled {
    async fn new(method: Method, times: usize) -> Arc<Self> {
        let store = Arc::<MemoryStore>::default();
        let stored = format!(r#"{{"id":"{ID}","items":[{{"sku":"old","count":9}}]}}"#);
        let stored = serde_json::from_str(&stored).unwrap();
        assert!(store.insert(&stored).await.unwrap());
        let times = times.into();
        Arc::new(Self {
            store,
            times,
            method,
        })
    }
}

impl OrderStore for Meddled {
    fn insert<'a>(&'a self, stored: &'a StoredOrder) -> StoreFuture<'a, bool> {
        self.store.insert(stored)
    }

    fn find(&self, id: Uuid) -> StoreFuture<'_, Option<Found>> {
        Box::pin(async move {
            let found = self.store.find(id).await?;
            let left = self.times.load(Ordering::Relaxed);
            if left > 0 {
                self.times.store(left - 1, Ordering::Relaxed);
                let body = format!(r#"{{"items":[{{"sku":"other","count":{left}}}]}}"#);
                let (status, _) = call(self.store.clone(), self.method.clone(), &body).await;
                assert_eq!(status, 200);
            }
            Ok(found)
        })
    }

    fn replace<'a>(
        &'a self,
        version: &'a Version,
        stored: &'a StoredOrder,
    ) -> StoreFuture<'a, bool> {
        self.store.replace(version, stored)
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        self.store.ping()
    }
}

async fn call(store: Arc<dyn OrderStore>, method: Method, body: &str) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(format!("/orders/{ID}"))
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let router = app::router(store, 1 << 20, &Deployment::default());
    let response = router.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn an_update_does_not_bring_back_what_was_cancelled_meanwhile() {
    let store = Meddled::new(Method::DELETE, 1).await;
    let (status, problem) = call(store.clone(), Method::PUT, ORDER).await;
    assert_eq!((status, &problem["status"]), (409, &Value::from(409)));
    let (status, order) = call(store, Method::GET, "").await;
    assert_eq!((status, &order["cancelled"]), (200, &Value::from(true)));
    assert_eq!(order["items"][0]["sku"], "old");
}

#[tokio::test]
async fn a_cancellation_keeps_the_update_that_was_made_meanwhile() {
    let store = Meddled::new(Method::PUT, 3).await;
    let (status, order) = call(store.clone(), Method::DELETE, "").await;
    assert_eq!((status, &order["cancelled"]), (200, &Value::from(true)));
    let expected = serde_json::json!([{"sku": "other", "count": 1}]);
    assert_eq!(order["items"], expected);
    let (_, read) = call(store, Method::GET, "").await;
    assert_eq!(read, order);
}

#[tokio::test]
async fn a_change_that_never_gets_its_turn_is_told_so() {
    let store = Meddled::new(Method::PUT, 1000).await;
    let (status, _) = call(store.clone(), Method::PUT, ORDER).await;
    assert_eq!(status, 503);
}
