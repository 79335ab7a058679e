//! The running stack, as its clients see it: producers and operators over HTTP, subscribers over SQS; and,
//! with the account's root credentials, what lies in its tables.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageAttributeValue, MessageSystemAttributeName,
    QueueAttributeName,
};
use futures::future::join_all;
use pillarbox_aws::{AwsEnvironment, Clients, keys};
use pillarbox_domain::receipt::Bucket;
use pillarbox_domain::trace::TRACEPARENT;
use pillarbox_domain::{EventId, SubscriptionId, TenantId};
use pillarbox_runtime::env::Env;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::{Value, json};

use crate::{eventually, fresh};

/// The media type of one event.
pub const STRUCTURED: &str = "application/cloudevents+json";

/// Seconds that a look into a queue waits for something to come.
const LOOK_SECONDS: i32 = 1;

/// Messages that one look brings, at most.
const LOOK_MESSAGES: i32 = 10;

/// Looks into a queue under way at a time, when all of it is taken.
const LOOKS_AT_A_TIME: usize = 8;

/// An item of a table.
pub type Item = HashMap<String, AttributeValue>;

/// The stack that `stack.env` describes.
#[derive(Clone)]
pub struct Stack {
    /// DynamoDB, as root.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// SQS, as root.
    pub sqs: aws_sdk_sqs::Client,
    /// Lambda, as root.
    pub lambda: aws_sdk_lambda::Client,
    /// CloudWatch Logs, as root.
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// S3, as root.
    pub s3: aws_sdk_s3::Client,
    /// EventBridge Scheduler, as root.
    pub scheduler: aws_sdk_scheduler::Client,
    /// What its functions' names begin with.
    pub name: String,
    /// `EventLogTable`.
    pub event_log_table: String,
    /// `OutboxTable`.
    pub outbox_table: String,
    /// `ArchiveBucket`.
    pub archive_bucket: String,
    /// The example subscriber's inbox.
    pub inbox_table: String,
    /// The example subscriber's queue.
    pub example_queue: Queue,
    /// `DeadLetterQueue`.
    pub dead_letter_queue: Queue,
    pub(crate) endpoint_url: String,
    pub(crate) engine_process_id: String,
    url: String,
    admin_key: String,
    http: reqwest::Client,
}

impl Stack {
    /// The stack that this process is told of. Panics when it is told of none.
    pub fn of_process() -> Self {
        let mut env = Env::of_process();
        let aws = env.aws();
        let mut required = |name| env.required::<String>(name);
        let url = required("PILLARBOX_URL");
        let admin_key = required("PILLARBOX_ADMIN_KEY");
        let event_log_table = required("PILLARBOX_EVENT_LOG_TABLE");
        let outbox_table = required("PILLARBOX_OUTBOX_TABLE");
        let archive_bucket = required("PILLARBOX_ARCHIVE_BUCKET");
        let inbox_table = required("PILLARBOX_INBOX_TABLE");
        let name = required("PILLARBOX_STACK_NAME");
        let engine_process_id = required("PILLARBOX_ENGINE_PROCESS_ID");
        let example_queue = required("PILLARBOX_SUBSCRIBER_QUEUE_URL");
        let dead_letter_queue = required("PILLARBOX_DEAD_LETTER_QUEUE_URL");
        let stack = env.finish(|| {
            let aws = aws?;
            let endpoint_url = aws.endpoint_url.clone();
            let logs = logs_client(&aws);
            let clients = Clients::new(aws);
            let sqs = clients.sqs();
            let queue = |url| Queue {
                url,
                sqs: sqs.clone(),
            };
            Some(Self {
                dynamodb: clients.dynamodb(),
                lambda: clients.lambda(),
                logs,
                s3: clients.s3(),
                scheduler: clients.scheduler(),
                name: name?,
                endpoint_url: endpoint_url.unwrap_or_default(),
                engine_process_id: engine_process_id?,
                archive_bucket: archive_bucket?,
                event_log_table: event_log_table?,
                outbox_table: outbox_table?,
                inbox_table: inbox_table?,
                example_queue: queue(example_queue?),
                dead_letter_queue: queue(dead_letter_queue?),
                url: url?,
                admin_key: admin_key?,
                http: reqwest::Client::new(),
                sqs,
            })
        });
        stack.unwrap_or_else(|error| {
            panic!(
                "{error}: start a stack by `make up` and read its variables by `. .local/stack.env`"
            )
        })
    }

