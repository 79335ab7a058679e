//! Which dead letters a query finds, how many there are, and where it goes on.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::time::Duration;

use pillarbox_domain::delivery::Delivery;
use pillarbox_domain::letters::{
    Change, DeadLetter, Discard, Keeper, LetterList, LetterQuery, LetterReader, LetterStore,
    QueueMessage, Redrive, RedriveId, Shown, ShownWhole,
};
use pillarbox_domain::{Clock, TenantId};
use pillarbox_testkit::builders::{event_with, logged, tenant};
use pillarbox_testkit::{ManualClock, MemoryLetters};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    clock: ManualClock,
    keeper: Keeper<MemoryLetters, ManualClock>,
}

impl Bench {
    fn new() -> Self {
        let clock = ManualClock::default();
        Self {
            keeper: Keeper {
                letters: MemoryLetters::default(),
                clock: clock.clone(),
                retention: "90".parse().unwrap(),
            },
            clock,
        }
    }

    fn store(&self) -> &MemoryLetters {
        &self.keeper.letters
    }

    /// Keeps a delivery of an event of this type to this subscription, with this error.
    async fn fails(&self, event_type: &str, subscription: &str, error: [&str; 2]) -> DeadLetter {
        let id = self.clock.next_id().to_string();
        let event = event_with(json!({ "id": id, "type": event_type }));
        let event = logged(&self.clock, &tenant("demo"), event);
        let subscription = subscription.parse().unwrap();
        let message = Delivery {
            event: &event,
            subscription: &subscription,
            attempt: 1,
            job: None,
        }
        .to_message();
        let [class, text] = error;
        let said = [
            ("origin", "retry"),
            ("error_class", class),
            ("error_message", text),
        ];
        let attributes = message.attributes.iter();
        let attributes: BTreeMap<&str, &str> = attributes
            .map(|(name, value)| (*name, value.as_str()))
            .chain(said)
            .collect();
        self.keep(&message.body, attributes).await
    }

    async fn keep(&self, body: &str, attributes: BTreeMap<&str, &str>) -> DeadLetter {
        let id = self.clock.next_id().to_string();
        let message = QueueMessage {
            id: &id,
            body,
            attributes,
            source_queue: None,
            first_received_at: None,
        };
        self.clock.advance(SECOND);
        self.keeper.keep(&message).await.unwrap().letter
    }

    async fn many(&self, count: usize) -> Vec<DeadLetter> {
        let mut letters = Vec::new();
        for _ in 0..count {
            letters.push(self.fails("order.created", "a", ["E", "m"]).await);
        }
        letters
    }

    async fn list(&self, owner: &TenantId, parameters: &str) -> LetterList {
        let query = LetterQuery::parse(owner, &pairs(parameters)).unwrap();
        let reader = LetterReader::new(self.store(), self.clock.now());
        reader.list(owner, &query).await.unwrap()
    }

    async fn found(&self, parameters: &str) -> Vec<DeadLetter> {
        let list = self
            .list(&tenant("demo"), &format!("order=oldest&{parameters}"))
            .await;
        assert_eq!(list.total, list.letters.len());
        assert!(!list.total_is_at_least && list.next_cursor.is_none());
        list.letters
    }
}

