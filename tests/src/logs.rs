//! What the functions of the stack wrote into their logs.

use pillarbox_domain::TraceId;
use serde_json::Value;

use crate::functions::Function;
use crate::stack::Stack;

impl Stack {
    /// The lines of a function that tell of this trace. On the local engine one that came late is there once the function
    /// was called again.
    pub async fn lines(&self, function: Function, trace_id: TraceId) -> Vec<Value> {
        let group = format!("/aws/lambda/{}-{}", self.name, function.0);
        let filter = self.logs.filter_log_events().log_group_name(group);
        let filter = filter.filter_pattern(format!("\"{trace_id}\""));
        let pages = filter
            .into_paginator()
            .send()
            .collect::<Result<Vec<_>, _>>();
        let pages = pages.await.unwrap();
        let events = pages.iter().flat_map(|page| page.events());
        let messages = events.filter_map(|event| event.message());
        let lines = messages.filter_map(|message| serde_json::from_str::<Value>(message).ok());
        lines
            .filter(|line| line["trace.id"] == trace_id.to_string())
            .collect()
    }
}
