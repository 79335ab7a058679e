//! Requests as the HTTP API hands them over, on dead letters in memory.

use std::time::Duration;

use pillarbox_domain::delivery::Delivery;
use pillarbox_domain::dispatch::{DeliveryQueues, Refusal, SendError};
use pillarbox_domain::letters::{DeadLetter, Keeper, QueueMessage};
use pillarbox_domain::schema::delivery::Upcasting;
use pillarbox_domain::subscription::QueueUrl;
use pillarbox_runtime::http::{Problem, Request, Response};
use pillarbox_testkit::builders::{event, logged, subscription, tenant};
use pillarbox_testkit::{ManualClock, MemoryLetters, MemoryQueues, MemoryRegistry};
use serde_json::{Value, json};

use super::DeadLetters;

/// Queues that take messages, or refuse them as AWS does what it will always refuse.
#[derive(Default)]
struct Queues {
    taking: MemoryQueues,
    denies: bool,
}

impl DeliveryQueues for Queues {
    async fn send(
        &self,
        queue: &QueueUrl,
        messages: &[pillarbox_domain::delivery::Message],
    ) -> Vec<Result<(), SendError>> {
        if self.denies {
            return vec![Err(SendError {
                code: "AccessDenied".to_owned(),
                detail: "the queue's policy says no".to_owned(),
                refusal: Refusal::Queue,
            })];
        }
        self.taking.send(queue, messages).await
    }
}

struct Bus {
    dead_letters:
        DeadLetters<MemoryLetters, Queues, Upcasting<MemoryRegistry, ManualClock>, ManualClock>,
    registry: MemoryRegistry,
    clock: ManualClock,
}

/// Who calls, and with what.
struct Call<'a> {
    owner: &'a str,
    scopes: &'a str,
    id: &'a str,
    query: &'a str,
    body: Value,
}

const CALL: Call<'static> = Call {
    owner: "demo",
    scopes: "read operate",
    id: "",
    query: "",
    body: Value::Null,
};

impl Bus {
    fn new() -> Self {
        let clock = ManualClock::default();
        Self {
            dead_letters: DeadLetters {
                letters: MemoryLetters::default(),
                queues: Queues::default(),
                upcasts: Upcasting::new(MemoryRegistry::default(), clock.clone()),
                clock: clock.clone(),
            },
            registry: MemoryRegistry::with([subscription(&tenant("demo"), "shop", &["*"])]),
            clock,
        }
    }

    /// Keeps a delivery to this subscription.
    async fn letter(&self, subscription: &str) -> DeadLetter {
        let event = event(&self.dead_letters.letters.all().len().to_string(), json!(1));
        let event = logged(&self.clock, &tenant("demo"), event);
        let subscription = subscription.parse().unwrap();
        let sent = Delivery {
            event: &event,
            subscription: &subscription,
            attempt: 1,
            job: None,
        }
        .to_message();
        let attributes = sent.attributes.iter();
        let attributes = attributes.map(|(name, value)| (*name, value.as_str()));
        self.keep(&sent.body, attributes.collect()).await
    }

    async fn keep(
        &self,
        body: &str,
        attributes: std::collections::BTreeMap<&str, &str>,
    ) -> DeadLetter {
        let message = QueueMessage {
            id: "m",
            body,
            attributes,
            source_queue: None,
            first_received_at: None,
        };
        let keeper = Keeper {
            letters: &self.dead_letters.letters,
            clock: self.clock.clone(),
            retention: "90".parse().unwrap(),
        };
        keeper.keep(&message).await.unwrap().letter
    }

    async fn list(&self, call: Call<'_>) -> (i64, Value) {
        read(self.dead_letters.list(&request(&call)).await)
    }

    async fn show(&self, call: Call<'_>) -> (i64, Value) {
        read(self.dead_letters.show(&request(&call)).await)
    }

    async fn redrive(&self, call: Call<'_>) -> (i64, Value) {
        let request = request(&call);
        read(self.dead_letters.redrive(&self.registry, &request).await)
    }

    async fn redrive_all(&self, call: Call<'_>) -> (i64, Value) {
        let request = request(&call);
        read(
            self.dead_letters
                .redrive_all(&self.registry, &request)
                .await,
        )
    }

    async fn discard(&self, call: Call<'_>) -> (i64, Value) {
        read(self.dead_letters.discard(&request(&call)).await)
    }
}

