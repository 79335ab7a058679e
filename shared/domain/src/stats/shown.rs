//! Answers as a reader of the API sees them.

use serde::Serialize;
use serde::ser::Serializer;

use super::failed::{FailedPage, Reason};
use super::latencies::Percentiles;
use super::query::Window;
use super::reader::{Counted, Point, Stats};
use super::slow::{SlowEvent, SlowPage};
use crate::event_id::EventId;
use crate::letters::Shown as ShownLetter;
use crate::limits::MAX_STATS_TYPES;
use crate::shown_time::ShownTime;
use crate::tenant::TenantId;

/// `GET /v1/stats`, of this tenant.
#[derive(Clone, Copy, Debug)]
pub struct ShownStats<'a>(pub &'a TenantId, pub &'a Stats);

/// `GET /v1/stats/slow`
#[derive(Clone, Copy, Debug)]
pub struct ShownSlow<'a>(pub &'a SlowPage);

/// `GET /v1/stats/failed`
#[derive(Clone, Copy, Debug)]
pub struct ShownFailed<'a>(pub &'a FailedPage);

#[derive(Serialize)]
struct StatsMembers<'a> {
    tenant: &'a str,
    from: ShownTime,
    to: ShownTime,
    is_complete: bool,
    step_minutes: u32,
    total: Members,
    types: Vec<TypeMembers<'a>>,
    types_left_out: usize,
    series: Vec<PointMembers>,
    failures_are_at_least: bool,
}

#[derive(Serialize)]
struct TypeMembers<'a> {
    r#type: &'a str,
    #[serde(flatten)]
    members: Members,
}

#[derive(Serialize)]
struct PointMembers {
    from: ShownTime,
    to: ShownTime,
    events: u64,
    events_per_second: f64,
    deliveries: u64,
    retried: u64,
    dead_lettered: u64,
    latency_ms: Option<Percentiles>,
}

#[derive(Serialize)]
struct Members {
    events: u64,
    handed_over: u64,
    withheld: u64,
    unrouted: u64,
    deliveries: u64,
    deliveries_withheld: u64,
    retried: u64,
    retries: u64,
    retrying: u64,
    recovered: u64,
    dead_lettered: u64,
    events_per_second: f64,
    success_rate: Option<f64>,
    retry_rate: Option<f64>,
    failure_rate: Option<f64>,
    latency_ms: Option<Percentiles>,
}

impl Serialize for ShownStats<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(tenant, stats) = self;
        let window = stats.window;
        let mut types: Vec<(&String, &Counted)> = stats.types.iter().collect();
        // The order is that of the names where two have equally many.
        types.sort_by_key(|(_, counted)| std::cmp::Reverse(counted.figures.events()));
        let left_out = types.len().saturating_sub(MAX_STATS_TYPES);
        types.truncate(MAX_STATS_TYPES);
        let members = StatsMembers {
            tenant: tenant.as_str(),
            from: ShownTime(window.from),
            to: ShownTime(window.to),
            is_complete: window.to == stats.asked_to,
            step_minutes: stats.step_minutes,
            total: Members::of(&stats.total, window),
            types: types
                .into_iter()
                .map(|(name, counted)| TypeMembers {
                    r#type: name,
                    members: Members::of(counted, window),
                })
                .collect(),
            types_left_out: left_out,
            series: stats.series.iter().map(PointMembers::of).collect(),
            failures_are_at_least: stats.failures_are_at_least,
        };
        members.serialize(serializer)
    }
}

