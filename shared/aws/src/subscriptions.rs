//! `RegistryTable`: subscriptions, and a number for each owner that tells when one of them has changed.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Delete, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use pillarbox_domain::registry::{
    Added, Removed, Replaced, SubscriptionRegistry, Suspended, Suspension, Suspensions,
};
use pillarbox_domain::subscription::{Registered, SubscriptionState};
use pillarbox_domain::subscription_cache::SubscriptionSource;
use pillarbox_domain::{Clock, StoreError, Subscription, SubscriptionId, TenantId};
use time::UtcDateTime;

use crate::error::store_error;
use crate::item::{Item, Reader, n, s, unix_millis};
use crate::keys;
use crate::registry::{DynamoRegistry, VERSION};
use crate::subscription_item::{self as item, QUEUE_URL, STATE, STATE_REASON, STATE_SINCE};

/// Times that a suspension is tried again when somebody else changed the subscription meanwhile.
const MAX_SUSPEND_TRIES: usize = 3;

impl SubscriptionSource for DynamoRegistry {
    async fn revision(&self, owner: &TenantId) -> Result<u64, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(keys::PK, s(keys::tenant(owner)))
            .key(keys::SK, s(keys::SUBSCRIPTIONS))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error("GetItem", error))?;
        let Some(found) = found.item() else {
            return Ok(0);
        };
        let reader = Reader {
            what: "revision of subscriptions",
            item: found,
        };
        reader.unsigned(VERSION)
    }

    async fn all(&self, owner: &TenantId) -> Result<Vec<Subscription>, StoreError> {
        let items = DynamoRegistry::all(self, owner, keys::SUBSCRIPTION_PREFIX, true).await?;
        let all = items.iter().map(|found| item::decode(owner, found));
        all.map(|read| read.map(|registered| registered.subscription))
            .collect()
    }
}

impl SubscriptionRegistry for DynamoRegistry {
    async fn add_subscription(
        &self,
        wanted: &Subscription,
        now: UtcDateTime,
    ) -> Result<(Added, Registered), StoreError> {
        let registered = Registered {
            subscription: wanted.clone(),
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item::encode(&registered)))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        let put = put.map_err(incomplete)?;
        let write = TransactWriteItem::builder().put(put).build();
        match self.change(&wanted.tenant, write).await? {
            None => Ok((Added::New, registered)),
            Some(there) => {
                let there = item::decode(&wanted.tenant, &there)?;
                let same = same_settings(&there.subscription, wanted);
                let added = if same {
                    Added::Unchanged
                } else {
                    Added::Differs
                };
                Ok((added, there))
            }
        }
    }

    async fn subscription(
        &self,
        owner: &TenantId,
        id: &SubscriptionId,
    ) -> Result<Option<Registered>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(owner, id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error("GetItem", error))?;
        found
            .item()
            .map(|found| item::decode(owner, found))
            .transpose()
    }

    async fn subscriptions(
        &self,
        owner: &TenantId,
        after: Option<&SubscriptionId>,
        limit: usize,
    ) -> Result<Vec<Registered>, StoreError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :owner AND begins_with(sk, :prefix)")
            .expression_attribute_values(":owner", s(keys::tenant(owner)))
            .expression_attribute_values(":prefix", s(keys::SUBSCRIPTION_PREFIX))
            .consistent_read(true);
        query = query.set_exclusive_start_key(after.map(|after| key(owner, after)));
        let mut pages = query.into_paginator().items().send();
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(next) = pages.next().await
        {
            let next = next.map_err(|error| store_error("Query", error))?;
            found.push(item::decode(owner, &next)?);
        }
        Ok(found)
    }

    async fn replace_subscription(
        &self,
        wanted: &Subscription,
        seen: u64,
        now: UtcDateTime,
    ) -> Result<Replaced, StoreError> {
        let Some(there) = self.subscription(&wanted.tenant, &wanted.id).await? else {
            return Ok(Replaced::Gone);
        };
        if there.version != seen {
            return Ok(Replaced::Changed(there.version));
        }
        let registered = Registered {
            subscription: wanted.clone(),
            version: seen + 1,
            created_at: there.created_at,
            updated_at: now,
        };
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item::encode(&registered)))
            .condition_expression("#version = :seen")
            .expression_attribute_names("#version", VERSION)
            .expression_attribute_values(":seen", number(seen))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        let put = put.map_err(incomplete)?;
        let write = TransactWriteItem::builder().put(put).build();
        match self.change(&wanted.tenant, write).await? {
            None => Ok(Replaced::Done(Box::new(registered))),
            Some(there) if there.is_empty() => Ok(Replaced::Gone),
            Some(there) => Ok(Replaced::Changed(version(&there)?)),
        }
    }

    async fn remove_subscription(
        &self,
        owner: &TenantId,
        id: &SubscriptionId,
        seen: Option<u64>,
    ) -> Result<Removed, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key(owner, id)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let delete = match seen {
            None => delete.condition_expression("attribute_exists(pk)"),
            Some(seen) => delete
                .condition_expression("#version = :seen")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":seen", number(seen)),
        };
        let delete = delete.build().map_err(incomplete)?;
        let write = TransactWriteItem::builder().delete(delete).build();
        match self.change(owner, write).await? {
            None => Ok(Removed::Done),
            Some(there) if there.is_empty() => Ok(Removed::Gone),
            Some(there) => Ok(Removed::Changed(version(&there)?)),
        }
    }
}

/// Suspends in the registry, at the time of a clock.
pub struct DynamoSuspensions<C> {
    registry: DynamoRegistry,
    clock: C,
}

