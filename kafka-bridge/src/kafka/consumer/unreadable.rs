//! Handles header names that are not text. To librdkafka and brokers header names are bytes. rdkafka 0.39 converts each
//! to a `str`, panics if that fails (`try_get` in its message.rs unwraps), and cannot return the bytes.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether this thread is reading a header now.
    static LOOKING: Cell<bool> = const { Cell::new(false) };
}

/// Reads a header; `None` if its name is unreadable.
pub(super) fn look<T>(at: impl FnOnce() -> T) -> Option<T> {
    LOOKING.set(true);
    let seen = catch_unwind(AssertUnwindSafe(at));
    LOOKING.set(false);
    seen.ok()
}

/// Keeps records with unreadable header names from writing to standard error. For a program's `main`.
///
/// A header name that is not UTF-8 makes rdkafka panic. The bridge catches the panic, counts the header in
/// `kafka_bridge_unreadable_headers_total` and continues with the next header. But the process's panic hook runs before
/// that: it prints a message for each such header, and a backtrace if `RUST_BACKTRACE` is set. This function installs a
/// hook that ignores these panics and passes all others to the previous hook. Call it after the program has set its own
/// hook. A library should not change the process's hook unasked, so the bridge does not call it.
///
/// A program built with `panic = "abort"` prints the message and ends at such a record, again after each restart.
/// Nothing here can prevent that. Build with `panic = "unwind"`, the default.
pub fn quiet_unreadable_headers() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |panic| {
            // With `panic = "abort"`, this message is the last output of the process.
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
