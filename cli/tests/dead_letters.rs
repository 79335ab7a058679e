//! `pillarbox dead-letters`, the binary itself, against a real HTTP server.
#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests that fails is a test that fails"
)]

mod support;

use serde_json::{Value, json};
use support::*;

const LETTER: &str = r#"{"dead_letter_id":"01a207a4-91b0-7a10-8c3d-0b1f2a3c4d5e","state":"OPEN","origin":"subscriber","event_id":"01a207a4-78eb-71a1-b142-3d3bf61d7f76","type":"order.created","source":"/shop/7","id":"1001","subscription":"orders","correlation_id":"sync-42","error":{"class":"Timeout","message":"the database did not answer within 5000 ms, and neither did its replica, nor anything else that was asked for it"},"attempts":6,"first_failed_at":"2026-11-23T08:00:00.150Z","last_failed_at":"2026-11-23T08:00:31.400Z","dead_at":"2026-11-23T08:00:31.420Z","job":null,"first_dead_letter_id":null,"redrive":null,"discarded":null}"#;
const RAW: &str = r#"{"dead_letter_id":"01a207a4-91b0-7a10-8c3d-0b1f2a3c4d5f","state":"DISCARDED","origin":"stream","event_id":null,"type":null,"source":null,"id":null,"subscription":null,"correlation_id":null,"error":{"class":"Unreadable","message":"no item"},"attempts":null,"first_failed_at":null,"last_failed_at":null,"dead_at":"2026-11-23T08:00:31.420Z","job":null,"first_dead_letter_id":"01a207a4-91b0-7a10-8c3d-0b1f2a3c4d00","redrive":null,"discarded":{"reason":"a test","at":"2026-11-23T09:00:00.000Z"}}"#;
const NOT_OPEN: &str = r#"{"type":"urn:pillarbox:conflict","title":"Something else is there","status":409,"detail":"the letter is REDRIVEN"}"#;

async fn ran_on(bus: &Bus, arguments: &[&str]) -> Ran {
    let arguments = [&["dead-letters"], arguments].concat();
    run(pillarbox_on(bus, &arguments), b"").await
}

fn paths(bus: &Bus) -> Vec<String> {
    let requests = bus.requests().into_iter();
    requests
        .map(|request| {
            request
                .path
                .strip_prefix("/base/$default/v1/dead-letters")
                .unwrap()
                .to_owned()
        })
        .collect()
}