    /// Where the API is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A request to the API; `key` is the API key that goes with it, if any does.
    pub fn request(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
    ) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// A new tenant, with a key of every scope that a tenant may have.
    pub async fn tenant(&self) -> Tenant {
        let id = fresh("e2e");
        let tenant = json!({ "tenant": id });
        let added = self.as_admin("/v1/tenants", &tenant).await;
        assert_eq!(added.status, 201, "{added:?}");
        let key = self.key(&id, &["publish", "read", "operate"]).await;
        Tenant {
            stack: self.clone(),
            id: id.parse().unwrap(),
            key,
        }
    }

    /// A new key of a tenant, with these scopes.
    pub async fn key(&self, tenant: &str, scopes: &[&str]) -> String {
        let path = format!("/v1/tenants/{tenant}/keys");
        let made = self.as_admin(&path, &json!({ "scopes": scopes })).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.body["key"].as_str().unwrap().to_owned()
    }

    /// A request that only administrators may make.
    pub async fn as_admin(&self, path: &str, body: &Value) -> Answer {
        let request = self.request(Method::POST, path, Some(&self.admin_key));
        Answer::to(request.json(body)).await
    }

    /// What only administrators may see.
    pub async fn seen_by_admin(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path, Some(&self.admin_key))).await
    }

    /// The dead letters of no tenant that a query asks for: `?state=OPEN`.
    pub async fn bus_dead_letters(&self, query: &str) -> Vec<Value> {
        self.dead_letters(&self.admin_key, query).await
    }

    async fn dead_letters(&self, key: &str, query: &str) -> Vec<Value> {
        let path = format!("/v1/dead-letters{query}");
        let listed = Answer::to(self.request(Method::GET, &path, Some(key))).await;
        assert_eq!(listed.status, 200, "{listed:?}");
        let mut letters = Vec::new();
        for listed in listed.body["dead_letters"].as_array().unwrap() {
            let id = listed["dead_letter_id"].as_str().unwrap();
            let path = format!("/v1/dead-letters/{id}");
            let shown = Answer::to(self.request(Method::GET, &path, Some(key))).await;
            assert_eq!(shown.status, 200, "{shown:?}");
            letters.push(shown.body);
        }
        letters
    }

    /// A new queue that subscriptions may name.
    pub async fn subscriber_queue(&self) -> Queue {
        self.subscriber_queue_with("", &[]).await
    }

    /// A new queue that subscriptions may name, whose name ends so, with these attributes.
    pub async fn subscriber_queue_with(
        &self,
        name_end: &str,
        attributes: &[(QueueAttributeName, &str)],
    ) -> Queue {
        let (_, example) = self.example_queue.url.rsplit_once('/').unwrap();
        let prefix = example.strip_suffix("example").unwrap();
        let name = format!("{}{name_end}", fresh(&format!("{prefix}e2e")));
        let create = attributes
            .iter()
            .fold(self.sqs.create_queue(), |create, (name, value)| {
                create.attributes(name.clone(), *value)
            });
        let made = create.queue_name(name).send().await.unwrap();
        Queue {
            url: made.queue_url.unwrap(),
            sqs: self.sqs.clone(),
        }
    }

    /// The hand-over of an event as its receipt tells it, as soon as there is one. Once there is, every
    /// queue that will get the event has it.
    pub async fn handed_over(&self, event_id: EventId) -> HandedOver {
        let what = format!("a receipt names {event_id}");
        eventually(&what, async || {
            let receipts = self.receipts(event_id).await;
            receipts
                .iter()
                .find_map(|receipt| HandedOver::of(event_id, receipt))
        })
        .await
    }

    async fn receipts(&self, event_id: EventId) -> Vec<Item> {
        let bucket = keys::receipts(Bucket::of(event_id));
        let query = self.dynamodb.query().table_name(&self.outbox_table);
        let pages = query
            .key_condition_expression("pk = :bucket")
            .expression_attribute_values(":bucket", AttributeValue::S(bucket))
            .into_paginator()
            .items();
        pages.send().collect::<Result<_, _>>().await.unwrap()
    }
}

