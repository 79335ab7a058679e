//! What callers send of a subscription, checked field by field.

use pillarbox_domain::pattern::Pattern;
use pillarbox_domain::subscription::request::{
    self, FieldFault, RetryRequest, SubscriptionRequest, Whole,
};
use pillarbox_domain::{Subscription, TenantId};
use pillarbox_runtime::http::{FieldError, Problem, Request};
use serde::{Deserialize, Deserializer};
use serde_json::Number;
use serde_json::value::RawValue;

use crate::requests::{number, parse, whole as whole_number};

/// `POST /v1/subscriptions`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewBody {
    id: String,
    queue_url: String,
    types: Option<Vec<String>>,
    pattern: Option<Box<RawValue>>,
    target_version: Option<Number>,
    retry: Option<RetryBody>,
    message_group: Option<String>,
}

/// `PATCH /v1/subscriptions/{subscription}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    version: Number,
    queue_url: Option<String>,
    types: Option<Vec<String>>,
    pattern: Option<Box<RawValue>>,
    /// Null takes the version away.
    #[serde(default, deserialize_with = "given")]
    target_version: Option<Option<Number>>,
    retry: Option<RetryBody>,
    message_group: Option<String>,
}

/// What is left out stays as it is.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetryBody {
    retries: Option<Number>,
    first_delay_ms: Option<Number>,
    factor: Option<Number>,
    max_delay_ms: Option<Number>,
}

type Errors = Vec<FieldError>;

/// The subscription that a caller wants to register.
pub(super) fn new_subscription(
    request: &Request,
    owner: &TenantId,
    queue_prefix: &str,
) -> Result<Subscription, Problem> {
    let body: NewBody = parse(request)?;
    let wanted = SubscriptionRequest {
        queue_url: Some(body.queue_url),
        types: body.types,
        pattern: body.pattern.as_deref().map(json),
        target_version: body.target_version.map(|version| Some(whole(&version))),
        retry: body.retry.map(RetryRequest::from).unwrap_or_default(),
        message_group: body.message_group,
    };
    let wanted = wanted.create(owner, &body.id, queue_prefix);
    wanted.map_err(|faults| Problem::invalid(told(faults)))
}

/// The subscription as a caller wants it to be, and the version that they saw.
pub(super) fn changed(
    request: &Request,
    there: &Subscription,
    queue_prefix: &str,
) -> Result<(u64, Subscription), Problem> {
    let body: ChangeBody = parse(request)?;
    let mut errors = vec![];
    let seen = number(
        "version",
        Some(body.version),
        Ok::<u64, String>,
        &mut errors,
    );
    let change = SubscriptionRequest {
        queue_url: body.queue_url,
        types: body.types,
        pattern: body.pattern.as_deref().map(json),
        target_version: body
            .target_version
            .map(|version| version.as_ref().map(whole)),
        retry: body.retry.map(RetryRequest::from).unwrap_or_default(),
        message_group: body.message_group,
    };
    match (seen, change.change(there, queue_prefix)) {
        (Some(seen), Ok(wanted)) => Ok((seen, wanted)),
        (_, wanted) => {
            errors.extend(told(wanted.err().unwrap_or_default()));
            Err(Problem::invalid(errors))
        }
    }
}

/// The version that the query names, if it does.
pub(super) fn seen_version(parameters: &[(String, String)]) -> Result<Option<u64>, Problem> {
    let mut seen = None;
    let mut errors = vec![];
    for (name, value) in parameters {
        match (name.as_str(), value.parse()) {
            ("version", Ok(version)) if seen.is_none() => seen = Some(version),
            ("version", Ok(_)) => errors.push(fault(name, "is given twice")),
            ("version", Err(_)) => errors.push(fault(name, "must be a whole number")),
            _ => errors.push(fault(name, "is not a parameter of this request")),
        }
    }
    match errors.is_empty() {
        true => Ok(seen),
        false => Err(Problem::invalid(errors)),
    }
}

/// The pattern, or the one that types are short for.
pub(super) fn pattern(
    types: Option<Vec<String>>,
    pattern: Option<Box<RawValue>>,
    errors: &mut Errors,
) -> Option<Pattern> {
    let mut faults = vec![];
    let pattern = pattern.as_deref().map(RawValue::get);
    let pattern = request::pattern(types.as_deref(), pattern, &mut faults);
    errors.extend(told(faults));
    pattern
}

fn told(faults: Vec<FieldFault>) -> Errors {
    faults.into_iter().map(FieldError::from).collect()
}

impl From<RetryBody> for RetryRequest {
    fn from(body: RetryBody) -> Self {
        let whole = |number: Option<Number>| number.as_ref().map(whole);
        Self {
            retries: whole(body.retries),
            first_delay_ms: whole(body.first_delay_ms),
            factor: whole(body.factor),
            max_delay_ms: whole(body.max_delay_ms),
        }
    }
}

fn whole(number: &Number) -> Whole {
    Whole(whole_number(number))
}

fn json(value: &RawValue) -> String {
    value.get().to_owned()
}

fn fault(field: &str, detail: &str) -> FieldError {
    FieldFault::new(field, detail).into()
}

/// Tells null from nothing.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<Number>>, D::Error> {
    Option::deserialize(value).map(Some)
}
