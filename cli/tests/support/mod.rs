//! What the tests of the command share: a bus that answers as told, and the built binary run against it.
//!
//! The bus is a real HTTP/1.1 server on a free loopback port; the binary is the one that is shipped.
#![allow(dead_code, reason = "each test binary uses its own part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of tests that fails is a test that fails"
)]

use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::{Barrier, mpsc};

pub const KEY: &str = "pbk_demo_thisisthesecretpart";

/// What the bus does with a request.
#[derive(Clone)]
pub enum Reply {
    Answer {
        status: u16,
        headers: &'static str,
        body: String,
    },
    /// Reads the request and closes the connection without a word.
    HangUp,
}

#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

pub struct Bus {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    arrivals: mpsc::UnboundedReceiver<()>,
}

type Script = Arc<dyn Fn(usize, &Request) -> Reply + Send + Sync>;

impl Bus {
    /// Answers in the order of arrival; a request beyond the script is refused with 418.
    pub async fn with_script(replies: impl Into<Vec<Reply>>) -> Self {
        let replies = replies.into();
        Self::answering(move |nth, _| match replies.get(nth) {
            Some(reply) => reply.clone(),
            None => problem(418, r#"{"title":"beyond the script"}"#),
        })
        .await
    }

    /// Answers each request as `reply` says, which is told how many came before it.
    pub async fn answering(
        reply: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(Arc::new(reply), None).await
    }

    /// Answers nobody until `in_flight` requests are there at the same time.
    pub async fn holding_back(
        in_flight: usize,
        reply: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(Arc::new(reply), Some(Arc::new(Barrier::new(in_flight)))).await
    }

    async fn start(script: Script, barrier: Option<Arc<Barrier>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/base/$default", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let log = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(
                    stream,
                    Arc::clone(&log),
                    Arc::clone(&script),
                    barrier.clone(),
                    arrived.clone(),
                ));
            }
        });
        Self {
            url,
            requests,
            arrivals,
        }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits for the next request.
    pub async fn arrival(&mut self) {
        self.arrivals.recv().await.unwrap();
    }
}

/// One request a connection: what a reused one does is hyper's business, not the command's.
async fn serve(
    stream: TcpStream,
    log: Arc<Mutex<Vec<Request>>>,
    script: Script,
    barrier: Option<Arc<Barrier>>,
    arrived: mpsc::UnboundedSender<()>,
) {
    let mut stream = BufReader::new(stream);
    let Some(request) = read_request(&mut stream).await else {
        return;
    };
    let nth = {
        let mut log = log.lock().unwrap();
        log.push(request.clone());
        log.len() - 1
    };
    // The test may have stopped listening for arrivals.
    arrived.send(()).ok();
    if let Some(barrier) = barrier {
        barrier.wait().await;
    }
    if let Reply::Answer {
        status,
        headers,
        body,
    } = script(nth, &request)
    {
        let head = format!(
            "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        // A command that stopped at once is not there to read what else is answered.
        stream.write_all(head.as_bytes()).await.ok();
        stream.write_all(body.as_bytes()).await.ok();
    }
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        let read = stream.read_line(&mut line).await.ok()?;
        match line.trim_end() {
            "" if read == 0 => return None,
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let mut first = head.first()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<_> = head[1..]
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request {
        method,
        path,
        headers,
        body,
    })
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub fn answer(status: u16, body: &str) -> Reply {
    Reply::Answer {
        status,
        headers: "Content-Type: application/json\r\n",
        body: body.to_owned(),
    }
}

pub fn problem(status: u16, body: &str) -> Reply {
    Reply::Answer {
        status,
        headers: "Content-Type: application/problem+json\r\n",
        body: body.to_owned(),
    }
}

pub fn busy() -> Reply {
    Reply::Answer {
        status: 503,
        headers: "Retry-After: 0\r\nContent-Type: application/problem+json\r\n",
        body: r#"{"title":"Busy","detail":"the database is throttled"}"#.to_owned(),
    }
}

pub fn accepted() -> Reply {
    answer(
        201,
        r#"{"event_id":"01980000-0000-7000-8000-000000000001","duplicate":false}"#,
    )
}

pub fn duplicate() -> Reply {
    answer(
        200,
        r#"{"event_id":"01980000-0000-7000-8000-000000000001","duplicate":true}"#,
    )
}

/// The command without any variable of the machine it runs on.
pub fn pillarbox(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pillarbox"));
    command.args(arguments).env_clear().kill_on_drop(true);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The command with address and key in its variables.
pub fn pillarbox_on(bus: &Bus, arguments: &[&str]) -> Command {
    let mut command = pillarbox(arguments);
    command
        .env("PILLARBOX_URL", &bus.url)
        .env("PILLARBOX_API_KEY", KEY);
    command
}

pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }
}

/// Runs to the end with this on standard input.
pub async fn run(mut command: Command, stdin: &[u8]) -> Ran {
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    // A command that stops early closes the pipe on its side.
    let feeding = tokio::spawn(async move { pipe.write_all(&stdin).await.ok() });
    let ran = finish(child).await;
    feeding.await.unwrap();
    ran
}

/// Waits for the end. A command that hangs fails its test; the limit is far beyond what any needs.
pub async fn finish(child: Child) -> Ran {
    let ended = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await;
    let Output {
        status,
        stdout,
        stderr,
    } = ended.expect("the command hangs").unwrap();
    let ran = Ran {
        code: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    };
    assert!(
        !ran.stdout.contains(KEY) && !ran.stderr.contains(KEY),
        "the key was printed"
    );
    ran
}

/// An address where nothing listens: the port was free a moment ago.
pub fn closed_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
