//! What the code under test logs.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use serde_json::Value;
use tracing::Level;

thread_local! {
    /// What this thread has logged: each test has its own.
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct ThisThread;

impl io::Write for ThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that this thread has logged since it was asked last, as JSON and of every level. What was logged before it
/// was asked for the first time is not among them.
///
/// One subscriber is there for all tests of a process: while one comes and goes, another thread could take a line for one
/// that nobody wants.
///
/// # Panics
/// When somebody else has set a subscriber.
pub fn all_lines() -> Vec<Value> {
    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| {
        let subscriber = tracing_subscriber::fmt().json().with_writer(|| ThisThread);
        let subscriber = subscriber.with_max_level(Level::TRACE).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
    let logged = LOGGED.take();
    let lines = str::from_utf8(&logged).unwrap().lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The fields of those of them that a function writes by default: of the level info and above.
///
/// # Panics
/// When somebody else has set a subscriber.
pub fn lines() -> Vec<Value> {
    let lines = all_lines().into_iter();
    let told = lines.filter(|line| line["level"] != "TRACE" && line["level"] != "DEBUG");
    told.map(|mut line| line["fields"].take()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_its_own_lines_each_once() {
        assert_eq!(lines(), Vec::<Value>::new());
        tracing::info!(outcome = "done", "one");
        tracing::debug!("two");
        std::thread::spawn(|| tracing::info!("another's"))
            .join()
            .unwrap();
        let told = lines();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(
            (&told[0]["message"], &told[0]["outcome"]),
            (&"one".into(), &"done".into())
        );
        tracing::debug!("three");
        assert_eq!(all_lines()[0]["level"], "DEBUG");
        assert_eq!(all_lines(), Vec::<Value>::new());
    }
}
