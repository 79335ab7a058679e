//! Place an order: its row and its event are stored in one transaction, or neither is.
//!
//! ```text
//! export AWS_REGION=…  PILLARBOX_EVENT_LOG_TABLE=…  PILLARBOX_TENANT=…  ORDERS_TABLE=…
//! outbox o-1001 --total-cents 1250                    # placed
//! outbox o-1001 --total-cents 1250                    # the same again: duplicate
//! outbox o-1001 --total-cents 9900                    # the same order with another total: conflict
//! outbox o-1002 --total-cents 1250 --voucher unknown  # the voucher's condition fails: nothing is stored
//! ```
//!
//! `ORDERS_TABLE` is the shop's own: its partition key is `order_id`, and vouchers stand in it as
//! `voucher#<code>`.

use std::error::Error;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put, TransactWriteItem};
use clap::Parser;
use pillarbox::outbox::{Cancelled, Outbox};
use pillarbox::{CloudEvent, EventId, TenantId};
use pillarbox_aws::Clients;
use pillarbox_domain::Clock;
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::env::Env;
use serde::Serialize;
use serde_json::json;
use time::format_description::well_known::Rfc3339;

/// The event is the transaction's first element.
const EVENT: usize = 0;

#[derive(Parser)]
struct Arguments {
    #[arg(long, env = "ORDERS_TABLE")]
    orders_table: String,
    #[arg(long, env = "PILLARBOX_EVENT_LOG_TABLE")]
    event_log_table: String,
    #[arg(long, env = "PILLARBOX_TENANT")]
    tenant: TenantId,
    #[command(flatten)]
    order: Order,
}

/// What the shop sells.
#[derive(clap::Args)]
struct Order {
    order_id: String,
    #[arg(long)]
    total_cents: u32,
    #[arg(long)]
    voucher: Option<String>,
}

/// What became of it.
#[derive(Default, Serialize)]
struct Placed {
    outcome: &'static str,
    event_id: Option<EventId>,
    differing: Vec<String>,
}

impl Placed {
    fn new(outcome: &'static str, event_id: EventId) -> Self {
        Self {
            outcome,
            event_id: Some(event_id),
            differing: vec![],
        }
    }

    /// In the words of orders, why the transaction was cancelled.
    fn after(cancelled: Cancelled) -> Self {
        match cancelled {
            Cancelled::Committed { event_id } => Self::new("placed", event_id),
            Cancelled::Duplicate { event_id } => Self::new("duplicate", event_id),
            Cancelled::Conflict {
                event_id,
                differing,
            } => Self {
                differing,
                ..Self::new("conflict", event_id)
            },
            Cancelled::Busy => Self {
                outcome: "busy",
                ..Self::default()
            },
            Cancelled::NotOurs => Self {
                outcome: "rejected",
                ..Self::default()
            },
        }
    }
}

impl Order {
    /// The event. Its id is made of the order's: however often the order is placed, there is one event.
    fn placed(&self, clock: &SystemClock) -> Result<CloudEvent, Box<dyn Error>> {
        let time = clock.now().format(&Rfc3339)?;
        let event = json!({
            "specversion": "1.0",
            "source": "/shop",
            "id": format!("{}#placed", self.order_id),
            "type": "order.placed",
            "subject": self.order_id,
            "time": time,
            "correlationid": self.order_id,
            "data": { "order_id": self.order_id, "total_cents": self.total_cents, "currency": "EUR" },
        });
        Ok(CloudEvent::from_structured(event.to_string().as_bytes())?)
    }

    /// The order's row, and the condition that its voucher is there.
    fn writes(&self, table: &str) -> Result<Vec<TransactWriteItem>, BuildError> {
        let row = Put::builder()
            .table_name(table)
            .item("order_id", AttributeValue::S(self.order_id.clone()))
            .item(
                "total_cents",
                AttributeValue::N(self.total_cents.to_string()),
            )
            .condition_expression("attribute_not_exists(order_id)")
            .build()?;
        let mut writes = vec![TransactWriteItem::builder().put(row).build()];
        if let Some(voucher) = &self.voucher {
            let exists = ConditionCheck::builder()
                .table_name(table)
                .key("order_id", AttributeValue::S(format!("voucher#{voucher}")))
                .condition_expression("attribute_exists(order_id)")
                .build()?;
            writes.push(TransactWriteItem::builder().condition_check(exists).build());
        }
        Ok(writes)
    }
}

/// Stores the order and its event, unless the order was placed before or its voucher is not there.
async fn place_order(
    dynamodb: &Client,
    orders_table: &str,
    outbox: &Outbox,
    order: &Order,
    event: &CloudEvent,
) -> Result<Placed, Box<dyn Error>> {
    let put = outbox.put(event)?;
    let mut writes = order.writes(orders_table)?;
    writes.insert(EVENT, put.write());
    let call = dynamodb.transact_write_items();
    let error = match call.set_transact_items(Some(writes)).send().await {
        Ok(_) => return Ok(Placed::new("placed", put.event_id())),
        Err(error) => error.into_service_error(),
    };
    match error {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => {
            Ok(Placed::after(put.explain(&cancelled, EVENT)?))
        }
        error => Err(error.into()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    // Any client of this SDK will do; most programs make theirs with the crate `aws-config`.
    let mut env = Env::of_process();
    let aws = env.aws();
    let dynamodb = Clients::new(env.finish(|| aws)?).dynamodb();

    let outbox = Outbox::new(arguments.event_log_table, arguments.tenant);
    let order = arguments.order;
    let event = order.placed(&SystemClock::default())?;
    let placed = place_order(&dynamodb, &arguments.orders_table, &outbox, &order, &event).await?;
    let mut told = serde_json::to_value(&placed)?;
    told["event"] = serde_json::to_value(&event)?;
    println!("{told}");
    Ok(())
}