/// No function reads logs, so no other client is made so.
fn logs_client(aws: &AwsEnvironment) -> aws_sdk_cloudwatchlogs::Client {
    use aws_sdk_cloudwatchlogs::config::{BehaviorVersion, Builder, Credentials, Region};
    let credentials = Credentials::new(
        &aws.access_key_id,
        &aws.secret_access_key,
        aws.session_token.clone(),
        None,
        "environment",
    );
    let mut config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(aws.region.clone()))
        .credentials_provider(credentials);
    config.set_endpoint_url(aws.endpoint_url.clone());
    aws_sdk_cloudwatchlogs::Client::from_conf(config.build())
}

/// What a receipt tells of one event.
#[derive(Debug, PartialEq, Eq)]
pub struct HandedOver {
    /// Whose event it is.
    pub tenant: String,
    /// What happened.
    pub event_type: String,
    /// Who got it.
    pub subscriptions: Vec<String>,
    /// Who would have got it, and was paused or suspended.
    pub withheld: Vec<String>,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

impl HandedOver {
    fn of(event_id: EventId, receipt: &Item) -> Option<Self> {
        let groups = receipt["groups"].as_l().unwrap().iter();
        let group = groups.map(|group| group.as_m().unwrap()).find(|group| {
            let ids = group["event_ids"].as_b().unwrap().as_ref();
            assert_eq!(ids.len() % 16, 0, "ids are packed, 16 bytes each");
            ids.chunks(16).any(|id| id == event_id.as_bytes())
        })?;
        let text = |value: &AttributeValue| value.as_s().unwrap().clone();
        let names = |name| {
            let names = group.get(name).map(|names| names.as_l().unwrap().iter());
            names.into_iter().flatten().map(text).collect()
        };
        Some(Self {
            tenant: text(&group["tenant"]),
            event_type: text(&group["type"]),
            subscriptions: names("subscriptions"),
            withheld: names("withheld"),
            at_ms: receipt["handed_over_ms"].as_n().unwrap().parse().unwrap(),
        })
    }
}

/// A tenant that was made for one test.
#[derive(Clone)]
pub struct Tenant {
    /// Its name.
    pub id: TenantId,
    /// Its key.
    pub key: String,
    stack: Stack,
}

impl Tenant {
    /// Publishes an event.
    pub async fn publish(&self, event: impl ToString) -> Answer {
        let request = self
            .stack
            .request(Method::POST, "/v1/events", Some(&self.key));
        let request = request.header(CONTENT_TYPE, STRUCTURED);
        Answer::to(request.body(event.to_string())).await
    }

    /// Publishes an event from within a trace: with this header.
    pub async fn publish_traced(&self, event: impl ToString, traceparent: &str) -> Answer {
        let request = self
            .stack
            .request(Method::POST, "/v1/events", Some(&self.key));
        let request = request
            .header(CONTENT_TYPE, STRUCTURED)
            .header(TRACEPARENT, traceparent);
        Answer::to(request.body(event.to_string())).await
    }

    /// The tenant's dead letters that a query asks for, each with its event or record.
    pub async fn dead_letters(&self, query: &str) -> Vec<Value> {
        self.stack.dead_letters(&self.key, query).await
    }

