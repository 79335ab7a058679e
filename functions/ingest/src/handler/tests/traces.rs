//! The caller's trace becomes the event's, and every line has it.

use pillarbox_domain::LoggedEvent;
use pillarbox_testkit::logged::lines;

use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OWN: &str = "00-11111111111111111111111111111111-2222222222222222-00";

fn traced(mut request: Value, header: impl Into<Value>) -> Value {
    request["headers"]["traceparent"] = header.into();
    request
}

async fn stored<L: EventReader + EventLog>(ingest: &TestIngest<L>, id: &str) -> LoggedEvent {
    let found = ingest.log.get(&tenant("demo"), "/shop", id).await;
    found.unwrap().unwrap()
}

fn numbered(id: &str, members: &str) -> String {
    EVENT.replace(r#""id":"1""#, &format!(r#""id":"{id}"{members}"#))
}

#[tokio::test]
async fn an_event_is_part_of_its_caller_s_trace_in_whichever_form_it_comes() {
    for (request, status) in [
        (request(EVENT), 201),
        (binary_request(&binary_headers(), "1"), 201),
        (batch_request(&format!("[{EVENT}]")), 201),
        (atomic_request(&format!("[{EVENT}]")), 201),
    ] {
        let ingest = ingest();
        assert_eq!(answer(&ingest, &traced(request, PARENT)).await.0, status);
        let event = stored(&ingest, "1").await;
        assert_eq!(event.event.text("traceparent"), Some(PARENT));
        assert_eq!(event.trace_id().to_string(), TRACE);
    }
}

#[tokio::test]
async fn an_event_s_own_trace_goes_before_its_caller_s() {
    let ingest = ingest();
    let own = numbered("1", &format!(r#","traceparent":"{OWN}""#));
    let batch = format!("[{own},{}]", numbered("2", ""));
    answer(&ingest, &traced(batch_request(&batch), PARENT)).await;
    let mut headers = binary_headers();
    headers["ce-id"] = "3".into();
    headers["ce-traceparent"] = OWN.into();
    answer(&ingest, &traced(binary_request(&headers, "1"), PARENT)).await;
    for (id, expected) in [("1", OWN), ("2", PARENT), ("3", OWN)] {
        let event = stored(&ingest, id).await.event;
        assert_eq!(event.text("traceparent"), Some(expected), "{id}");
    }
}

#[tokio::test]
async fn a_header_that_is_no_trace_is_as_good_as_none() {
    for header in ["", "nonsense", &PARENT[..54], &format!("{PARENT},{PARENT}")] {
        let ingest = ingest();
        let request = traced(request(EVENT), header);
        assert_eq!(answer(&ingest, &request).await.0, 201, "{header}");
        let event = stored(&ingest, "1").await;
        assert_eq!(event.event.text("traceparent"), None, "{header}");
    }
}

#[tokio::test]
async fn a_retry_from_another_trace_is_a_duplicate() {
    let ingest = ingest();
    let (_, first) = answer(&ingest, &traced(request(EVENT), PARENT)).await;
    let (status, again) = answer(&ingest, &traced(request(EVENT), OWN)).await;
    assert_eq!((status, &again["event_id"]), (200, &first["event_id"]));
}

#[tokio::test]
async fn each_event_has_one_line_with_its_trace_and_type() {
    let ingest = ingest();
    lines();
    let own = numbered("2", &format!(r#","traceparent":"{OWN}""#));
    let broken = r#"{"specversion":"1.0","id":7}"#;
    let batch = format!("[{EVENT},{own},{broken}]");
    answer(&ingest, &traced(batch_request(&batch), PARENT)).await;
    answer(&ingest, &request(&numbered("3", ""))).await;
    let told = ["message", "outcome", "trace.id", "event.type"];
    let seen: Vec<[Value; 4]> = lines()
        .iter()
        .map(|line| told.map(|name| line[name].clone()))
        .collect();
    let begun = stored(&ingest, "3").await.trace_id().to_string();
    let line = |outcome: &str, trace: &str| {
        ["publish.answered", outcome, trace, "order.created"].map(|text| json!(text))
    };
    let refused = [
        json!("publish.answered"),
        json!("refused"),
        Value::Null,
        Value::Null,
    ];
    let expected = [
        line("accepted", TRACE),
        line("accepted", &"1".repeat(32)),
        refused,
        line("accepted", &begun),
    ];
    assert_eq!(seen, expected);
}
