//! What CloudFormation asks of a custom resource's provider, and what it wants to be answered
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html>).

use pillarbox_domain::declaration::DeclarationId;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Bytes of a reason: an answer has 4,096 at most, in which a character may be escaped, and which holds ids, too.
const MAX_REASON_BYTES: usize = 1_500;

/// A request. Whatever is missing or malformed is empty, so that there is always somebody to answer to.
pub(crate) struct Request {
    /// What is to be done: `Create`, `Update`, `Delete`.
    pub(crate) kind: String,
    /// Where the answer goes. It is signed, and so must not be logged.
    pub(crate) response_url: String,
    /// The stack.
    pub(crate) stack_id: String,
    /// This request.
    pub(crate) request_id: String,
    /// The resource in its template.
    pub(crate) logical_id: String,
    /// What an earlier answer called the resource.
    pub(crate) physical_id: Option<String>,
    /// The resource's properties. The API key is among them, so they must not be logged.
    pub(crate) properties: Map<String, Value>,
}

impl Request {
    /// Reads a request.
    pub(crate) fn of(mut event: Value) -> Self {
        let properties = event.get_mut("ResourceProperties").map(Value::take);
        let text = |name: &str| event[name].as_str().map(str::to_owned);
        let required = |name: &str| text(name).unwrap_or_default();
        Self {
            kind: required("RequestType"),
            response_url: required("ResponseURL"),
            stack_id: required("StackId"),
            request_id: required("RequestId"),
            logical_id: required("LogicalResourceId"),
            physical_id: text("PhysicalResourceId"),
            properties: match properties {
                Some(Value::Object(properties)) => properties,
                _ => Map::new(),
            },
        }
    }

    /// The subscription that an earlier request for this resource declared. What a failed one left behind names none.
    pub(crate) fn declared(&self) -> Option<DeclarationId> {
        self.physical_id.as_ref()?.parse().ok()
    }

    /// What the resource is called already, or, as long as it has no subscription, by a name without the slash that every
    /// [`DeclarationId`] has.
    fn kept_physical_id(&self) -> String {
        let kept = self.physical_id.clone().filter(|id| !id.is_empty());
        kept.unwrap_or_else(|| format!("failed-{}", self.request_id.replace('/', "-")))
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    Success,
    Failed,
}

/// An answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Answer<'a> {
    status: Status,
    /// Null would be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    physical_resource_id: String,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
    data: Value,
}

impl<'a> Answer<'a> {
    /// The subscription is there, or, when none is named, the resource is gone.
    pub(crate) fn success(request: &'a Request, declared: Option<&DeclarationId>) -> Self {
        let data = declared.map(|declared| {
            json!({
                "Tenant": declared.owner.as_str(),
                "SubscriptionId": declared.subscription.as_str(),
            })
        });
        Self {
            status: Status::Success,
            reason: None,
            physical_resource_id: match declared {
                Some(declared) => declared.to_string(),
                None => request.kept_physical_id(),
            },
            data: data.unwrap_or_else(|| json!({})),
            ..Self::to(request)
        }
    }

    /// Nothing was done, for this reason. The resource keeps the name that it has: another would be taken for a
    /// replacement, and the old one be deleted.
    pub(crate) fn failed(request: &'a Request, reason: &str) -> Self {
        Self {
            reason: Some(printable(reason)),
            ..Self::to(request)
        }
    }

    fn to(request: &'a Request) -> Self {
        Self {
            status: Status::Failed,
            reason: None,
            physical_resource_id: request.kept_physical_id(),
            stack_id: &request.stack_id,
            request_id: &request.request_id,
            logical_resource_id: &request.logical_id,
            data: json!({}),
        }
    }
}

/// What people can read of it, as far as there is room.
fn printable(reason: &str) -> String {
    let mut reason = reason.replace(char::is_control, " ");
    if reason.len() > MAX_REASON_BYTES {
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES - '…'.len_utf8()));
        reason.push('…');
    }
    reason
}
