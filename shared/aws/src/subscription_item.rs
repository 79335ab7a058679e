//! How a subscription stands in the registry.

use std::time::Duration;

use pillarbox_domain::pattern::Pattern;
use pillarbox_domain::retry_policy::RetryPolicy;
use pillarbox_domain::schema::SchemaVersion;
use pillarbox_domain::subscription::{Registered, SubscriptionState};
use pillarbox_domain::{StoreError, Subscription, TenantId};
use time::UtcDateTime;

use crate::item::{Item, Reader, n, s, unix_millis};
use crate::keys;
use crate::registry::VERSION;

pub(crate) const QUEUE_URL: &str = "queue_url";
pub(crate) const STATE: &str = "state";
pub(crate) const STATE_SINCE: &str = "state_since_ms";
pub(crate) const STATE_REASON: &str = "state_reason";

const SUBSCRIPTION_ID: &str = "subscription_id";
const PATTERN: &str = "pattern";
const TARGET_VERSION: &str = "target_version";
const MESSAGE_GROUP: &str = "message_group";
const RETRIES: &str = "retries";
const FIRST_DELAY: &str = "first_delay_ms";
const FACTOR: &str = "factor";
const MAX_DELAY: &str = "max_delay_ms";
const CREATED: &str = "created_ms";
const UPDATED: &str = "updated_ms";

/// The item of a subscription.
pub(crate) fn encode(registered: &Registered) -> Item {
    let Registered {
        subscription,
        version,
        created_at,
        updated_at,
    } = registered;
    let retry = subscription.retry;
    let mut item = Item::from([
        (keys::PK.to_owned(), s(keys::tenant(&subscription.tenant))),
        (keys::SK.to_owned(), s(keys::subscription(&subscription.id))),
        (SUBSCRIPTION_ID.to_owned(), s(subscription.id.as_str())),
        (PATTERN.to_owned(), s(subscription.pattern.as_json())),
        (QUEUE_URL.to_owned(), s(subscription.queue_url.as_str())),
        (RETRIES.to_owned(), n(retry.retries().into())),
        (FIRST_DELAY.to_owned(), n(millis(retry.first_delay()))),
        (FACTOR.to_owned(), n(retry.factor().into())),
        (MAX_DELAY.to_owned(), n(millis(retry.max_delay()))),
        (
            MESSAGE_GROUP.to_owned(),
            s(subscription.message_group.as_str()),
        ),
        (STATE.to_owned(), s(subscription.state.name())),
        (
            VERSION.to_owned(),
            n(i64::try_from(*version).unwrap_or(i64::MAX)),
        ),
        (CREATED.to_owned(), n(unix_millis(*created_at))),
        (UPDATED.to_owned(), n(unix_millis(*updated_at))),
    ]);
    if let Some(version) = subscription.target_version {
        item.insert(TARGET_VERSION.to_owned(), n(version.number().into()));
    }
    if let Some(since) = subscription.state.since() {
        item.insert(STATE_SINCE.to_owned(), n(unix_millis(since)));
    }
    if let Some(reason) = subscription.state.reason() {
        item.insert(STATE_REASON.to_owned(), s(reason));
    }
    item
}

/// The subscription of an item.
pub(crate) fn decode(owner: &TenantId, item: &Item) -> Result<Registered, StoreError> {
    let reader = reader(item);
    let pattern = Pattern::from_stored(reader.text(PATTERN)?);
    Ok(Registered {
        subscription: Subscription {
            tenant: owner.clone(),
            id: reader.parsed(SUBSCRIPTION_ID)?,
            pattern: pattern.map_err(|error| reader.malformed(PATTERN, error))?,
            queue_url: reader.parsed(QUEUE_URL)?,
            target_version: reader.optional_number(TARGET_VERSION, SchemaVersion::new)?,
            retry: decode_retry(&reader)?,
            message_group: reader.parsed(MESSAGE_GROUP)?,
            state: decode_state(&reader)?,
        },
        version: reader.unsigned(VERSION)?,
        created_at: reader.time(CREATED)?,
        updated_at: reader.time(UPDATED)?,
    })
}

pub(crate) fn reader(item: &Item) -> Reader<'_> {
    Reader {
        what: "subscription",
        item,
    }
}

fn decode_retry(reader: &Reader<'_>) -> Result<RetryPolicy, StoreError> {
    let small = |name: &str| {
        let number = u32::try_from(reader.unsigned(name)?);
        number.map_err(|error| reader.malformed(name, error))
    };
    let delay = |name: &str| reader.unsigned(name).map(Duration::from_millis);
    let policy = RetryPolicy::new(
        small(RETRIES)?,
        delay(FIRST_DELAY)?,
        small(FACTOR)?,
        delay(MAX_DELAY)?,
    );
    policy.map_err(|error| reader.malformed(RETRIES, error))
}

fn decode_state(reader: &Reader<'_>) -> Result<SubscriptionState, StoreError> {
    let reason = || reader.optional_text(STATE_REASON);
    let since = || -> Result<UtcDateTime, StoreError> { reader.time(STATE_SINCE) };
    match reader.text(STATE)? {
        "ACTIVE" => Ok(SubscriptionState::Active),
        "PAUSED" => Ok(SubscriptionState::Paused {
            since: since()?,
            reason: reason()?.filter(|text| !text.is_empty()).map(str::to_owned),
        }),
        "SUSPENDED" => Ok(SubscriptionState::Suspended {
            since: since()?,
            reason: reason()?.unwrap_or_default().to_owned(),
        }),
        other => Err(reader.malformed(STATE, format_args!("is {other}"))),
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
