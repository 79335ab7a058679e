//! Questions as a caller asks them.

use time::{Duration, UtcDateTime};

use super::minute::MinuteRange;
use crate::limits::{
    DEFAULT_PAGE_EVENTS, MAX_ERROR_CLASS_BYTES, MAX_SLOW_MS, MAX_STATS_DAYS, MAX_STATS_POINTS,
    MAX_TYPE_PATTERNS,
};
use crate::log_hour::{IdRange, Position};
use crate::page_cursor::{Cursors, time_part};
use crate::query_parameters::{BadParameter, Parameters, bounded, limit, told};
use crate::subscription::{SubscriptionId, TypePattern};
use crate::tenant::TenantId;

/// How far back a question goes that does not say from when.
const DEFAULT_SPAN: Duration = Duration::HOUR;

/// From which latency on an event counts as slow where nothing is said: the latency whose 95th percentile the bus
/// raises an alarm for.
const DEFAULT_OVER_MS: u64 = 2_000;

/// Minutes of steps of which one is chosen where nothing is said: the shortest that gives a series for one screen.
const DEFAULT_STEPS: [u32; 5] = [1, 5, 15, 60, 360];

/// Points of a series for one screen.
const SCREEN_POINTS: i64 = 120;

const MINUTES_OF_A_DAY: u32 = 24 * 60;

/// Events accepted at `from` or later, and before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first instant.
    pub from: UtcDateTime,
    /// The first instant after it, which is not later than now.
    pub to: UtcDateTime,
}

/// What `GET /v1/stats` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatsQuery {
    /// Of which events.
    pub window: Window,
    /// Minutes of a point of the series.
    pub step_minutes: u32,
    /// Of one of these types; of any when there are none.
    pub types: Vec<TypePattern>,
}

/// What `GET /v1/stats/slow` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowQuery {
    /// Of which events.
    pub window: Window,
    /// Of one of these types; of any when there are none.
    pub types: Vec<TypePattern>,
    /// Those that took longer.
    pub over_ms: u64,
    /// How many at the most.
    pub limit: usize,
    /// Where the page begins: what the cursor of the page before says.
    pub start: Option<Position>,
    given: Given,
}

/// What `GET /v1/stats/failed` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedQuery {
    /// Of which events.
    pub window: Window,
    /// Of one of these types; of any when there are none.
    pub types: Vec<TypePattern>,
    /// To this subscription.
    pub subscription: Option<SubscriptionId>,
    /// Whose last error is of this class.
    pub error_class: Option<String>,
    /// How many at the most; all of one event are on one page.
    pub limit: usize,
    /// Where the page begins.
    pub start: Option<Position>,
    given: Given,
}

/// Bounds as they are given: of those that are left out, both move with the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Given {
    from: Option<UtcDateTime>,
    to: Option<UtcDateTime>,
}

impl Window {
    fn of(given: Given, now: UtcDateTime) -> Self {
        // Ids know no finer time.
        let now = now.truncate_to_millisecond();
        let to = given.to.map_or(now, |to| to.min(now));
        let from = given
            .from
            .unwrap_or_else(|| to.saturating_sub(DEFAULT_SPAN));
        Self {
            from,
            to: to.max(from),
        }
    }

    /// The ids of its events.
    pub(super) fn ids(&self) -> Option<IdRange> {
        IdRange::of_times(Some(self.from), Some(self.to))
    }

    /// The minutes that have something of it.
    pub(super) fn minutes(&self) -> Option<MinuteRange> {
        MinuteRange::touching(self.from, self.to)
    }

    /// Whether all between two times is in it.
    pub(super) fn has_all(&self, from: UtcDateTime, to: UtcDateTime) -> bool {
        self.from <= from && to <= self.to
    }

    /// Points of a series over it.
    fn points(&self, step_minutes: u32) -> i64 {
        self.minutes().map_or(0, |minutes| {
            minutes.last().step(step_minutes) - minutes.first().step(step_minutes) + 1
        })
    }
}

impl StatsQuery {
    /// The parameters that there are.
    pub const PARAMETERS: [&str; 4] = ["from", "to", "step", "types"];

    /// Reads a query.
    pub fn parse(
        parameters: &[(String, String)],
        now: UtcDateTime,
    ) -> Result<Self, Vec<BadParameter>> {
        let mut read = Parameters::of(parameters, &Self::PARAMETERS);
        let (window, _) = read_window(&mut read, now);
        let step = read.parsed("step", |text| {
            let minutes = step(text)?;
            match window.points(minutes) {
                0..=MAX_STATS_POINTS => Ok(minutes),
                points => Err(format!(
                    "must give {MAX_STATS_POINTS} points at most, and gives {points}"
                )),
            }
        });
        let types = read_types(&mut read);
        read.finish(Self {
            window,
            step_minutes: step.unwrap_or_else(|| default_step(&window)),
            types,
        })
    }
}

impl SlowQuery {
    /// The parameters that there are.
    pub const PARAMETERS: [&str; 6] = ["over_ms", "from", "to", "types", "limit", "cursor"];

    /// Reads a tenant's query.
    pub fn parse(
        tenant: &TenantId,
        parameters: &[(String, String)],
        now: UtcDateTime,
    ) -> Result<Self, Vec<BadParameter>> {
        let mut read = Parameters::of(parameters, &Self::PARAMETERS);
        let (window, given) = read_window(&mut read, now);
        let over_ms = read.parsed("over_ms", whole_millis);
        let mut query = Self {
            window,
            types: read_types(&mut read),
            over_ms: over_ms.unwrap_or(DEFAULT_OVER_MS),
            limit: read.parsed("limit", limit).unwrap_or(DEFAULT_PAGE_EVENTS),
            start: None,
            given,
        };
        query.start = read_cursor(&mut read, &query.cursors(tenant));
        read.finish(query)
    }

