//! A subscriber as a process of its own, which a test watches and may kill: `src/bin/subscriber.rs`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use pillarbox_domain::{EventId, TraceId};
use serde_json::Value;

use crate::eventually;
use crate::queue_life::MAX_RECEIVES;
use crate::stack::{Queue, Stack};

/// How to start subscribers on one queue.
pub struct Subscribing<'a> {
    /// The stack whose inbox table and dead letter queue they use.
    pub stack: &'a Stack,
    /// The queue.
    pub queue: &'a Queue,
    /// The program: `env!("CARGO_BIN_EXE_subscriber")`, which only a suite is told.
    pub program: &'a str,
    /// For how long messages are hidden and claims are held.
    pub hold_seconds: u32,
}

/// A running subscriber. It is killed when it goes out of scope.
pub struct SubscriberProcess {
    child: Child,
    said: Arc<Mutex<Vec<Value>>>,
    listener: Option<JoinHandle<()>>,
}

impl Subscribing<'_> {
    /// Starts a subscriber that behaves so.
    pub fn start(&self, behaviour: &[&str]) -> SubscriberProcess {
        let mut child = Command::new(self.program)
            .args(behaviour)
            .env("QUEUE_URL", &self.queue.url)
            .env("INBOX_TABLE", &self.stack.inbox_table)
            .env("DEAD_LETTER_QUEUE_URL", &self.stack.dead_letter_queue.url)
            .env("MAX_RECEIVES", MAX_RECEIVES.to_string())
            .env("HOLD_SECONDS", self.hold_seconds.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::default();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let heard = Arc::clone(&said);
        let listener = std::thread::spawn(move || listen(lines, &heard));
        SubscriberProcess {
            child,
            said,
            listener: Some(listener),
        }
    }
}

/// A line that a kill cut off is no line.
fn listen(lines: impl Iterator<Item = std::io::Result<String>>, heard: &Mutex<Vec<Value>>) {
    for line in lines.map_while(Result::ok) {
        if let Ok(line) = serde_json::from_str(&line) {
            heard.lock().unwrap().push(line);
        }
    }
}

impl SubscriberProcess {
    /// The events that it began to handle, each as often as it did.
    pub fn handled(&self) -> Vec<EventId> {
        self.heard("handling")
    }

    /// The events whose effect it made, each as often as it did.
    pub fn effects(&self) -> Vec<EventId> {
        self.heard("effect")
    }

    /// The lines of its log that tell of this trace.
    pub fn lines(&self, trace_id: TraceId) -> Vec<Value> {
        let trace_id = trace_id.to_string();
        let said = self.said.lock().unwrap();
        let lines = said.iter().filter(|line| line["trace.id"] == trace_id);
        lines.cloned().collect()
    }

    /// Waits until it has made so many effects, and names their events.
    pub async fn makes_effects(&mut self, count: usize) -> Vec<EventId> {
        self.until(&format!("{count} effects"), |process| {
            let effects = process.effects();
            (effects.len() >= count).then_some(effects)
        })
        .await
    }

    /// Waits for something that it says.
    pub async fn until<T>(&mut self, what: &str, is: impl Fn(&Self) -> Option<T>) -> T {
        eventually(&format!("the subscriber has {what}"), async || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the subscriber ended: {ended:?}");
            is(self)
        })
        .await
    }

    /// Ends it in the middle of whatever it is at: no handler, no destructor, nothing runs any more. What it
    /// said until then can be asked for.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        if let Some(listener) = self.listener.take() {
            listener.join().unwrap();
        }
    }

    fn heard(&self, what: &str) -> Vec<EventId> {
        let said = self.said.lock().unwrap();
        let ids = said.iter().filter_map(|line| line[what].as_str());
        ids.map(|id| id.parse().unwrap()).collect()
    }
}

impl Drop for SubscriberProcess {
    /// One that has ended already cannot be killed, and need not be.
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
