//! The commands that set a bus up, the binary itself, against a real HTTP server.

mod support;

use serde_json::json;
use support::*;

#[tokio::test]
async fn missing_address_or_key_is_one_line_that_names_the_variable() {
    let ran = run(pillarbox(&["publish"]), b"").await;
    assert_eq!((ran.code, ran.stderr.lines().count()), (2, 1));
    assert!(ran.stderr.contains("PILLARBOX_API_KEY"), "{}", ran.stderr);

    let mut command = pillarbox(&["tenants", "add", "demo"]);
    command
        .env("PILLARBOX_API_KEY", KEY)
        .env("PILLARBOX_URL", "");
    let ran = run(command, b"").await;
    assert_eq!((ran.code, ran.stderr.lines().count()), (2, 1));
    assert!(ran.stderr.contains("PILLARBOX_URL"), "{}", ran.stderr);
}

#[tokio::test]
async fn what_clap_refuses_ends_with_2_as_well() {
    for arguments in [
        vec!["publish", "--concurrency", "0"],
        vec!["tenants", "add", "No/Tenant"],
        vec!["keys", "add", "--tenant", "demo"],
        vec!["keys", "add", "--tenant", "demo", "--scope", "everything"],
        vec!["subscriptions", "add", "s", "--types", "*"],
        vec!["nothing"],
    ] {
        assert_eq!(
            run(pillarbox(&arguments), b"").await.code,
            2,
            "{arguments:?}"
        );
    }
}

#[tokio::test]
async fn help_does_not_show_the_key() {
    let bus = Bus::with_script([]).await;
    let ran = run(pillarbox_on(&bus, &["publish", "--help"]), b"").await;
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("PILLARBOX_API_KEY"), "{}", ran.stdout);
}

#[tokio::test]
async fn tenant_is_added_once_and_the_second_time_it_says_so() {
    let bus = Bus::with_script([answer(201, "{}"), answer(200, "{}")]).await;
    let first = run(
        pillarbox_on(&bus, &["tenants", "add", "demo", "--name", "Demo"]),
        b"",
    )
    .await;
    let second = run(
        pillarbox_on(&bus, &["tenants", "add", "demo", "--json"]),
        b"",
    )
    .await;
    assert_eq!((first.code, second.code), (0, 0));
    assert!(
        first.stdout.starts_with("tenant demo added"),
        "{}",
        first.stdout
    );
    assert_eq!(second.json(), json!({"tenant": "demo", "created": false}));
    let requests = bus.requests();
    assert_eq!(requests[0].path, "/base/$default/v1/tenants");
    assert_eq!(
        requests[0].json(),
        json!({"tenant": "demo", "name": "Demo"})
    );
    assert_eq!(requests[1].json(), json!({"tenant": "demo"}));
}

#[tokio::test]
async fn key_is_shown_once_alone_or_as_json() {
    let created =
        r#"{"key":"pbk_demo_new","key_id":"k1","tenant":"demo","scopes":["publish","read"]}"#;
    let bus = Bus::answering(move |_, _| answer(201, created)).await;
    let add = [
        "keys", "add", "--tenant", "demo", "--scope", "publish", "--scope", "read",
    ];

    let text = run(pillarbox_on(&bus, &add), b"").await;
    assert_eq!(text.code, 0, "{}", text.stderr);
    assert!(
        text.stdout.contains("pbk_demo_new") && text.stdout.contains("shown once"),
        "{}",
        text.stdout
    );

    let bare = run(pillarbox_on(&bus, &[&add[..], &["--print"]].concat()), b"").await;
    assert_eq!(bare.stdout, "pbk_demo_new\n");

    let json = run(pillarbox_on(&bus, &[&add[..], &["--json"]].concat()), b"").await;
    assert_eq!(json.json()["key_id"], "k1");

    let request = &bus.requests()[0];
    assert_eq!(request.path, "/base/$default/v1/tenants/demo/keys");
    assert_eq!(request.json(), json!({"scopes": ["publish", "read"]}));
}

#[tokio::test]
async fn administrators_key_is_made_offline() {
    let made = run(pillarbox(&["keys", "generate-admin", "--json"]), b"").await;
    assert_eq!(made.code, 0, "{}", made.stderr);
    let key = made.json()["key"].as_str().unwrap().to_owned();
    let secret = key.strip_prefix("pbk__bus_").unwrap();
    assert_eq!(secret.len(), 52);
    assert!(
        secret
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
    );
    assert_eq!(made.json()["sha256"].as_str().map(str::len), Some(64));

    let text = run(pillarbox(&["keys", "generate-admin"]), b"").await;
    assert!(text.stdout.contains("AdminKeySha256="), "{}", text.stdout);
    let bare = run(pillarbox(&["keys", "generate-admin", "--print-hash"]), b"").await;
    assert_eq!(
        bare.stdout.lines().map(str::len).collect::<Vec<_>>(),
        [61, 64]
    );
}

