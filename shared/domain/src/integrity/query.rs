//! An audit as a caller asks for it.

use time::UtcDateTime;

use crate::log_hour::{HourRange, IdRange, Position};
use crate::page_cursor::{Cursors, time_part};
use crate::query_parameters::{BadParameter, Parameters, told};
use crate::tenant::TenantId;

/// How far back an audit goes that does not say from when.
const DEFAULT_SPAN: time::Duration = time::Duration::hours(24);

/// Which hours are to be audited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrityQuery {
    from: Option<UtcDateTime>,
    to: Option<UtcDateTime>,
    /// Whole hours; none where nothing lies between the bounds.
    pub(super) hours: Option<HourRange>,
    /// Where to go on.
    pub(super) start: Option<Position>,
}

impl IntegrityQuery {
    /// The parameters that there are.
    pub const PARAMETERS: [&str; 3] = ["from", "to", "cursor"];

    /// Reads a tenant's query. Bounds are moved outwards to whole hours.
    pub fn parse(
        tenant: &TenantId,
        parameters: &[(String, String)],
        now: UtcDateTime,
    ) -> Result<Self, Vec<BadParameter>> {
        let mut read = Parameters::of(parameters, &Self::PARAMETERS);
        let (from, to) = read.times();
        let is_whole = read.is_whole();
        let start = read.parsed("cursor", |text| match is_whole {
            true => cursors(tenant, from, to).read(text).map(Some).map_err(told),
            false => Ok(None),
        });
        read.finish(Self {
            from,
            to,
            hours: hours(from, to, now),
            start: start.flatten(),
        })
    }

    /// The cursor of the audit that goes on here.
    pub(super) fn cursor(&self, tenant: &TenantId, position: Position) -> String {
        cursors(tenant, self.from, self.to).write(position)
    }
}

/// By the bounds as they are given: of those that are left out, the later one moves with the time.
fn cursors(tenant: &TenantId, from: Option<UtcDateTime>, to: Option<UtcDateTime>) -> Cursors {
    Cursors::of([
        Some("integrity".to_owned()),
        Some(tenant.to_string()),
        time_part(from),
        time_part(to),
    ])
}

fn hours(
    from: Option<UtcDateTime>,
    to: Option<UtcDateTime>,
    now: UtcDateTime,
) -> Option<HourRange> {
    // Nothing of later hours can be there but by mistake; the last hour is always that of now.
    let end = now.saturating_add(time::Duration::MILLISECOND);
    let to = to.map_or(end, |to| to.min(end));
    let from = from.unwrap_or_else(|| to.saturating_sub(DEFAULT_SPAN));
    IdRange::of_times(Some(from), Some(to)).map(HourRange::of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_hour::LogHour;
    use time::macros::utc_datetime;

    const NOW: UtcDateTime = utc_datetime!(2026-11-23 12:30);

    fn parse(parameters: &[(&str, &str)]) -> Result<IntegrityQuery, Vec<BadParameter>> {
        let parameters = parameters.iter();
        let parameters: Vec<_> = parameters
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        IntegrityQuery::parse(&"demo".parse().unwrap(), &parameters, NOW)
    }

    fn of(first: UtcDateTime, last: UtcDateTime) -> Option<HourRange> {
        Some(HourRange {
            first: LogHour::at(first),
            last: LogHour::at(last),
        })
    }

    #[test]
    fn hours_are_whole_and_the_last_day_is_meant_where_nothing_is_said() {
        let day = of(utc_datetime!(2026-11-22 12:00), NOW);
        assert_eq!(parse(&[]).unwrap().hours, day);
        let cases = [
            ("2026-11-23T08:10:00Z", "2026-11-23T10:00:00Z", (8, 9)),
            ("2026-11-23T08:00:00Z", "2026-11-23T10:00:00.001Z", (8, 10)),
            ("2026-11-23T12:29:00Z", "2027-01-01T00:00:00Z", (12, 12)),
        ];
        for (from, to, (first, last)) in cases {
            let hours = parse(&[("from", from), ("to", to)]).unwrap().hours;
            let day = LogHour::at(NOW).day();
            let expected = HourRange {
                first: day.hour(first).unwrap(),
                last: day.hour(last).unwrap(),
            };
            assert_eq!(hours, Some(expected), "{from} {to}");
        }
        let from = ("from", "2026-11-24T00:00:00Z");
        assert_eq!(parse(&[from]).unwrap().hours, None);
        let until = parse(&[("to", "2026-11-23T01:00:00Z")]).unwrap();
        let (first, last) = (
            utc_datetime!(2026-11-22 1:00),
            utc_datetime!(2026-11-23 0:00),
        );
        assert_eq!(until.hours, of(first, last));
    }

    #[test]
    fn a_cursor_is_of_one_tenant_and_one_range() {
        let position = LogHour::at(NOW).ids().first();
        let query = parse(&[("from", "2026-11-20T00:00:00Z")]).unwrap();
        let cursor = query.cursor(&"demo".parse().unwrap(), position);
        let again = parse(&[("from", "2026-11-20T00:00:00Z"), ("cursor", &cursor)]).unwrap();
        assert_eq!(again.start, Some(position));
        let foreign = query.cursor(&"other".parse().unwrap(), position);
        for (from, cursor) in [
            ("2026-11-21T00:00:00Z", &cursor),
            ("2026-11-20T00:00:00Z", &foreign),
        ] {
            let faults = parse(&[("from", from), ("cursor", cursor)]).unwrap_err();
            assert_eq!(faults[0].name, "cursor");
        }
        assert_eq!(parse(&[("limit", "1")]).unwrap_err()[0].name, "limit");
    }
}
