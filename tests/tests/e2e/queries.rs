//! What was published can be found: by each filter, page by page, by its own tenant and by nobody else.
//!
//! The index follows the log, and marks follow dispatch, so what has to be there is waited for.

use pillarbox_domain::EventId;
use pillarbox_tests::eventually;
use pillarbox_tests::stack::{Answer, STRUCTURED, Stack, Tenant};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{assert_problem, with};

async fn get(stack: &Stack, tenant: &Tenant, path: &str, query: &[(&str, &str)]) -> Answer {
    let query = query.iter();
    let query: Vec<String> = query
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    let path = format!("{path}?{}", query.join("&"));
    Answer::to(stack.request(Method::GET, &path, Some(&tenant.key))).await
}

/// Every byte percent-encoded: right, however needless.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

type Query<'a> = &'a [(&'a str, &'a str)];

async fn list(stack: &Stack, tenant: &Tenant, query: &[(&str, &str)]) -> Answer {
    get(stack, tenant, "/v1/events", query).await
}

fn ids(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let events = answer.body["events"].as_array().unwrap().iter();
    events.map(|event| event["id"].as_str().unwrap()).collect()
}

/// A tenant with events 0 to 5, the last of which can be found.
async fn with_events(stack: &Stack) -> (Tenant, Vec<EventId>) {
    let tenant = stack.tenant().await;
    let mut accepted = Vec::new();
    for n in 0..6 {
        let event = with(json!({
            "id": n.to_string(),
            "type": if n < 4 { "order.created" } else { "price.changed" },
            "source": if n % 2 == 0 { "/shop#1" } else { "/50%25" },
            "correlationid": format!("sync {}", n / 3),
            "data": { "n": n },
        }));
        accepted.push(tenant.accepted(event).await);
    }
    eventually("all events can be found", async || {
        let all = list(stack, &tenant, &[]).await;
        let by_correlation = list(stack, &tenant, &[("correlation_id", "sync 1")]).await;
        (ids(&all).len() == 6 && ids(&by_correlation).len() == 3).then_some(())
    })
    .await;
    (tenant, accepted)
}

#[tokio::test]
async fn events_are_found_by_each_filter_in_both_orders() {
    let stack = Stack::of_process();
    let (tenant, accepted) = with_events(&stack).await;
    let at = |n: usize| accepted[n].accepted_at().to_offset(time::UtcOffset::UTC);
    let rfc3339 = time::format_description::well_known::Rfc3339;
    let (second, last) = (
        at(1).format(&rfc3339).unwrap(),
        at(5).format(&rfc3339).unwrap(),
    );
    let cases: [(Query<'_>, &[&str]); 7] = [
        (&[], &["5", "4", "3", "2", "1", "0"]),
        (&[("order", "oldest"), ("limit", "2")], &["0", "1"]),
        (&[("type", "price.*")], &["5", "4"]),
        (
            &[("type", "order.created"), ("source", "/50%25")],
            &["3", "1"],
        ),
        (&[("source", "/shop#1")], &["4", "2", "0"]),
        (
            &[("correlation_id", "sync 0"), ("order", "oldest")],
            &["0", "1", "2"],
        ),
        (&[("type", "nothing")], &[]),
    ];
    for (query, expected) in cases {
        assert_eq!(
            ids(&list(&stack, &tenant, query).await),
            expected,
            "{query:?}"
        );
    }
    let within = list(&stack, &tenant, &[("from", &second), ("to", &last)]).await;
    let found = ids(&within);
    assert!(found.contains(&"1") && !found.contains(&"5"), "{found:?}");
}

#[tokio::test]
async fn pages_of_two_make_up_the_list() {
    let stack = Stack::of_process();
    let (tenant, _) = with_events(&stack).await;
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = vec![("limit", "2"), ("type", "*")];
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = list(&stack, &tenant, &query).await;
        assert!(ids(&page).len() <= 2);
        found.extend(ids(&page).into_iter().map(str::to_owned));
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(found, ["5", "4", "3", "2", "1", "0"]);
}

#[tokio::test]
async fn an_event_is_shown_by_its_id_as_it_was_published() {
    let stack = Stack::of_process();
    let (tenant, accepted) = with_events(&stack).await;
    let path = format!("/v1/events/{}", accepted[3]);
    let shown = get(&stack, &tenant, &path, &[]).await;
    assert_eq!((shown.status, &*shown.content_type), (200, STRUCTURED));
    let expected = json!({
        "specversion": "1.0", "id": "3", "source": "/50%25", "type": "order.created",
        "correlationid": "sync 1", "data": { "n": 3 }, "pbeventid": accepted[3].to_string(),
    });
    assert_eq!(shown.body, expected);
}

#[tokio::test]
async fn what_is_anothers_is_not_there() {
    let stack = Stack::of_process();
    let (tenant, accepted) = with_events(&stack).await;
    let other = stack.tenant().await;
    assert_eq!(ids(&list(&stack, &other, &[]).await), [""; 0]);
    let path = format!("/v1/events/{}", accepted[0]);
    let foreign = get(&stack, &other, &path, &[]).await;
    assert_problem(&foreign, 404, "There is no event");

    let page = list(&stack, &tenant, &[("limit", "1")]).await;
    let cursor = page.body["next_cursor"].as_str().unwrap();
    for (caller, query) in [
        (&other, vec![("cursor", cursor)]),
        (&tenant, vec![("cursor", cursor), ("order", "oldest")]),
    ] {
        let refused = list(&stack, caller, &query).await;
        assert_problem(&refused, 400, "cursor must be");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_told_at_once() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let query = [
        ("limit", "101"),
        ("from", "yesterday"),
        ("type", "a*b"),
        ("sort", "up"),
    ];
    let refused = list(&stack, &tenant, &query).await;
    assert_problem(&refused, 400, "limit must be 1 to 100");
    let errors = refused.body["errors"].as_array().unwrap().iter();
    let mut fields: Vec<&Value> = errors.map(|error| &error["field"]).collect();
    fields.sort_by_key(|field| field.to_string());
    assert_eq!(fields, ["from", "limit", "sort", "type"]);
    let malformed = get(&stack, &tenant, "/v1/events/not-an-id", &[]).await;
    assert_problem(&malformed, 400, "event_id must be a UUID of version 7");
    let publisher = stack.key(tenant.id.as_str(), &["publish"]).await;
    let request = stack.request(Method::GET, "/v1/events", Some(&publisher));
    assert_problem(&Answer::to(request).await, 403, "'read'");
}
