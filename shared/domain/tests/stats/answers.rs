//! What a question is, and what its answer has.

use std::time::Duration;

use pillarbox_domain::Clock;
use pillarbox_domain::stats::{Percentiles, ShownStats, StatsBounds, StatsQuery, Window};
use pillarbox_testkit::builders::tenant;
use time::UtcDateTime;
use time::macros::utc_datetime;

use super::world::*;

const NOW: UtcDateTime = utc_datetime!(2026-11-23 12:34:56);

fn parse(parameters: &[(&str, &str)]) -> Result<StatsQuery, Vec<String>> {
    let parameters = parameters.iter();
    let parameters: Vec<_> = parameters
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let parsed = StatsQuery::parse(&parameters, NOW);
    parsed.map_err(|faults| faults.into_iter().map(|fault| fault.name).collect())
}

#[test]
fn the_last_hour_is_meant_where_nothing_is_said_and_the_step_fits_a_screen() {
    let query = parse(&[]).unwrap();
    assert_eq!(query.window.to, NOW);
    assert_eq!(query.window.from, NOW - Duration::from_secs(3_600));
    for (from, minutes) in [
        ("2026-11-23T12:00:00Z", 1),
        ("2026-11-23T10:00:00Z", 5),
        ("2026-11-22T12:00:00Z", 15),
        ("2026-11-20T12:00:00Z", 60),
        ("2026-11-16T13:00:00Z", 360),
    ] {
        assert_eq!(parse(&[("from", from)]).unwrap().step_minutes, minutes);
    }
    let future = parse(&[("from", "2026-11-24T00:00:00Z")]).unwrap();
    assert_eq!(future.window.from, future.window.to);
}

#[test]
fn what_is_wrong_with_a_question_is_told_by_its_parameter() {
    let day = ("from", "2026-11-22T12:00:00Z");
    for (parameters, field) in [
        (vec![("from", "yesterday")], "from"),
        (vec![("from", "2026-11-16T12:00:00Z")], "from"),
        (vec![day, ("to", "2026-11-22T11:00:00Z")], "from"),
        (vec![day, ("step", "1m")], "step"),
        (vec![("step", "0m")], "step"),
        (vec![("step", "05m")], "step"),
        (vec![("step", "60")], "step"),
        (vec![("step", "2d")], "step"),
        (vec![("step", "1é")], "step"),
        (vec![("types", "order.*,a*b")], "types"),
        (vec![("types", "")], "types"),
        (vec![("tenant", "other")], "tenant"),
    ] {
        assert_eq!(
            parse(&parameters),
            Err(vec![field.to_owned()]),
            "{parameters:?}"
        );
    }
    let types = parse(&[("types", "order.*,paid")]).unwrap().types;
    assert_eq!(types.len(), 2);
    for (step, minutes) in [("1m", 1), ("90m", 90), ("24h", 1_440), ("1d", 1_440)] {
        assert_eq!(parse(&[("step", step)]).unwrap().step_minutes, minutes);
    }
}

#[tokio::test]
async fn a_window_and_a_series_need_not_begin_on_a_minute() {
    let world = World::default();
    world.roll().await;
    let start = world.clock.now();
    for _ in 0..40 {
        let event = world.event("demo", "t", "a");
        world.clock.advance(SECOND * 10);
        world.hand_over(&[event]).await.unwrap();
    }
    world.clock.advance(MINUTE * 3);
    world.roll().await;
    let query = StatsQuery {
        window: Window {
            from: start + SECOND * 30,
            to: start + SECOND * 330,
        },
        step_minutes: 2,
        types: vec![],
    };
    let stats = world.stats_of("demo", &query).await;
    let points: Vec<(i64, i64, u64)> = stats
        .series
        .iter()
        .map(|point| {
            let seconds = |at: UtcDateTime| (at - start).whole_seconds();
            (
                seconds(point.from),
                seconds(point.to),
                point.counted.figures.events(),
            )
        })
        .collect();
    assert_eq!(points, [(30, 120, 9), (120, 240, 12), (240, 330, 9)]);
    assert_eq!(stats.total.figures.events(), 30);
}

#[tokio::test]
async fn an_answer_has_the_names_of_the_api() {
    let world = World::default();
    let start = world.clock.now();
    let events = [
        world.event("demo", "order.created", "a b"),
        world.event("demo", "order.created", "a -c"),
        world.event("demo", "order.paid", ""),
        world.event("demo", "order.held", "-c"),
    ];
    world.clock.advance(Duration::from_millis(40));
    world.hand_over(&events[1..]).await.unwrap();
    world.clock.advance(Duration::from_millis(60));
    world.hand_over(&events[..2]).await.unwrap();
    world.clock.advance(SECOND * 10);
    let query = StatsQuery {
        window: Window {
            from: start,
            to: start + SECOND * 10,
        },
        step_minutes: 1,
        types: vec![
            "order.created".parse().unwrap(),
            "order.p*".parse().unwrap(),
        ],
    };
    let stats = world.stats_of("demo", &query).await;
    let expected = Percentiles {
        p50: 40,
        p95: 100,
        p99: 100,
        max: 100,
    };
    assert_eq!(stats.total.figures.latencies.percentiles(), Some(expected));
    insta::with_settings!({ sort_maps => true }, {
        insta::assert_json_snapshot!(ShownStats(&tenant("demo"), &stats));
    });
}

#[tokio::test]
async fn where_too_many_receipts_would_have_to_be_read_the_answer_says_where_it_ends() {
    let world = World::default();
    let start = world.clock.now();
    for _ in 0..6 {
        let event = world.event("demo", "t", "a");
        world.hand_over(&[event]).await.unwrap();
        world.clock.advance(MINUTE);
    }
    let window = Window {
        from: start + SECOND,
        to: world.clock.now(),
    };
    let mut reader = world.reader();
    reader.bounds = StatsBounds {
        raw_minutes: 3,
        ..StatsBounds::default()
    };
    let stats = reader.stats(&tenant("demo"), &query(window)).await.unwrap();
    assert_eq!(stats.window.to, start + MINUTE * 3);
    assert_eq!((stats.asked_to, stats.series.len()), (window.to, 3));
    assert_eq!(stats.total.figures.events(), 2);
    let shown = serde_json::to_value(ShownStats(&tenant("demo"), &stats)).unwrap();
    assert_eq!(shown["is_complete"], false);
}
