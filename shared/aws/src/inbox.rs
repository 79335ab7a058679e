//! A subscriber's inbox table: one item per tenant, subscription and event.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use pillarbox_domain::inbox::{Claim, ClaimToken, Inbox, InboxKey};
use pillarbox_domain::{Clock, StoreError};

use crate::error::store_error;
use crate::item::{Item, Reader, n, s, unix_millis};
use crate::keys;

/// The effect's result; its presence closes the claim.
const RESULT: &str = "result";
const TOKEN: &str = "token";
const HELD_UNTIL_MS: &str = "held_until_ms";

/// Free, or held by one who is late. A closed claim stays closed.
const CLAIMABLE: &str =
    "attribute_not_exists(pk) OR (attribute_not_exists(#result) AND held_until_ms < :now_ms)";

/// The inbox in one table.
pub struct DynamoInbox<C> {
    client: Client,
    table: String,
    clock: C,
    retention: Duration,
}

impl<C: Clock> DynamoInbox<C> {
    /// The inbox in this table. It remembers each event for `retention`, which must be longer than any
    /// delivery can be late: the log's own retention, where events are replayed.
    pub fn new(client: Client, table: String, clock: C, retention: Duration) -> Self {
        Self {
            client,
            table,
            clock,
            retention,
        }
    }

    fn claimed(&self, key: &InboxKey, token: ClaimToken, hold: Duration) -> Item {
        let now = self.clock.now();
        Item::from([
            (keys::PK.to_owned(), s(keys::inbox(key))),
            (TOKEN.to_owned(), s(token.0.to_string())),
            (HELD_UNTIL_MS.to_owned(), n(unix_millis(now + hold))),
            (
                keys::EXPIRES_AT.to_owned(),
                n((now + self.retention).unix_timestamp()),
            ),
        ])
    }
}

impl<C: Clock + Sync> Inbox for DynamoInbox<C> {
    async fn claim(&self, key: &InboxKey, hold: Duration) -> Result<Claim, StoreError> {
        let token = ClaimToken(self.clock.next_id());
        let written = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(self.claimed(key, token, hold)))
            .condition_expression(CLAIMABLE)
            .expression_attribute_names("#result", RESULT)
            .expression_attribute_values(":now_ms", n(unix_millis(self.clock.now())))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match written {
            Ok(_) => Ok(Claim::Granted(token)),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(taken)) => {
                    found(taken.item(), token)
                }
                _ => Err(store_error("PutItem", error)),
            },
        }
    }

    async fn done(
        &self,
        key: &InboxKey,
        token: ClaimToken,
        result: &str,
    ) -> Result<bool, StoreError> {
        let closed = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(keys::PK, s(keys::inbox(key)))
            .update_expression("SET #result = :result")
            .condition_expression("#token = :token")
            .expression_attribute_names("#result", RESULT)
            .expression_attribute_names("#token", TOKEN)
            .expression_attribute_values(":result", s(result))
            .expression_attribute_values(":token", s(token.0.to_string()))
            .send()
            .await;
        let lost = |error: &SdkError<UpdateItemError>| {
            matches!(
                error.as_service_error(),
                Some(UpdateItemError::ConditionalCheckFailedException(_))
            )
        };
        match closed {
            Ok(_) => Ok(true),
            Err(error) if lost(&error) => Ok(false),
            Err(error) => Err(store_error("UpdateItem", error)),
        }
    }

    async fn release(&self, key: &InboxKey, token: ClaimToken) -> Result<(), StoreError> {
        let released = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(keys::PK, s(keys::inbox(key)))
            .condition_expression("#token = :token AND attribute_not_exists(#result)")
            .expression_attribute_names("#token", TOKEN)
            .expression_attribute_names("#result", RESULT)
            .expression_attribute_values(":token", s(token.0.to_string()))
            .send()
            .await;
        match released {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                // Another one holds it by now: there is nothing left to give back.
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(store_error("DeleteItem", error)),
            },
        }
    }
}

fn found(item: Option<&Item>, token: ClaimToken) -> Result<Claim, StoreError> {
    let empty = Item::new();
    let reader = Reader {
        what: "claim",
        item: item.unwrap_or(&empty),
    };
    if let Some(result) = reader.optional_text(RESULT)? {
        return Ok(Claim::Done(result.to_owned()));
    }
    // Our own write, whose answer was lost before the client beneath us tried again.
    if reader.optional_text(TOKEN)? == Some(token.0.to_string().as_str()) {
        return Ok(Claim::Granted(token));
    }
    Ok(Claim::Held)
}