fn pairs(parameters: &str) -> Vec<(String, String)> {
    let pairs = parameters.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[tokio::test]
async fn each_filter_finds_what_keeps_to_it() {
    let bench = Bench::new();
    let error = ["Timeout", "Gave up AFTER 30 s"];
    let a = bench.fails("order.created", "mail", error).await;
    let b = bench.fails("order.paid", "mail", ["Denied", "no"]).await;
    let c = bench.fails("price.changed", "audit", error).await;
    let raw = [
        ("tenant", "demo"),
        ("origin", "dispatch"),
        ("error_class", "Malformed"),
    ];
    let d = bench.keep("{}", raw.into()).await;
    let time = |letter: &DeadLetter| {
        use time::format_description::well_known::Rfc3339;
        letter.dead_at().format(&Rfc3339).unwrap()
    };
    let of_event = |letter: &DeadLetter| letter.delivery.as_ref().unwrap().event_id;
    let cases = [
        (String::new(), vec![&a, &b, &c, &d]),
        ("type=order.*".to_owned(), vec![&a, &b]),
        ("type=order.paid".to_owned(), vec![&b]),
        ("type=*".to_owned(), vec![&a, &b, &c]),
        ("subscription=mail".to_owned(), vec![&a, &b]),
        ("error_class=Timeout".to_owned(), vec![&a, &c]),
        ("error_class=timeout".to_owned(), vec![]),
        ("text=after 30".to_owned(), vec![&a, &c]),
        ("text=NO".to_owned(), vec![&b]),
        (format!("event_id={}", of_event(&b)), vec![&b]),
        (format!("event_id={}&type=price.*", of_event(&b)), vec![]),
        (format!("event_id={}&to={}", of_event(&b), time(&b)), vec![]),
        (format!("from={}", time(&c)), vec![&c, &d]),
        (format!("to={}", time(&c)), vec![&a, &b]),
        (format!("from={0}&to={0}", time(&c)), vec![]),
        ("subscription=mail&error_class=Timeout".to_owned(), vec![&a]),
        ("state=OPEN".to_owned(), vec![&a, &b, &c, &d]),
        ("state=REDRIVEN".to_owned(), vec![]),
    ];
    for (parameters, expected) in cases {
        let found = bench.found(&parameters).await;
        let expected: Vec<DeadLetter> = expected.into_iter().cloned().collect();
        assert_eq!(found, expected, "{parameters}");
    }
    let other = bench.list(&tenant("other"), "").await;
    assert_eq!((other.letters, other.total), (vec![], 0));
}

#[tokio::test]
async fn a_lease_that_ran_out_is_listed_and_shown_as_open() {
    let bench = Bench::new();
    let [letter] = &bench.many(1).await[..] else {
        panic!("one letter");
    };
    let at = bench.clock.now();
    let take = Change::Take {
        redrive: Redrive {
            id: RedriveId::new(bench.clock.next_id()),
            at,
        },
        held_until: at + SECOND,
    };
    let store = bench.store();
    store
        .change(&letter.tenant, letter.id, &take)
        .await
        .unwrap();
    assert_eq!(bench.found("state=OPEN").await, []);
    let held = bench.found("state=REDRIVING").await;
    assert_eq!(json!(Shown(&held[0]))["state"], "REDRIVING");
    bench.clock.advance(SECOND * 2);
    assert_eq!(bench.found("state=REDRIVING").await, []);
    let open = json!(Shown(&bench.found("state=OPEN").await[0]));
    assert_eq!(
        (&open["state"], &open["redrive"]),
        (&json!("OPEN"), &Value::Null)
    );
}

#[tokio::test]
async fn pages_follow_each_other_in_both_orders_and_each_tells_the_total() {
    let bench = Bench::new();
    let all = bench.many(7).await;
    let demo = tenant("demo");
    for order in ["oldest", "newest"] {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let list = bench
                .list(&demo, &format!("order={order}&limit=3{cursor}"))
                .await;
            assert_eq!((list.total, list.total_is_at_least), (7, false));
            found.extend(list.letters);
            let Some(next) = list.next_cursor else { break };
            cursor = format!("&cursor={next}");
        }
        if order == "newest" {
            found.reverse();
        }
        assert_eq!(found, all, "{order}");
    }
}

#[tokio::test]
async fn the_letters_of_one_event_are_paged_alike() {
    let bench = Bench::new();
    let letter = bench.many(1).await.remove(0);
    let delivery = letter.delivery.as_ref().unwrap();
    let body = bench.store().body(&letter).await.unwrap().unwrap();
    for job in ["j-1", "j-2"] {
        let event_id = delivery.event_id.to_string();
        let attributes = [
            ("tenant", "demo"),
            ("subscription", "a"),
            ("event_id", &*event_id),
            ("job", job),
        ];
        let body = body.replace(
            "\"pbattempt\"",
            &format!("\"pbjob\":\"{job}\",\"pbattempt\""),
        );
        bench.keep(&body, attributes.into()).await;
    }
    let demo = tenant("demo");
    let query = format!("event_id={}&limit=2", delivery.event_id);
    let first = bench.list(&demo, &query).await;
    assert_eq!((first.letters.len(), first.total), (2, 3));
    let cursor = first.next_cursor.unwrap();
    let second = bench.list(&demo, &format!("{query}&cursor={cursor}")).await;
    assert_eq!((second.letters, second.total), (vec![letter], 3));
    assert_eq!(second.next_cursor, None);
}

