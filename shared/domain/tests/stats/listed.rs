//! Slow and failed ones, page by page.

use std::time::Duration;

use pillarbox_domain::stats::{FailedQuery, ShownFailed, ShownSlow, SlowQuery, StatsBounds};
use pillarbox_domain::{Clock, EventId};
use pillarbox_testkit::builders::tenant;
use serde_json::Value;

use super::world::*;

fn given(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
    let parameters = parameters.iter();
    parameters
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

impl World {
    async fn slow(&self, parameters: &[(&str, &str)], raw_minutes: usize) -> Value {
        let demo = tenant("demo");
        let query = SlowQuery::parse(&demo, &given(parameters), self.clock.now()).unwrap();
        let mut reader = self.reader();
        reader.bounds = StatsBounds {
            raw_minutes,
            ..StatsBounds::default()
        };
        serde_json::to_value(ShownSlow(&reader.slow(&demo, &query).await.unwrap())).unwrap()
    }

    async fn failed(&self, parameters: &[(&str, &str)]) -> Value {
        let demo = tenant("demo");
        let query = FailedQuery::parse(&demo, &given(parameters), self.clock.now()).unwrap();
        let page = self.reader().failed(&demo, &query).await.unwrap();
        serde_json::to_value(ShownFailed(&page)).unwrap()
    }

    /// Every page after the other.
    async fn slow_ids(
        &self,
        parameters: &[(&str, &str)],
        raw_minutes: usize,
    ) -> (Vec<Value>, usize) {
        let (mut ids, mut pages, mut cursor) = (Vec::new(), 0, None::<String>);
        loop {
            let mut parameters = parameters.to_vec();
            parameters.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = self.slow(&parameters, raw_minutes).await;
            let events = page["events"].as_array().unwrap().iter();
            ids.extend(events.map(|event| event["event_id"].clone()));
            pages += 1;
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return (ids, pages),
            }
        }
    }
}

/// An event every 20 s for ten minutes, of which every fifth takes 3 s, and the ids of those, the latest first.
async fn some_slow() -> (World, Vec<EventId>) {
    let world = World::default();
    world.roll().await;
    let mut slow = Vec::new();
    for n in 0..30 {
        let event = world.event("demo", ["fast", "slow"][usize::from(n % 5 == 0)], "a b");
        let foreign = world.event("other", "slow", "a");
        let takes = [200, 3_000][usize::from(n % 5 == 0)];
        world.clock.advance(Duration::from_millis(takes));
        world.hand_over(&[event.clone(), foreign]).await.unwrap();
        if n % 5 == 0 {
            slow.insert(0, event.event_id);
        }
        world.clock.advance(Duration::from_millis(20_000 - takes));
    }
    (world, slow)
}

#[tokio::test]
async fn slow_events_are_listed_the_latest_first_rolled_up_or_not() {
    let (world, slow) = some_slow().await;
    let slow: Vec<Value> = slow.iter().map(|id| id.to_string().into()).collect();
    for _ in 0..2 {
        let (ids, pages) = world.slow_ids(&[], 240).await;
        assert_eq!((&ids, pages), (&slow, 1));
        for limit in ["1", "2", "4"] {
            let (ids, _) = world.slow_ids(&[("limit", limit)], 240).await;
            assert_eq!(ids, slow, "{limit}");
        }
        let (ids, pages) = world.slow_ids(&[], 2).await;
        assert_eq!(ids, slow);
        assert!(pages > 2, "{pages}");
        let (all, _) = world
            .slow_ids(&[("over_ms", "100"), ("limit", "7")], 240)
            .await;
        assert_eq!(all.len(), 30);
        let (none, _) = world.slow_ids(&[("types", "fast")], 240).await;
        assert!(none.is_empty());
        let (exactly, _) = world.slow_ids(&[("over_ms", "3000")], 240).await;
        assert!(exactly.is_empty());
        world.clock.advance(MINUTE * 3);
        world.roll().await;
    }
    let looks = world.receipts.looks();
    world
        .slow(
            &[
                ("over_ms", "5000"),
                ("from", "2026-11-23T12:00:00Z"),
                ("to", "2026-11-23T12:10:00Z"),
            ],
            240,
        )
        .await;
    assert!(
        world.receipts.looks() - looks <= 6,
        "rollups tell that there are none"
    );
    let page = world.slow(&[("limit", "1")], 240).await;
    insta::with_settings!({ sort_maps => true }, {
        insta::assert_json_snapshot!(page);
    });
}

#[test]
fn a_cursor_is_of_one_question_and_one_tenant() {
    let now = World::default().clock.now();
    let demo = tenant("demo");
    let bad = [("cursor", "AAAA")];
    let faults = SlowQuery::parse(&demo, &given(&bad), now).unwrap_err();
    assert_eq!(faults[0].name, "cursor");
    let faults = FailedQuery::parse(&demo, &given(&bad), now).unwrap_err();
    assert_eq!(faults[0].name, "cursor");
    for (name, value) in [
        ("over_ms", "-1"),
        ("over_ms", "+1"),
        ("over_ms", "1.5"),
        ("limit", "0"),
    ] {
        let faults = SlowQuery::parse(&demo, &given(&[(name, value)]), now).unwrap_err();
        assert_eq!(faults[0].name, name);
    }
}

#[tokio::test]
async fn failed_deliveries_are_listed_with_their_reasons() {
    let world = World::default();
    let mut events = Vec::new();
    for n in 0..5_u32 {
        let event = world.event(
            "demo",
            ["order.created", "order.paid"][usize::from(n == 4)],
            "a b",
        );
        world.hand_over(std::slice::from_ref(&event)).await.unwrap();
        world.clock.advance(SECOND);
        world.dies(&event, "a", n + 1).await;
        if n == 2 {
            world.dies(&event, "b", 1).await;
        }
        events.push(event);
    }
    let page = world.failed(&[("limit", "2")]).await;
    let ids = |page: &Value| -> Vec<String> {
        let failed = page["failed"].as_array().unwrap().iter();
        failed
            .map(|it| it["event_id"].as_str().unwrap().to_owned())
            .collect()
    };
    let id = |n: usize| events[n].event_id.to_string();
    assert_eq!(ids(&page), [id(4), id(3)]);
    assert_eq!(
        (&page["total"], &page["total_is_at_least"]),
        (&6.into(), &false.into())
    );
    let cursor = page["next_cursor"].as_str().unwrap().to_owned();
    let page = world.failed(&[("limit", "2"), ("cursor", &cursor)]).await;
    assert_eq!(ids(&page), [id(2), id(2)]);
    let cursor = page["next_cursor"].as_str().unwrap().to_owned();
    let page = world.failed(&[("limit", "9"), ("cursor", &cursor)]).await;
    assert_eq!(
        (ids(&page), &page["next_cursor"]),
        (vec![id(1), id(0)], &Value::Null)
    );
    let reasons = page["reasons"].as_array().unwrap();
    assert_eq!((reasons.len(), &reasons[0]["deliveries"]), (3, &4.into()));
    assert_eq!(world.failed(&[("subscription", "b")]).await["total"], 1);
    assert_eq!(world.failed(&[("error_class", "Other")]).await["total"], 0);
    let page = world.failed(&[("types", "order.p*")]).await;
    insta::with_settings!({ sort_maps => true }, {
        insta::assert_json_snapshot!(page);
    });
}
