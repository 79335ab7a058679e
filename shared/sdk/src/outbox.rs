//! Events in DynamoDB transactions of your own.
//!
//! A service that stores an order and then publishes that it did will, one day, do only one of the two. Here
//! both are elements of one transaction: there is an event if, and only if, there is an order, and from
//! then on the bus keeps its promises for the event as for any other. The log's table has to be in the account and
//! Region of your own; `docs/outbox-item.md` has the item, the permissions and the limits.
//!
//! Nothing here calls AWS: [`Outbox::put`] makes a value, your client makes the transaction.
//!
//! ```
//! use pillarbox::outbox::{Cancelled, Outbox, TransactWriteItem, TransactionCanceledException};
//! use pillarbox::CloudEvent;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let outbox = Outbox::new("the-log's-table", "shop".parse()?);
//! let event = CloudEvent::from_structured(
//!     br#"{"specversion":"1.0","source":"/shop","id":"o-1001#placed","type":"order.placed","data":{"total":12.50}}"#,
//! )?;
//! let put = outbox.put(&event)?;
//! let order: TransactWriteItem = // a Put, Update, Delete or ConditionCheck of your own
//! #     TransactWriteItem::builder().build();
//! let transaction = vec![put.write(), order];
//! // client.transact_write_items().set_transact_items(Some(transaction)).send().await
//! println!("the bus will know it as {}", put.event_id());
//!
//! // If the transaction is cancelled: what does that say about the event, which was its first element?
//! fn after(put: &pillarbox::outbox::OutboxPut, error: &TransactionCanceledException) {
//!     match put.explain(error, 0) {
//!         Ok(Cancelled::Committed { .. }) => { /* it was made before; nothing is left to do */ }
//!         Ok(Cancelled::Duplicate { event_id }) => println!("the log has it already, as {event_id}"),
//!         Ok(Cancelled::Conflict { event_id, differing }) => println!("{event_id} has another {differing:?}"),
//!         Ok(Cancelled::Busy) => { /* try again, later */ }
//!         Ok(Cancelled::NotOurs) => { /* another element's condition */ }
//!         Err(error) => println!("{error}"),
//!     }
//! }
//! # assert_eq!(transaction.len(), 2);
//! # Ok(())
//! # }
//! ```

use pillarbox_aws::{explain_cancelled, outbox_put};
use pillarbox_domain::cloud_event::{ParseError, Violation};
use pillarbox_domain::log_shard::LogShards;
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::publish::{Terms, logged};
use pillarbox_domain::tenant_settings::Retention;
use pillarbox_domain::{Clock, CloudEvent, EventId, LoggedEvent, TenantId};
use pillarbox_runtime::clock::SystemClock;

pub use pillarbox_aws::transaction::{
    CancellationReason, TransactWriteItem, TransactionCanceledException,
};
pub use pillarbox_aws::{Cancelled, OutboxPutError, UnexplainedError};

/// Makes elements of transactions for the events of one tenant.
#[derive(Clone, Debug)]
pub struct Outbox<C = SystemClock> {
    table: String,
    tenant: TenantId,
    terms: Terms,
    clock: C,
}

/// An event, ready to go into a transaction.
#[derive(Clone, Debug)]
pub struct OutboxPut {
    logged: LoggedEvent,
    write: TransactWriteItem,
}

/// Why an event cannot go into a transaction.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// Its data cannot be read.
    #[error("{0}")]
    Invalid(Violation),
    /// It is larger than any event may be.
    #[error(transparent)]
    TooLargeForTheBus(ParseError),
    /// It cannot be an element of a transaction.
    #[error(transparent)]
    Put(#[from] OutboxPutError),
}

impl Outbox {
    /// For this tenant's events, and the table that is the log. Events are kept for 90 days, in one shard, and are
    /// dispatched, unless the methods below say otherwise.
    pub fn new(table: impl Into<String>, tenant: TenantId) -> Self {
        Self::with_clock(table, tenant, SystemClock::default())
    }
}

impl<C: Clock> Outbox<C> {
    /// As [`Outbox::new`], by another clock.
    pub fn with_clock(table: impl Into<String>, tenant: TenantId, clock: C) -> Self {
        Self {
            table: table.into(),
            tenant,
            terms: Terms::default(),
            clock,
        }
    }

    /// Keeps events for as long as this.
    #[must_use]
    pub fn kept_for(mut self, retention: Retention) -> Self {
        self.terms.retention = retention;
        self
    }

    /// Spreads events over this many shards: what the bus has for the tenant, or less.
    #[must_use]
    pub fn over_shards(mut self, shards: LogShards) -> Self {
        self.terms.log_shards = shards;
        self
    }

    /// Logs events without dispatching them.
    #[must_use]
    pub fn logged_only(mut self) -> Self {
        self.terms.outbox = OutboxMode::None;
        self
    }

    /// Makes the element that adds this event to a transaction.
    ///
    /// Make a new one for each transaction: the event's id holds the time, and tells a transaction whose answer was
    /// lost from a duplicate.
    ///
    /// # Errors
    /// When no item can hold the event; the message names limit and size.
    pub fn put(&self, event: &CloudEvent) -> Result<OutboxPut, OutboxError> {
        event.check_size().map_err(OutboxError::TooLargeForTheBus)?;
        let event_id = self.clock.next_id();
        let logged = logged(&self.tenant, event.clone(), event_id, &self.terms)
            .map_err(OutboxError::Invalid)?;
        let write = outbox_put(&self.table, &logged, self.clock.now())?;
        Ok(OutboxPut { logged, write })
    }
}

impl OutboxPut {
    /// The id under which the bus will know the event.
    pub fn event_id(&self) -> EventId {
        self.logged.event_id
    }

    /// The element of the transaction.
    pub fn write(&self) -> TransactWriteItem {
        self.write.clone()
    }

    /// What a cancelled transaction says about the event, which was its element at this index.
    ///
    /// # Errors
    /// When the store refused the event's item, or did not say why it cancelled the transaction.
    pub fn explain(
        &self,
        cancelled: &TransactionCanceledException,
        index: usize,
    ) -> Result<Cancelled, UnexplainedError> {
        let reason = cancelled.cancellation_reasons().get(index);
        explain_cancelled(
            &self.logged,
            reason.ok_or(UnexplainedError::NoReason { index })?,
        )
    }
}
