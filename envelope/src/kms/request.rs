//! The id that a service gives to a request: with it an audit finds the same call in the service's own log.
//!
//! Every answer has one, a refusal as well as a key. So it travels beside the answer and not in it: a provider says it
//! with [`note_request`] before it returns, on the thread that called; whoever audits wraps the call in [`with_request`].
//! What stands between the two, such as another [`Kms`](super::Kms) that passes calls on, need not know of it. (A field
//! of each answer was tried: errors would need it as well, and everyone who matches one would have to unwrap it first.)

use core::cell::RefCell;
use std::thread_local;

thread_local! {
    static REQUEST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What `call` gives, and the id of the last request that a provider made meanwhile on this thread; none where no
/// service answered.
pub fn with_request<T>(call: impl FnOnce() -> T) -> (T, Option<String>) {
    let outer = REQUEST.take();
    let value = call();
    (value, REQUEST.replace(outer))
}

/// For whoever implements [`Kms`](super::Kms): the service has answered, and this is its id of the request.
pub fn note_request(id: impl Into<String>) {
    REQUEST.set(Some(id.into()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_of_an_earlier_call_is_never_taken_for_one_of_a_call_without() {
        note_request("before");
        let (inner, outer) = with_request(|| {
            note_request("first");
            let (_, none) = with_request(|| ());
            let (_, inner) = with_request(|| note_request("inner"));
            assert_eq!(none, None);
            inner
        });
        assert_eq!((inner.as_deref(), outer.as_deref()), (Some("inner"), Some("first")));
        assert_eq!(with_request(|| ()).1, None);
    }
}
