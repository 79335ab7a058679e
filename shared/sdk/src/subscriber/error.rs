//! What a handler says of an event that it could not handle.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use pillarbox_domain::ErrorChain;

/// Why a handler failed, and what is to become of the event.
///
/// Any error that is passed on with `?` becomes one that lets the event come again.
#[derive(Debug)]
pub struct HandlerError {
    error: Box<dyn Error + Send + Sync>,
    class: Option<Cow<'static, str>>,
    wish: Wish,
}

/// What the handler wants of the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To get it again after a back-off.
    Retry,
    /// To get it again after this time.
    RetryIn(Duration),
    /// Never to get it again.
    Never,
}

impl HandlerError {
    /// It will fail again, whenever it is tried: the event goes to the dead letter queue at once.
    pub fn permanent(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(error, Wish::Never)
    }

    /// It may work later: the event comes again after a back-off, until its last receive.
    pub fn retry(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(error, Wish::Retry)
    }

    /// It may work after this time, as when another service says when it will be back. Up to 11 h 45 min are
    /// possible; the queue counts whole seconds.
    pub fn retry_in(error: impl Into<Box<dyn Error + Send + Sync>>, delay: Duration) -> Self {
        Self::new(error, Wish::RetryIn(delay))
    }

    fn new(error: impl Into<Box<dyn Error + Send + Sync>>, wish: Wish) -> Self {
        Self {
            error: error.into(),
            class: None,
            wish,
        }
    }

    /// Names the kind of error, by which dead letters can be told apart: a short name in camel case. Without one it
    /// is `Permanent`, or `ReceivesExhausted` when it failed too often.
    #[must_use]
    pub fn class(mut self, class: impl Into<Cow<'static, str>>) -> Self {
        self.class = Some(class.into());
        self
    }

    pub(super) fn own_class(&self) -> Option<Cow<'static, str>> {
        self.class.clone()
    }

    pub(super) fn wish(&self) -> Wish {
        self.wish
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self::retry(error)
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ErrorChain(&*self.error).fmt(f)
    }
}
