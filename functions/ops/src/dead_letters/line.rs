//! One line per letter that was to be sent back.

use pillarbox_domain::letters::{DeadLetterId, NotRedriven, RedriveError, Redriven};
use pillarbox_domain::schema::delivery::UPCAST_FAILED;
use pillarbox_domain::{ErrorChain, TenantId};

pub(super) fn redriven(
    tenant: &TenantId,
    id: DeadLetterId,
    redriven: &Result<Redriven, NotRedriven>,
) {
    let trace_id = redriven.as_ref().ok().and_then(|done| done.trace_id);
    let delivery = redriven
        .as_ref()
        .ok()
        .and_then(|done| done.letter.delivery.as_ref());
    let error = redriven.as_ref().err();
    tracing::info!(
        tenant.id = %tenant,
        trace.id = trace_id.map(|trace_id| trace_id.to_string()),
        dead_letter.id = %id,
        event.id = delivery.map(|delivery| delivery.event_id.to_string()),
        event.r#type = delivery.map(|delivery| delivery.event_type.as_str()),
        subscription.id = delivery.map(|delivery| delivery.subscription.as_str()),
        outcome = if error.is_none() { "redriven" } else { "refused" },
        error = error.map(|why| shown(&why.error)),
        "dead_letter.redriven"
    );
}

/// What a line tells of a refusal. An upcaster's own error quotes data, which only the answer has.
fn shown(error: &RedriveError) -> String {
    match error {
        RedriveError::Version(_) => UPCAST_FAILED.to_owned(),
        error => ErrorChain(error).to_string(),
    }
}
