use serde_json::json;

use super::*;

fn fixture(text: &str) -> Journey {
    serde_json::from_str(text).unwrap()
}

fn failed() -> Journey {
    fixture(include_str!(
        "../../../../tests/fixtures/journeys/failed.json"
    ))
}

fn without_deliveries(state: &str) -> Journey {
    let journey = json!({
        "event_id": "01a207a4-78eb-71a1-b142-3d3bf61d7f76",
        "state": state,
        "source": "/shop/7",
        "id": "1001",
        "type": "order.created",
        "accepted_at": "2026-11-23T08:00:00.107Z",
        "expires_at": "2026-11-30T08:00:00.107Z",
        "handed_over_at": null,
        "deliveries": [],
        "not_matched": [],
        "replays": [],
    });
    serde_json::from_value(journey).unwrap()
}

#[test]
fn failed_delivery_is_told_from_its_attempts_to_its_dead_letters() {
    insta::assert_snapshot!(draw(&failed(), Paint::Plain), @r#"
    FAILED  order.created
    event id        01a207a4-78eb-71a1-b142-3d3bf61d7f76
    source          /shop/7
    id              1001
    subject         order 1001
    correlation id  sync-42
    kept until      2026-11-30T08:00:00.107Z

       +0 ms  ● accepted  2026-11-23T08:00:00.107Z
              │
              ├─ orders  HANDED_OVER
      +41 ms  │  ● handed over to orders
              │
              ├─ billing  FAILED
      +43 ms  │  ✗ attempt 1 failed QueueRefused: AccessDenied: no permission to send
      +1.2 s  │  ✗ attempt 2 failed QueueRefused: Throttled [2J: later
      +3.2 s  │  ✗ attempt 3 failed QueueRefused: AccessDenied: no permission to send
      +3.3 s  │  ✗ dead letter 01a207a4-91b0-7a10-8c3d-0b1f2a3c4d5e (redriven +5 m) QueueRefused: AccessDenied: no permission to send
    +5 m 1 s  │  ✗ dead letter 01a207a9-11d7-7c22-b5a0-93a1c4e5f607 (again, first as 01a207a4-91b0-7a10-8c3d-0b1f2a3c4d5e; discarded +2 h: a test order) Permanent: no such customer

    not matched
      bulk  data.total is 12.5; wanted [{"numeric":[">",100]}]
      vip  data.customer.vip is not there; wanted [true]
      late  made after the event was handed over
    "#);
}

#[test]
fn what_is_not_over_says_what_comes_next() {
    let journey = fixture(include_str!(
        "../../../../tests/fixtures/journeys/processing.json"
    ));
    insta::assert_snapshot!(draw(&journey, Paint::Plain), @r#"
    PROCESSING  order.created
    event id        01a207a4-78eb-71a1-b142-3d3bf61d7f76
    source          /shop/7
    id              1001
    kept until      2026-11-30T08:00:00.107Z

     +0 ms  ● accepted  2026-11-23T08:00:00.107Z
            │
            ├─ flaky  RECOVERED
    +41 ms  │  ✗ attempt 1 failed QueueRefused: Throttled
    +1.2 s  │  ● handed over to flaky on attempt 2
            │
            ├─ slow  RETRYING
    +42 ms  │  ✗ attempt 1 failed Timeout: no answer within 5000 ms
      +5 s  │  ○ next attempt
            │
            ├─ paused  WITHHELD
            │  ○ withheld: the subscription was paused or suspended

    replays
      {"job_id":"01a20800-0000-7000-8000-000000000001"}
    "#);
}

#[test]
fn event_that_went_to_nobody_says_why() {
    let told = |state| {
        let drawing = draw(&without_deliveries(state), Paint::Plain);
        drawing.lines().last().unwrap().trim_start().to_owned()
    };
    for (state, expected) in [
        ("PENDING", "○ not handed over yet"),
        ("LOGGED", "○ stored for the log alone"),
        ("COMPLETED", "○ no subscription matched"),
    ] {
        assert_eq!(told(state), expected);
    }
}

#[test]
fn colours_change_nothing_but_colour() {
    let (plain, coloured) = (
        draw(&failed(), Paint::Plain),
        draw(&failed(), Paint::Coloured),
    );
    assert!(coloured.contains("\u{1b}[31mFAILED\u{1b}[0m"), "{coloured}");
    let stripped = console::strip_ansi_codes(&coloured);
    // Space that a colour encloses is not at the end of its line.
    let stripped: Vec<_> = stripped.lines().map(str::trim_end).collect();
    assert_eq!(stripped.join("\n"), plain);
}

#[test]
fn times_that_are_none_are_left_out_and_nothing_else() {
    let mut journey = failed();
    journey.accepted_at = "long ago".to_owned();
    let drawing = draw(&journey, Paint::Plain);
    assert!(drawing.contains("● accepted  long ago"), "{drawing}");
    assert!(drawing.contains("● handed over to orders"), "{drawing}");
}
