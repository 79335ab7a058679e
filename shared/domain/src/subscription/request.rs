//! What callers say of a subscription, checked field by field.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Number;

use super::{MessageGroup, QueueUrl, Subscription, SubscriptionId, SubscriptionState, TypePattern};
use crate::limits::MAX_TYPE_PATTERNS;
use crate::pattern::Pattern;
use crate::retry_policy::{InvalidRetryPolicy, RetryPolicy};
use crate::schema::SchemaVersion;
use crate::tenant::TenantId;

/// One field at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// Its name in the API: `queue_url`, `types[1]`, `retry.factor`.
    pub field: String,
    /// What is wrong with it: words that follow the name.
    pub detail: String,
}

impl FieldFault {
    /// A fault of this field.
    pub fn new(field: impl Into<String>, detail: impl ToString) -> Self {
        Self {
            field: field.into(),
            detail: detail.to_string(),
        }
    }
}

/// A number as a caller wrote it; `None` when it is not a whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole(pub Option<u64>);

impl Whole {
    /// JSON knows one kind of number: some clients write 6 as `6.0`.
    pub fn of(number: &Number) -> Self {
        /// Up to here a double is exact, and far beyond every limit.
        const MAX: f64 = 1e15;
        let of_double = |double: f64| {
            let is_whole = double.fract() == 0.0 && (0.0..=MAX).contains(&double);
            is_whole.then_some(double as u64)
        };
        let of_number = || number.as_f64().and_then(of_double);
        Self(number.as_u64().or_else(of_number))
    }
}

/// What a caller says of a subscription, as they wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionRequest {
    /// Where its deliveries go.
    pub queue_url: Option<String>,
    /// The types of events it wants, which are short for a pattern.
    pub types: Option<Vec<String>>,
    /// The pattern of the events it wants, as JSON.
    pub pattern: Option<String>,
    /// The version of data it wants; `Some(None)` takes it away.
    pub target_version: Option<Option<Whole>>,
    /// When a delivery is tried again.
    pub retry: RetryRequest,
    /// By what its messages are grouped.
    pub message_group: Option<String>,
}

/// What a caller says of a retry policy. What is left out stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryRequest {
    /// How often.
    pub retries: Option<Whole>,
    /// How long after the first failure, in milliseconds.
    pub first_delay_ms: Option<Whole>,
    /// By how much longer each time.
    pub factor: Option<Whole>,
    /// How long at the most, in milliseconds.
    pub max_delay_ms: Option<Whole>,
}

impl SubscriptionRequest {
    /// The subscription that is to be made. What is left out is the default; a queue, and a pattern or types, have to
    /// be there.
    ///
    /// # Errors
    /// Every field at fault.
    pub fn create(
        self,
        owner: &TenantId,
        id: &str,
        queue_prefix: &str,
    ) -> Result<Subscription, Vec<FieldFault>> {
        let mut faults = vec![];
        let id = parsed::<SubscriptionId>("id", id, &mut faults);
        let pattern = self.required_pattern(&mut faults);
        if self.queue_url.is_none() {
            faults.push(FieldFault::new("queue_url", "is missing"));
        }
        let parts = self.parts(RetryPolicy::default(), queue_prefix, &mut faults);
        let (Some(id), Some(pattern), Some(queue_url), true) =
            (id, pattern, parts.queue_url, faults.is_empty())
        else {
            return Err(faults);
        };
        let subscription = Subscription {
            tenant: owner.clone(),
            id,
            pattern,
            queue_url,
            target_version: parts.target_version.flatten(),
            retry: parts.retry,
            message_group: parts.message_group.unwrap_or_default(),
            state: SubscriptionState::default(),
        };
        let checked = subscription.check();
        checked.map_err(|error| vec![FieldFault::new("id", error)])?;
        Ok(subscription)
    }