    /// A request to the API with the tenant's key; null is sent as no body.
    pub async fn call(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self.stack.request(method, path, Some(&self.key));
        match body {
            Value::Null => Answer::to(request).await,
            body => Answer::to(request.json(body)).await,
        }
    }

    /// Publishes a batch, with these query parameters.
    pub async fn publish_batch(&self, query: &str, batch: &[Value]) -> Answer {
        let path = format!("/v1/events{query}");
        let request = self.stack.request(Method::POST, &path, Some(&self.key));
        let request = request.header(CONTENT_TYPE, "application/cloudevents-batch+json");
        Answer::to(request.body(json!(batch).to_string())).await
    }

    /// The item of an event in the log, if there is one.
    pub async fn event_item(&self, source: &str, id: &str) -> Option<Item> {
        let key = keys::event(&self.id, source, id);
        let get = self.stack.dynamodb.get_item();
        let get = get
            .table_name(&self.stack.event_log_table)
            .key(keys::PK, AttributeValue::S(key))
            .consistent_read(true);
        get.send().await.unwrap().item
    }

    /// Changes what is set for the tenant.
    pub async fn set(&self, settings: &Value) -> Answer {
        let path = format!("/v1/tenants/{}", self.id);
        let key = Some(self.stack.admin_key.as_str());
        let request = self.stack.request(Method::PATCH, &path, key);
        Answer::to(request.json(settings)).await
    }

    /// Publishes an event that has to be accepted as new.
    pub async fn accepted(&self, event: impl ToString) -> EventId {
        let answer = self.publish(event).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.body["duplicate"], false);
        answer.event_id()
    }

    /// Subscribes a new queue to these types.
    pub async fn subscribe(&self, id: &str, types: &[&str]) -> Queue {
        let queue = self.stack.subscriber_queue().await;
        self.subscribe_queue(id, types, &queue).await;
        queue
    }

    /// Subscribes a queue to these types. What the tenant publishes from now on is seen by it, for
    /// `dispatch` reads a tenant's subscriptions when its first event comes.
    pub async fn subscribe_queue(&self, id: &str, types: &[&str], queue: &Queue) {
        let subscription = json!({ "id": id, "types": types, "queue_url": queue.url });
        let request = self
            .stack
            .request(Method::POST, "/v1/subscriptions", Some(&self.key));
        let answer = Answer::to(request.json(&subscription)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    /// What the example subscriber remembers of an event, if it has seen it.
    pub async fn inbox_item(
        &self,
        subscription: &SubscriptionId,
        event_id: EventId,
    ) -> Option<Item> {
        let key = keys::inbox(&pillarbox_domain::inbox::InboxKey {
            tenant: self.id.clone(),
            subscription: subscription.clone(),
            event_id,
        });
        let get = self
            .stack
            .dynamodb
            .get_item()
            .table_name(&self.stack.inbox_table);
        let found = get
            .key(keys::PK, AttributeValue::S(key))
            .consistent_read(true)
            .send()
            .await
            .unwrap();
        found.item
    }
}

/// An answer of the API.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: String,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// The body; null when it is not JSON.
    pub body: Value,
}

impl Answer {
    /// The answer to a request.
    pub async fn to(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let header = |name| {
            let value = response.headers().get(name);
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        Self {
            status: response.status().as_u16(),
            content_type: header(CONTENT_TYPE).unwrap_or_default(),
            retry_after: header(RETRY_AFTER).map(|seconds| seconds.parse().unwrap()),
            body: serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default(),
        }
    }

    /// The event's id that a publish was answered with.
    pub fn event_id(&self) -> EventId {
        let id = self.body["event_id"].as_str();
        id.unwrap_or_else(|| panic!("no event id: {self:?}"))
            .parse()
            .unwrap()
    }
}

/// A queue.
#[derive(Clone)]
pub struct Queue {
    /// Its address.
    pub url: String,
    pub(crate) sqs: aws_sdk_sqs::Client,
}

impl Queue {
    /// The next messages, taken off the queue: none when none came within a second.
    pub async fn take(&self) -> Vec<Message> {
        let messages = self.look(30).await;
        for message in &messages {
            self.delete(message).await;
        }
        messages
    }

