//! Answers that are left in memory, and the suite of their port.

use std::sync::Mutex;

use pillarbox_domain::answers::{AnswerError, Answers};
use serde_json::{Value, json};

/// Remembers what was left where, or takes nothing. Passes [`conformance`].
#[derive(Debug, Default)]
pub struct MemoryAnswers {
    taken: Mutex<Vec<(String, String)>>,
    failing: Mutex<bool>,
}

impl MemoryAnswers {
    /// From now on nothing is taken, or everything is again.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    /// What was left, in order: the address and the answer.
    pub fn taken(&self) -> Vec<(String, Value)> {
        let taken = self.taken.lock().unwrap();
        let read = |answer: &String| serde_json::from_str(answer).unwrap();
        taken
            .iter()
            .map(|(url, answer)| (url.clone(), read(answer)))
            .collect()
    }
}

impl Answers for MemoryAnswers {
    async fn put(&self, url: &str, answer: &str) -> Result<(), AnswerError> {
        let host = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
            return Err(AnswerError::Address);
        }
        if *self.failing.lock().unwrap() {
            return Err(AnswerError::Unreachable {
                tries: 1,
                source: "as the test wants it".into(),
            });
        }
        let mut taken = self.taken.lock().unwrap();
        taken.push((url.to_owned(), answer.to_owned()));
        Ok(())
    }
}

/// The suite of [`Answers`]: at `url` is a place that takes everything, and `taken` says what it has.
pub async fn conformance<A: Answers>(answers: &A, url: &str, taken: impl Fn() -> Vec<Value>) {
    let unusual = json!({ "Reason": "ä \u{1F600} \"\\ \n\u{0}", "Data": {} });
    let large = json!({ "Reason": "x".repeat(4_000) });
    for answer in [&unusual, &large] {
        answers.put(url, &answer.to_string()).await.unwrap();
    }
    assert_eq!(taken(), [unusual, large]);
    for elsewhere in [
        "",
        "answers",
        "/answers",
        "ftp://answers.test/1",
        "https://",
        "http:///1",
    ] {
        let refused = answers.put(elsewhere, "{}").await;
        assert!(
            matches!(refused, Err(AnswerError::Address)),
            "'{elsewhere}': {refused:?}"
        );
    }
    assert_eq!(taken().len(), 2);
}
