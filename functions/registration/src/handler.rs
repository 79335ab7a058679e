//! From CloudFormation's request to the registry, and back to where CloudFormation waits.
//!
//! A stack waits for the answer for up to an hour, so there is always one: whatever the request holds, whatever the
//! registry does, and before Lambda ends the invocation.

use std::time::{Duration, Instant};

use pillarbox_domain::answers::{AnswerError, Answers};
use pillarbox_domain::credential::{KeyDigest, KeyStore, Scope, identify};
use pillarbox_domain::declaration::{DeclarationId, DeclareError, declare, redeclare, withdraw};
use pillarbox_domain::guarded::{Panicked, guarded};
use pillarbox_domain::registry::SubscriptionRegistry;
use pillarbox_domain::subscription::request::FieldFault;
use pillarbox_domain::{Clock, ErrorChain, StoreError, TenantId};
use serde_json::Value;
use tokio::time::timeout;

use crate::properties::Properties;
use crate::protocol::{Answer, Request};

/// The longest that a request may take before it is answered that it failed. The tries to leave the answer take ten
/// seconds more, and the function's time-out is 30.
const WORK_LIMIT: Duration = Duration::from_secs(15);

/// Everything that a registration needs.
pub(crate) struct Registration<R, A, C> {
    /// Keys and subscriptions.
    pub(crate) registry: R,
    /// The administrators' first key.
    pub(crate) administrator: KeyDigest,
    /// What a subscriber queue's name begins with.
    pub(crate) queue_prefix: String,
    /// Where CloudFormation waits.
    pub(crate) answers: A,
    /// What time it is.
    pub(crate) clock: C,
}

