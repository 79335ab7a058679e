//! AWS answering as it was recorded, to a real SDK over HTTP on loopback: for answers that no engine can be made to
//! give, and for functions, which reach AWS through their adapters only.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// A call as it came: its operation, as in `SendMessageBatch`, or where AWS tells it by method and path, these, as in
/// `GET /schedules/x?groupName=y`; and its body.
pub type RecordedCall = (String, Value);

type Script = dyn Fn(&str, &Value) -> (u16, Value) + Send + Sync;

/// Serves until the test's process ends.
pub struct RecordedAws {
    /// Where it is.
    pub endpoint_url: String,
    calls: Arc<Mutex<Vec<RecordedCall>>>,
}

impl RecordedAws {
    /// Answers each call with a status and a body.
    pub fn answering(
        script: impl Fn(&str, &Value) -> (u16, Value) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint_url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (script, taken): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&calls));
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (script, taken) = (Arc::clone(&script), Arc::clone(&taken));
                thread::spawn(move || serve(connection.unwrap(), &*script, &taken));
            }
        });
        Self {
            endpoint_url,
            calls,
        }
    }

    /// The bodies of the calls of this operation, in order.
    pub fn calls(&self, operation: &str) -> Vec<Value> {
        let calls = self.calls.lock().unwrap();
        let of_operation = calls.iter().filter(|(name, _)| name == operation);
        of_operation.map(|(_, body)| body.clone()).collect()
    }
}

/// Answers one connection's requests until it ends.
fn serve(connection: TcpStream, script: &Script, calls: &Mutex<Vec<RecordedCall>>) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut writer = connection;
    while let Some((operation, body)) = request(&mut reader) {
        calls
            .lock()
            .unwrap()
            .push((operation.clone(), body.clone()));
        let (status, answer) = script(&operation, &body);
        let answer = answer.to_string();
        let response = format!(
            "HTTP/1.1 {status} Recorded\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        );
        if writer.write_all(response.as_bytes()).is_err() {
            return;
        }
    }
}

/// The next request: the last part of its target, or its first line where it has none; and its body.
fn request(reader: &mut BufReader<TcpStream>) -> Option<RecordedCall> {
    let (mut operation, mut length) = (first_line(reader)?, 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "x-amz-target" => operation = value.rsplit('.').next()?.to_owned(),
            "content-length" => length = value.trim().parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((operation, serde_json::from_slice(&body).unwrap_or_default()))
}

/// Method and path of a request.
fn first_line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let (method_and_path, _) = line.rsplit_once(' ')?;
    Some(method_and_path.to_owned())
}
