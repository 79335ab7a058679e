//! Subscriptions that something outside keeps declared: a stack that is deployed, changed and deleted.
//!
//! Whoever declares says what is to be there, as often as they like; what they leave out is the default. What a
//! person did to the subscription meanwhile, pausing and resuming it, is theirs and stays.

use std::fmt;
use std::str::FromStr;

use time::UtcDateTime;

use crate::registry::{Added, Removed, Replaced, SubscriptionRegistry};
use crate::store_error::StoreError;
use crate::subscription::{Registered, Subscription, SubscriptionId};
use crate::tenant::TenantId;

/// Times that a change is tried again when somebody else changes the subscription meanwhile.
const MAX_TRIES: usize = 3;

/// Names a declared subscription: `<tenant>/<subscription>`. Neither name holds a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclarationId {
    /// Whose it is.
    pub owner: TenantId,
    /// Its name.
    pub subscription: SubscriptionId,
}

/// A text does not name a declared subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be <tenant>/<subscription>")]
pub struct InvalidDeclarationId;

/// Why a subscription is not as it was declared.
#[derive(Debug, thiserror::Error)]
pub enum DeclareError {
    /// Somebody else's settings are there under that name.
    #[error(
        "subscription '{id}' exists, with other settings, in version {version}; nothing was changed"
    )]
    Differs {
        /// Which.
        id: SubscriptionId,
        /// The version that is there.
        version: u64,
    },
    /// Others keep changing it.
    #[error(
        "subscription '{id}' was changed by others at the same time, {MAX_TRIES} times; nothing was changed"
    )]
    Contended {
        /// Which.
        id: SubscriptionId,
    },
    /// It is not known what is there.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DeclarationId {
    /// The one of this subscription.
    pub fn of(subscription: &Subscription) -> Self {
        Self {
            owner: subscription.tenant.clone(),
            subscription: subscription.id.clone(),
        }
    }
}

impl fmt::Display for DeclarationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.subscription)
    }
}

impl FromStr for DeclarationId {
    type Err = InvalidDeclarationId;

    fn from_str(text: &str) -> Result<Self, InvalidDeclarationId> {
        let (owner, subscription) = text.split_once('/').ok_or(InvalidDeclarationId)?;
        Ok(Self {
            owner: owner.parse().map_err(|_| InvalidDeclarationId)?,
            subscription: subscription.parse().map_err(|_| InvalidDeclarationId)?,
        })
    }
}

/// Registers a subscription for the first time. One that is there with the same settings is taken over, since whoever
/// declares may ask twice.
///
/// # Errors
/// One with other settings is left as it is.
pub async fn declare<R: SubscriptionRegistry>(
    registry: &R,
    wanted: &Subscription,
    now: UtcDateTime,
) -> Result<DeclarationId, DeclareError> {
    let (added, there) = registry.add_subscription(wanted, now).await?;
    match added {
        Added::New | Added::Unchanged => Ok(DeclarationId::of(wanted)),
        Added::Differs => Err(DeclareError::Differs {
            id: wanted.id.clone(),
            version: there.version,
        }),
    }
}

/// Makes a subscription that was declared before what it is to be now, whoever has changed or removed it since.
///
/// # Errors
/// When others keep changing it, it is left as they made it.
pub async fn redeclare<R: SubscriptionRegistry>(
    registry: &R,
    wanted: &Subscription,
    now: UtcDateTime,
) -> Result<DeclarationId, DeclareError> {
    for _ in 0..MAX_TRIES {
        let is_done = match registry.subscription(&wanted.tenant, &wanted.id).await? {
            None => registry.add_subscription(wanted, now).await?.0 != Added::Differs,
            Some(there) => replaced(registry, wanted, &there, now).await?,
        };
        if is_done {
            return Ok(DeclarationId::of(wanted));
        }
    }
    Err(DeclareError::Contended {
        id: wanted.id.clone(),
    })
}

/// Whether what was seen is now as it is wanted.
async fn replaced<R: SubscriptionRegistry>(
    registry: &R,
    wanted: &Subscription,
    there: &Registered,
    now: UtcDateTime,
) -> Result<bool, StoreError> {
    let wanted = Subscription {
        state: there.subscription.state.clone(),
        ..wanted.clone()
    };
    // Another revision would make every copy of the owner's subscriptions be read again, for nothing.
    if wanted == there.subscription {
        return Ok(true);
    }
    let replaced = registry.replace_subscription(&wanted, there.version, now);
    Ok(matches!(replaced.await?, Replaced::Done(_)))
}

/// Takes a declared subscription away, if it is still there.
///
/// # Errors
/// When it is not known whether it is gone.
pub async fn withdraw<R: SubscriptionRegistry>(
    registry: &R,
    declared: &DeclarationId,
) -> Result<(), DeclareError> {
    let id = &declared.subscription;
    match registry
        .remove_subscription(&declared.owner, id, None)
        .await?
    {
        Removed::Done | Removed::Gone => Ok(()),
        // No version was named that could be another.
        Removed::Changed(_) => Err(DeclareError::Contended { id: id.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_back_from_its_text_and_nothing_else_is_one() {
        for text in ["demo/orders", "_bus/_audit"] {
            let id: DeclarationId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
        }
        for text in [
            "", "demo", "/", "demo/", "/orders", "demo/a/b", "failed-1", "Demo/a",
        ] {
            let refused = text.parse::<DeclarationId>();
            assert_eq!(refused, Err(InvalidDeclarationId), "{text}");
        }
    }
}
