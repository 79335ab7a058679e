//! Events in the versions that subscriptions ask for, before they are sent.

use std::sync::Arc;

use super::DispatchError;
use super::route::Wanted;
use crate::logged_event::LoggedEvent;
use crate::schema::SchemaVersion;
use crate::schema::delivery::{UpcastError, UpcastFailure, Upcasts};

/// What a subscription gets.
#[derive(Clone)]
pub(crate) enum Form {
    /// The event as it was published.
    AsLogged,
    /// The event with data of a later version.
    BroughtUp(Arc<LoggedEvent>),
    /// Nothing: there is no such version of this event, and never will be.
    Unmakeable(UpcastFailure),
}

impl Form {
    /// The event to send, or why there is none.
    pub(crate) fn event<'a>(
        &'a self,
        logged: &'a LoggedEvent,
    ) -> Result<&'a LoggedEvent, &'a UpcastFailure> {
        match self {
            Self::AsLogged => Ok(logged),
            Self::BroughtUp(event) => Ok(event),
            Self::Unmakeable(failure) => Err(failure),
        }
    }
}

/// Brings an event up for whoever asks for it; once for all who ask for the same version.
pub(super) async fn bring_up<U: Upcasts + Sync>(
    upcasts: &U,
    event: &LoggedEvent,
    wanted: &mut [Wanted<'_>],
) -> Result<(), DispatchError> {
    let mut known: Vec<(SchemaVersion, Form)> = Vec::new();
    for wanted in wanted {
        let Some(target) = wanted.subscription.target_version else {
            continue;
        };
        wanted.form = match known.iter().find(|(version, _)| *version == target) {
            Some((_, form)) => form.clone(),
            None => {
                let form = form(upcasts, event, target).await;
                let form = form.map_err(|error| DispatchError::Version(Arc::new(error)))?;
                known.push((target, form.clone()));
                form
            }
        };
    }
    Ok(())
}

/// The event in this version.
pub(crate) async fn form<U: Upcasts + Sync>(
    upcasts: &U,
    event: &LoggedEvent,
    target: SchemaVersion,
) -> Result<Form, UpcastError> {
    match upcasts.upcast(&event.tenant, &event.event, target).await {
        Ok(None) => Ok(Form::AsLogged),
        Ok(Some(brought_up)) => Ok(Form::BroughtUp(Arc::new(LoggedEvent {
            event: brought_up,
            ..event.clone()
        }))),
        Err(UpcastError::Failed(failure)) => Ok(Form::Unmakeable(failure)),
        Err(error) => Err(error),
    }
}