    /// The subscription as it is to be. What is left out stays as it is.
    ///
    /// # Errors
    /// Every field at fault.
    pub fn change(
        self,
        there: &Subscription,
        queue_prefix: &str,
    ) -> Result<Subscription, Vec<FieldFault>> {
        let mut faults = vec![];
        let pattern = pattern(self.types.as_deref(), self.pattern.as_deref(), &mut faults);
        let parts = self.parts(there.retry, queue_prefix, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Subscription {
            tenant: there.tenant.clone(),
            id: there.id.clone(),
            pattern: pattern.unwrap_or_else(|| there.pattern.clone()),
            queue_url: parts.queue_url.unwrap_or_else(|| there.queue_url.clone()),
            target_version: parts.target_version.unwrap_or(there.target_version),
            retry: parts.retry,
            message_group: parts
                .message_group
                .unwrap_or_else(|| there.message_group.clone()),
            state: there.state.clone(),
        })
    }

    fn required_pattern(&self, faults: &mut Vec<FieldFault>) -> Option<Pattern> {
        if self.types.is_none() && self.pattern.is_none() {
            faults.push(FieldFault::new("pattern", "is missing: give it, or types"));
        }
        pattern(self.types.as_deref(), self.pattern.as_deref(), faults)
    }

    fn parts(&self, retry_there: RetryPolicy, prefix: &str, faults: &mut Vec<FieldFault>) -> Parts {
        let url = self.queue_url.as_ref();
        let group = self.message_group.as_ref();
        Parts {
            queue_url: url.and_then(|url| queue_url("queue_url", url, prefix, faults)),
            target_version: self
                .target_version
                .map(|version| number("target_version", version, SchemaVersion::new, faults)),
            retry: self.retry.over(retry_there, faults),
            message_group: group.and_then(|group| parsed("message_group", group, faults)),
        }
    }
}

/// What was said, as far as it is right.
struct Parts {
    queue_url: Option<QueueUrl>,
    target_version: Option<Option<SchemaVersion>>,
    retry: RetryPolicy,
    message_group: Option<MessageGroup>,
}

impl RetryRequest {
    /// The policy with what was said of it.
    fn over(self, there: RetryPolicy, faults: &mut Vec<FieldFault>) -> RetryPolicy {
        let before = faults.len();
        let retries = number("retry.retries", self.retries, u32::try_from, faults);
        let factor = number("retry.factor", self.factor, u32::try_from, faults);
        let first_delay = delay("retry.first_delay_ms", self.first_delay_ms, faults);
        let max_delay = delay("retry.max_delay_ms", self.max_delay_ms, faults);
        if faults.len() > before {
            return there;
        }
        let policy = RetryPolicy::new(
            retries.unwrap_or(there.retries()),
            first_delay.unwrap_or(there.first_delay()),
            factor.unwrap_or(there.factor()),
            max_delay.unwrap_or(there.max_delay()),
        );
        policy.unwrap_or_else(|error| {
            faults.push(FieldFault::new(retry_field(error), error));
            there
        })
    }
}

/// The pattern, or the one that types are short for; `None` when neither is given, or something is at fault.
pub fn pattern(
    types: Option<&[String]>,
    pattern: Option<&str>,
    faults: &mut Vec<FieldFault>,
) -> Option<Pattern> {
    match (types, pattern) {
        (None, None) => None,
        (Some(_), Some(_)) => {
            let detail = "are short for a pattern: give one of the two";
            faults.push(FieldFault::new("types", detail));
            None
        }
        (None, Some(json)) => {
            let told = |error| faults.push(FieldFault::new("pattern", error));
            Pattern::parse(json).map_err(told).ok()
        }
        (Some(types), None) => of_types(types, faults),
    }
}

fn of_types(texts: &[String], faults: &mut Vec<FieldFault>) -> Option<Pattern> {
    let before = faults.len();
    let texts_in_order = texts.iter().enumerate();
    let types: Vec<TypePattern> = texts_in_order
        .filter_map(|(index, text)| parsed(&format!("types[{index}]"), text, faults))
        .collect();
    if !(1..=MAX_TYPE_PATTERNS).contains(&texts.len()) {
        let detail = format!(
            "must name 1 to {MAX_TYPE_PATTERNS} types, and name {}",
            texts.len()
        );
        faults.push(FieldFault::new("types", detail));
    }
    (faults.len() == before).then(|| Pattern::of_types(&types))
}

