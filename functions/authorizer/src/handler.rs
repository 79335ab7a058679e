//! From the HTTP API's question to the domain's answer and back.
//!
//! The answer is always "go on", with who is calling in the context: a refusal here could only be a bare
//! 403 from the gateway, so the function that is called refuses, with a problem that says why
//! (`docs/adr/0004-authorizer-identifies.md`).

use aws_lambda_events::apigw::ApiGatewayV2CustomAuthorizerV2Request;
use aws_lambda_events::http::HeaderMap;
use aws_lambda_events::http::header::AUTHORIZATION;
use pillarbox_domain::ErrorChain;
use pillarbox_domain::credential::{KeyDigest, KeyStore, identify};
use pillarbox_runtime::http::CallerContext;
use serde::Serialize;

/// The simple form of an authorizer's answer (payload format 2.0).
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    is_authorized: bool,
    context: CallerContext,
}

/// Knows the keys.
pub(crate) struct Authorizer<K> {
    /// The tenants' keys.
    pub(crate) keys: K,
    /// The administrators' first key.
    pub(crate) administrator: KeyDigest,
}

impl<K: KeyStore> Authorizer<K> {
    /// Says who is calling.
    pub(crate) async fn handle(&self, request: &ApiGatewayV2CustomAuthorizerV2Request) -> Answer {
        let context = match presented(&request.headers) {
            Some(key) => self.identify(key).await,
            None => CallerContext::Unknown,
        };
        log(request, &context);
        Answer {
            is_authorized: true,
            context,
        }
    }

    async fn identify(&self, key: &str) -> CallerContext {
        match identify(&self.keys, &self.administrator, key).await {
            Ok(Some(grant)) => CallerContext::from(&grant),
            Ok(None) => CallerContext::Unknown,
            Err(error) => {
                tracing::error!(error = %ErrorChain(&error), "store.failed");
                CallerContext::Unavailable
            }
        }
    }
}

/// The key of `Authorization: Bearer <key>`; the scheme's case does not count (RFC 9110, 11.1).
fn presented(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

fn log(request: &ApiGatewayV2CustomAuthorizerV2Request, context: &CallerContext) {
    let (outcome, tenant) = match context {
        CallerContext::Known { tenant, .. } => ("known", tenant.as_str()),
        CallerContext::Unknown => ("unknown", ""),
        CallerContext::Unavailable => ("unavailable", ""),
    };
    let route = request.route_key.as_deref().unwrap_or_default();
    tracing::info!(tenant.id = tenant, route, outcome, "caller.identified");
}

#[cfg(test)]
mod tests;
