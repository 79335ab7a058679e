//! `pillarbox stats` and `pillarbox correlate`, the binary itself, against a real HTTP server.

mod support;

use support::*;

const STATS: &str = include_str!("fixtures/stats.json");

#[tokio::test]
async fn statistics_are_asked_for_and_drawn_without_colour_where_there_is_no_terminal() {
    let bus = Bus::answering(|_, _| answer(200, STATS)).await;
    let arguments = [
        "stats",
        "--from",
        "2026-11-23T08:00:30Z",
        "--to",
        "2026-11-23T09:00:30Z",
        "--step",
        "1m",
        "--type",
        "order.*",
        "--type",
        "paid",
        "--tenant",
        "demo",
    ];
    let ran = run(pillarbox_on(&bus, &arguments), b"").await;
    assert_eq!((ran.code, &*ran.stderr), (0, ""));
    let first = "demo  2026-11-23T08:00:30Z to 2026-11-23T09:00:30Z  (1 h)\n";
    assert!(ran.stdout.starts_with(first), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("events/s, 1 m a column"),
        "{}",
        ran.stdout
    );
    assert!(!ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
    assert_eq!(
        bus.requests()[0].path,
        "/base/$default/v1/stats?from=2026-11-23T08%3A00%3A30Z&to=2026-11-23T09%3A00%3A30Z\
         &types=order.*%2Cpaid&tenant=demo&step=1m"
    );
}

#[tokio::test]
async fn statistics_as_json_are_what_the_bus_answered() {
    let bus = Bus::answering(|_, _| answer(200, STATS)).await;
    let ran = run(
        pillarbox_on(&bus, &["stats", "--last", "1h", "--json"]),
        b"",
    )
    .await;
    assert_eq!(ran.stdout.trim_end(), STATS.trim_end());
    let path = &bus.requests()[0].path;
    assert!(
        path.contains("/v1/stats?from=20") && !path.contains("to="),
        "{path}"
    );
}

#[tokio::test]
async fn what_the_bus_refuses_is_told_by_its_parameter() {
    let refusal = r#"{"title":"Invalid","errors":[{"field":"step","detail":"must be longer"}]}"#;
    let bus = Bus::answering(|_, _| problem(400, refusal)).await;
    let ran = run(pillarbox_on(&bus, &["stats", "--step", "1s"]), b"").await;
    assert_eq!((ran.code, &*ran.stdout), (1, ""));
    assert!(ran.stderr.contains("step"), "{}", ran.stderr);
    for arguments in [
        vec!["stats", "--last", "soon"],
        vec!["stats", "--last", "1h", "--from", "2026-11-23T08:00:00Z"],
        vec!["stats", "--tenant", "_bus"],
        vec!["stats", "--step", "1m", "slow"],
        vec!["correlate", ".."],
    ] {
        assert_eq!(run(pillarbox_on(&bus, &arguments), b"").await.code, 2);
    }
    assert_eq!(bus.requests().len(), 1);
}

#[tokio::test]
async fn slow_and_failed_ones_are_listed() {
    let slow = r#"{"events":[{"event_id":"01a2","type":"order.created",
        "accepted_at":"2026-11-23T08:00:00.107Z","handed_over_at":"2026-11-23T08:00:02.148Z",
        "latency_ms":2041,"subscriptions":["orders","billing"]}],"next_cursor":"AbC"}"#;
    let failed = r#"{"failed":[{"dead_letter_id":"01a3","state":"OPEN","origin":"queue",
        "event_id":"01a2","type":"order.created","source":"/shop","id":"1",
        "subscription":"orders","error":{"class":"Timeout","message":"too slow"},"attempts":5}],
        "total":1,"total_is_at_least":false,"reasons":[],"next_cursor":null}"#;
    let bus = Bus::with_script([answer(200, slow), answer(200, failed)]).await;
    let arguments = ["stats", "slow", "--over-ms", "2000", "--limit", "1"];
    let ran = run(pillarbox_on(&bus, &arguments), b"").await;
    let row = "2026-11-23T08:00:00.107Z  01a2      order.created  2041  orders, billing";
    assert!(ran.stdout.contains(row), "{}", ran.stdout);
    assert_eq!(
        ran.stderr,
        "1 slow event; more with --all, or --cursor AbC\n"
    );
    let arguments = ["stats", "failed", "--subscription", "orders"];
    let ran = run(pillarbox_on(&bus, &arguments), b"").await;
    assert!(ran.stdout.contains("Timeout  5"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "1 of 1 failed delivery\n");
    let paths: Vec<String> = bus.requests().into_iter().map(|it| it.path).collect();
    let base = "/base/$default/v1/stats";
    let expected = [
        format!("{base}/slow?over_ms=2000&limit=1"),
        format!("{base}/failed?subscription=orders"),
    ];
    assert_eq!(paths, expected);
}

#[tokio::test]
async fn an_operation_is_a_table_of_its_events() {
    let page = r#"{"correlation_id":"sync/42","events":[
        {"event_id":"01a2","state":"COMPLETED","source":"/shop","id":"1","type":"order.created",
         "subject":null,"causation_id":null,"accepted_at":"2026-11-23T08:00:00.107Z",
         "handed_over_at":"2026-11-23T08:00:00.148Z","latency_ms":41,"deliveries":[
           {"subscription":"orders","state":"HANDED_OVER","handed_over_at":null,"failed_attempts":0},
           {"subscription":"billing","state":"RETRYING","handed_over_at":null,"failed_attempts":2}]},
        {"event_id":"01a3","state":"PENDING","source":"/shop","id":"2","type":"order.paid",
         "subject":null,"causation_id":"1","accepted_at":"2026-11-23T08:00:01Z",
         "handed_over_at":null,"latency_ms":null,"deliveries":[]}],"next_cursor":null}"#;
    let bus = Bus::answering(move |_, _| answer(200, page)).await;
    let ran = run(pillarbox_on(&bus, &["correlate", "sync/42"]), b"").await;
    assert_eq!((ran.code, &*ran.stderr), (0, "2 events\n"));
    assert!(
        ran.stdout.contains("orders, billing RETRYING"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("PENDING    -"), "{}", ran.stdout);
    let ran = run(
        pillarbox_on(&bus, &["correlate", "sync/42", "--tenant", "demo"]),
        b"",
    )
    .await;
    assert_eq!(ran.code, 0);
    let paths: Vec<String> = bus.requests().into_iter().map(|it| it.path).collect();
    let path = "/base/$default/v1/correlations/sync%2F42";
    assert_eq!(paths, [path.to_owned(), format!("{path}?tenant=demo")]);
}
