//! Expressions and ranges of schedules, held against what they mean, minute by minute.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

use pillarbox_domain::limits::MIN_SCHEDULE_INTERVAL_MINUTES;
use pillarbox_domain::schedule::{
    Expression, InvalidExpression, RelativeRange, ScheduledCall, Timezone,
};
use proptest::collection::btree_set;
use proptest::prelude::*;
use time::{Duration, UtcDateTime};

const MINUTES_OF_HOUR: u64 = 60;
const MINUTES_OF_DAY: u64 = 24 * MINUTES_OF_HOUR;

fn list(values: &BTreeSet<u64>) -> String {
    let texts: Vec<_> = values.iter().map(u64::to_string).collect();
    texts.join(",")
}

/// The fewest minutes between two times of a day and the next one's first.
fn shortest_gap(minutes: &BTreeSet<u64>, hours: &BTreeSet<u64>) -> u64 {
    let of_hour = |hour: &u64| {
        let start = hour * MINUTES_OF_HOUR;
        minutes.iter().map(move |minute| start + minute)
    };
    let mut times: Vec<u64> = hours.iter().flat_map(of_hour).collect();
    times.push(times[0] + MINUTES_OF_DAY);
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.min().unwrap()
}

proptest! {
    #[test]
    fn a_cron_expression_is_taken_if_its_times_are_far_enough_apart(
        minutes in btree_set(0..60_u64, 1..6),
        hours in btree_set(0..24_u64, 1..6),
    ) {
        let text = format!("cron({} {} * * ? *)", list(&minutes), list(&hours));
        let gap = shortest_gap(&minutes, &hours);
        let read = text.parse::<Expression>();
        if gap >= MIN_SCHEDULE_INTERVAL_MINUTES {
            prop_assert!(read.is_ok(), "{text}: {read:?}");
        } else {
            prop_assert_eq!(read, Err(InvalidExpression::TooOften(gap)), "{}", text);
        }
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in any::<String>(), inner in "[ -~]{0,40}") {
        for text in [text.clone(), format!("cron({inner})"), format!("rate({inner})"), format!("last {inner}")] {
            let _: Option<Expression> = text.parse().ok();
            let _: Option<RelativeRange> = text.parse().ok();
            let _: Option<Timezone> = text.parse().ok();
            prop_assert!(ScheduledCall::read(&text).is_err());
        }
    }

    #[test]
    fn a_range_ends_at_the_scheduled_time_or_before_and_is_never_empty(
        seconds in 0..4_000_000_000_i64,
        range in prop_oneof![
            Just("yesterday".to_owned()),
            Just("previous hour".to_owned()),
            (1..366_u32, "[mhd]").prop_map(|(n, unit)| format!("last {n}{unit}")),
        ],
        zone in prop_oneof![
            Just("UTC"), Just("Europe/Vienna"), Just("America/St_Johns"), Just("Pacific/Auckland"), Just("Asia/Kolkata"),
        ],
    ) {
        let scheduled = UtcDateTime::from_unix_timestamp(seconds).unwrap();
        let range: RelativeRange = range.parse().unwrap();
        let times = range.at(scheduled, &zone.parse().unwrap()).unwrap();
        prop_assert!(times.from < times.to && times.to <= scheduled, "{times:?}");
        if range == RelativeRange::Yesterday {
            let day = times.to - times.from;
            prop_assert!((Duration::hours(22)..=Duration::hours(26)).contains(&day), "{day}");
            prop_assert!(scheduled - times.to < Duration::hours(26));
        }
    }
}