/// A queue that the bus may send to.
pub(crate) fn queue_url(
    name: &str,
    text: &str,
    prefix: &str,
    faults: &mut Vec<FieldFault>,
) -> Option<QueueUrl> {
    let url = parsed::<QueueUrl>(name, text, faults)?;
    if url.queue_name().starts_with(prefix) {
        return Some(url);
    }
    let detail =
        format!("must name a queue that begins with {prefix}: the bus may send to no other");
    faults.push(FieldFault::new(name, detail));
    None
}

fn retry_field(error: InvalidRetryPolicy) -> &'static str {
    match error {
        InvalidRetryPolicy::Retries(_) => "retry.retries",
        InvalidRetryPolicy::FirstDelay(_) => "retry.first_delay_ms",
        InvalidRetryPolicy::Factor(_) => "retry.factor",
        InvalidRetryPolicy::MaxDelay(_) => "retry.max_delay_ms",
    }
}

fn delay(name: &str, value: Option<Whole>, faults: &mut Vec<FieldFault>) -> Option<Duration> {
    let millis = number(name, value, Ok::<u64, String>, faults);
    millis.map(Duration::from_millis)
}

fn parsed<T: FromStr<Err: Display>>(
    name: &str,
    text: &str,
    faults: &mut Vec<FieldFault>,
) -> Option<T> {
    let told = |error| faults.push(FieldFault::new(name, error));
    text.parse().map_err(told).ok()
}

