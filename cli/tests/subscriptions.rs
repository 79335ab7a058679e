//! `pillarbox subscriptions`, the binary itself, against a real HTTP server.
#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests that fails is a test that fails"
)]

mod support;

use serde_json::json;
use support::*;

const ORDERS: &str = r#"{"id":"orders","pattern":{"type":[{"prefix":"order."}]},"queue_url":"https://q/orders","target_version":2,"retry":{"retries":5,"first_delay_ms":1000,"factor":2,"max_delay_ms":60000},"message_group":"tenant","state":"ACTIVE","version":3,"created_at":"2026-11-23T08:00:00.000Z","updated_at":"2026-11-23T09:00:00.000Z"}"#;
const LARGE: &str = r#"{"id":"large","pattern":{"data":{"total":[{"numeric":[">",100.00]}]}},"queue_url":"https://q/large","retry":{"retries":0,"first_delay_ms":1,"factor":1.5,"max_delay_ms":1},"message_group":"partitionkey","state":"SUSPENDED","since":"2026-11-23T10:00:00.000Z","reason":"the queue is gone\u001b[2J","version":7,"created_at":"2026-11-23T08:00:00.000Z","updated_at":"2026-11-23T10:00:00.000Z"}"#;
const CONFLICT: &str =
    r#"{"title":"Something else is there","detail":"orders has version 4, not 3"}"#;
const PATTERN: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/large.pattern.json"
);

async fn ran_on(bus: &Bus, arguments: &[&str]) -> Ran {
    let arguments = [&["subscriptions"], arguments].concat();
    run(pillarbox_on(bus, &arguments), b"").await
}

/// What was sent: method, path below the address, body.
fn sent(bus: &Bus) -> Vec<(String, String, String)> {
    let requests = bus.requests().into_iter();
    requests
        .map(|request| {
            let path = request.path.strip_prefix("/base/$default").unwrap();
            let body = String::from_utf8(request.body.clone()).unwrap();
            (request.method.clone(), path.to_owned(), body)
        })
        .collect()
}

#[tokio::test]
async fn every_setting_of_a_new_subscription_is_sent() {
    let bus = Bus::answering(|_, _| answer(201, ORDERS)).await;
    let arguments = [
        "add",
        "orders",
        "--types",
        "order.*",
        "--queue-url",
        "https://q/orders",
        "--target-version",
        "2",
        "--retries",
        "5",
        "--first-delay-ms",
        "1000",
        "--factor",
        "2",
        "--max-delay-ms",
        "60000",
        "--message-group",
        "tenant",
    ];
    let text = ran_on(&bus, &arguments).await;
    assert_eq!(
        (text.code, &*text.stdout),
        (
            0,
            "subscription orders added: order.* go to https://q/orders\n"
        ),
        "{}",
        text.stderr
    );
    assert_eq!(
        bus.requests()[0].json(),
        json!({
            "id": "orders",
            "types": ["order.*"],
            "queue_url": "https://q/orders",
            "target_version": 2,
            "retry": {"retries": 5, "first_delay_ms": 1000, "factor": 2, "max_delay_ms": 60000},
            "message_group": "tenant",
        })
    );
    let json = ran_on(&bus, &[&arguments[..], &["--json"]].concat()).await;
    let expected = ORDERS.replace("09:00:00.000Z\"}", "09:00:00.000Z\",\"created\":true}");
    assert_eq!(json.stdout, format!("{expected}\n"));
}

