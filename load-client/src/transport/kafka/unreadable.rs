//! Header names that are no text, at which rdkafka 0.39 panics: it has no call that gives the bytes.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use rdkafka::message::{BorrowedHeaders, Headers as _};

/// How many headers of a reply are looked at; foreign records may have far more.
const MAX_HEADERS: usize = 256;

thread_local! {
    /// Whether this thread looks at a header just now.
    static LOOKING: Cell<bool> = const { Cell::new(false) };
}

/// Returns the headers whose names are text.
pub(super) fn readable(headers: &BorrowedHeaders) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
    let indices = 0..headers.count().min(MAX_HEADERS);
    let seen = indices.filter_map(|index| look(|| headers.try_get(index))?);
    seen.map(|header| (header.key, header.value))
}

fn look<T>(at: impl FnOnce() -> T) -> Option<T> {
    LOOKING.set(true);
    let seen = catch_unwind(AssertUnwindSafe(at));
    LOOKING.set(false);
    seen.ok()
}

/// Keeps replies with unreadable header names from writing to standard error, by a panic hook that passes over
/// them and hands all others to the hook that was there. For a program's `main`.
pub(crate) fn quiet_unreadable_headers() {
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
    use super::*;

    #[test]
    fn an_unreadable_header_costs_itself_only() {
        let seen = (0..3).filter_map(|index| {
            look(|| {
                if index == 1 {
                    panic!("as rdkafka does")
                } else {
                    index
                }
            })
        });
        assert_eq!(seen.collect::<Vec<_>>(), [0, 2]);
    }
}