fn number<T, E: Display>(
    name: &str,
    value: Option<Whole>,
    read: impl Fn(u64) -> Result<T, E>,
    faults: &mut Vec<FieldFault>,
) -> Option<T> {
    let Whole(value) = value?;
    let read = match value {
        Some(number) => read(number).map_err(|error| error.to_string()),
        None => Err("must be a whole number".to_owned()),
    };
    let told = |detail| faults.push(FieldFault::new(name, detail));
    read.map_err(told).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "pb-sub-";

    fn request() -> SubscriptionRequest {
        SubscriptionRequest {
            queue_url: Some("https://sqs.test/1/pb-sub-orders".to_owned()),
            types: Some(vec!["order.*".to_owned()]),
            ..SubscriptionRequest::default()
        }
    }

    fn create(request: SubscriptionRequest, id: &str) -> Result<Subscription, Vec<FieldFault>> {
        request.create(&"demo".parse().unwrap(), id, PREFIX)
    }

    fn fields(refused: Result<Subscription, Vec<FieldFault>>) -> Vec<String> {
        let faults = refused.unwrap_err().into_iter();
        faults.map(|fault| fault.field).collect()
    }

    #[test]
    fn what_is_left_out_is_the_default_when_made_and_stays_when_changed() {
        let made = create(request(), "orders").unwrap();
        assert_eq!(made.retry, RetryPolicy::default());
        assert_eq!(made.message_group, MessageGroup::default());
        assert_eq!(made.target_version, None);

        let change = SubscriptionRequest {
            target_version: Some(Some(Whole(Some(2)))),
            retry: RetryRequest {
                retries: Some(Whole(Some(7))),
                ..RetryRequest::default()
            },
            ..SubscriptionRequest::default()
        };
        let changed = change.change(&made, PREFIX).unwrap();
        assert_eq!(changed.retry.retries(), 7);
        assert_eq!(changed.pattern, made.pattern);
        assert_eq!(changed.queue_url, made.queue_url);
        let untouched = SubscriptionRequest::default();
        assert_eq!(
            untouched.change(&changed, PREFIX),
            Ok(changed.clone()),
            "nothing was said"
        );
        let taken_away = SubscriptionRequest {
            target_version: Some(None),
            ..SubscriptionRequest::default()
        };
        let taken_away = taken_away.change(&changed, PREFIX).unwrap();
        assert_eq!(taken_away.target_version, None);
    }

    #[test]
    fn every_field_at_fault_is_told_at_once() {
        let request = SubscriptionRequest {
            queue_url: Some("orders".to_owned()),
            types: Some(vec!["order.*".to_owned(), "*.created".to_owned()]),
            pattern: None,
            target_version: Some(Some(Whole(Some(0)))),
            retry: RetryRequest {
                retries: Some(Whole(None)),
                first_delay_ms: Some(Whole(Some(u64::MAX))),
                factor: Some(Whole(Some(u64::MAX))),
                max_delay_ms: Some(Whole(None)),
            },
            message_group: Some("data.total".to_owned()),
        };
        let told = [
            "id",
            "types[1]",
            "queue_url",
            "target_version",
            "retry.retries",
            "retry.factor",
            "retry.max_delay_ms",
            "message_group",
        ];
        assert_eq!(fields(create(request, "Orders")), told);
        let nothing = create(SubscriptionRequest::default(), "");
        assert_eq!(fields(nothing), ["id", "pattern", "queue_url"]);
    }

    #[test]
    fn a_policy_is_held_against_its_limits_as_a_whole() {
        let with = |retry| SubscriptionRequest { retry, ..request() };
        let number = |number| Some(Whole(Some(number)));
        let none = RetryRequest::default();
        let cases = [
            (
                "retry.retries",
                with(RetryRequest {
                    retries: number(21),
                    ..none
                }),
            ),
            (
                "retry.first_delay_ms",
                with(RetryRequest {
                    first_delay_ms: number(999),
                    ..none
                }),
            ),
            (
                "retry.factor",
                with(RetryRequest {
                    factor: number(11),
                    ..none
                }),
            ),
            (
                "retry.max_delay_ms",
                with(RetryRequest {
                    max_delay_ms: number(900_001),
                    ..none
                }),
            ),
            // Longer than the default's longest delay.
            (
                "retry.max_delay_ms",
                with(RetryRequest {
                    first_delay_ms: number(61_000),
                    ..none
                }),
            ),
        ];
        for (field, request) in cases {
            assert_eq!(fields(create(request, "orders")), [field]);
        }
    }

    #[test]
    fn types_and_a_pattern_exclude_each_other_and_types_are_not_endless() {
        let both = SubscriptionRequest {
            pattern: Some("{}".to_owned()),
            ..request()
        };
        assert_eq!(fields(create(both, "orders")), ["types"]);
        for count in [0, MAX_TYPE_PATTERNS + 1] {
            let request = SubscriptionRequest {
                types: Some(vec!["a".to_owned(); count]),
                ..request()
            };
            assert_eq!(fields(create(request, "orders")), ["types"], "{count}");
        }
        let malformed = SubscriptionRequest {
            types: None,
            pattern: Some("{".to_owned()),
            ..request()
        };
        assert_eq!(fields(create(malformed, "orders")), ["pattern"]);
    }

    #[test]
    fn a_queue_of_another_name_and_a_name_of_the_bus_are_refused() {
        let elsewhere = SubscriptionRequest {
            queue_url: Some("https://sqs.test/1/orders".to_owned()),
            ..request()
        };
        let refused = elsewhere
            .clone()
            .create(&"demo".parse().unwrap(), "orders", PREFIX);
        let detail = "must name a queue that begins with pb-sub-: the bus may send to no other";
        assert_eq!(refused, Err(vec![FieldFault::new("queue_url", detail)]));
        let made = create(request(), "orders").unwrap();
        assert_eq!(fields(elsewhere.change(&made, PREFIX)), ["queue_url"]);
        assert_eq!(fields(create(request(), "_orders")), ["id"]);
        let of_bus = request().create(&TenantId::bus(), "orders", PREFIX);
        assert_eq!(fields(of_bus), ["id"]);
    }
}
