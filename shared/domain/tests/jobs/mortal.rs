//! What kills workers: at any of their calls, before or after what the call does.

use std::collections::BTreeMap;
use std::future::pending;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use pillarbox_domain::job::{Holder, JobId, LEASE};
use pillarbox_testkit::hooked::Hook;
use time::UtcDateTime;

/// How many more half calls a worker lives for. At each it lets others go on.
pub struct Fate<'a> {
    left: Mutex<Option<usize>>,
    holds: &'a Holds,
}

impl<'a> Fate<'a> {
    /// It dies after so many half calls; never, if that is not said.
    pub fn after(points: Option<usize>, holds: &'a Holds) -> Self {
        Self {
            left: Mutex::new(points),
            holds,
        }
    }

    async fn point(&self) {
        let is_dead = {
            let mut left = self.left.lock().unwrap();
            let is_dead = *left == Some(0);
            *left = left.map(|left| left.saturating_sub(1));
            is_dead
        };
        if is_dead {
            pending::<()>().await;
        }
        Yield(false).await;
    }
}

impl Hook for Fate<'_> {
    async fn before(&self, _: &'static str) {
        self.point().await;
    }

    async fn after(&self, _: &'static str) {
        self.point().await;
    }

    fn claimed(&self, id: JobId, unit: u32, holder: Holder, now: UtcDateTime) {
        let mut holds = self.holds.0.lock().unwrap();
        if let Some((before, until)) = holds.insert((id, unit), (holder, now + LEASE)) {
            assert!(
                before == holder || until < now,
                "{before:?} and {holder:?} hold unit {unit}"
            );
        }
    }

    fn saved(&self, id: JobId, unit: u32, holder: Holder, now: UtcDateTime) {
        let mut holds = self.holds.0.lock().unwrap();
        holds.insert((id, unit), (holder, now + LEASE));
    }

    fn released(&self, id: JobId, unit: u32) {
        self.holds.0.lock().unwrap().remove(&(id, unit));
    }
}

struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Who held which unit until when, so that two who hold one are found.
#[derive(Default)]
pub struct Holds(Mutex<BTreeMap<(JobId, u32), (Holder, UtcDateTime)>>);
