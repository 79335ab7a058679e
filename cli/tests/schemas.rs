//! Registering schemas and holding data against them, the binary itself, against a real HTTP server.

mod support;

use serde_json::json;
use support::*;

const SCHEMA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/order.schema.json"
);
const UPCASTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/order.jq");

#[tokio::test]
async fn version_is_registered_once_and_the_second_time_it_says_so() {
    let bus = Bus::with_script([answer(201, "{}"), answer(200, "{}")]).await;
    let put = [
        "schemas",
        "put",
        "order.created",
        "2",
        SCHEMA,
        "--upcaster",
        UPCASTER,
    ];
    let first = run(pillarbox_on(&bus, &put), b"").await;
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert_eq!(first.stdout, "version 2 of order.created registered\n");
    let second = run(
        pillarbox_on(
            &bus,
            &["schemas", "put", "order.created", "2", "-", "--json"],
        ),
        br#"{"minimum": 12.50}"#,
    )
    .await;
    assert_eq!(
        second.json(),
        json!({"type": "order.created", "version": 2, "created": false})
    );
    let requests = bus.requests();
    assert_eq!(requests[0].method, "PUT");
    assert_eq!(
        requests[0].path,
        "/base/$default/v1/schemas/order.created/2"
    );
    assert_eq!(
        requests[0].json(),
        json!({
            "schema": {"type": "object", "properties": {"total": {"type": "number"}}},
            "upcaster": ".total = (.cents / 100) | del(.cents)\n",
        })
    );
    let sent = String::from_utf8(requests[1].body.clone()).unwrap();
    assert_eq!(sent, r#"{"schema":{"minimum": 12.50}}"#);
}

#[tokio::test]
async fn incompatible_version_is_refused_with_each_place() {
    let refusal = problem(
        400,
        r#"{"title":"Incompatible","detail":"is not compatible with version 1",
            "errors":[{"field":"schema/required","detail":"asks for b"}]}"#,
    );
    let bus = Bus::with_script([refusal]).await;
    let ran = run(
        pillarbox_on(&bus, &["schemas", "put", "a", "2", SCHEMA]),
        b"",
    )
    .await;
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(
        ran.stderr.contains("- schema/required: asks for b"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn what_is_no_file_or_no_json_is_told_before_anything_is_sent() {
    let bus = Bus::with_script([]).await;
    for (file, words) in [
        ("/no/such/file", "cannot read /no/such/file"),
        (UPCASTER, "does not hold JSON"),
    ] {
        for command in ["put", "check"] {
            let ran = run(
                pillarbox_on(&bus, &["schemas", command, "a", "1", file]),
                b"",
            )
            .await;
            assert_eq!(ran.code, 2, "{}", ran.stderr);
            assert!(ran.stderr.contains(words), "{}", ran.stderr);
        }
    }
    for arguments in [
        ["schemas", "get", "../keys", "1"],
        ["schemas", "get", "a", "0"],
    ] {
        assert_eq!(run(pillarbox_on(&bus, &arguments), b"").await.code, 2);
    }
    assert!(bus.requests().is_empty());
}

#[tokio::test]
async fn version_is_shown_as_a_schema_alone_or_whole() {
    let whole = r#"{"type":"a","version":2,"schema":{"minimum":1},"upcaster":".b = 1"}"#;
    let bus = Bus::answering(move |_, _| answer(200, whole)).await;
    let get = ["schemas", "get", "a", "2"];
    let text = run(pillarbox_on(&bus, &get), b"").await;
    assert_eq!(text.stdout, "{\n  \"minimum\": 1\n}\n");
    let upcaster = run(
        pillarbox_on(&bus, &[&get[..], &["--upcaster"]].concat()),
        b"",
    )
    .await;
    assert_eq!(upcaster.stdout, ".b = 1\n");
    let json = run(pillarbox_on(&bus, &[&get[..], &["--json"]].concat()), b"").await;
    assert_eq!(json.stdout, format!("{whole}\n"));
    assert_eq!(bus.requests()[0].path, "/base/$default/v1/schemas/a/2");
}

#[tokio::test]
async fn types_are_listed_with_mode_and_latest_version() {
    let types =
        r#"{"schemas":[{"type":"a.b","mode":"warn","latest_version":3}],"next_cursor":null}"#;
    let bus = Bus::answering(move |_, _| answer(200, types)).await;
    let text = run(pillarbox_on(&bus, &["schemas", "ls"]), b"").await;
    let row: Vec<_> = text
        .stdout
        .lines()
        .nth(1)
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(row, ["a.b", "warn", "3"]);
    let json = run(pillarbox_on(&bus, &["schemas", "ls", "--json"]), b"").await;
    assert_eq!(json.stdout, format!("{types}\n"));
}

#[tokio::test]
async fn mode_is_set_and_shown() {
    let bus =
        Bus::answering(|_, _| answer(200, r#"{"type":"a","mode":"warn","latest_version":1}"#))
            .await;
    let set = run(pillarbox_on(&bus, &["schemas", "mode", "a", "warn"]), b"").await;
    let shown = run(pillarbox_on(&bus, &["schemas", "mode", "a"]), b"").await;
    assert_eq!(
        (set.stdout.as_str(), shown.stdout.as_str()),
        ("warn\n", "warn\n")
    );
    let requests = bus.requests();
    assert_eq!(
        (requests[0].method.as_str(), requests[0].json()),
        ("PUT", json!({"mode": "warn"}))
    );
    assert_eq!(
        (requests[1].method.as_str(), requests[1].path.as_str()),
        ("GET", "/base/$default/v1/schemas/a")
    );
    assert_eq!(
        run(pillarbox_on(&bus, &["schemas", "mode", "a", "never"]), b"")
            .await
            .code,
        2
    );
}

#[tokio::test]
async fn data_that_do_not_fit_end_with_1_and_say_where() {
    let unfit = r#"{"valid":false,"errors":[{"field":"data/total","detail":"is no number"}]}"#;
    let bus = Bus::with_script([
        answer(200, r#"{"valid":true,"errors":[]}"#),
        answer(200, unfit),
        answer(200, unfit),
    ])
    .await;
    let check = ["schemas", "check", "a", "1", "-"];
    let fits = run(pillarbox_on(&bus, &check), br#"{"total": 1.50}"#).await;
    assert_eq!((fits.code, fits.stdout.as_str()), (0, "the data fit\n"));
    let text = run(pillarbox_on(&bus, &check), b"{}").await;
    assert_eq!(
        (text.code, text.stdout.as_str()),
        (1, "data/total: is no number\n")
    );
    assert_eq!(text.stderr, "error: the data do not fit version 1 of a\n");
    let json = run(
        pillarbox_on(&bus, &[&check[..], &["--json"]].concat()),
        b"{}",
    )
    .await;
    assert_eq!(
        (json.code, json.stdout.as_str()),
        (1, &*format!("{unfit}\n"))
    );
    let request = &bus.requests()[0];
    assert_eq!(request.path, "/base/$default/v1/schemas/a/1/check");
    assert_eq!(request.body, br#"{"total": 1.50}"#);
}
