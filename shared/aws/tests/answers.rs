//! Answers by HTTP, to a server that says what it is told to.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::{Arc, Mutex};

use pillarbox_aws::HttpAnswers;
use pillarbox_domain::ErrorChain;
use pillarbox_domain::answers::{AnswerError, Answers};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a presigned address looks like: path and query are part of what is signed.
const PATH: &str =
    "/bucket/arn%3Aaws%3Acloudformation%7Corders?X-Amz-Signature=s3cr3t%2F%2B&X-Amz-Date=1";

/// A server and what came to it.
struct Place {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Place {
    /// Answers with these statuses, and with the last of them from then on.
    async fn answering(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{PATH}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(vec![]));
        let (statuses, seen) = (statuses.to_vec(), Arc::clone(&requests));
        tokio::spawn(async move {
            for turn in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                seen.lock().unwrap().push(request);
                let status = statuses.get(turn).or(statuses.last()).unwrap();
                let answer = format!(
                    "HTTP/1.1 {status} As-Told\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn answers(&self) -> Vec<Value> {
        let requests = self.requests();
        let bodies = requests
            .iter()
            .map(|request| request.split_once("\r\n\r\n").unwrap().1);
        bodies
            .map(|body| serde_json::from_str(body).unwrap())
            .collect()
    }
}

/// All of a request, whose body is as long as it says.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let mut part = [0; 4_096];
        let length = stream.read(&mut part).await.unwrap();
        assert_ne!(length, 0, "the request ends too early");
        read.extend_from_slice(&part[..length]);
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && header(head, "content-length").is_some_and(|length| length == body.len().to_string())
        {
            return text;
        }
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(there, _)| there.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim().to_owned())
}

#[tokio::test]
async fn the_http_answers_conform() {
    let place = Place::answering(&[200]).await;
    let taken = || place.answers();
    pillarbox_testkit::answers::conformance(&HttpAnswers::new(), &place.url, taken).await;
}

#[tokio::test]
async fn an_answer_is_a_put_to_the_whole_address_without_a_content_type() {
    let place = Place::answering(&[200]).await;
    HttpAnswers::new()
        .put(&place.url, r#"{"Status":"SUCCESS"}"#)
        .await
        .unwrap();
    let requests = place.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with(&format!("PUT {PATH} HTTP/1.1\r\n")),
        "{head}"
    );
    assert_eq!(header(head, "content-type"), None);
    let (_, host) = place.url.split_once("//").unwrap();
    assert_eq!(header(head, "host").as_deref(), host.split('/').next());
    assert_eq!(body, r#"{"Status":"SUCCESS"}"#);
}

#[tokio::test]
async fn what_is_for_the_moment_is_tried_again() {
    for status in [500, 503, 429, 408] {
        let place = Place::answering(&[status, status, 200]).await;
        HttpAnswers::new().put(&place.url, "{}").await.unwrap();
        assert_eq!(place.requests().len(), 3, "{status}");
    }
}

#[tokio::test]
async fn tries_are_bounded_and_the_error_keeps_the_address_to_itself() {
    let place = Place::answering(&[503]).await;
    let error = HttpAnswers::new().put(&place.url, "{}").await.unwrap_err();
    assert_eq!(place.requests().len(), 3);
    let told = ErrorChain(&error).to_string();
    assert_eq!(
        told,
        "the answer could not be left, in 3 tries: the status was 503"
    );
    let told = format!("{told} {error:?}");
    assert!(!told.contains("s3cr3t"), "{told}");
}

#[tokio::test]
async fn a_refusal_is_final() {
    for status in [400, 403, 404, 302] {
        let place = Place::answering(&[status]).await;
        let error = HttpAnswers::new().put(&place.url, "{}").await.unwrap_err();
        assert!(
            matches!(error, AnswerError::Refused { status: told } if told == status),
            "{error:?}"
        );
        assert_eq!(place.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn nobody_there_ends_in_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}{PATH}");
    let error = HttpAnswers::new().put(&url, "{}").await.unwrap_err();
    assert!(
        matches!(error, AnswerError::Unreachable { tries: 3, .. }),
        "{error:?}"
    );
    let told = format!("{} {error:?}", ErrorChain(&error));
    assert!(!told.contains("s3cr3t"), "{told}");
}

/// On a clock that goes on by itself when nothing else is to be done.
#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_does_not_hold_up_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{PATH}", listener.local_addr().unwrap());
    let before = tokio::time::Instant::now();
    let error = HttpAnswers::new().put(&url, "{}").await.unwrap_err();
    assert!(
        matches!(error, AnswerError::Unreachable { tries: 3, .. }),
        "{error:?}"
    );
    assert!(before.elapsed().as_secs() < 10, "{:?}", before.elapsed());
}