fn page(letters: &[&str], total: u64, next: &str) -> String {
    let letters = letters.join(",");
    format!(r#"{{"dead_letters":[{letters}],"total":{total},"next_cursor":{next}}}"#)
}

fn with(letter: &str, member: &str) -> String {
    format!("{},{member}}}", letter.strip_suffix('}').unwrap())
}

/// A page of this many letters, whose ids end in their numbers.
fn page_of(numbers: std::ops::Range<u64>, total: u64, next: &str) -> Reply {
    let letters: Vec<_> = numbers
        .map(|n| format!(r#"{{"dead_letter_id":"letter-{n}"}}"#))
        .collect();
    let letters: Vec<_> = letters.iter().map(String::as_str).collect();
    answer(200, &page(&letters, total, next))
}

/// Redrives what it is asked to, but for the ids that `refused` names.
fn redriven(request: &Request, refused: &[&str]) -> Reply {
    let ids = request.json()["dead_letter_ids"]
        .as_array()
        .unwrap()
        .clone();
    let is_refused = |id: &Value| refused.contains(&id.as_str().unwrap());
    let results: Vec<_> = ids
        .iter()
        .map(|id| match is_refused(id) {
            true => {
                let problem: Value = serde_json::from_str(NOT_OPEN).unwrap();
                json!({"dead_letter_id": id, "status": 409, "problem": problem})
            }
            false => json!({"dead_letter_id": id, "status": 200}),
        })
        .collect();
    let count = ids.iter().filter(|id| is_refused(id)).count();
    let body = json!({"results": results, "redriven": ids.len() - count, "refused": count});
    answer(200, &body.to_string())
}

#[tokio::test]
async fn letters_are_listed_in_a_table_with_their_total() {
    let bus = Bus::with_script([answer(200, &page(&[LETTER, RAW], 12, r#""AbC""#))]).await;
    let ran = ran_on(&bus, &["ls"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    insta::assert_snapshot!(ran.stdout, @r#"
    dead                      dead letter                           state      type           subscription  error
    2026-11-23T08:00:31.420Z  01a207a4-91b0-7a10-8c3d-0b1f2a3c4d5e  OPEN       order.created  orders        Timeout: the database did not answer within 5000 ms, and neither did its replica…
    2026-11-23T08:00:31.420Z  01a207a4-91b0-7a10-8c3d-0b1f2a3c4d5f  DISCARDED  -              -             Unreadable: no item
    "#);
    assert_eq!(
        ran.stderr,
        "2 of 12 dead letters; more with --all, or --cursor AbC\n"
    );
    assert_eq!(paths(&bus), ["?order=newest"]);
}

#[tokio::test]
async fn every_filter_is_sent_encoded() {
    let whole = page(&[], 0, "null");
    let bus = Bus::with_script([answer(200, &whole), answer(200, &whole)]).await;
    let filter = [
        "--type",
        "order.*",
        "--subscription",
        "a&b",
        "--error-class",
        "Time out",
        "--text",
        "50% ü",
        "--event-id",
        "e#1",
        "--from",
        "2026-01-01T00:00:00+01:00",
        "--to",
        "2027-01-01T00:00:00Z",
    ];
    let rest = [
        "--state", "Redriven", "--order", "oldest", "--limit", "7", "--cursor", "AbC",
    ];
    let ran = ran_on(&bus, &[&["ls"], &filter[..], &rest[..]].concat()).await;
    assert_eq!(
        (ran.code, &*ran.stdout, &*ran.stderr),
        (0, "", "0 of 0 dead letters\n")
    );
    let sent = "?type=order.*&subscription=a%26b&error_class=Time+out&text=50%25+%C3%BC&event_id=e%231\
        &from=2026-01-01T00%3A00%3A00%2B01%3A00&to=2027-01-01T00%3A00%3A00Z";
    assert_eq!(
        paths(&bus)[0],
        format!("{sent}&state=REDRIVEN&order=oldest&limit=7&cursor=AbC")
    );
    let json = ran_on(&bus, &["ls", "--json"]).await;
    assert_eq!(json.stdout, format!("{whole}\n"));
}

#[tokio::test]
async fn all_pages_are_listed_a_letter_a_line() {
    let bus = Bus::with_script([
        answer(200, &page(&[LETTER], 2, r#""one""#)),
        answer(200, &page(&[RAW], 2, "null")),
    ])
    .await;
    let ran = ran_on(&bus, &["ls", "--all", "--json"]).await;
    assert_eq!(
        (&*ran.stdout, &*ran.stderr),
        (&*format!("{LETTER}\n{RAW}\n"), "")
    );
    assert_eq!(paths(&bus), ["?order=newest", "?order=newest&cursor=one"]);
}

#[tokio::test]
async fn letter_is_shown_with_its_event_or_its_record() {
    let event = with(LETTER, r#""event":{"id":"1001","data":{"total":12.50}}"#);
    let record = with(RAW, r#""record":"no\u001b[2J\nitem""#);
    let bus = Bus::with_script([
        answer(200, &event),
        answer(200, &record),
        answer(200, &event),
    ])
    .await;
    let text = ran_on(&bus, &["get", "01a207a4"]).await;
    assert_eq!(text.code, 0, "{}", text.stderr);
    insta::assert_snapshot!(text.stdout, @r#"
    dead letter     01a207a4-91b0-7a10-8c3d-0b1f2a3c4d5e
    state           OPEN
    error           Timeout: the database did not answer within 5000 ms, and neither did its replica, nor anything else that was asked for it
    subscription    orders
    event id        01a207a4-78eb-71a1-b142-3d3bf61d7f76
    type            order.created
    source          /shop/7
    id              1001
    correlation id  sync-42
    attempts        6
    first failed    2026-11-23T08:00:00.150Z
    last failed     2026-11-23T08:00:31.400Z
    dead            2026-11-23T08:00:31.420Z
    came from       subscriber

    {
      "id": "1001",
      "data": {"total":12.50}
    }
    "#);
    let raw = ran_on(&bus, &["get", "a/../b"]).await;
    insta::assert_snapshot!(raw.stdout, @r#"
    dead letter     01a207a4-91b0-7a10-8c3d-0b1f2a3c4d5f
    state           DISCARDED
    error           Unreadable: no item
    dead            2026-11-23T08:00:31.420Z
    came from       stream
    died first as   01a207a4-91b0-7a10-8c3d-0b1f2a3c4d00
    discarded       2026-11-23T09:00:00.000Z: a test

    no [2J
    item
    "#);
    let json = ran_on(&bus, &["get", "01a207a4", "--json"]).await;
    assert_eq!(json.stdout, format!("{event}\n"));
    assert_eq!(paths(&bus)[..2], ["/01a207a4", "/a%2F..%2Fb"]);
}

#[tokio::test]
async fn one_letter_is_redriven_once() {
    let done = LETTER.replace("\"OPEN\"", "\"REDRIVEN\"");
    let bus = Bus::with_script([
        answer(200, &done),
        answer(200, &done),
        problem(409, NOT_OPEN),
    ])
    .await;
    let text = ran_on(&bus, &["redrive", "01a207a4"]).await;
    assert_eq!(
        (text.code, &*text.stdout),
        (
            0,
            "dead letter 01a207a4-91b0-7a10-8c3d-0b1f2a3c4d5e is REDRIVEN to orders\n"
        )
    );
    let json = ran_on(&bus, &["redrive", "01a207a4", "--json"]).await;
    assert_eq!(json.stdout, format!("{done}\n"));
    let again = ran_on(&bus, &["redrive", "01a207a4"]).await;
    assert_eq!((again.code, &*again.stdout), (1, ""));
    assert!(
        again.stderr.contains("the letter is REDRIVEN"),
        "{}",
        again.stderr
    );
    let request = &bus.requests()[0];
    assert_eq!(
        (request.method.as_str(), request.body.as_slice()),
        ("POST", &b""[..])
    );
    assert_eq!(paths(&bus)[0], "/01a207a4/redrive");
}

#[tokio::test]
async fn several_letters_are_redriven_in_lists_of_100_and_each_once() {
    let bus = Bus::answering(|_, request| redriven(request, &["id-7", "id-204"])).await;
    let ids: Vec<_> = (0..205).chain(0..3).map(|n| format!("id-{n}")).collect();
    let arguments: Vec<_> = ["redrive"]
        .into_iter()
        .chain(ids.iter().map(String::as_str))
        .collect();
    let text = ran_on(&bus, &arguments).await;
    assert_eq!(
        (text.code, &*text.stdout),
        (1, "redriven  203\nrefused   2\n")
    );
    for line in [
        "dead letter id-7: 409 Something else is there: the letter is REDRIVEN\n",
        "dead letter id-204: 409 Something else is there: the letter is REDRIVEN\n",
        "error: 2 of 205 dead letters are not redriven",
    ] {
        assert!(text.stderr.contains(line), "{}", text.stderr);
    }
    let lists: Vec<_> = bus
        .requests()
        .iter()
        .map(|request| request.json()["dead_letter_ids"].as_array().unwrap().len())
        .collect();
    assert_eq!(lists, [100, 100, 5]);
    assert_eq!(paths(&bus)[0], "/redrive");

    let json = ran_on(&bus, &["redrive", "id-6", "id-7", "--json"]).await;
    assert_eq!(json.code, 1);
    assert_eq!(
        (&json.json()["redriven"], &json.json()["refused"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        json.json()["results"][0],
        json!({"dead_letter_id": "id-6", "status": 200})
    );
    assert_eq!(json.json()["results"][1]["problem"]["status"], 409);
}

#[tokio::test]
async fn all_that_are_open_now_are_redriven_page_by_page() {
    let bus = Bus::answering(|nth, request| match nth {
        0 => page_of(0..100, 150, r#""one""#),
        2 => page_of(0..0, 50, r#""two""#),
        3 => page_of(100..150, 50, "null"),
        _ => redriven(request, &[]),
    })
    .await;
    let ran = ran_on(
        &bus,
        &[
            "redrive",
            "--all",
            "--subscription",
            "orders",
            "--text",
            "time out",
        ],
    )
    .await;
    assert_eq!(
        (ran.code, &*ran.stdout, &*ran.stderr),
        (0, "redriven  150\nrefused   0\n", "")
    );
    let paths = paths(&bus);
    let (first, to) = paths[0].split_once("&to=").unwrap();
    let (to, rest) = to.split_once('&').unwrap();
    assert_eq!(first, "?subscription=orders&text=time+out");
    assert!(to.ends_with('Z') && to.starts_with("20"), "{to}");
    assert_eq!(rest, "state=OPEN&order=oldest&limit=100");
    // The bound is the same on every page: what dies meanwhile is not redriven.
    assert_eq!(paths[2], format!("{}&cursor=one", paths[0]));
    assert_eq!(paths[3], format!("{}&cursor=two", paths[0]));
    assert_eq!(
        (paths[1].as_str(), paths[4].as_str()),
        ("/redrive", "/redrive")
    );
    assert_eq!(bus.requests()[4].json()["dead_letter_ids"][0], "letter-100");
}

#[tokio::test]
async fn an_earlier_bound_is_kept_and_a_later_one_is_not() {
    let bus = Bus::answering(|_, _| page_of(0..0, 0, "null")).await;
    for (given, is_kept) in [
        ("2020-01-01T01:00:00+01:00", true),
        ("9999-01-01T00:00:00Z", false),
        ("never", true),
    ] {
        let ran = ran_on(&bus, &["redrive", "--all", "--to", given]).await;
        assert_eq!((ran.code, &*ran.stdout), (0, "redriven  0\nrefused   0\n"));
        let sent = paths(&bus).pop().unwrap();
        let given = given.replace(':', "%3A").replace('+', "%2B");
        assert_eq!(sent.contains(&format!("to={given}&")), is_kept, "{sent}");
    }
}

#[tokio::test]
async fn what_was_redriven_before_the_bus_failed_is_told() {
    let bus = Bus::answering(|nth, request| match nth {
        0 => page_of(0..100, 150, r#""one""#),
        1 => redriven(request, &["letter-3"]),
        _ => busy(),
    })
    .await;
    let ran = ran_on(&bus, &["redrive", "--all"]).await;
    assert_eq!((ran.code, &*ran.stdout), (1, "redriven  99\nrefused   1\n"));
    assert!(
        ran.stderr.contains("dead letter letter-3: 409"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("the database is throttled"),
        "{}",
        ran.stderr
    );

    let bus = Bus::answering(|_, _| problem(403, r#"{"title":"Forbidden"}"#)).await;
    let ran = ran_on(&bus, &["redrive", "--all", "--json"]).await;
    assert_eq!((ran.code, &*ran.stdout), (1, ""));
}

#[tokio::test]
async fn letter_is_discarded_with_a_reason() {
    let bus = Bus::with_script([answer(200, RAW), answer(200, RAW), problem(409, NOT_OPEN)]).await;
    let discard = ["discard", "a b", "--reason", "a test"];
    let text = ran_on(&bus, &discard).await;
    assert_eq!(
        text.stdout,
        "dead letter 01a207a4-91b0-7a10-8c3d-0b1f2a3c4d5f is DISCARDED\n"
    );
    let json = ran_on(&bus, &[&discard[..], &["--json"]].concat()).await;
    assert_eq!(json.stdout, format!("{RAW}\n"));
    assert_eq!(ran_on(&bus, &discard).await.code, 1);
    assert_eq!(paths(&bus)[0], "/a%20b/discard");
    assert_eq!(bus.requests()[0].json(), json!({"reason": "a test"}));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_before_anything_is_sent() {
    let bus = Bus::with_script([]).await;
    for arguments in [
        vec!["redrive"],
        vec!["redrive", "--type", "a"],
        vec!["redrive", "a", "--all"],
        vec!["redrive", "a", "--type", "b"],
        vec!["redrive", "a", ".."],
        vec!["discard", "a"],
        vec!["get", ""],
        vec!["ls", "--state", "LOST"],
    ] {
        let ran = ran_on(&bus, &arguments).await;
        assert_eq!((ran.code, &*ran.stdout), (2, ""), "{arguments:?}");
    }
    assert!(bus.requests().is_empty());
}

#[tokio::test]
async fn closed_pipe_ends_a_list_at_once() {
    let whole = page(&[LETTER], 1_000_000, r#""on""#);
    let bus = Bus::answering(move |_, _| answer(200, &whole)).await;
    let mut child = pillarbox_on(&bus, &["dead-letters", "ls", "--all"])
        .spawn()
        .unwrap();
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
