//! What the stack tests share: which stack to use, and looking for processes that should be gone.

use harness::stack::StackKind;

/// The stack under test, from `TEST_STACK`: `embedded` (default) or `native`.
pub(crate) fn stack_kind() -> StackKind {
    match std::env::var("TEST_STACK").as_deref() {
        Ok("native") => StackKind::Native,
        Ok("embedded") | Err(_) => StackKind::Embedded,
        Ok(other) => panic!("TEST_STACK={other}: it takes embedded or native"),
    }
}
