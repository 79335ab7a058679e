//! Where things are in the archive. Numbers have leading zeros, so that keys are in the order in which they were
//! written.

use time::format_description::well_known::Rfc3339;

use crate::log_hour::LogHour;
use crate::tenant::TenantId;

/// The key of some events of an hour.
pub fn events(tenant: &TenantId, hour: LogHour, revision: u32, part: u32) -> String {
    format!(
        "events/{}/{revision:04}-{part:05}.jsonl.zst",
        of_tenant(tenant, hour)
    )
}

/// The key of the receipts of the events that have the same revision and part.
pub fn receipts(tenant: &TenantId, hour: LogHour, revision: u32, part: u32) -> String {
    format!(
        "receipts/{}/{revision:04}-{part:05}.jsonl.zst",
        of_tenant(tenant, hour)
    )
}

/// The key of a manifest of an hour.
pub fn manifest(tenant: &TenantId, hour: LogHour, revision: u32) -> String {
    format!("{}{revision:04}.json", manifests(tenant, hour))
}

/// What the keys of all manifests of an hour begin with.
pub fn manifests(tenant: &TenantId, hour: LogHour) -> String {
    format!("manifests/{}/", of_tenant(tenant, hour))
}

/// The key of a seal of an hour.
pub fn seal(hour: LogHour, revision: u32) -> String {
    format!("seals/{}/{revision:04}.json", partition(hour))
}

/// How the first second of an hour is written in manifests and seals: RFC 3339.
pub fn hour_text(hour: LogHour) -> String {
    // A year of four digits can be written.
    hour.start().format(&Rfc3339).unwrap_or_default()
}

fn of_tenant(tenant: &TenantId, hour: LogHour) -> String {
    format!("tenant={tenant}/{}", partition(hour))
}

fn partition(hour: LogHour) -> String {
    let date = hour.day().date();
    let (year, month, day) = date.to_calendar_date();
    let (month, of_day) = (u8::from(month), hour.of_day());
    format!("dt={year:04}-{month:02}-{day:02}/hh={of_day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::utc_datetime;

    #[test]
    fn keys_are_partitions_that_query_engines_know() {
        let (shop, hour): (TenantId, _) = (
            "shop-1".parse().unwrap(),
            LogHour::at(utc_datetime!(2026-03-04 05:59)),
        );
        let keys = [
            events(&shop, hour, 0, 12),
            receipts(&shop, hour, 3, 0),
            manifest(&shop, hour, 3),
            seal(hour, 10),
        ];
        assert_eq!(
            keys,
            [
                "events/tenant=shop-1/dt=2026-03-04/hh=05/0000-00012.jsonl.zst",
                "receipts/tenant=shop-1/dt=2026-03-04/hh=05/0003-00000.jsonl.zst",
                "manifests/tenant=shop-1/dt=2026-03-04/hh=05/0003.json",
                "seals/dt=2026-03-04/hh=05/0010.json",
            ]
        );
        assert!(keys[2].starts_with(&manifests(&shop, hour)));
        assert_eq!(hour_text(hour), "2026-03-04T05:00:00Z");
    }
}
