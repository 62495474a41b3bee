//! Header names that are no text. Kafka's header names are bytes to librdkafka and to brokers; rdkafka 0.39
//! makes a `str` of each and panics on those that are none (`try_get` in its message.rs unwraps), and has no
//! call that gives the bytes.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether this thread looks at a header just now.
    static LOOKING: Cell<bool> = const { Cell::new(false) };
}

/// Looks at a header; `None` if its name is unreadable.
pub(super) fn look<T>(at: impl FnOnce() -> T) -> Option<T> {
    LOOKING.set(true);
    let seen = catch_unwind(AssertUnwindSafe(at));
    LOOKING.set(false);
    seen.ok()
}

/// Keeps records with unreadable header names from writing to standard error; for a program's `main`.
///
/// A header name that is not UTF-8 makes rdkafka panic. The bridge catches that, counts the header in
/// `kafka_bridge_unreadable_headers_total` and goes on with the next one, but the process's panic hook is
/// asked before: it prints a message for each such header, and takes a backtrace too if
/// `RUST_BACKTRACE` is set. This installs a hook that passes over these panics and hands all others to the
/// hook that was there. Call it after the program has set its own. A library has no business with the
/// process's hook unasked, so the bridge does not call it.
///
/// A program built with `panic = "abort"` ends at such a record, and again after each restart, with the
/// message told; nothing here can catch it. Build with `panic = "unwind"`, the default.
pub fn quiet_unreadable_headers() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |panic| {
            // Where a panic aborts, its message is the process's last word.
            if cfg!(panic = "abort") || !LOOKING.get() {
                others(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn h10_the_hook_hears_of_all_panics_but_those_of_unreadable_header_names() {
        let heard = Arc::new(AtomicU32::new(0));
        let (counted, own) = (Arc::clone(&heard), thread::current().id());
        let others = take_hook();
        set_hook(Box::new(move |panic| {
            if thread::current().id() == own {
                counted.fetch_add(1, Ordering::Relaxed);
            } else {
                others(panic);
            }
        }));
        quiet_unreadable_headers();
        quiet_unreadable_headers();
        for _ in 0..300 {
            assert_eq!(look(|| -> u8 { panic!("as rdkafka does") }), None);
        }
        assert_eq!(heard.load(Ordering::Relaxed), 0);
        assert_eq!(look(|| 1), Some(1));
        assert!(catch_unwind(|| panic!("another")).is_err());
        assert_eq!(heard.load(Ordering::Relaxed), 1);
    }
}