#[tokio::test]
async fn subscription_is_added_once_and_the_second_time_it_says_so() {
    let bus = Bus::with_script([answer(201, "{}"), answer(200, "{}")]).await;
    let add = [
        "subscriptions",
        "add",
        "audit",
        "--types",
        "com.github.*",
        "--types",
        "a.b",
        "--queue-url",
        "https://q",
    ];
    let first = run(pillarbox_on(&bus, &add), b"").await;
    let second = run(pillarbox_on(&bus, &add), b"").await;
    assert_eq!((first.code, second.code), (0, 0));
    assert!(
        first.stdout.starts_with("subscription audit added"),
        "{}",
        first.stdout
    );
    assert!(
        second.stdout.contains("already exists"),
        "{}",
        second.stdout
    );
    assert_eq!(
        bus.requests()[0].json(),
        json!({"id": "audit", "types": ["com.github.*", "a.b"], "queue_url": "https://q"})
    );
}

#[tokio::test]
async fn refusal_is_shown_with_title_detail_and_every_field() {
    let refusal = problem(
        400,
        r#"{"title":"Invalid subscription","detail":"2 fields are wrong",
            "errors":[{"field":"queue_url","detail":"is not a queue"},{"field":"types","detail":"is empty"}]}"#,
    );
    let bus = Bus::with_script([refusal]).await;
    let ran = run(
        pillarbox_on(
            &bus,
            &[
                "subscriptions",
                "add",
                "s",
                "--types",
                "a",
                "--queue-url",
                "x",
            ],
        ),
        b"",
    )
    .await;
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert_eq!(
        ran.stderr,
        "error: the bus answered 400: Invalid subscription\n  2 fields are wrong\n  - queue_url: is not a queue\n  - types: is empty\n"
    );
}

#[tokio::test]
async fn health_needs_no_key() {
    let bus = Bus::with_script([answer(200, r#"{"status":"ok"}"#), busy()]).await;
    let mut command = pillarbox(&["health", "--url", &bus.url]);
    command.env("http_proxy", "http://127.0.0.1:9");
    let well = run(command, b"").await;
    assert_eq!(well.code, 0, "{}", well.stderr);
    assert!(
        well.stdout.starts_with("ok: the bus at http://127.0.0.1"),
        "{}",
        well.stdout
    );
    let unwell = run(pillarbox_on(&bus, &["health"]), b"").await;
    assert_eq!(unwell.code, 1);
    assert!(
        unwell.stderr.contains("the database is throttled"),
        "{}",
        unwell.stderr
    );
    assert_eq!(bus.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn other_server_at_the_address_is_told_from_a_bus() {
    let bus = Bus::with_script([answer(200, "<html>")]).await;
    let ran = run(pillarbox_on(&bus, &["health"]), b"").await;
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("check PILLARBOX_URL"), "{}", ran.stderr);
}

#[tokio::test]
async fn settings_of_a_tenant_are_shown_and_changed() {
    let settings =
        r#"{"tenant":"demo","name":null,"retention_days":365,"log_shards":4,"later":"ignored"}"#;
    let bus = Bus::answering(move |_, _| answer(200, settings)).await;
    let shown = run(pillarbox_on(&bus, &["tenants", "show", "demo"]), b"").await;
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert_eq!(
        shown.stdout,
        "tenant          demo\nname            -\nretention days  365\nlog shards      4\n"
    );
    let set = [
        "tenants",
        "set",
        "demo",
        "--retention-days",
        "365",
        "--json",
    ];
    let changed = run(pillarbox_on(&bus, &set), b"").await;
    assert_eq!(
        changed.json(),
        json!({"tenant": "demo", "name": null, "retention_days": 365, "log_shards": 4})
    );
    let requests = bus.requests();
    assert_eq!(requests[0].method, "GET");
    assert_eq!(requests[1].method, "PATCH");
    assert_eq!(requests[1].path, "/base/$default/v1/tenants/demo");
    assert_eq!(requests[1].json(), json!({"retention_days": 365}));
}

#[tokio::test]
async fn a_change_of_nothing_is_a_usage_error() {
    let bus = Bus::with_script([]).await;
    let ran = run(pillarbox_on(&bus, &["tenants", "set", "demo"]), b"").await;
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--retention-days"), "{}", ran.stderr);
}
