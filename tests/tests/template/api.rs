//! Who may call what.

use pillarbox_tests::template::{Template, referenced};
use serde_json::{Value, json};

use crate::{Faults, ROUTE, check, unless};

/// Routes that anybody may call.
const OPEN_ROUTES: [&str; 2] = ["GET /v1/health", "$default"];

fn routes(template: &Template) -> Faults {
    let mut faults = Faults::new();
    for route in template.resources(ROUTE) {
        let key = template.property(route, "RouteKey");
        if OPEN_ROUTES.iter().any(|open| key == *open) {
            continue;
        }
        let custom = template.property(route, "AuthorizationType") == "CUSTOM";
        let authorizer = referenced(template.property(route, "AuthorizerId"));
        faults.extend(unless(
            custom && authorizer == Some("ApiAuthorizer"),
            format!("{key} is not guarded"),
        ));
    }
    let authorizer = |name| template.property("ApiAuthorizer", name);
    faults.extend(unless(
        *authorizer("IdentitySource") == json!([]),
        "a call without a key is refused before it gets a problem".to_owned(),
    ));
    faults.extend(unless(
        authorizer("AuthorizerResultTtlInSeconds") == 0,
        "one caller's answer is kept for another".to_owned(),
    ));
    faults.extend(uncallable(template));
    faults
}

/// Functions that the API names and may not call.
fn uncallable(template: &Template) -> Faults {
    let integrations = template
        .resources("AWS::ApiGatewayV2::Integration")
        .into_iter();
    let integrated =
        integrations.map(|name| referenced(template.property(name, "IntegrationUri")).unwrap());
    let permitted: Vec<&str> = template
        .resources("AWS::Lambda::Permission")
        .into_iter()
        .filter(|name| template.property(name, "Principal") == "apigateway.amazonaws.com")
        .filter(|name| {
            template.property(name, "SourceArn")["Fn::Sub"]
                .as_str()
                .is_some_and(|arn| arn.contains("${Api}"))
        })
        .filter_map(|name| referenced(template.property(name, "FunctionName")))
        .collect();
    let called = integrated.chain(["AuthorizerFunction"]);
    let forbidden = called.filter(|function| !permitted.contains(function));
    forbidden
        .map(|function| format!("the API may not call {function}"))
        .collect()
}

#[test]
fn every_route_but_the_open_ones_is_guarded() {
    let authorizer = "/Resources/ApiAuthorizer/Properties";
    let broken = [
        (
            "/Resources/PublishRoute/Properties/AuthorizationType",
            Value::Null,
            "is not guarded",
        ),
        (
            "/Resources/AddTenantRoute/Properties/AuthorizationType",
            json!("NONE"),
            "is not guarded",
        ),
        (
            "/Resources/AddKeyRoute/Properties/AuthorizerId",
            Value::Null,
            "is not guarded",
        ),
        (
            "/Resources/HealthRoute/Properties/RouteKey",
            json!("GET /v1/events"),
            "is not guarded",
        ),
        (
            &*format!("{authorizer}/IdentitySource"),
            json!(["$request.header.Authorization"]),
            "is refused before it gets a problem",
        ),
        (
            &*format!("{authorizer}/IdentitySource"),
            Value::Null,
            "is refused before it gets a problem",
        ),
        (
            &*format!("{authorizer}/AuthorizerResultTtlInSeconds"),
            Value::Null,
            "is kept for another",
        ),
        (
            "/Resources/IngestPermission",
            Value::Null,
            "may not call IngestFunction",
        ),
        (
            "/Resources/AuthorizerPermission/Properties/SourceArn",
            Value::Null,
            "may not call AuthorizerFunction",
        ),
    ];
    check(routes, &broken);
}
