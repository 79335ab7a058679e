//! Amazon's own DynamoDB engine, with the tables that the template describes.

use aws_sdk_dynamodb::Client;
use pillarbox_aws::{AwsEnvironment, Clients};
use pillarbox_runtime::env::Env;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::fresh;
use crate::template::Template;

/// The engine asks for a signature and does not look at it.
const ANY_SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";

/// The engine at `DYNAMODB_LOCAL_URL`.
pub struct Engine {
    /// Talks to it.
    pub client: Client,
    url: String,
    http: reqwest::Client,
}

/// A table that was made for one test.
pub struct Table {
    /// What it is called.
    pub name: String,
    /// Its stream, if it has one.
    pub stream_arn: Option<String>,
}

impl Engine {
    /// The engine that this process is told of. Panics when it is told of none.
    pub fn of_process() -> Self {
        let mut env = Env::of_process();
        let url = env.required::<String>("DYNAMODB_LOCAL_URL");
        let url = env.finish(|| url).unwrap_or_else(|error| {
            panic!("{error}: run this suite by `python3 infra/local/dynamodb_local.py -- cargo test -p pillarbox-tests --test conformance`")
        });
        let environment = AwsEnvironment {
            region: "us-east-1".to_owned(),
            access_key_id: "test".to_owned(),
            secret_access_key: "test".to_owned(),
            session_token: None,
            endpoint_url: Some(url.clone()),
        };
        Self {
            client: Clients::new(environment).dynamodb(),
            url,
            http: reqwest::Client::new(),
        }
    }

    /// Makes a table as the template describes it, under a name of its own. What CloudFormation calls
    /// keys, indexes and streams, DynamoDB calls alike.
    pub async fn table(&self, resource: &str) -> Table {
        let template = Template::of_workspace();
        let name = fresh(resource);
        let mut request = json!({ "TableName": name, "BillingMode": "PAY_PER_REQUEST" });
        for property in [
            "AttributeDefinitions",
            "KeySchema",
            "GlobalSecondaryIndexes",
        ] {
            let described = template.property(resource, property);
            if !described.is_null() {
                request[property] = described.clone();
            }
        }
        let view = template.property(resource, "StreamSpecification/StreamViewType");
        if !view.is_null() {
            request["StreamSpecification"] =
                json!({ "StreamEnabled": true, "StreamViewType": view });
        }
        let made = self.call("DynamoDB_20120810.CreateTable", &request).await;
        let stream_arn = made["TableDescription"]["LatestStreamArn"].as_str();
        Table {
            name,
            stream_arn: stream_arn.map(str::to_owned),
        }
    }

    /// Every record that a stream holds, in the JSON that Lambda hands over.
    pub async fn records(&self, stream_arn: &str) -> Vec<Value> {
        let stream = json!({ "StreamArn": stream_arn });
        let described = self.streams("DescribeStream", &stream).await;
        let shards = described["StreamDescription"]["Shards"].as_array().unwrap();
        let mut records = Vec::new();
        for shard in shards {
            let from = json!({
                "StreamArn": stream_arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON",
            });
            let iterator = self.streams("GetShardIterator", &from).await;
            let read = json!({ "ShardIterator": iterator["ShardIterator"] });
            let page = self.streams("GetRecords", &read).await;
            records.extend(page["Records"].as_array().unwrap().iter().cloned());
        }
        records
    }

    async fn streams(&self, operation: &str, request: &Value) -> Value {
        let target = format!("DynamoDBStreams_20120810.{operation}");
        self.call(&target, request).await
    }

    async fn call(&self, target: &str, request: &Value) -> Value {
        let call = self.http.post(&self.url).body(request.to_string());
        let answer = call
            .header(CONTENT_TYPE, "application/x-amz-json-1.0")
            .header(AUTHORIZATION, ANY_SIGNATURE)
            .header("x-amz-target", target)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{target}: {body}");
        body
    }
}
