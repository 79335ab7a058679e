//! What writing to DynamoDB costs, as DynamoDB itself says.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextMut,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_execute_statement::{
    BatchExecuteStatementInput, BatchExecuteStatementOutput,
};
use aws_sdk_dynamodb::operation::delete_item::{DeleteItemInput, DeleteItemOutput};
use aws_sdk_dynamodb::operation::put_item::{PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::operation::transact_write_items::{
    TransactWriteItemsInput, TransactWriteItemsOutput,
};
use aws_sdk_dynamodb::operation::update_item::{UpdateItemInput, UpdateItemOutput};
use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};
use aws_smithy_runtime_api::client::interceptors::context::{Input, Output};

/// Write units that were used, of tables and their indexes; clones share one count.
///
/// Every write of a client that is counted asks for them (`ReturnConsumedCapacity`). What an answer does not tell is
/// not counted: a write whose condition did not hold, which uses units and is answered with an error; and, on Amazon's
/// local engine, a batch of PartiQL statements, which it answers without.
#[derive(Clone, Debug, Default)]
pub struct WriteUnits(Arc<Mutex<f64>>);

impl WriteUnits {
    /// How many were used since this was asked last.
    pub fn take(&self) -> f64 {
        let mut units = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *units)
    }

    fn add(&self, used: &ConsumedCapacity) {
        let units = used.write_capacity_units.or(used.capacity_units);
        let mut sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *sum += units.unwrap_or_default();
    }
}

impl Intercept for WriteUnits {
    fn name(&self) -> &'static str {
        "WriteUnits"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input_mut();
        ask::<PutItemInput>(input, |input| &mut input.return_consumed_capacity);
        ask::<UpdateItemInput>(input, |input| &mut input.return_consumed_capacity);
        ask::<DeleteItemInput>(input, |input| &mut input.return_consumed_capacity);
        ask::<TransactWriteItemsInput>(input, |input| &mut input.return_consumed_capacity);
        ask::<BatchExecuteStatementInput>(input, |input| &mut input.return_consumed_capacity);
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Ok(output) = context.output_or_error() {
            used(output).iter().for_each(|used| self.add(used));
        }
        Ok(())
    }
}

/// Lets a write of this kind ask for what it uses, unless it asks for more already.
fn ask<T>(input: &mut Input, member: fn(&mut T) -> &mut Option<ReturnConsumedCapacity>)
where
    T: fmt::Debug + Send + Sync + 'static,
{
    if let Some(input) = input.downcast_mut::<T>() {
        member(input).get_or_insert(ReturnConsumedCapacity::Total);
    }
}

/// What the answer to a write tells, for each table.
fn used(output: &Output) -> &[ConsumedCapacity] {
    let one = if let Some(output) = output.downcast_ref::<PutItemOutput>() {
        &output.consumed_capacity
    } else if let Some(output) = output.downcast_ref::<UpdateItemOutput>() {
        &output.consumed_capacity
    } else if let Some(output) = output.downcast_ref::<DeleteItemOutput>() {
        &output.consumed_capacity
    } else {
        return used_by_several(output);
    };
    one.as_slice()
}

fn used_by_several(output: &Output) -> &[ConsumedCapacity] {
    let several = if let Some(output) = output.downcast_ref::<TransactWriteItemsOutput>() {
        &output.consumed_capacity
    } else if let Some(output) = output.downcast_ref::<BatchExecuteStatementOutput>() {
        &output.consumed_capacity
    } else {
        return &[];
    };
    several.as_deref().unwrap_or_default()
}
