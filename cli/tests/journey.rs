//! `pillarbox journey` and `pillarbox dispatch`, the binary itself, against a real HTTP server.

mod support;

use support::*;

const JOURNEY: &str = include_str!("fixtures/journeys/failed.json");

#[tokio::test]
async fn journey_is_drawn_without_colour_where_there_is_no_terminal() {
    let bus = Bus::answering(|_, _| answer(200, JOURNEY)).await;
    let mut command = pillarbox_on(&bus, &["journey", "a/b"]);
    command
        .env("TERM", "xterm-256color")
        .env("CLICOLOR_FORCE", "1");
    let ran = run(command, b"").await;
    assert_eq!((ran.code, &*ran.stderr), (0, ""));
    assert!(
        ran.stdout.starts_with("FAILED  order.created\n"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout
            .contains("  +41 ms  │  ● handed over to orders\n"),
        "{}",
        ran.stdout
    );
    assert!(!ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
    assert_eq!(
        bus.requests()[0].path,
        "/base/$default/v1/events/a%2Fb/journey"
    );
}

#[tokio::test]
async fn journey_as_json_is_what_the_bus_answered() {
    let bus = Bus::answering(|_, _| answer(200, JOURNEY)).await;
    let ran = run(pillarbox_on(&bus, &["journey", "01a2", "--json"]), b"").await;
    assert_eq!(ran.stdout.trim_end(), JOURNEY.trim_end());
}

#[tokio::test]
async fn event_that_is_not_there_has_no_journey() {
    let bus = Bus::answering(|_, _| problem(404, r#"{"title":"Not there"}"#)).await;
    let ran = run(pillarbox_on(&bus, &["journey", "01a2"]), b"").await;
    assert_eq!((ran.code, &*ran.stdout), (1, ""));
    assert_eq!(ran.stderr, "error: the bus answered 404: Not there\n");
    for arguments in [["journey", ".."], ["journey", ""]] {
        assert_eq!(run(pillarbox_on(&bus, &arguments), b"").await.code, 2);
    }
    assert_eq!(bus.requests().len(), 1);
}

#[tokio::test]
async fn closed_pipe_is_told() {
    let bus = Bus::answering(|_, _| answer(200, JOURNEY)).await;
    let mut child = pillarbox_on(&bus, &["journey", "01a2"]).spawn().unwrap();
    drop(child.stdout.take());
    let ran = finish(child).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr
            .contains("cannot write the result to standard output"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn dispatch_is_asked_paused_and_resumed() {
    let bus = Bus::with_script([
        answer(200, r#"{"state":"ENABLED"}"#),
        answer(200, r#"{"state":"DISABLED"}"#),
        answer(200, r#"{"state":"CHANGING"}"#),
        answer(200, r#"{"state":"ENABLED"}"#),
    ])
    .await;
    for (arguments, expected) in [
        (
            vec!["status"],
            "dispatch is ENABLED: events are handed over\n",
        ),
        (
            vec!["pause"],
            "dispatch is DISABLED: events are stored, and handed over once it is resumed\n",
        ),
        (
            vec!["resume"],
            "dispatch is CHANGING: ask again in a moment with `pillarbox dispatch status`\n",
        ),
        (vec!["status", "--json"], "{\"state\":\"ENABLED\"}\n"),
    ] {
        let arguments = [vec!["dispatch"], arguments].concat();
        let ran = run(pillarbox_on(&bus, &arguments), b"").await;
        assert_eq!((ran.code, &*ran.stdout), (0, expected), "{}", ran.stderr);
    }
    let requests = bus.requests();
    let sent: Vec<_> = requests
        .iter()
        .map(|request| {
            (
                request.method.as_str(),
                request.path.as_str(),
                request.body.len(),
            )
        })
        .collect();
    let path = "/base/$default/v1/dispatch";
    assert_eq!(
        sent,
        [
            ("GET", path, 0),
            ("POST", &format!("{path}/pause"), 0),
            ("POST", &format!("{path}/resume"), 0),
            ("GET", path, 0),
        ]
    );
}

#[tokio::test]
async fn dispatch_is_for_administrators() {
    let bus = Bus::answering(|_, _| problem(403, r#"{"title":"Forbidden"}"#)).await;
    let ran = run(pillarbox_on(&bus, &["dispatch", "pause"]), b"").await;
    assert_eq!((ran.code, &*ran.stdout), (1, ""));
    assert!(ran.stderr.contains("administrators' key"), "{}", ran.stderr);
}