#[tokio::test]
async fn pattern_is_sent_in_its_own_spelling_from_the_line_or_a_file() {
    let bus = Bus::answering(|_, _| answer(201, LARGE)).await;
    let file = format!("@{PATTERN}");
    for pattern in [
        r#" {"data": {"total": [{"numeric": [">", 100.00]}]}}"#,
        &file,
    ] {
        let ran = ran_on(
            &bus,
            &[
                "add",
                "large",
                "--pattern",
                pattern,
                "--queue-url",
                "q",
                "--factor",
                "1.50",
            ],
        )
        .await;
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(
            ran.stdout.contains("events that match {\"data\""),
            "{}",
            ran.stdout
        );
    }
    let expected = r#"{"id":"large","pattern":{"data": {"total": [{"numeric": [">", 100.00]}]}},"queue_url":"q","retry":{"factor":1.5}}"#;
    for (_, path, body) in sent(&bus) {
        assert_eq!(
            (path.as_str(), body.as_str()),
            ("/v1/subscriptions", expected)
        );
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_before_anything_is_sent() {
    let bus = Bus::with_script([]).await;
    for (arguments, words) in [
        (vec!["add", "a", "--queue-url", "q"], "--types"),
        (
            vec![
                "add",
                "a",
                "--queue-url",
                "q",
                "--types",
                "a",
                "--pattern",
                "{}",
            ],
            "cannot be used with",
        ),
        (
            vec!["add", "a", "--queue-url", "q", "--pattern", "{"],
            "--pattern does not hold JSON",
        ),
        (
            vec!["add", "a", "--queue-url", "q", "--pattern", "@/no/such"],
            "cannot read /no/such",
        ),
        (
            vec![
                "add",
                "a",
                "--queue-url",
                "q",
                "--types",
                "a",
                "--factor",
                "two",
            ],
            "is no number",
        ),
        (vec!["set", "a"], "--queue-url"),
        (
            vec!["set", "a", "--target-version", "1", "--no-target-version"],
            "cannot be used with",
        ),
        (vec!["get", ".."], "is no id"),
        (vec!["rm", ""], "is no id"),
        (vec!["test", "a"], "--last"),
        (vec!["test", "--last", "1"], "--pattern"),
        (
            vec!["test", "a", "--pattern", "{}", "--last", "1"],
            "cannot be used with",
        ),
        (
            vec!["test", "a", "--event", "-", "--last", "1"],
            "cannot be used with",
        ),
        (
            vec!["test", "a", "--event", "/no/such"],
            "cannot read /no/such",
        ),
    ] {
        let ran = ran_on(&bus, &arguments).await;
        assert_eq!((ran.code, &*ran.stdout), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains(words), "{arguments:?}: {}", ran.stderr);
    }
    assert!(bus.requests().is_empty());
}

#[tokio::test]
async fn subscriptions_are_listed_page_by_page() {
    let pages = [
        format!(r#"{{"subscriptions":[{ORDERS}],"next_cursor":"AbC"}}"#),
        format!(r#"{{"subscriptions":[{LARGE}],"next_cursor":null}}"#),
    ];
    let script = pages.clone().map(|page| answer(200, &page));
    let bus = Bus::with_script(script.clone()).await;
    let ran = ran_on(&bus, &["ls", "--all", "--limit", "1"]).await;
    assert_eq!((ran.code, &*ran.stderr), (0, "2 subscriptions\n"));
    let cells: Vec<Vec<&str>> = ran
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(cells[0], ["id", "state", "events", "queue", "version"]);
    assert_eq!(
        cells[1],
        ["orders", "ACTIVE", "order.*", "https://q/orders", "3"]
    );
    assert_eq!(
        cells[2],
        [
            "large",
            "SUSPENDED",
            r#"{"data":{"total":[{"numeric":[">",100.00]}]}}"#,
            "https://q/large",
            "7"
        ]
    );
    let paths: Vec<_> = sent(&bus).into_iter().map(|(_, path, _)| path).collect();
    assert_eq!(
        paths,
        [
            "/v1/subscriptions?limit=1",
            "/v1/subscriptions?limit=1&cursor=AbC"
        ]
    );

    let bus = Bus::with_script(script.clone()).await;
    let json = ran_on(&bus, &["ls", "--json"]).await;
    assert_eq!(json.stdout, format!("{}\n", pages[0]));
    assert_eq!(sent(&bus)[0].1, "/v1/subscriptions");
    let bus = Bus::with_script(script).await;
    let lines = ran_on(&bus, &["ls", "--all", "--json"]).await;
    assert_eq!(lines.stdout, format!("{ORDERS}\n{LARGE}\n"));
}

#[tokio::test]
async fn one_is_shown_with_all_its_settings() {
    let bus = Bus::with_script([answer(200, LARGE), answer(200, ORDERS)]).await;
    let text = ran_on(&bus, &["get", "a/b?c#d"]).await;
    assert_eq!(text.code, 0, "{}", text.stderr);
    insta::assert_snapshot!(text.stdout, @r#"
    subscription    large
    state           SUSPENDED since 2026-11-23T10:00:00.000Z: the queue is gone [2J
    events          {"data":{"total":[{"numeric":[">",100.00]}]}}
    queue           https://q/large
    target version  -
    retry           none
    message group   partitionkey
    version         7
    created         2026-11-23T08:00:00.000Z
    updated         2026-11-23T10:00:00.000Z
    "#);
    let json = ran_on(&bus, &["get", "_all", "--json"]).await;
    assert_eq!(json.stdout, format!("{ORDERS}\n"));
    let paths: Vec<_> = sent(&bus).into_iter().map(|(_, path, _)| path).collect();
    assert_eq!(
        paths,
        ["/v1/subscriptions/a%2Fb%3Fc%23d", "/v1/subscriptions/_all"]
    );
}

#[tokio::test]
async fn change_goes_by_the_version_that_is_there() {
    let bus = Bus::with_script([answer(200, ORDERS), answer(200, ORDERS)]).await;
    let ran = ran_on(
        &bus,
        &[
            "set",
            "orders",
            "--no-target-version",
            "--max-delay-ms",
            "9",
        ],
    )
    .await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout
            .contains("retry           5 times, 1000 ms first, ×2, 60000 ms at most"),
        "{}",
        ran.stdout
    );
    let requests = sent(&bus);
    assert_eq!(
        (requests[0].0.as_str(), requests[1].0.as_str()),
        ("GET", "PATCH")
    );
    assert_eq!(requests[1].1, "/v1/subscriptions/orders");
    assert_eq!(
        requests[1].2,
        r#"{"version":3,"target_version":null,"retry":{"max_delay_ms":9}}"#
    );
}

#[tokio::test]
async fn change_of_a_version_that_is_gone_is_refused() {
    let bus = Bus::with_script([problem(409, CONFLICT)]).await;
    let arguments = [
        "set",
        "orders",
        "--version",
        "3",
        "--types",
        "a",
        "--types",
        "b",
        "--queue-url",
        "q",
        "--target-version",
        "4",
        "--message-group",
        "subject",
    ];
    let ran = ran_on(&bus, &arguments).await;
    assert_eq!((ran.code, &*ran.stdout), (1, ""));
    assert!(
        ran.stderr.contains("orders has version 4, not 3"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        bus.requests()[0].json(),
        json!({
            "version": 3,
            "types": ["a", "b"],
            "queue_url": "q",
            "target_version": 4,
            "message_group": "subject",
        })
    );
}

#[tokio::test]
async fn one_is_removed_if_it_is_the_version_that_is_meant() {
    let bus = Bus::with_script([answer(204, ""), answer(204, ""), problem(409, CONFLICT)]).await;
    let text = ran_on(&bus, &["rm", "orders"]).await;
    assert_eq!(
        (text.code, &*text.stdout),
        (0, "subscription orders removed\n")
    );
    let json = ran_on(&bus, &["rm", "orders", "--version", "3", "--json"]).await;
    assert_eq!(json.json(), json!({"id": "orders", "removed": true}));
    let refused = ran_on(&bus, &["rm", "orders", "--version", "3"]).await;
    assert_eq!((refused.code, &*refused.stdout), (1, ""));
    let requests = sent(&bus);
    assert_eq!(
        (requests[0].0.as_str(), requests[0].1.as_str()),
        ("DELETE", "/v1/subscriptions/orders")
    );
    assert_eq!(requests[1].1, "/v1/subscriptions/orders?version=3");
}

#[tokio::test]
async fn pausing_says_since_when_and_why() {
    let paused = ORDERS.replace(
        r#""state":"ACTIVE""#,
        r#""state":"PAUSED","since":"2026-11-23T11:00:00.000Z","reason":"repairs""#,
    );
    let bus = Bus::with_script([answer(200, &paused), answer(200, &paused)]).await;
    let text = ran_on(&bus, &["pause", "orders", "--reason", "repairs"]).await;
    assert_eq!(
        text.stdout,
        "subscription orders is PAUSED since 2026-11-23T11:00:00.000Z: repairs\n"
    );
    let json = ran_on(&bus, &["pause", "orders", "--json"]).await;
    assert_eq!(json.stdout, format!("{paused}\n"));
    let bodies: Vec<_> = sent(&bus)
        .into_iter()
        .map(|(_, path, body)| (path, body))
        .collect();
    let path = "/v1/subscriptions/orders/pause".to_owned();
    assert_eq!(
        bodies,
        [
            (path.clone(), r#"{"reason":"repairs"}"#.to_owned()),
            (path, "{}".to_owned())
        ]
    );
}

#[tokio::test]
async fn resuming_tells_what_was_missed_and_how_to_replay_it() {
    let replay = r#"{"filter":{"from":"A","to":"B"},"target":{"subscription":"orders"}}"#;
    let gap = format!(r#","gap":{{"from":"A","to":"B","replay":{replay}}}}}"#);
    let with_gap = format!("{}{gap}", ORDERS.strip_suffix('}').unwrap());
    let without = format!("{},\"gap\":null}}", ORDERS.strip_suffix('}').unwrap());
    let bus = Bus::with_script([
        answer(200, &with_gap),
        answer(200, &without),
        answer(200, &with_gap),
    ])
    .await;
    let missed = ran_on(&bus, &["resume", "orders"]).await;
    assert_eq!(
        missed.stdout,
        format!(
            "subscription orders is ACTIVE; it missed what was accepted from A until B\nreplay it: POST /v1/replays {replay}\n"
        )
    );
    let nothing = ran_on(&bus, &["resume", "orders"]).await;
    assert_eq!(
        nothing.stdout,
        "subscription orders is ACTIVE; nothing was missed\n"
    );
    let json = ran_on(&bus, &["resume", "orders", "--json"]).await;
    assert_eq!(json.stdout, format!("{with_gap}\n"));
    assert_eq!(
        sent(&bus)[0],
        (
            "POST".to_owned(),
            "/v1/subscriptions/orders/resume".to_owned(),
            "{}".to_owned()
        )
    );
}

const RESULTS: &str = r#"{"results":[{"event_id":"01a207a4-78eb-71a1-b142-3d3bf61d7f76","type":"order.created","matches":false,"decided_by":{"field":"data.total","test":"[{\"numeric\":[\">\",100]}]","found":"12.5"}},{"event_id":null,"type":"order.paid","matches":true,"decided_by":null},{"event_id":null,"type":"x","matches":false,"decided_by":{"field":"data.total","test":"[1]","found":null}}],"tested":3,"matched":1}"#;

#[tokio::test]
async fn test_of_a_subscription_shows_the_deciding_field_of_each_miss() {
    let bus = Bus::answering(|_, _| answer(200, RESULTS)).await;
    let text = ran_on(&bus, &["test", "orders", "--last", "20"]).await;
    assert_eq!((text.code, &*text.stderr), (0, "1 of 3 match\n"));
    insta::assert_snapshot!(text.stdout, @r#"
    event id                              type           matches  decided by
    01a207a4-78eb-71a1-b142-3d3bf61d7f76  order.created  no       data.total is 12.5; wanted [{"numeric":[">",100]}]
    -                                     order.paid     yes      -
    -                                     x              no       data.total is not there; wanted [1]
    "#);
    let json = ran_on(&bus, &["test", "orders", "--last", "20", "--json"]).await;
    assert_eq!(
        (&*json.stdout, &*json.stderr),
        (&*format!("{RESULTS}\n"), "")
    );
    assert_eq!(
        sent(&bus)[0],
        (
            "POST".to_owned(),
            "/v1/subscriptions/orders/test".to_owned(),
            r#"{"last":20}"#.to_owned()
        )
    );
}

#[tokio::test]
async fn test_of_a_pattern_takes_an_event_from_standard_input() {
    let bus = Bus::answering(|_, _| answer(200, RESULTS)).await;
    let event = r#"{"specversion":"1.0","data":{"total": 12.50}}"#;
    for (option, value, routing) in [
        (
            "--pattern",
            r#"{"type":["a"]}"#,
            r#""pattern":{"type":["a"]}"#,
        ),
        ("--types", "a.*", r#""types":["a.*"]"#),
    ] {
        let arguments = ["subscriptions", "test", option, value, "--event", "-"];
        let ran = run(pillarbox_on(&bus, &arguments), event.as_bytes()).await;
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let (_, path, body) = sent(&bus).pop().unwrap();
        assert_eq!(path, "/v1/subscriptions/test");
        assert_eq!(body, format!(r#"{{{routing},"event":{event}}}"#));
    }
}

#[tokio::test]
async fn invalid_pattern_is_refused_with_place_and_reason() {
    let refusal = r#"{"title":"The request breaks rules","detail":"pattern is wrong","errors":[{"field":"pattern.data.total[0]","detail":"numeric takes pairs"}]}"#;
    let bus = Bus::answering(move |_, _| problem(400, refusal)).await;
    for arguments in [
        vec!["test", "--pattern", "{}", "--last", "1"],
        vec!["add", "a", "--pattern", "{}", "--queue-url", "q"],
        vec!["set", "a", "--pattern", "{}", "--version", "1"],
    ] {
        let ran = ran_on(&bus, &arguments).await;
        assert_eq!((ran.code, &*ran.stdout), (1, ""));
        assert!(
            ran.stderr
                .contains("- pattern.data.total[0]: numeric takes pairs"),
            "{}",
            ran.stderr
        );
    }
}

#[tokio::test]
async fn other_server_at_the_address_is_told_from_a_bus() {
    let bus = Bus::answering(|_, _| answer(200, r#"{"hello":"world"}"#)).await;
    for arguments in [
        vec!["ls"],
        vec!["get", "a"],
        vec!["pause", "a"],
        vec!["get", "a", "--json"],
    ] {
        let ran = ran_on(&bus, &arguments).await;
        assert_eq!((ran.code, &*ran.stdout), (1, ""));
        assert!(ran.stderr.contains("check PILLARBOX_URL"), "{}", ran.stderr);
    }
}
