//! A stack comes up, serves, and goes without a trace; what is missing gets one clear line.

mod support;

use harness::stack::{Stack, StackOptions};
use support::stack_kind;

#[tokio::test]
async fn a_stack_serves_topics_and_a_store_and_leaves_nothing() {
    let stack = Stack::start(stack_kind(), StackOptions::default())
        .await
        .unwrap();
    stack.create_topic("createOrder", 1).await.unwrap();
    let description = stack.description();
    eprintln!("{description:?} {:?}", stack.kafka_url());
    stack.stop().await.unwrap();
}