impl Members {
    fn of(counted: &Counted, window: Window) -> Self {
        let Counted { figures, failures } = counted;
        let deliveries = figures.deliveries;
        let rate = |part: u64| {
            (deliveries > 0).then(|| rounded(number(part.min(deliveries)) / number(deliveries)))
        };
        let failed = failures.dead_lettered.saturating_add(failures.retrying);
        Self {
            events: figures.events(),
            handed_over: figures.handed_over(),
            withheld: figures.withheld,
            unrouted: figures.unrouted,
            deliveries,
            deliveries_withheld: figures.deliveries_withheld,
            retried: failures.retried,
            retries: failures.retries,
            retrying: failures.retrying,
            recovered: failures.recovered,
            dead_lettered: failures.dead_lettered,
            events_per_second: per_second(figures.events(), window),
            success_rate: rate(deliveries.saturating_sub(failed)),
            retry_rate: rate(failures.retried),
            failure_rate: rate(failures.dead_lettered),
            latency_ms: figures.latencies.percentiles(),
        }
    }
}

impl PointMembers {
    fn of(point: &Point) -> Self {
        let Counted { figures, failures } = &point.counted;
        let window = Window {
            from: point.from,
            to: point.to,
        };
        Self {
            from: ShownTime(point.from),
            to: ShownTime(point.to),
            events: figures.events(),
            events_per_second: per_second(figures.events(), window),
            deliveries: figures.deliveries,
            retried: failures.retried,
            dead_lettered: failures.dead_lettered,
            latency_ms: figures.latencies.percentiles(),
        }
    }
}

fn per_second(events: u64, window: Window) -> f64 {
    let seconds = (window.to - window.from).as_seconds_f64();
    match seconds > 0.0 {
        true => rounded(number(events) / seconds),
        false => 0.0,
    }
}

/// To six places: a rate of one in a million is told.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts are far below 2^53, from where on whole numbers are rounded"
)]
fn number(count: u64) -> f64 {
    count as f64
}

#[derive(Serialize)]
struct SlowMembers<'a> {
    events: Vec<SlowEventMembers<'a>>,
    next_cursor: Option<&'a str>,
}

#[derive(Serialize)]
struct SlowEventMembers<'a> {
    event_id: EventId,
    r#type: &'a str,
    accepted_at: ShownTime,
    handed_over_at: ShownTime,
    latency_ms: u64,
    subscriptions: Vec<&'a str>,
}

impl Serialize for ShownSlow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let events = self.0.events.iter();
        let members = SlowMembers {
            events: events.map(SlowEventMembers::of).collect(),
            next_cursor: self.0.next_cursor.as_deref(),
        };
        members.serialize(serializer)
    }
}

impl<'a> SlowEventMembers<'a> {
    fn of(event: &'a SlowEvent) -> Self {
        Self {
            event_id: event.event_id,
            r#type: &event.event_type,
            accepted_at: ShownTime(event.event_id.accepted_at()),
            handed_over_at: ShownTime(event.handed_over_at),
            latency_ms: event.latency_ms,
            subscriptions: event.subscriptions.iter().map(|id| id.as_str()).collect(),
        }
    }
}

#[derive(Serialize)]
struct FailedMembers<'a> {
    failed: Vec<ShownLetter<'a>>,
    total: usize,
    total_is_at_least: bool,
    reasons: Vec<ReasonMembers<'a>>,
    next_cursor: Option<&'a str>,
}

#[derive(Serialize)]
struct ReasonMembers<'a> {
    r#type: &'a str,
    subscription: &'a str,
    error_class: &'a str,
    deliveries: usize,
}

impl Serialize for ShownFailed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let page = self.0;
        let members = FailedMembers {
            failed: page.letters.iter().map(ShownLetter).collect(),
            total: page.total,
            total_is_at_least: page.total_is_at_least,
            reasons: page.reasons.iter().map(ReasonMembers::of).collect(),
            next_cursor: page.next_cursor.as_deref(),
        };
        members.serialize(serializer)
    }
}

impl<'a> ReasonMembers<'a> {
    fn of(reason: &'a Reason) -> Self {
        Self {
            r#type: &reason.event_type,
            subscription: reason.subscription.as_str(),
            error_class: &reason.error_class,
            deliveries: reason.deliveries,
        }
    }
}
