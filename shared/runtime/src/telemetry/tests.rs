//! What is written, line by line.

use std::io;
use std::sync::{Arc, Mutex};

use pillarbox_domain::TraceId;
use serde_json::Value;

use super::*;

/// Its last bytes are the least that there are.
const KEPT: &str = "0af7651916cd43dd8400000000000000";

/// Its last bytes are the most that there are.
const LEFT_OUT: &str = "0af7651916cd43dd84ffffffffffffff";

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(level: Level, rate: &str, say: impl FnOnce()) -> Vec<Value> {
    let written = Written::default();
    let writer = written.clone();
    let lines = lines(level, rate.parse().unwrap(), move || writer.clone());
    tracing::subscriber::with_default(lines, say);
    let bytes = written.0.lock().unwrap();
    let lines = str::from_utf8(&bytes).unwrap().lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn messages(lines: &[Value]) -> Vec<&str> {
    let messages = lines.iter().map(|line| line["message"].as_str());
    messages.map(Option::unwrap).collect()
}

#[test]
fn a_line_is_one_flat_object() {
    let trace_id: TraceId = KEPT.parse().unwrap();
    let mut lines = written(Level::INFO, "1", || {
        tracing::info!(tenant.id = "demo", trace.id = %trace_id, status = 201, outcome = "accepted", "publish.answered");
    });
    assert!(lines[0]["timestamp"].is_string());
    lines[0]["timestamp"] = Value::Null;
    let expected = serde_json::json!([{
        "timestamp": null, "level": "INFO", "message": "publish.answered", "tenant.id": "demo",
        "trace.id": KEPT, "status": 201, "outcome": "accepted",
    }]);
    assert_eq!(Value::from(lines), expected);
}

#[test]
fn lines_below_the_level_are_left_out() {
    let lines = written(Level::WARN, "1", || {
        tracing::info!("told");
        tracing::warn!("warned");
        tracing::error!("failed");
    });
    assert_eq!(messages(&lines), ["warned", "failed"]);
}

#[test]
fn lines_of_a_trace_are_written_or_left_out_together_however_they_tell_it() {
    let lines = written(Level::INFO, "0.5", || {
        for trace in [KEPT, LEFT_OUT] {
            let trace_id: TraceId = trace.parse().unwrap();
            let first = trace == KEPT;
            tracing::info!(trace.id = %trace_id, outcome = "accepted", first, "publish.answered");
            tracing::info!(
                trace.id = Some(trace),
                outcome = "handed_over",
                first,
                "event.dispatched"
            );
            tracing::info!(trace.id = trace, first, "dead_letter.redriven");
        }
    });
    assert_eq!(
        messages(&lines),
        [
            "publish.answered",
            "event.dispatched",
            "dead_letter.redriven"
        ]
    );
    assert!(lines.iter().all(|line| line["trace.id"] == KEPT));
}

#[test]
fn what_did_not_go_well_is_always_written_and_so_is_what_belongs_to_no_trace() {
    let lines = written(Level::INFO, "0", || {
        tracing::info!(trace.id = LEFT_OUT, outcome = "failed", "delivery.handled");
        tracing::info!(trace.id = LEFT_OUT, outcome = %"given_up", "delivery.retried");
        tracing::warn!(trace.id = LEFT_OUT, "delivery.not_reminded");
        tracing::error!(trace.id = LEFT_OUT, outcome = "handed_over", "store.failed");
        tracing::info!(trace.id = "none", outcome = "done", "delivery.handled");
        tracing::info!(
            trace.id = None::<String>,
            outcome = "duplicate",
            "publish.answered"
        );
        tracing::info!(outcome = "handed_over", "log.swept");
        tracing::info!(trace.id = LEFT_OUT, outcome = "done", "left out");
    });
    assert_eq!(lines.len(), 7, "{lines:?}");
    assert!(!messages(&lines).contains(&"left out"));
}
