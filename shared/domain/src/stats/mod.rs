//! Statistics of one tenant over a time: exact, from receipts, dead letters and rows of deliveries in trouble.
//!
//! A receipt tells which events were handed over, to whom and when, and an event's id tells when it was accepted. So
//! receipts alone hold every count and every latency, but many of them: [`Roller`] makes one small item of a tenant's
//! minute of them, with counts and the exact histogram of latencies. What is not rolled up yet, or stale, is read from
//! the receipts themselves, so an answer is the same whether a minute is rolled up or not.

mod failed;
mod failures;
mod figures;
mod late;
mod latencies;
mod minute;
mod packed;
mod query;
mod reader;
mod roller;
mod rollup;
mod shown;
mod slow;
mod source;
mod tally;

pub use failed::{FailedPage, Reason};
pub use failures::{FailureBounds, FailureFigures};
pub use figures::{Figures, TypeFigures};
pub use late::{LateReceipts, REMEMBERED_FOR};
pub use latencies::{Latencies, Percentiles};
pub use minute::{Minute, MinuteRange};
pub use packed::MalformedFigures;
pub use query::{FailedQuery, SlowQuery, StatsQuery, Window};
pub use reader::{Counted, Point, Stats, StatsBounds, StatsReader};
pub use roller::{LATE_AFTER, RollEnd, RollRules, Rolled, Roller, SETTLE, STALE_SETTLE};
pub use rollup::{RollState, RolledHour, Rollup, RollupStore, StaleMarks, StaleMinute};
pub use shown::{ShownFailed, ShownSlow, ShownStats};
pub use slow::{SlowEvent, SlowPage};
