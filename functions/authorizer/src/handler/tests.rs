//! The HTTP API's question, and what reaches a function of the answer.

use aws_lambda_events::apigw::ApiGatewayV2CustomAuthorizerV2Request;
use pillarbox_domain::credential::{ApiKey, SECRET_BYTES, Scope, StoredKey};
use pillarbox_domain::registry::Registry;
use pillarbox_testkit::MemoryRegistry;
use serde_json::{Value, json};

use super::Authorizer;

fn key(secret: u8) -> ApiKey {
    ApiKey::new("demo".parse().unwrap(), &[secret; SECRET_BYTES])
}

async fn authorizer() -> Authorizer<MemoryRegistry> {
    let keys = MemoryRegistry::default();
    let stored = StoredKey {
        tenant: "demo".parse().unwrap(),
        digest: key(1).digest(),
        scopes: [Scope::Publish, Scope::Read].into(),
        name: None,
    };
    keys.add_key(&stored).await.unwrap();
    Authorizer {
        keys,
        administrator: key(0).digest(),
    }
}

async fn answer(authorizer: &Authorizer<MemoryRegistry>, headers: Value) -> Value {
    let request = json!({
        "version": "2.0", "type": "REQUEST", "routeKey": "POST /v1/events", "headers": headers,
        "requestContext": { "http": { "method": "POST" } },
    });
    let request: ApiGatewayV2CustomAuthorizerV2Request = serde_json::from_value(request).unwrap();
    serde_json::to_value(authorizer.handle(&request).await).unwrap()
}

#[tokio::test]
async fn a_known_key_becomes_its_tenant_and_scopes() {
    let authorizer = authorizer().await;
    for scheme in ["Bearer", "bearer"] {
        let headers = json!({ "authorization": format!("{scheme} {}", key(1).expose()) });
        let known = json!({
            "isAuthorized": true,
            "context": { "outcome": "known", "tenant": "demo", "scopes": "publish read" },
        });
        assert_eq!(answer(&authorizer, headers).await, known);
    }
}

#[tokio::test]
async fn anything_else_is_unknown_and_carries_no_tenant() {
    let authorizer = authorizer().await;
    let unknown = json!({ "isAuthorized": true, "context": { "outcome": "unknown" } });
    let wrong = format!("Bearer {}", key(2).expose());
    let bare = key(1).expose().to_owned();
    for header in [
        wrong,
        bare,
        String::new(),
        "Basic eDp5".to_owned(),
        "Bearer ".to_owned(),
    ] {
        assert_eq!(
            answer(&authorizer, json!({ "authorization": header })).await,
            unknown
        );
    }
    assert_eq!(answer(&authorizer, json!({})).await, unknown);
}

#[tokio::test]
async fn a_store_that_fails_is_told_from_a_wrong_key() {
    let authorizer = authorizer().await;
    authorizer.keys.set_failing(true);
    let headers = json!({ "authorization": format!("Bearer {}", key(1).expose()) });
    let unavailable = json!({ "isAuthorized": true, "context": { "outcome": "unavailable" } });
    assert_eq!(answer(&authorizer, headers).await, unavailable);
}