fn request(call: &Call<'_>) -> Request {
    let request = json!({
        "routeKey": "GET /v1/dead-letters",
        "rawQueryString": call.query,
        "headers": {},
        "pathParameters": { "dead_letter_id": call.id },
        "requestContext": {
            "authorizer": { "lambda": { "outcome": "known", "tenant": call.owner, "scopes": call.scopes } },
            "http": { "method": "GET", "path": "/v1/dead-letters" },
        },
        "body": call.body.to_string(),
    });
    serde_json::from_value(request).unwrap()
}

fn read(answer: Result<Response, Problem>) -> (i64, Value) {
    let response = answer.unwrap_or_else(Problem::into_response);
    let body = response.body.as_deref().unwrap();
    (response.status_code, serde_json::from_slice(body).unwrap())
}

#[tokio::test]
async fn letters_are_listed_with_their_total_page_by_page() {
    let bus = Bus::new();
    for _ in 0..3 {
        bus.letter("shop").await;
        bus.clock.advance(Duration::from_secs(1));
    }
    let (status, first) = bus
        .list(Call {
            query: "limit=2&type=order.%2A",
            ..CALL
        })
        .await;
    assert_eq!((status, &first["total"]), (200, &json!(3)));
    assert_eq!(first["dead_letters"].as_array().unwrap().len(), 2);
    assert_eq!(first.get("total_is_at_least"), None);
    let cursor = first["next_cursor"].as_str().unwrap();
    let query = format!("type=order.*&cursor={cursor}");
    let (_, second) = bus
        .list(Call {
            query: &query,
            ..CALL
        })
        .await;
    assert_eq!(second["dead_letters"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&second["total"], &second["next_cursor"]),
        (&json!(3), &Value::Null)
    );
    let (status, problem) = bus
        .list(Call {
            owner: "other",
            query: &query,
            ..CALL
        })
        .await;
    assert_eq!(
        (status, &problem["errors"][0]["field"]),
        (400, &json!("cursor"))
    );
    let (status, problem) = bus
        .list(Call {
            query: "x=1",
            ..CALL
        })
        .await;
    assert_eq!((status, &problem["errors"][0]["field"]), (400, &json!("x")));
}

#[tokio::test]
async fn a_letter_is_shown_with_its_payload_to_its_owner_only() {
    let bus = Bus::new();
    let letter = bus.letter("shop").await;
    let id = letter.id.to_string();
    let (status, shown) = bus.show(Call { id: &id, ..CALL }).await;
    assert_eq!((status, &shown["dead_letter_id"]), (200, &json!(id)));
    assert_eq!(shown["event"]["pbsubscription"], "shop");
    for (owner, id, status) in [
        ("other", &*id, 404),
        ("_bus", &id, 404),
        ("demo", "01a20846-fe00-7000-8000-00000000ffff", 404),
        ("demo", "1", 400),
    ] {
        assert_eq!(
            bus.show(Call { owner, id, ..CALL }).await.0,
            status,
            "{owner} {id}"
        );
    }
    let raw = bus.keep("not json", [].into()).await.id.to_string();
    let (status, shown) = bus
        .show(Call {
            owner: "_bus",
            id: &raw,
            ..CALL
        })
        .await;
    assert_eq!((status, &shown["record"]), (200, &json!("not json")));
    assert_eq!(shown["error"]["class"], "Unreadable");
}

#[tokio::test]
async fn a_letter_is_redriven_once() {
    let bus = Bus::new();
    let id = bus.letter("shop").await.id.to_string();
    let foreign = bus
        .redrive(Call {
            owner: "other",
            id: &id,
            ..CALL
        })
        .await;
    assert_eq!(foreign.0, 404);
    let (status, redriven) = bus.redrive(Call { id: &id, ..CALL }).await;
    assert_eq!((status, &redriven["state"]), (200, &json!("REDRIVEN")));
    assert!(redriven["redrive"]["redrive_id"].is_string());
    let (status, problem) = bus.redrive(Call { id: &id, ..CALL }).await;
    assert_eq!(status, 409, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("REDRIVEN"), "{detail}");
    assert_eq!(bus.dead_letters.queues.taking.bodies("shop").len(), 1);
}