    /// The next messages, left in the queue, from which they are gone for so many seconds.
    pub async fn look(&self, hidden_seconds: i32) -> Vec<Message> {
        let receive = self.sqs.receive_message().queue_url(&self.url);
        let received = receive
            .max_number_of_messages(LOOK_MESSAGES)
            .visibility_timeout(hidden_seconds)
            .wait_time_seconds(LOOK_SECONDS)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .unwrap();
        received.messages.unwrap_or_default()
    }

    /// Takes a message off the queue.
    pub async fn delete(&self, message: &Message) {
        let delete = self.sqs.delete_message().queue_url(&self.url);
        let receipt = message.receipt_handle.as_deref().unwrap();
        delete.receipt_handle(receipt).send().await.unwrap();
    }

    /// Takes messages until there are as many, then whatever else is there.
    pub async fn take_at_least(&self, count: usize) -> Vec<Message> {
        let mut taken = Vec::new();
        let what = format!("{count} messages are in {}", self.url);
        eventually(&what, async || {
            taken.extend(self.take().await);
            (taken.len() >= count).then_some(())
        })
        .await;
        taken.extend(self.take_rest().await);
        taken
    }

    /// Takes everything that is there, however much, many looks at a time.
    pub async fn take_all(&self) -> Vec<Message> {
        let mut taken = Vec::new();
        loop {
            let looks = join_all((0..LOOKS_AT_A_TIME).map(|_| self.take_batch())).await;
            let found: Vec<Message> = looks.into_iter().flatten().collect();
            if found.is_empty() {
                return taken;
            }
            taken.extend(found);
        }
    }

    /// One look, whose messages are taken off the queue by one call.
    async fn take_batch(&self) -> Vec<Message> {
        let messages = self.look(30).await;
        if messages.is_empty() {
            return messages;
        }
        let entries = messages.iter().enumerate().map(|(index, message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            let receipt = message.receipt_handle.as_deref().unwrap();
            entry.receipt_handle(receipt).build().unwrap()
        });
        let delete = self.sqs.delete_message_batch().queue_url(&self.url);
        let deleted = delete.set_entries(Some(entries.collect())).send().await;
        let failed = deleted.unwrap().failed;
        assert!(failed.is_empty(), "{failed:?}");
        messages
    }

    /// Takes what is there.
    pub async fn take_rest(&self) -> Vec<Message> {
        let mut taken = Vec::new();
        loop {
            let next = self.take().await;
            if next.is_empty() {
                return taken;
            }
            taken.extend(next);
        }
    }

    /// Sends a message with attributes, as a copy of one.
    pub async fn send(&self, body: &str, attributes: HashMap<String, MessageAttributeValue>) {
        let send = self
            .sqs
            .send_message()
            .queue_url(&self.url)
            .message_body(body);
        send.set_message_attributes(Some(attributes))
            .send()
            .await
            .unwrap();
    }

    /// Waits until nothing is in the queue, neither to be received nor being handled.
    pub async fn is_drained(&self) {
        use aws_sdk_sqs::types::QueueAttributeName::{
            ApproximateNumberOfMessages as Waiting, ApproximateNumberOfMessagesNotVisible as Taken,
        };
        eventually(&format!("{} is drained", self.url), async || {
            let get = self.sqs.get_queue_attributes().queue_url(&self.url);
            let counts = get
                .attribute_names(Waiting)
                .attribute_names(Taken)
                .send()
                .await
                .unwrap();
            let counts = counts.attributes.unwrap();
            let empty = |name| counts.get(name).is_some_and(|count| count == "0");
            (empty(&Waiting) && empty(&Taken)).then_some(())
        })
        .await;
    }
}