    /// The cursor of the page that begins here.
    pub(super) fn cursor(&self, tenant: &TenantId, position: Position) -> String {
        self.cursors(tenant).write(position)
    }

    fn cursors(&self, tenant: &TenantId) -> Cursors {
        let over = Some(self.over_ms.to_string());
        cursors("stats/slow", tenant, self.given, &self.types, [over, None])
    }
}

impl FailedQuery {
    /// The parameters that there are.
    pub const PARAMETERS: [&str; 7] = [
        "from",
        "to",
        "types",
        "subscription",
        "error_class",
        "limit",
        "cursor",
    ];

    /// Reads a tenant's query.
    pub fn parse(
        tenant: &TenantId,
        parameters: &[(String, String)],
        now: UtcDateTime,
    ) -> Result<Self, Vec<BadParameter>> {
        let mut read = Parameters::of(parameters, &Self::PARAMETERS);
        let (window, given) = read_window(&mut read, now);
        let mut query = Self {
            window,
            types: read_types(&mut read),
            subscription: read.parsed("subscription", |text| text.parse().map_err(told)),
            error_class: read.parsed("error_class", |text| bounded(text, MAX_ERROR_CLASS_BYTES)),
            limit: read.parsed("limit", limit).unwrap_or(DEFAULT_PAGE_EVENTS),
            start: None,
            given,
        };
        query.start = read_cursor(&mut read, &query.cursors(tenant));
        read.finish(query)
    }

    /// The cursor of the page that begins here.
    pub(super) fn cursor(&self, tenant: &TenantId, position: Position) -> String {
        self.cursors(tenant).write(position)
    }

    fn cursors(&self, tenant: &TenantId) -> Cursors {
        let subscription = self.subscription.as_ref().map(ToString::to_string);
        let others = [subscription, self.error_class.clone()];
        cursors("stats/failed", tenant, self.given, &self.types, others)
    }
}

/// Whether a type is one of those that are wanted.
pub(super) fn is_wanted(types: &[TypePattern], event_type: &str) -> bool {
    types.is_empty() || types.iter().any(|pattern| pattern.matches(event_type))
}

fn read_window(read: &mut Parameters<'_>, now: UtcDateTime) -> (Window, Given) {
    let (from, to) = read.times();
    let given = Given { from, to };
    let window = Window::of(given, now);
    if window.to - window.from > Duration::days(MAX_STATS_DAYS) {
        read.fault(
            "from",
            &format!("must be {MAX_STATS_DAYS} days before to, or before now, at most"),
        );
    }
    (window, given)
}

fn read_types(read: &mut Parameters<'_>) -> Vec<TypePattern> {
    let types = read.parsed("types", |text| {
        let types: Result<Vec<TypePattern>, _> = text.split(',').map(str::parse).collect();
        match types {
            Ok(types) if types.len() > MAX_TYPE_PATTERNS => Err(format!(
                "must be {MAX_TYPE_PATTERNS} types at most, and are {}",
                types.len()
            )),
            types => types.map_err(|error| format!("are separated by commas, and each {error}")),
        }
    });
    types.unwrap_or_default()
}

/// A cursor is held against the whole query, so against none while something else is wrong.
fn read_cursor(read: &mut Parameters<'_>, cursors: &Cursors) -> Option<Position> {
    let is_whole = read.is_whole();
    let start = read.parsed("cursor", |text| match is_whole {
        true => cursors.read(text).map(Some).map_err(told),
        false => Ok(None),
    });
    start.flatten()
}

fn cursors(
    of: &str,
    tenant: &TenantId,
    given: Given,
    types: &[TypePattern],
    others: [Option<String>; 2],
) -> Cursors {
    let parts = [
        Some(of.to_owned()),
        Some(tenant.to_string()),
        time_part(given.from),
        time_part(given.to),
    ];
    let types = types
        .iter()
        .map(|pattern| Some(pattern.as_str().to_owned()));
    Cursors::of(parts.into_iter().chain(others).chain(types))
}

/// A step in minutes: a whole number and its unit, `m`, `h` or `d`.
fn step(text: &str) -> Result<u32, String> {
    let parsed = || {
        let (unit_at, unit) = text.char_indices().last()?;
        let minutes = match unit {
            'm' => 1,
            'h' => 60,
            'd' => MINUTES_OF_A_DAY,
            _ => return None,
        };
        let digits = text.get(..unit_at)?;
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        let number: u32 = digits.parse().ok().filter(|_| is_plain)?;
        number.checked_mul(minutes)
    };
    parsed()
        .filter(|minutes| (1..=MINUTES_OF_A_DAY).contains(minutes))
        .ok_or_else(|| "must be a whole number and m, h or d, from 1m to 1d, as in 5m".to_owned())
}

fn default_step(window: &Window) -> u32 {
    let fits = |minutes: &u32| window.points(*minutes) <= SCREEN_POINTS;
    let step = DEFAULT_STEPS.into_iter().find(fits);
    step.unwrap_or(MINUTES_OF_A_DAY)
}

fn whole_millis(text: &str) -> Result<u64, String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let millis = text.parse().ok();
    let millis = millis.filter(|millis| is_plain && *millis <= MAX_SLOW_MS);
    millis.ok_or_else(|| format!("must be a whole number of milliseconds, {MAX_SLOW_MS} at most"))
}