/// Beyond the bound a total is the least, a page may be short, and no letter is left out.
#[tokio::test]
async fn what_is_read_for_a_page_is_bounded_and_pages_go_on() {
    let bench = Bench::new();
    let mut rare = bench.many(11).await;
    rare.push(bench.fails("order.paid", "a", ["Rare", "m"]).await);
    rare.extend(bench.many(3).await);
    let demo = tenant("demo");
    let mut found = Vec::new();
    let mut cursor = String::new();
    for _ in 0..4 {
        let text = format!("order=oldest&error_class=Rare&limit=2{cursor}");
        let query = LetterQuery::parse(&demo, &pairs(&text)).unwrap();
        let reader = LetterReader {
            letters: bench.store(),
            now: bench.clock.now(),
            bound: 5,
        };
        let list = reader.list(&demo, &query).await.unwrap();
        assert!(list.total_is_at_least && list.total <= 1, "{list:?}");
        found.extend(list.letters);
        let Some(next) = list.next_cursor else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, [rare[11].clone()]);
}

#[tokio::test]
async fn a_cursor_fits_its_own_query_and_tenant_only() {
    let bench = Bench::new();
    bench.many(3).await;
    let demo = tenant("demo");
    let cursor = bench
        .list(&demo, "limit=1&state=OPEN")
        .await
        .next_cursor
        .unwrap();
    let refused = |owner: &TenantId, parameters: &str| {
        let text = format!("{parameters}&cursor={cursor}");
        let faults = LetterQuery::parse(owner, &pairs(&text)).unwrap_err();
        assert_eq!(faults[0].name, "cursor", "{parameters}: {faults:?}");
    };
    refused(&tenant("other"), "limit=1&state=OPEN");
    for other in [
        "limit=1",
        "limit=1&state=REDRIVEN",
        "limit=1&state=OPEN&order=oldest",
        "state=OPEN&type=*",
    ] {
        refused(&demo, other);
    }
    let again = format!("limit=2&state=OPEN&cursor={cursor}");
    assert!(LetterQuery::parse(&demo, &pairs(&again)).is_ok());
}

#[test]
fn every_fault_of_a_query_is_told() {
    let demo = tenant("demo");
    let text = "type=a*b&subscription=A&error_class=&text=&event_id=1&from=x&to=x&state=open&order=up&limit=101&sort=x&source=/shop";
    let faults = LetterQuery::parse(&demo, &pairs(text)).unwrap_err();
    let names: Vec<&str> = faults.iter().map(|fault| &*fault.name).collect();
    let expected = [
        "sort",
        "source",
        "from",
        "to",
        "type",
        "subscription",
        "error_class",
        "text",
        "event_id",
        "state",
        "order",
        "limit",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn what_has_expired_is_not_found() {
    let bench = Bench::new();
    bench.many(2).await;
    bench.clock.advance(SECOND * 91 * 24 * 60 * 60);
    bench.many(1).await;
    assert_eq!(bench.found("").await.len(), 1);
}

#[tokio::test]
async fn a_letter_is_shown_with_everything_that_is_known_of_it() {
    let bench = Bench::new();
    let letter = bench.fails("order.created", "mail", ["E", "m"]).await;
    let discard = Change::Discard(Discard::new("a test".to_owned(), bench.clock.now()));
    let store = bench.store();
    store
        .change(&letter.tenant, letter.id, &discard)
        .await
        .unwrap();
    let letter = store.get(&letter.tenant, letter.id).await.unwrap().unwrap();
    let event_id = letter.delivery.as_ref().unwrap().event_id;
    let expected = json!({
        "dead_letter_id": letter.id,
        "state": "DISCARDED",
        "origin": "retry",
        "event_id": event_id,
        "type": "order.created",
        "source": "/shop",
        "id": "01a20846-fe00-7000-8000-000000000001",
        "subscription": "mail",
        "correlation_id": null,
        "error": { "class": "E", "message": "m" },
        "attempts": null,
        "first_failed_at": null,
        "last_failed_at": null,
        "dead_at": "2026-11-23T12:00:01Z",
        "job": null,
        "first_dead_letter_id": null,
        "redrive": null,
        "discarded": { "reason": "a test", "at": "2026-11-23T12:00:01Z" },
    });
    assert_eq!(json!(Shown(&letter)), expected);
    let body = store.body(&letter).await.unwrap().unwrap();
    let whole = json!(ShownWhole {
        letter: &letter,
        body: &body
    });
    assert_eq!(
        whole["event"],
        serde_json::from_str::<Value>(&body).unwrap()
    );
    assert_eq!(whole.get("record"), None);

    let raw = bench.keep("\"not\" json", BTreeMap::new()).await;
    let whole = json!(ShownWhole {
        letter: &raw,
        body: "\"not\" json"
    });
    assert_eq!(whole["record"], "\"not\" json");
    assert_eq!(whole.get("event"), None);
    for member in [
        "event_id",
        "type",
        "source",
        "id",
        "subscription",
        "correlation_id",
    ] {
        assert_eq!(whole[member], Value::Null, "{member}");
    }
}
