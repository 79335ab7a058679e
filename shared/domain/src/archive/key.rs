//! Keys of the archive, read: what an object is by where it stands.

use time::{Date, Month};

use super::layout;
use crate::log_hour::{LogDay, LogHour};
use crate::tenant::TenantId;

/// What stands at a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArchiveKey {
    /// Events of an hour of a tenant.
    Events(Part),
    /// Receipts of those of the same revision and part.
    Receipts(Part),
    /// A manifest.
    Manifest {
        /// Whose hour it is.
        tenant: TenantId,
        /// Which it is.
        hour: LogHour,
        /// From 0.
        revision: u32,
    },
    /// A seal.
    Seal {
        /// Of which hour.
        hour: LogHour,
        /// From 0.
        revision: u32,
    },
}

/// A part of an hour of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// Whose hour it is.
    pub tenant: TenantId,
    /// Which it is.
    pub hour: LogHour,
    /// From 0.
    pub revision: u32,
    /// From 0, within a revision.
    pub part: u32,
}

impl ArchiveKey {
    /// Reads a key in the only spelling that [`layout`] gives it. None for whatever else may lie beside an archive.
    pub fn parse(key: &str) -> Option<Self> {
        let (kind, place) = key.split_once('/')?;
        let read = match kind {
            "events" => Self::Events(part(place)?),
            "receipts" => Self::Receipts(part(place)?),
            "manifests" => manifest(place)?,
            "seals" => seal(place)?,
            _ => return None,
        };
        (read.written() == key).then_some(read)
    }

    /// The hour that it is of.
    pub fn hour(&self) -> LogHour {
        match self {
            Self::Events(part) | Self::Receipts(part) => part.hour,
            Self::Manifest { hour, .. } | Self::Seal { hour, .. } => *hour,
        }
    }

    /// Whose it is; a seal is the bus's own.
    pub fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Events(part) | Self::Receipts(part) => Some(&part.tenant),
            Self::Manifest { tenant, .. } => Some(tenant),
            Self::Seal { .. } => None,
        }
    }

    /// Which revision of its hour it belongs to.
    pub fn revision(&self) -> u32 {
        match self {
            Self::Events(part) | Self::Receipts(part) => part.revision,
            Self::Manifest { revision, .. } | Self::Seal { revision, .. } => *revision,
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Events(it) => layout::events(&it.tenant, it.hour, it.revision, it.part),
            Self::Receipts(it) => layout::receipts(&it.tenant, it.hour, it.revision, it.part),
            Self::Manifest {
                tenant,
                hour,
                revision,
            } => layout::manifest(tenant, *hour, *revision),
            Self::Seal { hour, revision } => layout::seal(*hour, *revision),
        }
    }
}

fn part(place: &str) -> Option<Part> {
    let (tenant, place) = tenant(place)?;
    let (hour, file) = hour(place)?;
    let (revision, part) = file.strip_suffix(".jsonl.zst")?.split_once('-')?;
    Some(Part {
        tenant,
        hour,
        revision: revision.parse().ok()?,
        part: part.parse().ok()?,
    })
}

fn manifest(place: &str) -> Option<ArchiveKey> {
    let (tenant, place) = tenant(place)?;
    let (hour, file) = hour(place)?;
    Some(ArchiveKey::Manifest {
        tenant,
        hour,
        revision: revision(file)?,
    })
}

fn seal(place: &str) -> Option<ArchiveKey> {
    let (hour, file) = hour(place)?;
    Some(ArchiveKey::Seal {
        hour,
        revision: revision(file)?,
    })
}

fn tenant(place: &str) -> Option<(TenantId, &str)> {
    let (tenant, rest) = place.strip_prefix("tenant=")?.split_once('/')?;
    Some((tenant.parse().ok()?, rest))
}

fn hour(place: &str) -> Option<(LogHour, &str)> {
    let (date, rest) = place.strip_prefix("dt=")?.split_once('/')?;
    let (of_day, file) = rest.strip_prefix("hh=")?.split_once('/')?;
    let mut numbers = date.splitn(3, '-');
    let year = numbers.next()?.parse().ok()?;
    let month: u8 = numbers.next()?.parse().ok()?;
    let day = numbers.next()?.parse().ok()?;
    let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?;
    let hour = LogDay::of(date)?.hour(of_day.parse().ok()?)?;
    Some((hour, file))
}

fn revision(file: &str) -> Option<u32> {
    file.strip_suffix(".json")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::utc_datetime;

    #[test]
    fn every_key_comes_back() {
        let (tenant, hour): (TenantId, _) = (
            "shop-1".parse().unwrap(),
            LogHour::at(utc_datetime!(2026-03-04 05:59)),
        );
        let part = Part {
            tenant: tenant.clone(),
            hour,
            revision: 3,
            part: 12,
        };
        let keys = [
            ArchiveKey::Events(part.clone()),
            ArchiveKey::Receipts(part),
            ArchiveKey::Manifest {
                tenant,
                hour,
                revision: 12_345,
            },
            ArchiveKey::Seal { hour, revision: 0 },
        ];
        for key in keys {
            assert_eq!(ArchiveKey::parse(&key.written()), Some(key));
        }
    }

    #[test]
    fn what_is_written_otherwise_is_no_key() {
        for key in [
            "",
            "events",
            "README",
            "seals/dt=2026-03-04/hh=05/0.json",
            "seals/dt=2026-03-04/hh=5/0000.json",
            "seals/dt=2026-02-30/hh=05/0000.json",
            "seals/dt=2026-03-04/hh=24/0000.json",
            "seals/dt=2026-03-04/hh=05/0000.json/x",
            "seals/dt=2026-03-04/hh=05/../05/0000.json",
            "events/tenant=De/dt=2026-03-04/hh=05/0000-00000.jsonl.zst",
            "events/tenant=demo/dt=2026-03-04/hh=05/0000-00000.jsonl",
            "events/tenant=demo/dt=2026-03-04/hh=05/+000-00000.jsonl.zst",
            "manifest/tenant=demo/dt=2026-03-04/hh=05/0000.json",
        ] {
            assert_eq!(ArchiveKey::parse(key), None, "{key}");
        }
    }
}