#[tokio::test]
async fn why_a_letter_is_not_redriven_is_told_and_whether_to_try_again() {
    let mut bus = Bus::new();
    let gone = bus.letter("gone").await.id.to_string();
    let raw = [("origin", "dispatch"), ("tenant", "demo")];
    let raw = bus.keep("{}", raw.into()).await.id.to_string();
    let letter = bus.letter("shop").await.id.to_string();
    for (id, words) in [(&gone, "no subscription gone"), (&raw, "no way back")] {
        let (status, problem) = bus.redrive(Call { id, ..CALL }).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(status == 409 && detail.contains(words), "{problem}");
    }
    bus.dead_letters.queues.taking.refuse("shop", "pbjob");
    let (status, problem) = bus
        .redrive(Call {
            id: &letter,
            ..CALL
        })
        .await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        status == 503 && detail.contains("ServiceUnavailable"),
        "{problem}"
    );
    bus.dead_letters.queues.denies = true;
    let (status, problem) = bus
        .redrive(Call {
            id: &letter,
            ..CALL
        })
        .await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(status == 409 && detail.contains("policy"), "{problem}");
    let (_, open) = bus
        .list(Call {
            query: "state=OPEN",
            ..CALL
        })
        .await;
    assert_eq!(open["total"], 3);
}

#[tokio::test]
async fn a_list_is_answered_letter_by_letter() {
    let bus = Bus::new();
    let (good, gone) = (bus.letter("shop").await, bus.letter("gone").await);
    let missing = "01a20846-fe00-7000-8000-00000000ffff";
    let ids = json!([good.id, gone.id, missing]);
    let body = json!({ "dead_letter_ids": ids });
    let (status, answer) = bus.redrive_all(Call { body, ..CALL }).await;
    assert_eq!(status, 200);
    let counts = (&answer["redriven"], &answer["refused"]);
    assert_eq!(counts, (&json!(1), &json!(2)));
    for (place, status) in [200, 409, 404].into_iter().enumerate() {
        let result = &answer["results"][place];
        assert_eq!(result["dead_letter_id"], ids[place]);
        assert_eq!(result["status"], status);
        let problem = &result["problem"]["status"];
        assert!(
            if status == 200 {
                problem.is_null()
            } else {
                *problem == status
            },
            "{result}"
        );
    }
}

#[tokio::test]
async fn a_list_has_one_to_a_hundred_ids() {
    let bus = Bus::new();
    let id = "01a20846-fe00-7000-8000-00000000ffff";
    let cases = [
        (json!([]), "dead_letter_ids"),
        (json!(vec![id; 101]), "dead_letter_ids"),
        (json!([id, "1"]), "dead_letter_ids[1]"),
    ];
    for (ids, field) in cases {
        let body = json!({ "dead_letter_ids": ids });
        let (status, problem) = bus.redrive_all(Call { body, ..CALL }).await;
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (400, &json!(field))
        );
    }
    for body in [
        json!({}),
        json!([id]),
        json!({ "dead_letter_ids": [id], "all": true }),
    ] {
        assert_eq!(bus.redrive_all(Call { body, ..CALL }).await.0, 400);
    }
}

#[tokio::test]
async fn an_open_letter_is_discarded_with_a_reason() {
    let bus = Bus::new();
    let id = bus.letter("shop").await.id.to_string();
    let discard = |id, reason: &str| {
        bus.discard(Call {
            id,
            body: json!({ "reason": reason }),
            ..CALL
        })
    };
    for bad in ["", &"ä".repeat(257)] {
        let (status, problem) = discard(&id, bad).await;
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (400, &json!("reason"))
        );
    }
    let reason = "ä".repeat(256);
    let (status, discarded) = discard(&id, &reason).await;
    assert_eq!((status, &discarded["state"]), (200, &json!("DISCARDED")));
    assert_eq!(discarded["discarded"]["reason"], reason);
    let (status, problem) = discard(&id, "another").await;
    assert_eq!(status, 409, "{problem}");
    assert_eq!(bus.redrive(Call { id: &id, ..CALL }).await.0, 409);
    let missing = "01a20846-fe00-7000-8000-00000000ffff";
    assert_eq!(discard(missing, "x").await.0, 404);
}

#[tokio::test]
async fn to_read_and_to_operate_are_scopes_of_their_own() {
    let bus = Bus::new();
    let call = |scopes| Call { scopes, ..CALL };
    assert_eq!(bus.list(call("publish operate")).await.0, 403);
    assert_eq!(bus.show(call("publish operate")).await.0, 403);
    assert_eq!(bus.redrive(call("publish read")).await.0, 403);
    assert_eq!(bus.redrive_all(call("publish read")).await.0, 403);
    assert_eq!(bus.discard(call("publish read")).await.0, 403);
}
