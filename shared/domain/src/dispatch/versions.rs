//! Events in the versions that subscriptions ask for, before they are sent.

use std::sync::Arc;

use super::{DispatchError, Route};
use crate::dead_letter::{DeadLetters, DeadRecord};
use crate::delivery::Delivery;
use crate::logged_event::LoggedEvent;
use crate::schema::SchemaVersion;
use crate::schema::delivery::{UpcastError, UpcastFailure, Upcasts};
use crate::subscription::Subscription;

/// The function that gives up on a delivery whose event cannot be brought up.
const ORIGIN: &str = "dispatch";

/// A subscription that wants an event, and in which form.
pub(super) struct Wanted {
    pub(super) subscription: Subscription,
    pub(super) form: Form,
}

/// What a subscription gets.
#[derive(Clone)]
pub(super) enum Form {
    /// The event as it was published.
    AsLogged,
    /// The event with data of a later version.
    BroughtUp(Arc<LoggedEvent>),
    /// Nothing: the delivery is in the dead letter queue.
    Dead,
}

impl Wanted {
    pub(super) fn as_logged(subscription: Subscription) -> Self {
        Self {
            subscription,
            form: Form::AsLogged,
        }
    }

    /// The event to send, if one is sent.
    pub(super) fn event<'a>(&'a self, logged: &'a LoggedEvent) -> Option<&'a LoggedEvent> {
        match &self.form {
            Form::AsLogged => Some(logged),
            Form::BroughtUp(event) => Some(event),
            Form::Dead => None,
        }
    }
}

/// What brings events up, and where deliveries go that cannot be.
pub(super) struct Versions<'a, U, D> {
    pub(super) upcasts: &'a U,
    pub(super) dead_letters: &'a D,
}

/// What became of an event under one version.
type BroughtUp = (SchemaVersion, Result<Form, UpcastFailure>);

impl<U: Upcasts + Sync, D: DeadLetters + Sync> Versions<'_, U, D> {
    /// Brings an event up for whoever asks for it; once for all who ask for the same version. A delivery that
    /// fails for good is put away, and the others go on; with anything else the event has to come again.
    pub(super) async fn bring_up(&self, event: &LoggedEvent, route: Route) -> Route {
        let mut route = route?;
        let mut known: Vec<BroughtUp> = Vec::new();
        for wanted in &mut route {
            let Some(target) = wanted.subscription.target_version else {
                continue;
            };
            let form = match known.iter().find(|(version, _)| *version == target) {
                Some((_, form)) => form.clone(),
                None => {
                    let form = self.form(event, target).await?;
                    known.push((target, form.clone()));
                    form
                }
            };
            wanted.form = match form {
                Ok(form) => form,
                Err(failure) => self.put_away(event, &wanted.subscription, &failure).await?,
            };
        }
        Ok(route)
    }

    async fn form(
        &self,
        event: &LoggedEvent,
        target: SchemaVersion,
    ) -> Result<Result<Form, UpcastFailure>, DispatchError> {
        match self
            .upcasts
            .upcast(&event.tenant, &event.event, target)
            .await
        {
            Ok(None) => Ok(Ok(Form::AsLogged)),
            Ok(Some(brought_up)) => Ok(Ok(Form::BroughtUp(Arc::new(LoggedEvent {
                event: brought_up,
                ..event.clone()
            })))),
            Err(UpcastError::Failed(failure)) => Ok(Err(failure)),
            Err(error) => Err(DispatchError::Version(Arc::new(error))),
        }
    }

    /// The record is the delivery as it would have been, with the event as it was published.
    async fn put_away(
        &self,
        event: &LoggedEvent,
        subscription: &Subscription,
        failure: &UpcastFailure,
    ) -> Result<Form, DispatchError> {
        let delivery = Delivery {
            event,
            subscription: &subscription.id,
            attempt: 1,
        };
        let dead = DeadRecord {
            origin: ORIGIN,
            reason: format!("subscription {}: {failure}", subscription.id),
            record: delivery.to_message().body,
        };
        let put = self.dead_letters.put(&dead).await;
        put.map_err(|source| DispatchError::DeadLetter {
            subscription: subscription.id.to_string(),
            source: Arc::new(source),
        })?;
        Ok(Form::Dead)
    }
}