/// Why nothing was done. It is told to whoever deploys.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}", told(.0))]
    Properties(Vec<FieldFault>),
    #[error("RequestType must be Create, Update or Delete")]
    RequestType,
    /// A subscription is only taken away by a key of whose it is.
    #[error("ApiKey is not one of the tenant whose subscription this is")]
    OtherTenant,
    #[error(transparent)]
    Declare(#[from] DeclareError),
    #[error("the key could not be checked")]
    Keys(#[source] StoreError),
    #[error("it took too long")]
    TooSlow,
    #[error("the registration failed")]
    Panicked(#[from] Panicked),
}

/// Why CloudFormation does not know what became of its request. Lambda repeats the invocation.
#[derive(Debug, thiserror::Error)]
#[error("nothing was answered")]
pub(crate) struct Unanswered(#[from] AnswerError);

impl<R, A, C> Registration<R, A, C>
where
    R: KeyStore + SubscriptionRegistry,
    A: Answers,
    C: Clock,
{
    /// Does what is asked, and answers.
    pub(crate) async fn handle(&self, event: Value) -> Result<(), Unanswered> {
        let started = Instant::now();
        let mut request = Request::of(event);
        let properties = Properties::of(std::mem::take(&mut request.properties));
        let done = self.work_within_limits(&request, properties).await;
        let answer = match &done {
            Ok(declared) => Answer::success(&request, declared.as_ref()),
            Err(failure) => Answer::failed(&request, &reason(failure)),
        };
        let answered = self.leave(&request.response_url, &answer).await;
        log(&request, &done, &answered, started);
        answered
    }

    async fn leave(&self, url: &str, answer: &Answer<'_>) -> Result<(), Unanswered> {
        // Texts by the names of a structure are always JSON.
        let answer = serde_json::to_string(answer).unwrap_or_default();
        Ok(self.answers.put(url, &answer).await?)
    }

    async fn work_within_limits(
        &self,
        request: &Request,
        properties: Properties,
    ) -> Result<Option<DeclarationId>, Failure> {
        let work = guarded(self.work(request, properties));
        timeout(WORK_LIMIT, work)
            .await
            .map_err(|_| Failure::TooSlow)??
    }

    /// The subscription that is declared now; none after a removal.
    async fn work(
        &self,
        request: &Request,
        properties: Properties,
    ) -> Result<Option<DeclarationId>, Failure> {
        match request.kind.as_str() {
            "Create" | "Update" => self.keep(request, properties).await.map(Some),
            "Delete" => self.delete(request, properties).await.map(|()| None),
            _ => Err(Failure::RequestType),
        }
    }

    /// Makes the subscription what the stack says. Another tenant's or another name's is a new one, and is answered with
    /// its own name, upon which CloudFormation asks for the removal of the old one.
    async fn keep(
        &self,
        request: &Request,
        properties: Properties,
    ) -> Result<DeclarationId, Failure> {
        let owner = self.owner(&properties).await?;
        let wanted = properties.subscription(&owner, &self.queue_prefix);
        let wanted = wanted.map_err(Failure::Properties)?;
        let now = self.clock.now();
        let is_there = request.declared() == Some(DeclarationId::of(&wanted));
        match is_there {
            true => Ok(redeclare(&self.registry, &wanted, now).await?),
            false => Ok(declare(&self.registry, &wanted, now).await?),
        }
    }

    /// What never came to be needs no key to be removed: its key may be why it did not.
    async fn delete(&self, request: &Request, properties: Properties) -> Result<(), Failure> {
        let Some(declared) = request.declared() else {
            return Ok(());
        };
        if self.owner(&properties).await? != declared.owner {
            return Err(Failure::OtherTenant);
        }
        Ok(withdraw(&self.registry, &declared).await?)
    }

    /// The tenant whose key it is, if the key may change subscriptions. Without such a key nothing else is looked at.
    async fn owner(&self, properties: &Properties) -> Result<TenantId, Failure> {
        let refused = |fault| Failure::Properties(vec![fault]);
        let key = properties.api_key().map_err(refused)?;
        let found = identify(&self.registry, &self.administrator, key).await;
        let Some(grant) = found.map_err(Failure::Keys)? else {
            return Err(refused(FieldFault::new(
                "ApiKey",
                "is not a key of this bus",
            )));
        };
        if grant.scopes.contains(&Scope::Operate) {
            Ok(grant.tenant)
        } else {
            let detail = "does not have the scope operate";
            Err(refused(FieldFault::new("ApiKey", detail)))
        }
    }
}

/// All of it in one text.
fn told(faults: &[FieldFault]) -> String {
    let all: Vec<String> = faults
        .iter()
        .map(|fault| format!("{} {}", fault.field, fault.detail))
        .collect();
    all.join("; ")
}

/// What is told to whoever deploys. What is the bus's own fault stands in its log.
fn reason(failure: &Failure) -> String {
    match failure {
        Failure::Keys(_)
        | Failure::Declare(DeclareError::Store(_))
        | Failure::TooSlow
        | Failure::Panicked(_) => "The bus failed; it has been logged. Deploy again.".to_owned(),
        _ => failure.to_string(),
    }
}

/// One line per request.
fn log(
    request: &Request,
    done: &Result<Option<DeclarationId>, Failure>,
    answered: &Result<(), Unanswered>,
    started: Instant,
) {
    let before = request.declared();
    let about = done
        .as_ref()
        .ok()
        .and_then(Option::as_ref)
        .or(before.as_ref());
    let failure = done
        .as_ref()
        .err()
        .map(|failure| ErrorChain(failure).to_string());
    let unanswered = answered
        .as_ref()
        .err()
        .map(|error| ErrorChain(error).to_string());
    tracing::info!(
        tenant.id = about.map(|declared| declared.owner.as_str()),
        subscription.id = about.map(|declared| declared.subscription.as_str()),
        stack.id = request.stack_id,
        request.id = request.request_id,
        request.kind = request.kind,
        outcome = if done.is_ok() { "done" } else { "failed" },
        error = failure,
        unanswered,
        duration_ms = started.elapsed().as_secs_f64() * 1_000.0,
        "registration.handled"
    );
}

#[cfg(test)]
mod tests;