impl<C> DynamoSuspensions<C> {
    /// Suspensions in this registry.
    pub fn new(registry: DynamoRegistry, clock: C) -> Self {
        Self { registry, clock }
    }
}

impl<C: Clock + Sync> Suspensions for DynamoSuspensions<C> {
    async fn suspend(&self, suspension: &Suspension) -> Result<Suspended, StoreError> {
        let Suspension { owner, id, .. } = suspension;
        for _ in 0..MAX_SUSPEND_TRIES {
            let Some(there) = self.registry.subscription(owner, id).await? else {
                return Ok(Suspended::NotThere);
            };
            if there.subscription.queue_url != suspension.queue_url {
                return Ok(Suspended::NotThere);
            }
            let since = there.subscription.state.since();
            if since.is_some_and(|since| since <= suspension.since) {
                return Ok(Suspended::Already);
            }
            if self.write(suspension, &there).await? {
                return Ok(match since {
                    None => Suspended::Now,
                    Some(_) => Suspended::Already,
                });
            }
        }
        Err(StoreError::Throttled {
            operation: "TransactWriteItems",
        })
    }
}

impl<C: Clock> DynamoSuspensions<C> {
    /// Suspends the version that was seen, or moves back since when it is not active. `false` when it has changed.
    async fn write(&self, suspension: &Suspension, seen: &Registered) -> Result<bool, StoreError> {
        let state = match &seen.subscription.state {
            SubscriptionState::Paused { reason, .. } => SubscriptionState::Paused {
                since: suspension.since,
                reason: reason.clone(),
            },
            SubscriptionState::Active | SubscriptionState::Suspended { .. } => {
                SubscriptionState::Suspended {
                    since: suspension.since,
                    reason: suspension.reason.clone(),
                }
            }
        };
        let mut update = Update::builder()
            .table_name(&self.registry.table)
            .set_key(Some(key(&suspension.owner, &suspension.id)))
            .update_expression(
                "SET #state = :state, #since = :since, #reason = :reason, updated_ms = :now, #version = :next",
            )
            .condition_expression("#version = :seen AND #queue_url = :queue_url");
        let names = [
            ("#state", STATE),
            ("#since", STATE_SINCE),
            ("#reason", STATE_REASON),
            ("#version", VERSION),
            ("#queue_url", QUEUE_URL),
        ];
        for (name, attribute) in names {
            update = update.expression_attribute_names(name, attribute);
        }
        let values = [
            (":state", s(state.name())),
            (":since", n(unix_millis(suspension.since))),
            (":reason", s(state.reason().unwrap_or_default())),
            (":now", n(unix_millis(self.clock.now()))),
            (":next", number(seen.version + 1)),
            (":seen", number(seen.version)),
            (":queue_url", s(suspension.queue_url.as_str())),
        ];
        for (name, value) in values {
            update = update.expression_attribute_values(name, value);
        }
        let update = update.build().map_err(incomplete)?;
        let write = TransactWriteItem::builder().update(update).build();
        let changed = self.registry.change(&suspension.owner, write).await?;
        Ok(changed.is_none())
    }
}

impl DynamoRegistry {
    /// Writes one subscription and another revision of its owner's, or nothing: then answers with the item that
    /// is there, which is empty when none is.
    async fn change(
        &self,
        owner: &TenantId,
        write: TransactWriteItem,
    ) -> Result<Option<Item>, StoreError> {
        let revision = Update::builder()
            .table_name(&self.table)
            .key(keys::PK, s(keys::tenant(owner)))
            .key(keys::SK, s(keys::SUBSCRIPTIONS))
            .update_expression("ADD #version :one")
            .expression_attribute_names("#version", VERSION)
            .expression_attribute_values(":one", n(1))
            .build();
        let revision = TransactWriteItem::builder()
            .update(revision.map_err(incomplete)?)
            .build();
        let written = self
            .client
            .transact_write_items()
            .transact_items(write)
            .transact_items(revision)
            .send()
            .await;
        match written {
            Ok(_) => Ok(None),
            Err(error) => refused(error).map(Some),
        }
    }
}

/// The item that the condition of a transaction's first write was held against.
pub(crate) fn refused(error: SdkError<TransactWriteItemsError>) -> Result<Item, StoreError> {
    let reasons = match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            cancelled.cancellation_reasons()
        }
        _ => &[],
    };
    let code = |reason: &CancellationReason| reason.code().map(str::to_owned);
    match reasons.first().and_then(code).as_deref() {
        Some("ConditionalCheckFailed") => Ok(reasons[0].item().cloned().unwrap_or_default()),
        _ if !reasons.is_empty() => Err(StoreError::Throttled {
            operation: "TransactWriteItems",
        }),
        _ => Err(store_error("TransactWriteItems", error)),
    }
}

fn same_settings(there: &Subscription, wanted: &Subscription) -> bool {
    let there = Subscription {
        state: wanted.state.clone(),
        ..there.clone()
    };
    there == *wanted
}

fn key(owner: &TenantId, id: &SubscriptionId) -> Item {
    Item::from([
        (keys::PK.to_owned(), s(keys::tenant(owner))),
        (keys::SK.to_owned(), s(keys::subscription(id))),
    ])
}

fn version(found: &Item) -> Result<u64, StoreError> {
    item::reader(found).unsigned(VERSION)
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(crate) fn incomplete(error: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    StoreError::Failed {
        operation: "TransactWriteItems",
        source: Box::new(error),
    }
}
