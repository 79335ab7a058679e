//! A subscription as the bus shows it.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::pages::Listed;
use crate::problem::shown;

#[derive(Deserialize)]
pub struct Subscription {
    id: String,
    pattern: Box<RawValue>,
    queue_url: String,
    target_version: Option<u64>,
    retry: Retry,
    message_group: String,
    state: String,
    /// Of one that is not active.
    since: Option<String>,
    reason: Option<String>,
    version: u64,
    created_at: String,
    updated_at: String,
}

#[derive(Deserialize)]
struct Retry {
    retries: u64,
    first_delay_ms: u64,
    factor: serde_json::Number,
    max_delay_ms: u64,
}

/// A subscription that is active again.
#[derive(Deserialize)]
pub struct Resumed {
    id: String,
    state: String,
    gap: Option<Gap>,
}

/// What was accepted while nothing was handed over.
#[derive(Deserialize)]
struct Gap {
    from: String,
    to: String,
    /// The body of a request for a replay of it.
    replay: Box<RawValue>,
}

impl Subscription {
    /// Everything, a setting a line.
    pub fn text(&self) -> String {
        let target_version = self.target_version.map(|version| version.to_string());
        let lines = [
            ("subscription", shown(&self.id)),
            ("state", self.told_state()),
            ("events", routed(&self.pattern)),
            ("queue", shown(&self.queue_url)),
            (
                "target version",
                target_version.unwrap_or_else(|| "-".to_owned()),
            ),
            ("retry", self.retry.text()),
            ("message group", shown(&self.message_group)),
            ("version", self.version.to_string()),
            ("created", shown(&self.created_at)),
            ("updated", shown(&self.updated_at)),
        ];
        let lines = lines.map(|(name, value)| format!("{name:<14}  {value}"));
        lines.join("\n")
    }

    pub fn state_text(&self) -> String {
        format!("subscription {} is {}", shown(&self.id), self.told_state())
    }

    fn told_state(&self) -> String {
        let mut told = shown(&self.state);
        if let Some(since) = &self.since {
            told = format!("{told} since {}", shown(since));
        }
        if let Some(reason) = &self.reason {
            told = format!("{told}: {}", shown(reason));
        }
        told
    }
}

impl Listed for Subscription {
    const NAMES: (&'static str, &'static str) = ("subscription", "subscriptions");
    const HEADER: &'static [&'static str] = &["id", "state", "events", "queue", "version"];

    fn cells(&self) -> Vec<String> {
        vec![
            shown(&self.id),
            shown(&self.state),
            routed(&self.pattern),
            shown(&self.queue_url),
            self.version.to_string(),
        ]
    }
}

impl Retry {
    fn text(&self) -> String {
        let Self {
            retries,
            first_delay_ms,
            factor,
            max_delay_ms,
        } = self;
        if *retries == 0 {
            return "none".to_owned();
        }
        format!("{retries} times, {first_delay_ms} ms first, ×{factor}, {max_delay_ms} ms at most")
    }
}

impl Resumed {
    pub fn text(&self) -> String {
        let state = format!("subscription {} is {}", shown(&self.id), shown(&self.state));
        match &self.gap {
            None => format!("{state}; nothing was missed"),
            Some(Gap { from, to, replay }) => format!(
                "{state}; it missed what was accepted from {} until {}\nreplay it: POST /v1/replays {}",
                shown(from),
                shown(to),
                shown(replay.get())
            ),
        }
    }
}

/// The types that a pattern asks for, in their short form where it asks for nothing else; the pattern itself
/// otherwise.
fn routed(pattern: &RawValue) -> String {
    let short = types_of(pattern).map(|types| types.join(", "));
    shown(short.as_deref().unwrap_or(pattern.get()))
}

fn types_of(pattern: &RawValue) -> Option<Vec<String>> {
    let pattern: Value = serde_json::from_str(pattern.get()).ok()?;
    let members = pattern.as_object().filter(|members| members.len() == 1)?;
    let types = members.get("type")?.as_array()?;
    types.iter().map(short_type).collect()
}

fn short_type(test: &Value) -> Option<String> {
    match test {
        Value::String(event_type) => Some(event_type.clone()),
        Value::Object(test) if test.len() == 1 => {
            Some(format!("{}*", test.get("prefix")?.as_str()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_of_types_alone_is_shown_short() {
        let cases = [
            (r#"{"type":[{"prefix":"order."},"a.b"]}"#, "order.*, a.b"),
            (r#"{"type":[{"prefix":""}]}"#, "*"),
        ];
        for (pattern, expected) in cases {
            let pattern = RawValue::from_string(pattern.to_owned()).unwrap();
            assert_eq!(routed(&pattern), expected);
        }
    }

    #[test]
    fn any_other_pattern_is_shown_in_its_own_spelling() {
        for pattern in [
            r#"{"type":[{"suffix":".paid"}]}"#,
            r#"{"type":[{"prefix":{"equals-ignore-case":"a"}}]}"#,
            r#"{"type":["a"],"data":{"total":[12.50]}}"#,
            r#"{"source":["/shop"]}"#,
            "{}",
        ] {
            let parsed = RawValue::from_string(pattern.to_owned()).unwrap();
            assert_eq!(routed(&parsed), pattern);
        }
    }
}
