//! A panic of a machine is a broken promise like any other: its words go into the verdict.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

static HOOK: Once = Once::new();

/// From now on panics of this process are kept, and not printed when a sweep expects them.
pub fn keep() {
    HOOK.call_once(|| {
        panic::set_hook(Box::new(|info| {
            LAST.with(|last| *last.borrow_mut() = info.to_string());
        }));
    });
}

/// What the last panic of this thread said.
pub fn last() -> String {
    LAST.with(|last| last.borrow().clone())
}
